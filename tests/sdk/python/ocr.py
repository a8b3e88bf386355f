"""tencentcloud-sdk-python-ocr, the current one and the last that has QueryBarCode as a type: QrcodeOCR, QueryBarCode."""

import json

from tencentcloud.common import credential
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.ocr.v20181119 import models
from tencentcloud.ocr.v20181119.ocr_client import OcrClient

from checks import *

API = "Tencent OCR"
# This SDK trusts the bundle of certifi and no setting of the system; where TLS is ours it has to be told.
TO_THE_SERVER = {"protocol": "http", "endpoint": ENDPOINT} if WAY == "endpoint" else {"certification": CA}


def client(kind=OcrClient, key=None, region="ap-guangzhou", method="POST", **profile):
    key = credential.Credential(*(key or (SECRET_ID, SECRET_KEY)))
    profile = ClientProfile(httpProfile=HttpProfile(reqMethod=method, **TO_THE_SERVER), **profile)
    return kind(key, region, profile) if kind is OcrClient else kind("ocr", "2018-11-19", key, region, profile)


def read(by, **question):
    request = models.QrcodeOCRRequest()
    request.from_json_string(json.dumps(question))
    return by.QrcodeOCR(request)


def look_up(code, **arrangement):
    if not hasattr(models, "QueryBarCodeRequest"):
        return client(CommonClient, **arrangement).call_json("QueryBarCode", {"BarCode": code})["Response"]
    request = models.QueryBarCodeRequest()
    request.BarCode = code
    return json.loads(client(**arrangement).QueryBarCode(request).to_json_string())


def is_refused(code, message, call, *arguments, **named):
    error = refused(TencentCloudSDKException, call, *arguments, **named)
    equal(error.get_code(), code)
    assert message in error.get_message(), error.get_message()
    equal(len(error.get_request_id()), 36)


def is_the_qr_code(answer):
    [code] = answer.CodeResults
    equal((code.TypeName, code.Url), ("QR_CODE", "https://www.example.com/?q=1"))
    corner, far = code.Position.LeftTop, code.Position.RightBottom
    assert type(corner.X) is int and 0 < corner.X < far.X < 300 and 0 < corner.Y < far.Y < 300, code
    equal((answer.ImgSize.Wide, answer.ImgSize.High), (300, 300))
    equal(len(answer.RequestId), 36)


QR = {"ImageBase64": picture_base64("qr.png")}

with check(API, "QrcodeOCR: a QR code"):
    is_the_qr_code(read(client(), **QR))

with check(API, "QrcodeOCR: a barcode has no position"):
    [code] = read(client(), ImageBase64=picture_base64("bars.png")).CodeResults
    equal((code.TypeName, code.Url, code.Position.LeftTop.X, code.Position.RightBottom.Y), ("CODE-128", "50090500019191", -1, -1))

with check(API, "QrcodeOCR: a picture by address"):
    is_the_qr_code(read(client(), ImageUrl=f"{PICTURES_URL}/qr.png"))

for name, arrangement in {
    "HmacSHA1": {"signMethod": "HmacSHA1"},
    "HmacSHA256": {"signMethod": "HmacSHA256"},
    "HmacSHA1 by GET": {"signMethod": "HmacSHA1", "method": "GET"},
    "TC3 by GET": {"method": "GET"},
    "temporary keys": {"key": TEMPORARY},
    "temporary keys and HmacSHA256": {"key": TEMPORARY, "signMethod": "HmacSHA256"},
}.items():
    with check(API, f"QrcodeOCR: {name}"):
        is_the_qr_code(read(client(**arrangement), ImageUrl=f"{PICTURES_URL}/qr.png"))

with check(API, "QrcodeOCR: the body left out of the signature"):
    by = client()
    by.profile.unsignedPayload = True
    is_the_qr_code(read(by, **QR))

with check(API, "QrcodeOCR: no code in the picture"):
    is_refused("FailedOperation.ImageNoText", "图片中未检测到文本", read, client(), ImageBase64=picture_base64("blank.png"))

with check(API, "QrcodeOCR: an error in English"):
    is_refused("FailedOperation.ImageNoText", "No text is detected", read, client(language="en-US"), ImageBase64=picture_base64("blank.png"))

with check(API, "QrcodeOCR: no picture"):
    is_refused("FailedOperation.ImageDecodeFailed", "图片解码失败", read, client(), ImageBase64=picture_base64("text.png"))

with check(API, "QrcodeOCR: nothing"):
    is_refused("FailedOperation.EmptyImageError", "图片内容为空", read, client())

with check(API, "QrcodeOCR: an address that cannot be reached"):
    is_refused("FailedOperation.DownLoadError", "文件下载失败", read, client(), ImageUrl="http://127.0.0.1:9/qr.png")

with check(API, "QrcodeOCR: a file too large"):
    is_refused("LimitExceeded.TooLargeFileError", "文件内容太大", read, client(), ImageBase64="A" * 3_145_732)

with check(API, "QrcodeOCR: a wrong key"):
    is_refused("AuthFailure.SignatureFailure", "签名验证失败", read, client(key=(SECRET_ID, "wrong")), **QR)

with check(API, "QrcodeOCR: a wrong key and HmacSHA1"):
    is_refused("AuthFailure.SignatureFailure", "签名验证失败", read, client(key=(SECRET_ID, "wrong"), signMethod="HmacSHA1"), **QR)

with check(API, "QrcodeOCR: an unknown key"):
    is_refused("AuthFailure.SecretIdNotFound", "SecretId不存在", read, client(key=("AKIDunknown", SECRET_KEY)), **QR)

with check(API, "QrcodeOCR: a wrong token"):
    is_refused("AuthFailure.TokenFailure", "token", read, client(key=(*TEMPORARY[:2], "wrong")), **QR)

with check(API, "QrcodeOCR: a signature of yesterday"):
    is_refused("AuthFailure.SignatureExpire", "签名过期", read, client(key=(LATE_ID, SECRET_KEY)), **QR)

with check(API, "QrcodeOCR: a signature of yesterday and HmacSHA256"):
    is_refused("AuthFailure.SignatureExpire", "签名过期", read, client(key=(LATE_ID, SECRET_KEY), signMethod="HmacSHA256"), **QR)

with check(API, "QrcodeOCR: a region without this action"):
    is_refused("UnsupportedRegion", "", read, client(region="ap-shanghai"), **QR)

with check(API, "QrcodeOCR: no region"):
    is_refused("MissingParameter", "Region", read, client(region=""), **QR)

with check(API, "QueryBarCode: a product"):
    answer = look_up("6941858722888")
    equal(answer["BarCode"], "06941858722888")
    [product] = answer["ProductDataRecords"]
    equal((product["ProductName"], product["BrandName"], product["CheckResult"]), ("真快洁涂擦式清洁剂", "RQC", "1"))
    equal((len(product), type(product["ImageLink"]), len(answer["RequestId"])), (15, list, 36))

with check(API, "QueryBarCode: an unknown product"):
    [product] = look_up("6901234567892")["ProductDataRecords"]
    equal((product["ProductName"], product["ImageLink"], product["CheckResult"]), ("", [""], "4"))

with check(API, "QueryBarCode: HmacSHA256"):
    equal(look_up("06941858722888", signMethod="HmacSHA256")["BarCode"], "06941858722888")

with check(API, "QueryBarCode: a wrong check digit"):
    is_refused("InvalidParameter.InvalidGTINError", "GTIN", look_up, "6941858722889")

with check(API, "QueryBarCode: an empty code"):
    is_refused("InvalidParameterValue.InvalidParameterValueLimit", "参数值错误", look_up, "")

with check(API, "QueryBarCode: a wrong key"):
    is_refused("AuthFailure.SignatureFailure", "签名验证失败", look_up, "6941858722888", key=(SECRET_ID, "wrong"))

with check(API, "an unknown action"):
    is_refused("InvalidAction", "QueryQrCode", client(CommonClient).call_json, "QueryQrCode", {})
