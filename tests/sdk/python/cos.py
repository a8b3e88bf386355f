"""cos-python-sdk-v5: qrcode-generate."""

import base64

import requests
from qcloud_cos import CosConfig, CosS3Client, CosServiceError

from checks import *

API = "COS"
TO_THE_SERVER = {"endpoint": {"Scheme": "http", "Domain": ENDPOINT}}.get(WAY, {})


def client(key_id=SECRET_ID, key=SECRET_KEY, **settings):
    return CosS3Client(CosConfig(Region=REGION, SecretId=key_id, SecretKey=key, **{**TO_THE_SERVER, **settings}))


def draw(by, text="https://www.example.com", width=200, **named):
    return by.ci_qrcode_generate(Bucket=BUCKET, QrcodeContent=text, Width=width, **named)


def is_refused(status, code, message, call, *arguments, **named):
    error = refused(CosServiceError, call, *arguments, **named)
    equal((error.get_status_code(), error.get_error_code()), (status, code))
    assert message in error.get_error_msg(), error.get_error_msg()
    assert error.get_request_id() and error.get_trace_id() and BUCKET.split("-")[0] in error.get_resource_location() + BUCKET


with check(API, "a QR code"):
    answer = draw(client(), Mode=0)
    equal(list(answer), ["ResultImage"])
    is_png(base64.b64decode(answer["ResultImage"], validate=True), 200)

with check(API, "a QR code of every awkward character"):
    data = base64.b64decode(draw(client(), AWKWARD_TEXT, 300)["ResultImage"])
    keep_drawn(f"cos-python-{WAY}.png", data, AWKWARD_TEXT)

with check(API, "a barcode"):
    is_png(base64.b64decode(draw(client(), "50090500019191", 400, Mode=1)["ResultImage"]), 400)

with check(API, "temporary keys"):
    key_id, key, token = TEMPORARY
    assert draw(client(key_id, key, Token=token))["ResultImage"]

with check(API, "neither host nor parameters signed"):
    assert draw(client(SignHost=False, SignParams=False))["ResultImage"]

with check(API, "a presigned URL"):
    question = {"ci-process": "qrcode-generate", "qrcode-content": AWKWARD_TEXT, "width": "200", "mode": "0"}
    answer = requests.get(client().get_presigned_url(BUCKET, "/", "GET", Params=question))
    equal((answer.status_code, answer.headers["Content-Type"]), (200, "application/xml"))

if WAY == "endpoint":
    with check(API, "the bucket's own host at another address"):
        address, port = ENDPOINT.split(":")
        assert draw(client(Domain=None, IP=address, Port=int(port)))["ResultImage"]

if WAY == "proxy":
    with check(API, "plain http through the proxy"):
        assert draw(client(Scheme="http"))["ResultImage"]

with check(API, "a wrong key"):
    is_refused(403, "SignatureDoesNotMatch", "The Signature you specified is invalid.", draw, client(key="wrong"))

with check(API, "an unknown key"):
    is_refused(403, "InvalidAccessKeyId", "does not exist in our records", draw, client("AKIDunknown0123456789ABCDEFGHIJKLMN"))

with check(API, "a signature of yesterday"):
    is_refused(403, "AccessDenied", "Request has expired", draw, client(LATE_ID))

with check(API, "a wrong token"):
    key_id, key, _ = TEMPORARY
    is_refused(403, "AccessDenied", "Access Denied.", draw, client(key_id, key, Token="wrong"))

with check(API, "no key at all"):
    is_refused(403, "AccessDenied", "Access Denied.", draw, client(Anonymous=True))

for name, question in {
    "no width": {"width": 0},
    "a width that is no number": {"width": "wide"},
    "an unknown mode": {"Mode": 2},
    "no text": {"text": ""},
    "a text too long": {"text": "a" * 3000},
    "a barcode of Chinese": {"text": "你好", "Mode": 1},
}.items():
    with check(API, name):
        is_refused(400, "InvalidArgument", "", draw, client(), **question)
