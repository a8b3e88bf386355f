// tencentcloud-sdk-go of the generation with one module: QrcodeOCR and QueryBarCode by their types.
package main

import (
	"cmp"
	"encoding/json"

	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/errors"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"
	ocr "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/ocr/v20181119"
	. "qrstack.test/checks"
)

func call(with Arrangement, action string, question map[string]any) ([]byte, error) {
	settings := profile.NewClientProfile()
	if Way == "endpoint" {
		settings.HttpProfile.Endpoint, settings.HttpProfile.Scheme = Endpoint, "HTTP"
	}
	settings.HttpProfile.ReqMethod = cmp.Or(with.Method, "POST")
	settings.SignMethod = cmp.Or(with.SignMethod, "TC3-HMAC-SHA256")
	settings.Language = cmp.Or(with.Language, "zh-CN")
	key := common.NewTokenCredential(cmp.Or(with.ID, SecretID), cmp.Or(with.Key, SecretKey), with.Token)
	client := Got(ocr.NewClient(key, cmp.Or(with.Region, "ap-guangzhou"), settings))
	said := string(Got(json.Marshal(question)))
	if action == "QueryBarCode" {
		request := ocr.NewQueryBarCodeRequest()
		Must(request.FromJsonString(said))
		answer, err := client.QueryBarCode(request)
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer.Response)
	}
	request := ocr.NewQrcodeOCRRequest()
	Must(request.FromJsonString(said))
	answer, err := client.QrcodeOCR(request)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer.Response)
}

func main() {
	OCR(call, func(err error) (string, string, string) {
		refusal := Refused[*errors.TencentCloudSDKError](err)
		return refusal.Code, refusal.Message, refusal.RequestId
	}, true)
}
