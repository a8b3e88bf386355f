"""werobot: tokens, codes with parameters, and reading a picture by its generic call. Its addresses are constants."""

import time

from werobot.client import Client, ClientException

from checks import *

CODES, SCAN = "WeChat codes", "WeChat scan"


def client(appid=APPID, secret=APPSECRET):
    return Client({"APP_ID": appid, "APP_SECRET": secret})


def is_refused(text, call, *arguments, **named):
    error = refused(ClientException, call, *arguments, **named)
    assert str(error).startswith(text) and " rid: " in str(error), error


by = client()

with check(CODES, "a token"):
    equal(by.grant_token()["expires_in"], 7200)

with check(CODES, "a wrong secret"):
    is_refused("40125: invalid appsecret", client(secret="wrong").grant_token)

with check(CODES, "a temporary code and its picture"):
    answer = by.create_qrcode({"expire_seconds": 2592000, "action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "柜台"}}})
    equal(answer["expire_seconds"], 2592000)
    shown = by.show_qrcode(answer["ticket"])
    equal((shown.status_code, shown.headers["Content-Type"]), (200, "image/jpg"))
    keep_drawn(f"werobot-{WAY}.jpg", shown.content, answer["url"])

with check(CODES, "a permanent code"):
    equal(list(by.create_qrcode({"action_name": "QR_LIMIT_SCENE", "action_info": {"scene": {"scene_id": 7}}})), ["ticket", "url"])

with check(CODES, "the picture of an unknown ticket"):
    equal(by.show_qrcode("gQunknown").status_code, 404)

with check(CODES, "a scene too long"):
    is_refused("40053: ", by.create_qrcode, {"action_name": "QR_LIMIT_STR_SCENE", "action_info": {"scene": {"scene_str": "x" * 65}}})

with check(CODES, "a token that is not in force"):
    stale = client()
    stale._token, stale.token_expires_at = "unknown", time.time() + 7200
    is_refused("40001: ", stale.create_qrcode, {})

with check(SCAN, "a QR code in a file"):
    with open(PICTURES / "qr.png", "rb") as file:
        answer = by.post("https://api.weixin.qq.com/cv/img/qrcode", files={"img": file})
    equal((answer["code_results"][0]["data"], answer["img_size"]), ("https://www.example.com/?q=1", {"w": 300, "h": 300}))

with check(SCAN, "no picture in a file"):
    with open(PICTURES / "text.png", "rb") as file:
        is_refused("101002: ", by.post, "https://api.weixin.qq.com/cv/img/qrcode", files={"img": file})

with check(CODES, "a code and a token that have ended"):
    ticket = by.create_qrcode({"action_name": "QR_SCENE", "action_info": {"scene": {"scene_id": 8}}})["ticket"]
    pass_time("7201s")
    equal(by.show_qrcode(ticket).status_code, 404)
    is_refused("42001: access_token expired", by.create_qrcode, {})
