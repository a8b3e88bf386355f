// Package checks has what every Go program here needs: how the server is reached, and Check, which prints one line for
// tests/sdk/run.
package checks

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// AwkwardText has every character that some signer or encoder treats in its own way.
const AwkwardText = `你好 世界+a&b=c/d?e#f%~!*'()<>"`

var (
	Way      = told("SDK_WAY")
	Endpoint = told("SDK_ENDPOINT")
	Origin   = "http://" + Endpoint
	// LateID has the same key; for the server its requests are a day old.
	LateID                       = told("SDK_LATE_ID")
	SecretID, SecretKey          = told("SDK_SECRET_ID"), told("SDK_SECRET_KEY")
	TemporaryID, TemporaryKey    = told("SDK_TEMPORARY_ID"), told("SDK_TEMPORARY_KEY")
	TemporaryToken               = told("SDK_TEMPORARY_TOKEN")
	AppID, AppSecret             = told("SDK_APPID"), told("SDK_APPSECRET")
	Bucket, Region               = told("SDK_BUCKET"), told("SDK_REGION")
	pictures, picturesURL, drawn = told("SDK_PICTURES"), told("SDK_PICTURES_URL"), told("SDK_DRAWN")
)

func told(name string) string {
	value, found := os.LookupEnv(name)
	if !found {
		panic(name + " is not set")
	}
	return value
}

// Check makes one check of one API: it fails by whatever panics inside.
func Check(api, name string, body func()) {
	defer func() {
		state, detail := "ok", ""
		if failed := recover(); failed != nil {
			state, detail = "failed", strings.Join(strings.Fields(fmt.Sprint(failed)), " ")
		}
		fmt.Println(strings.Join([]string{api, state, name, detail}, "\t"))
	}()
	body()
}

// Must panics where there is an error.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// Got is the answer of a call that must not end with an error.
func Got[T any](answer T, err error) T {
	Must(err)
	return answer
}

// Equal panics where the two differ.
func Equal(found, expected any) {
	if !reflect.DeepEqual(found, expected) {
		panic(fmt.Sprintf("%#v instead of %#v", found, expected))
	}
}

// That panics with the words where the condition does not hold.
func That(holds bool, words ...any) {
	if !holds {
		panic(fmt.Sprint(words...))
	}
}

// Refused is the error of this type that a call ended with.
func Refused[E error](err error) E {
	var expected E
	if !errors.As(err, &expected) {
		panic(fmt.Sprintf("no %T, but %v", expected, err))
	}
	return expected
}

// PassTime lets time pass on the server, for the account at WeChat of this program alone.
func PassTime(span string) {
	body := fmt.Sprintf(`{"credential": %q, "advance": %q}`, AppID, span)
	answer := Got(http.Post(Origin+"/_qrstack/v1/clock", "application/json", strings.NewReader(body)))
	Must(answer.Body.Close())
	Equal(answer.StatusCode, 200)
}

// Picture is the path of a picture.
func Picture(name string) string { return filepath.Join(pictures, name) }

// PictureURL is an address that the server has the same picture for.
func PictureURL(name string) string { return picturesURL + "/" + name }

// PictureBase64 is the picture as text.
func PictureBase64(name string) string {
	return base64.StdEncoding.EncodeToString(Got(os.ReadFile(Picture(name))))
}

// KeepDrawn leaves a picture that the server drew to tests/sdk/run, which reads it.
func KeepDrawn(name string, data []byte, text string) {
	path := filepath.Join(drawn, name)
	Must(os.WriteFile(path, data, 0o600))
	Must(os.WriteFile(strings.TrimSuffix(path, filepath.Ext(path))+".txt", []byte(text+"\n"), 0o600))
}
