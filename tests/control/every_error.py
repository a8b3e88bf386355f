"""A client meets every documented error of all five APIs against the running program: by a rule of the control API, and by
its own input where that can ask for one. Python's standard library alone.

    python3 tests/control/every_error.py PATH_OF_QRSTACK
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import time
import unittest
import urllib.parse
import xml.etree.ElementTree as ElementTree

import program

APPID, SECRET = "wx0123456789abcdef", "0123456789abcdef0123456789abcdef"
SECRET_ID, SECRET_KEY = "AKIDEMUexample0123456789ABCDEFGHIJKL", "EMUsecretExampleKey0123456789abcdefg"
API_KEY = "Abc123456"
PICTURE = "https://gstatic.clewm.net/caoliao-resource/250221/80bc7c_be831017.png"
JSON = {"Content-Type": "application/json"}


def quote(text):
    return urllib.parse.quote(text, safe="-_.~")


def cos(host, content):
    """A signed `qrcode-generate`."""
    parameters = {"ci-process": "qrcode-generate", "mode": "0", "qrcode-content": content, "width": "200"}
    times = f"{int(time.time()) - 60};{int(time.time()) + 600}"
    listed = "&".join(f"{name}={quote(value)}" for name, value in sorted(parameters.items()))
    signed = f"get\n/\n{listed}\nhost={quote(host)}\n"
    to_sign = f"sha1\n{times}\n{hashlib.sha1(signed.encode()).hexdigest()}\n"
    key = hmac.new(SECRET_KEY.encode(), times.encode(), hashlib.sha1).hexdigest()
    signature = hmac.new(key.encode(), to_sign.encode(), hashlib.sha1).hexdigest()
    authorization = (
        f"q-sign-algorithm=sha1&q-ak={SECRET_ID}&q-sign-time={times}&q-key-time={times}&q-header-list=host"
        f"&q-url-param-list={';'.join(sorted(parameters))}&q-signature={signature}"
    )
    return "GET", f"/?{listed}", {"Host": host, "Authorization": authorization}, None


def tencent(host, action, parameters):
    """A call with TC3-HMAC-SHA256."""
    body, now = json.dumps(parameters).encode(), int(time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    canonical = f"POST\n/\n\ncontent-type:application/json\nhost:{host}\n\ncontent-type;host\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{date}/ocr/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{SECRET_KEY}".encode()
    for part in [date, "ocr", "tc3_request", to_sign]:
        last, key = hmac.new(key, part.encode(), hashlib.sha256), hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers = {
        "Host": host,
        "Authorization": f"TC3-HMAC-SHA256 Credential={SECRET_ID}/{scope}, SignedHeaders=content-type;host, "
        f"Signature={last.hexdigest()}",
        "X-TC-Action": action,
        "X-TC-Version": "2018-11-19",
        "X-TC-Region": "ap-guangzhou",
        "X-TC-Timestamp": str(now),
    }
    return "POST", "/", headers | JSON, body


class EveryError(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = program.Program(wechat_tokens=f"{APPID}:T")
        cls.host = cls.program.base.removeprefix("http://")

    @classmethod
    def tearDownClass(cls):
        cls.program.stop()

    def send(self, method, target, headers, body):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def control(self, method, path, body=None, expected=200):
        data = None if body is None else json.dumps(body).encode()
        status, answer = self.send(method, f"/_qrstack/v1{path}", JSON, data)
        self.assertEqual(status, expected, answer)
        return json.loads(answer)

    def request(self, operation, content=None):
        """A request that succeeds where no fault strikes."""
        keys = {"grant_type": "client_credential", "appid": APPID, "secret": SECRET}
        scene = {"scene": {"scene_str": content or "x"}}
        key = {"Authorization": f"Bearer {API_KEY}"}
        return {
            "qrcode-generate": lambda: cos(self.host, content or "x"),
            "QrcodeOCR": lambda: tencent(self.host, operation, {"ImageUrl": content or PICTURE}),
            "QueryBarCode": lambda: tencent(self.host, operation, {"BarCode": content or "6941858722888"}),
            "token": lambda: ("GET", f"/cgi-bin/token?{urllib.parse.urlencode(keys)}", {}, None),
            "stable_token": lambda: ("POST", "/cgi-bin/stable_token", JSON, json.dumps(keys)),
            "img/qrcode": lambda: ("GET", f"/cv/img/qrcode?access_token=T&img_url={quote(content or PICTURE)}", {}, None),
            "qrcode/create": lambda: (
                "POST",
                "/cgi-bin/qrcode/create?access_token=T",
                JSON,
                json.dumps({"action_name": "QR_STR_SCENE", "action_info": scene}),
            ),
            "showqrcode": lambda: ("GET", f"/cgi-bin/showqrcode?ticket={quote(content or 'x')}", {}, None),
            "scan_url": lambda: ("POST", "/api/v1/qrcode/scan_url", JSON | key, json.dumps({"url": content or PICTURE})),
        }[operation]()

    def meets(self, vendor, failure, answer):
        """Whether an answer is what the vendor's table says of a failure."""
        status, body = answer
        self.assertEqual(status, failure["status"], failure)
        code, message = failure["code"], failure["message"]
        if vendor == "tencent_cos":
            error = ElementTree.fromstring(body)
            self.assertEqual((error.findtext("Code"), error.findtext("Message")), (code, message))
        elif vendor == "tencent_ocr":
            error = json.loads(body)["Response"]["Error"]
            self.assertEqual((error["Code"], error["Message"]), (code, message))
        elif vendor == "wechat" and status == 404:
            self.assertEqual(body, b"")
        elif vendor == "wechat":
            error = json.loads(body)
            text = error["errmsg"].split(" rid: ")[0].replace("127.0.0.1", "0.0.0.0")
            self.assertEqual((str(error["errcode"]), text), (code, message))
        else:
            error = json.loads(body)
            self.assertEqual((str(error["code"]), error["message"], error["data"]), (code, message, None))

    def operations(self):
        for vendor in self.control("GET", "/faults/catalog")["vendors"]:
            for operation in vendor["operations"]:
                yield vendor["vendor"], operation

    def test_by_a_rule(self):
        met = 0
        for vendor, of in self.operations():
            operation = of["operation"]
            for failure in of["failures"]:
                rule = {"vendor": vendor, "operation": operation, "fault": failure["fault"], "times": 1}
                self.control("POST", "/faults", rule, expected=201)
                self.meets(vendor, failure, self.send(*self.request(operation)))
                met += 1
            status, body = self.send(*self.request(operation))
            self.assertEqual(status, 404 if operation == "showqrcode" else 200, body)
        self.assertGreater(met, 130)
        print(f"{met} errors met")

    def test_by_an_input(self):
        for vendor, of in self.operations():
            for failure in of["failures"] if of["content"] else []:
                answer = self.send(*self.request(of["operation"], f"qrstack-fault:{failure['fault']}"))
                self.meets(vendor, failure, answer)

    def test_on_the_way(self):
        with self.assertRaises((ConnectionResetError, http.client.RemoteDisconnected)):
            self.send(*self.request("qrcode/create", "qrstack-fault:reset"))
        with self.assertRaises(http.client.IncompleteRead):
            self.send(*self.request("qrcode/create", "qrstack-fault:half"))
        status, body = self.send(*self.request("qrcode/create", "qrstack-fault:garbage"))
        self.assertEqual(status, 200)
        self.assertNotIn(b"ticket", body)
        entries = self.control("GET", "/journal?fault=true&operation=qrcode/create&limit=3")["entries"]
        self.assertEqual([entry["fault"] for entry in entries], ["reset", "half", "garbage"])

    def test_the_journal_waits_and_masks(self):
        self.send(*self.request("token"))
        asked = {"match": {"operation": "token", "code": "ok"}, "timeout_ms": 10000}
        waited = self.control("POST", "/journal/wait", asked)
        self.assertTrue(waited["satisfied"])
        self.assertNotIn(SECRET, json.dumps(waited))
        self.assertEqual(self.control("GET", "/journal/har?operation=token")["log"]["version"], "1.2")


if __name__ == "__main__":
    unittest.main()
