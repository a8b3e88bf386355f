"""cli.im has no SDK: its page calls it by requests."""

import requests

from checks import *

API = "cli.im"
URL = (ORIGIN if WAY == "endpoint" else "https://open.cli.im") + "/api/v1/qrcode/scan_url"


def scan(url, key=API_KEY, **body):
    answer = requests.post(URL, **(body or {"json": {"url": url}}), headers={"Authorization": f"Bearer {key}"} if key else {})
    equal(answer.headers["Content-Type"], "application/json")
    return answer.status_code, answer.json()


def is_refused(status, code, answer):
    found, body = answer
    equal((found, list(body), body["code"], body["data"]), (status, ["code", "message", "data"], code, None))
    assert body["message"]


with check(API, "a QR code"):
    status, answer = scan(f"{PICTURES_URL}/qr.png")
    equal((status, answer), (200, {"code": 0, "message": "ok", "data": {"content": "https://www.example.com/?q=1", "provider": "Other"}}))

with check(API, "the picture of the vendor's page"):
    _, answer = scan("https://gstatic.clewm.net/caoliao-resource/250221/80bc7c_be831017.png")
    equal(answer["data"], {"content": "https://cli.im", "provider": "Caoliao"})

with check(API, "fields of a form"):
    _, answer = scan("", data={"url": f"{PICTURES_URL}/qr.png"})
    equal(answer["code"], 0)

with check(API, "a wrong key"):
    is_refused(401, 401, scan(f"{PICTURES_URL}/qr.png", key="wrong"))

with check(API, "no key"):
    is_refused(401, 403, scan(f"{PICTURES_URL}/qr.png", key=None))

with check(API, "an address that cannot be reached"):
    is_refused(200, 1031, scan("http://127.0.0.1:9/qr.png"))

with check(API, "no picture"):
    is_refused(200, 1032, scan(f"{PICTURES_URL}/text.png"))

with check(API, "no code in the picture"):
    is_refused(200, 1030, scan(f"{PICTURES_URL}/blank.png"))

with check(API, "no address"):
    is_refused(400, 400, scan("", json={}))
