package checks

import (
	"encoding/json"
	"strings"
)

const ocr = "Tencent OCR"

// Arrangement is how a client of Tencent Cloud is made; empty fields stand for what is usual.
type Arrangement struct{ ID, Key, Token, Region, SignMethod, Method, Language string }

// Call makes a call and gives the inner part of the answer; an error gives its code, message and request id.
type Call func(with Arrangement, action string, question map[string]any) (answer []byte, err error)

// Refusal takes an error of the SDK apart.
type Refusal func(err error) (code, message, requestID string)

type codes struct {
	CodeResults []struct {
		TypeName, Url string
		Position      struct{ LeftTop, RightTop, RightBottom, LeftBottom struct{ X, Y int64 } }
	}
	ImgSize   struct{ Wide, High int64 }
	RequestId string
}

type products struct {
	BarCode            string
	ProductDataRecords []struct {
		ProductName, BrandName, CheckResult string
		ImageLink                           []string
	}
	RequestId string
}

// OCR checks QrcodeOCR and QueryBarCode. A client without forms loses the parameters of a question that is no JSON.
func OCR(call Call, refusal Refusal, forms bool) {
	read := func(with Arrangement, question map[string]any) (answer codes) {
		Must(json.Unmarshal(Got(call(with, "QrcodeOCR", question)), &answer))
		return answer
	}
	lookUp := func(code string) (answer products) {
		Must(json.Unmarshal(Got(call(Arrangement{}, "QueryBarCode", map[string]any{"BarCode": code})), &answer))
		return answer
	}
	isRefused := func(name, code, message string, with Arrangement, action string, question map[string]any) {
		Check(ocr, name, func() {
			answer, err := call(with, action, question)
			That(err != nil, "no error, but ", string(answer))
			found, said, id := refusal(err)
			Equal(found, code)
			That(strings.Contains(said, message), said)
			Equal(len(id), 36)
		})
	}
	isTheQRCode := func(answer codes) {
		Equal(len(answer.CodeResults), 1)
		code := answer.CodeResults[0]
		Equal([]string{code.TypeName, code.Url}, []string{"QR_CODE", "https://www.example.com/?q=1"})
		That(0 < code.Position.LeftTop.X && code.Position.LeftTop.X < code.Position.RightBottom.X, code)
		Equal([]int64{answer.ImgSize.Wide, answer.ImgSize.High}, []int64{300, 300})
		Equal(len(answer.RequestId), 36)
	}
	qr, blank := map[string]any{"ImageBase64": PictureBase64("qr.png")}, map[string]any{"ImageBase64": PictureBase64("blank.png")}
	address := map[string]any{"ImageUrl": PictureURL("qr.png")}

	Check(ocr, "QrcodeOCR: a QR code", func() { isTheQRCode(read(Arrangement{}, qr)) })
	Check(ocr, "QrcodeOCR: a barcode has no position", func() {
		code := read(Arrangement{}, map[string]any{"ImageBase64": PictureBase64("bars.png")}).CodeResults[0]
		Equal([]any{code.TypeName, code.Url, code.Position.LeftTop.X}, []any{"CODE-128", "50090500019191", int64(-1)})
	})
	Check(ocr, "QrcodeOCR: a picture by address", func() { isTheQRCode(read(Arrangement{}, address)) })
	if forms {
		Check(ocr, "QrcodeOCR: HmacSHA1", func() { isTheQRCode(read(Arrangement{SignMethod: "HmacSHA1"}, address)) })
		Check(ocr, "QrcodeOCR: HmacSHA256", func() { isTheQRCode(read(Arrangement{SignMethod: "HmacSHA256"}, address)) })
		Check(ocr, "QrcodeOCR: HmacSHA1 by GET", func() { isTheQRCode(read(Arrangement{SignMethod: "HmacSHA1", Method: "GET"}, address)) })
		Check(ocr, "QrcodeOCR: TC3 by GET", func() { isTheQRCode(read(Arrangement{Method: "GET"}, address)) })
	}
	Check(ocr, "QrcodeOCR: temporary keys", func() {
		isTheQRCode(read(Arrangement{ID: TemporaryID, Key: TemporaryKey, Token: TemporaryToken}, qr))
	})
	isRefused("QrcodeOCR: no code in the picture", "FailedOperation.ImageNoText", "", Arrangement{}, "QrcodeOCR", blank)
	isRefused("QrcodeOCR: an error in English", "FailedOperation.ImageNoText", "No text is detected",
		Arrangement{Language: "en-US"}, "QrcodeOCR", blank)
	isRefused("QrcodeOCR: no picture", "FailedOperation.ImageDecodeFailed", "", Arrangement{}, "QrcodeOCR",
		map[string]any{"ImageBase64": PictureBase64("text.png")})
	isRefused("QrcodeOCR: nothing", "FailedOperation.EmptyImageError", "", Arrangement{}, "QrcodeOCR", map[string]any{})
	isRefused("QrcodeOCR: an address that cannot be reached", "FailedOperation.DownLoadError", "", Arrangement{}, "QrcodeOCR",
		map[string]any{"ImageUrl": "http://127.0.0.1:9/qr.png"})
	isRefused("QrcodeOCR: a file too large", "LimitExceeded.TooLargeFileError", "", Arrangement{}, "QrcodeOCR",
		map[string]any{"ImageBase64": strings.Repeat("A", 3_145_732)})
	isRefused("QrcodeOCR: a wrong key", "AuthFailure.SignatureFailure", "", Arrangement{Key: "wrong"}, "QrcodeOCR", qr)
	isRefused("QrcodeOCR: an unknown key", "AuthFailure.SecretIdNotFound", "", Arrangement{ID: "AKIDunknown"}, "QrcodeOCR", qr)
	isRefused("QrcodeOCR: a signature of yesterday", "AuthFailure.SignatureExpire", "", Arrangement{ID: LateID}, "QrcodeOCR", qr)
	isRefused("QrcodeOCR: a wrong token", "AuthFailure.TokenFailure", "",
		Arrangement{ID: TemporaryID, Key: TemporaryKey, Token: "wrong"}, "QrcodeOCR", qr)
	isRefused("QrcodeOCR: a region without this action", "UnsupportedRegion", "", Arrangement{Region: "ap-shanghai"}, "QrcodeOCR", qr)

	Check(ocr, "QueryBarCode: a product", func() {
		answer := lookUp("6941858722888")
		Equal([]any{answer.BarCode, len(answer.RequestId)}, []any{"06941858722888", 36})
		product := answer.ProductDataRecords[0]
		Equal([]string{product.ProductName, product.BrandName, product.CheckResult}, []string{"真快洁涂擦式清洁剂", "RQC", "1"})
	})
	Check(ocr, "QueryBarCode: an unknown product", func() {
		product := lookUp("6901234567892").ProductDataRecords[0]
		Equal([]any{product.ProductName, product.ImageLink, product.CheckResult}, []any{"", []string{""}, "4"})
	})
	isRefused("QueryBarCode: a wrong check digit", "InvalidParameter.InvalidGTINError", "GTIN", Arrangement{}, "QueryBarCode",
		map[string]any{"BarCode": "6941858722889"})
	isRefused("QueryBarCode: a wrong key", "AuthFailure.SignatureFailure", "", Arrangement{Key: "wrong"}, "QueryBarCode",
		map[string]any{"BarCode": "6941858722888"})
}
