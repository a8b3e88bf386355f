// cos-go-sdk-v5: qrcode-generate.
package main

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
	. "qrstack.test/checks"
)

const api = "COS"

var bucketURL = map[string]string{"endpoint": Origin}[Way]

// client takes the keys; the proxy comes from the environment.
func client(transport *cos.AuthorizationTransport) *cos.Client {
	address := bucketURL
	if address == "" {
		address = "https://" + Bucket + ".cos." + Region + ".myqcloud.com"
	}
	base := Got(url.Parse(address))
	return cos.NewClient(&cos.BaseURL{BucketURL: base, CIURL: base}, &http.Client{Transport: transport})
}

func usual() *cos.Client {
	return client(&cos.AuthorizationTransport{SecretID: SecretID, SecretKey: SecretKey})
}

func draw(by *cos.Client, text string, mode, width int) (*cos.GenerateQRcodeResult, *cos.Response, error) {
	return by.CI.GenerateQRcode(context.Background(), &cos.GenerateQRcodeOptions{QRcodeContent: text, Mode: mode, Width: width})
}

func drawn(by *cos.Client, text string, mode, width int) []byte {
	answer, _, err := draw(by, text, mode, width)
	Must(err)
	data := Got(base64.StdEncoding.DecodeString(answer.ResultImage))
	Equal(string(data[1:4]), "PNG")
	Equal(int(data[18])<<8|int(data[19]), width)
	return data
}

func isRefused(name string, status int, code, message string, by *cos.Client, text string, mode, width int) {
	Check(api, name, func() {
		_, response, err := draw(by, text, mode, width)
		found := Refused[*cos.ErrorResponse](err)
		Equal([]any{response.StatusCode, found.Code}, []any{status, code})
		That(strings.Contains(found.Message, message), found.Message)
		That(found.RequestID != "" && found.TraceID != "" && found.Resource != "", found)
		Equal(found.RequestID, response.Header.Get("x-cos-request-id"))
	})
}

func main() {
	Check(api, "a QR code", func() { drawn(usual(), "https://www.example.com", 0, 200) })
	Check(api, "a QR code of every awkward character", func() {
		KeepDrawn("cos-go-"+Way+".png", drawn(usual(), AwkwardText, 0, 300), AwkwardText)
	})
	Check(api, "a barcode", func() { drawn(usual(), "50090500019191", 1, 400) })
	Check(api, "a QR code into a file", func() {
		path := os.Getenv("HOME") + "/drawn.png"
		_, _, err := usual().CI.GenerateQRcodeToFile(context.Background(), path, &cos.GenerateQRcodeOptions{QRcodeContent: "a", Width: 200})
		Must(err)
		Equal(string(Got(os.ReadFile(path))[1:4]), "PNG")
	})
	Check(api, "temporary keys", func() {
		drawn(client(&cos.AuthorizationTransport{SecretID: TemporaryID, SecretKey: TemporaryKey, SessionToken: TemporaryToken}), "a", 0, 200)
	})
	query := url.Values{"ci-process": {"qrcode-generate"}, "qrcode-content": {AwkwardText}, "width": {"200"}}
	presigned := func(options cos.PresignedURLOptions) *http.Response {
		options.Query = &query
		signed := Got(usual().Object.GetPresignedURL(context.Background(), http.MethodGet, "/", SecretID, SecretKey, time.Hour, &options))
		return Got(http.Get(signed.String()))
	}
	Check(api, "a presigned URL", func() { Equal(presigned(cos.PresignedURLOptions{}).StatusCode, 200) })
	Check(api, "a presigned URL, its signature in one piece", func() { Equal(presigned(cos.PresignedURLOptions{SignMerged: true}).StatusCode, 200) })
	Check(api, "a presigned URL of yesterday", func() {
		past := time.Now().Add(-24 * time.Hour)
		end := past.Add(time.Hour)
		answer := presigned(cos.PresignedURLOptions{AuthTime: &cos.AuthTime{SignStartTime: past, SignEndTime: end, KeyStartTime: past, KeyEndTime: end}})
		Equal(answer.StatusCode, 403)
		That(strings.Contains(string(Got(io.ReadAll(answer.Body))), "<Message>Request has expired</Message>"))
	})
	if Way == "endpoint" {
		Check(api, "the bucket's own host at another address", func() {
			by := usual()
			by.Host = Bucket + ".cos." + Region + ".myqcloud.com"
			drawn(by, "a", 0, 200)
		})
	}
	if Way == "proxy" {
		Check(api, "plain http through the proxy", func() {
			bucketURL = "http://" + Bucket + ".cos." + Region + ".myqcloud.com"
			defer func() { bucketURL = "" }()
			drawn(usual(), "a", 0, 200)
		})
	}
	const text = "https://www.example.com"
	isRefused("a wrong key", 403, "SignatureDoesNotMatch", "The Signature you specified is invalid.",
		client(&cos.AuthorizationTransport{SecretID: SecretID, SecretKey: "wrong"}), text, 0, 200)
	isRefused("an unknown key", 403, "InvalidAccessKeyId", "does not exist in our records",
		client(&cos.AuthorizationTransport{SecretID: "AKIDunknown0123456789ABCDEFGHIJKLMN", SecretKey: SecretKey}), text, 0, 200)
	isRefused("a signature of yesterday", 403, "AccessDenied", "Request has expired",
		client(&cos.AuthorizationTransport{SecretID: LateID, SecretKey: SecretKey}), text, 0, 200)
	isRefused("a wrong token", 403, "AccessDenied", "Access Denied.",
		client(&cos.AuthorizationTransport{SecretID: TemporaryID, SecretKey: TemporaryKey, SessionToken: "wrong"}), text, 0, 200)
	isRefused("no width", 400, "InvalidArgument", "", usual(), text, 0, 0)
	isRefused("an unknown mode", 400, "InvalidArgument", "", usual(), text, 2, 200)
	isRefused("no text", 400, "InvalidArgument", "", usual(), "", 0, 200)
	isRefused("a text too long", 400, "InvalidArgument", "", usual(), strings.Repeat("a", 3000), 0, 200)
	isRefused("a barcode of Chinese", 400, "InvalidArgument", "", usual(), "你好", 1, 200)
}
