// tencentcloud-sdk-go, its common module: QrcodeOCR and QueryBarCode by the generic client.
package main

import (
	"cmp"
	"encoding/json"

	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/errors"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"
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
	request, response := tchttp.NewCommonRequest("ocr", "2018-11-19", action), tchttp.NewCommonResponse()
	Must(request.SetActionParameters(question))
	if err := common.NewCommonClient(key, cmp.Or(with.Region, "ap-guangzhou"), settings).Send(request, response); err != nil {
		return nil, err
	}
	var envelope struct{ Response json.RawMessage }
	err := json.Unmarshal(response.GetBody(), &envelope)
	return envelope.Response, err
}

func main() {
	OCR(call, func(err error) (string, string, string) {
		refusal := Refused[*errors.TencentCloudSDKError](err)
		return refusal.Code, refusal.Message, refusal.RequestId
	}, false)
}
