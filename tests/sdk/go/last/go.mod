// The last whole SDK in one module, whose client of OCR has QrcodeOCR and QueryBarCode as types. Its packages are named like
// the current ones, so it has a module of its own.
module qrstack.test/last

go 1.24

require (
	github.com/tencentcloud/tencentcloud-sdk-go v1.0.162
	qrstack.test/checks v0.0.0
)

replace qrstack.test/checks => ../checks
