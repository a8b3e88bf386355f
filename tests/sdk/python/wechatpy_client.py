"""wechatpy: tokens, codes with parameters, and reading a picture by its generic call."""

import requests
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException

from checks import *

CODES, SCAN = "WeChat codes", "WeChat scan"
API_ORIGIN = ORIGIN if WAY == "endpoint" else "https://api.weixin.qq.com"


class Redirected(WeChatClient):
    """The address of tokens is a constant in this SDK, so the endpoint way takes a subclass."""

    API_BASE_URL = f"{ORIGIN}/cgi-bin/"

    def fetch_access_token(self):
        return self._fetch_access_token(f"{ORIGIN}/cgi-bin/token", {
            "grant_type": "client_credential", "appid": self.appid, "secret": self.secret})


def client(appid=APPID, secret=APPSECRET, **settings):
    return (Redirected if WAY == "endpoint" else WeChatClient)(appid, secret, **settings)


def scan(by, **question):
    return by.post(f"{API_ORIGIN}/cv/img/qrcode", **question)


def is_refused(code, message, call, *arguments, **named):
    error = refused(WeChatClientException, call, *arguments, **named)
    equal(error.errcode, code)
    assert error.errmsg.startswith(message) and " rid: " in error.errmsg, error.errmsg


def made(name, expires, scene, **more):
    answer = client().qrcode.create({"action_name": name, "action_info": {"scene": scene}, **more})
    equal(list(answer), ["ticket", "expire_seconds", "url"] if expires else ["ticket", "url"])
    equal(answer.get("expire_seconds"), expires)
    assert len(answer["ticket"]) == 96 and answer["url"].startswith("http://weixin.qq.com/q/02"), answer
    return answer


by = client()

with check(CODES, "a token"):
    answer = by.fetch_access_token()
    equal((list(answer), answer["expires_in"]), (["access_token", "expires_in"], 7200))

with check(CODES, "a wrong secret"):
    is_refused(40125, "invalid appsecret", client(secret="wrong").fetch_access_token)

with check(CODES, "an unknown account"):
    is_refused(40013, "invalid appid", client("wxffffffffffffffff").fetch_access_token)

with check(CODES, "a temporary code"):
    made("QR_SCENE", 1800, {"scene_id": 123}, expire_seconds=1800)

with check(CODES, "a temporary code of a text, for the time it gets unasked"):
    made("QR_STR_SCENE", 60, {"scene_str": "柜台 1"})

with check(CODES, "permanent codes"):
    made("QR_LIMIT_SCENE", None, {"scene_id": 100000})
    first, again = (made("QR_LIMIT_STR_SCENE", None, {"scene_str": "柜台 2"}) for _ in range(2))
    equal(again, first)

if WAY != "endpoint":
    with check(CODES, "the picture"):
        answer = made("QR_SCENE", 1800, {"scene_id": 124}, expire_seconds=1800)
        shown = by.qrcode.show(answer)
        equal((shown.status_code, shown.headers["Content-Type"], shown.content[:3]), (200, "image/jpg", b"\xff\xd8\xff"))
        equal(requests.get(by.qrcode.get_url(answer)).content, shown.content)
        keep_drawn(f"wechatpy-{WAY}.jpg", shown.content, answer["url"])

    with check(CODES, "the picture of an unknown ticket"):
        equal(by.qrcode.show("gQunknown").status_code, 404)

with check(CODES, "an unknown action"):
    is_refused(40052, "invalid action name", by.qrcode.create, {"action_name": "QR"})

with check(CODES, "a scene of zero"):
    is_refused(40053, "invalid action info", by.qrcode.create, {"action_name": "QR_SCENE", "action_info": {"scene": {"scene_id": 0}}})

with check(CODES, "a token that is not in force is fetched anew"):
    stale = client()
    stale.session.set(stale.access_token_key, "unknown")
    assert stale.qrcode.create({"action_name": "QR_SCENE", "action_info": {"scene": {"scene_id": 1}}})["ticket"]

with check(CODES, "a token that is not in force, left alone"):
    stale = client(auto_retry=False)
    stale.session.set(stale.access_token_key, "unknown")
    is_refused(40001, "invalid credential", stale.qrcode.create, {"action_name": "QR_SCENE"})

with check(SCAN, "a QR code"):
    answer = scan(by, files={"img": picture("qr.png")})
    equal(list(answer), ["errcode", "errmsg", "code_results", "img_size"])
    equal((answer["errcode"], answer["errmsg"], answer["img_size"]), (0, "ok", {"w": 300, "h": 300}))
    [code] = answer["code_results"]
    equal((code["type_name"], code["data"], sorted(code["pos"])),
          ("QR_CODE", "https://www.example.com/?q=1", ["left_bottom", "left_top", "right_bottom", "right_top"]))

with check(SCAN, "a barcode has no position"):
    equal(scan(by, files={"img": picture("bars.png")})["code_results"], [{"type_name": "CODE_128", "data": "50090500019191"}])

with check(SCAN, "a picture by address"):
    equal(len(scan(by, params={"img_url": f"{PICTURES_URL}/qr.png"})["code_results"]), 1)

with check(SCAN, "no code in the picture"):
    equal(scan(by, files={"img": picture("blank.png")})["code_results"], [])

with check(SCAN, "no picture"):
    is_refused(101002, "invalid image data", scan, by, files={"img": picture("text.png")})

with check(SCAN, "an address that cannot be reached"):
    is_refused(101000, "invalid image url", scan, by, params={"img_url": "http://127.0.0.1:9/qr.png"})

with check(SCAN, "nothing"):
    is_refused(41005, "media data missing", scan, by)

with check(SCAN, "a token that is not in force"):
    is_refused(40001, "invalid credential", scan, client(auto_retry=False), params={"access_token": "unknown"}, files={"img": picture("qr.png")})

if WAY != "endpoint":
    with check(CODES, "the picture of a code that has ended"):
        answer = made("QR_SCENE", 1800, {"scene_id": 125}, expire_seconds=1800)
        pass_time("1801s")
        equal(by.qrcode.show(answer).status_code, 404)

with check(CODES, "a token that has ended"):
    old = client(auto_retry=False)
    old.fetch_access_token()
    pass_time("7201s")
    is_refused(42001, "access_token expired", old.qrcode.create, {"action_name": "QR_SCENE"})

with check(CODES, "a token that has ended is fetched anew"):
    by.fetch_access_token()
    pass_time("7201s")
    assert by.qrcode.create({"action_name": "QR_SCENE", "action_info": {"scene": {"scene_id": 1}}})["ticket"]
