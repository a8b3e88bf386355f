"""tccli: QrcodeOCR, as its users type it."""

import json
import subprocess
import sys

from checks import *

API = "Tencent OCR"
# Plain http wants the scheme in the endpoint; it then stands in the Host header too, and is signed so.
TO_THE_SERVER = ["--endpoint", ORIGIN] if WAY == "endpoint" else []
KEYS = {"TENCENTCLOUD_SECRET_ID": SECRET_ID, "TENCENTCLOUD_SECRET_KEY": SECRET_KEY, "TENCENTCLOUD_REGION": "ap-guangzhou"}
# It trusts the bundle of certifi alone: its users append our certificate there, which this stands for.
PROGRAM = f"import certifi, sys; certifi.where = lambda: {CA!r}; from tccli.main import main; sys.exit(main())"


def read(*question, **keys):
    command = [sys.executable, "-c", PROGRAM, "ocr", "QrcodeOCR", *TO_THE_SERVER, *question]
    return subprocess.run(command, env={**os.environ, **KEYS, **keys}, capture_output=True, encoding="utf-8")


def is_refused(code, message, ended):
    assert ended.returncode != 0, ended.stdout
    said = ended.stdout + ended.stderr
    assert f"code:{code} " in said and message in said and "requestId:" in said, said


with check(API, "QrcodeOCR: a QR code"):
    ended = read("--ImageBase64", picture_base64("qr.png"))
    equal((ended.returncode, ended.stderr), (0, ""))
    answer = json.loads(ended.stdout)
    equal((answer["CodeResults"][0]["Url"], answer["ImgSize"]), ("https://www.example.com/?q=1", {"Wide": 300, "High": 300}))

with check(API, "QrcodeOCR: a field picked by its filter"):
    ended = read("--ImageUrl", f"{PICTURES_URL}/qr.png", "--filter", "CodeResults[0].TypeName")
    equal(json.loads(ended.stdout), "QR_CODE")

with check(API, "QrcodeOCR: no code in the picture"):
    is_refused("FailedOperation.ImageNoText", "图片中未检测到文本", read("--ImageBase64", picture_base64("blank.png")))

with check(API, "QrcodeOCR: a signature of yesterday"):
    is_refused("AuthFailure.SignatureExpire", "签名过期", read("--ImageUrl", "x", TENCENTCLOUD_SECRET_ID=LATE_ID))

with check(API, "QrcodeOCR: a wrong key"):
    is_refused("AuthFailure.SignatureFailure", "签名验证失败", read("--ImageUrl", "x", TENCENTCLOUD_SECRET_KEY="wrong"))
