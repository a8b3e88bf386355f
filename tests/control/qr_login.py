"""A whole login by QR code against the running program, with Python's standard library alone.

    python3 tests/control/qr_login.py PATH_OF_QRSTACK

The application that is told of the scan runs here, on loopback; the guard of outgoing requests stays on and is opened for
this one address.
"""

import base64
import hashlib
import http.server
import json
import subprocess
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree as ElementTree

import program

APPID, SECRET = "wx0123456789abcdef", "0123456789abcdef0123456789abcdef"
TOKEN = "emuToken123"
OPENID = "oEMU_0123456789abcdefghijkl"


class Application(http.server.BaseHTTPRequestHandler):
    """Checks the signature of what it is told, and answers with a message."""

    told = []
    answers = []

    def is_signed(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        texts = sorted([TOKEN, query.get("timestamp", ""), query.get("nonce", "")])
        return hashlib.sha1("".join(texts).encode()).hexdigest() == query.get("signature"), query

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        signed, query = self.is_signed()
        self.answer(200 if signed else 403, query.get("echostr", ""))

    def do_POST(self):
        signed, query = self.is_signed()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not signed:
            self.answer(403, "")
            return
        event = {child.tag: child.text for child in ElementTree.fromstring(body)}
        Application.told.append((query, event))
        status, text = Application.answers.pop(0) if Application.answers else (200, "success")
        self.answer(status, text)

    def log_message(self, *_):
        pass


def fetch(url, data=None, headers=None, method=None):
    """Status and bytes of an answer, whichever status it has."""
    request = urllib.request.Request(url, data=data, headers=headers or {}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class QrLogin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.application = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Application)
        threading.Thread(target=cls.application.serve_forever, daemon=True).start()
        callback = f"http://127.0.0.1:{cls.application.server_port}/wechat"
        cls.program = program.Program(fetch_allow="127.0.0.1/32", wechat_callbacks=f"{APPID}={callback}|{TOKEN}")
        cls.base = cls.program.base

    @classmethod
    def tearDownClass(cls):
        cls.program.stop()
        cls.application.shutdown()
        cls.application.server_close()

    def json(self, path, body=None, expected=200, method=None):
        data = None if body is None else json.dumps(body).encode()
        status, answer = fetch(self.base + path, data, {"Content-Type": "application/json"}, method)
        self.assertEqual(status, expected, answer)
        return json.loads(answer) if answer else None

    def create(self, scene, seconds):
        keys = urllib.parse.urlencode({"grant_type": "client_credential", "appid": APPID, "secret": SECRET})
        token = self.json(f"/cgi-bin/token?{keys}")["access_token"]
        asked = {
            "expire_seconds": seconds,
            "action_name": "QR_STR_SCENE",
            "action_info": {"scene": {"scene_str": scene}},
        }
        return token, self.json(f"/cgi-bin/qrcode/create?access_token={token}", asked)

    def test_a_whole_login(self):
        token, made = self.create("login-7", 600)
        show = self.base + "/cgi-bin/showqrcode?" + urllib.parse.urlencode({"ticket": made["ticket"]})
        status, picture = fetch(show)
        self.assertEqual((status, picture[:2]), (200, b"\xff\xd8"))

        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="img"; filename="a.jpg"\r\n\r\n'
        form = head.encode() + picture + f"\r\n--{boundary}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        _, answer = fetch(f"{self.base}/cv/img/qrcode?access_token={token}", form, kind)
        self.assertEqual([found["data"] for found in json.loads(answer)["code_results"]], [made["url"]])

        reply = "<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[welcome]]></Content></xml>"
        Application.answers.append((200, reply))
        asked = {"picture": base64.b64encode(picture).decode(), "openid": OPENID}
        scanned = self.json("/_qrstack/v1/scan", asked)
        self.assertEqual((scanned["event"], scanned["delivered"]), ("subscribe", True), scanned)
        self.assertEqual(scanned["attempts"][0]["reply"]["message"]["Content"], "welcome")
        query, event = Application.told[-1]
        self.assertEqual(query["openid"], OPENID)
        self.assertEqual((event["Event"], event["EventKey"]), ("subscribe", "qrscene_login-7"))
        self.assertEqual((event["FromUserName"], event["Ticket"]), (OPENID, made["ticket"]))

        again = self.json("/_qrstack/v1/scan", {"url": made["url"], "openid": OPENID})
        self.assertEqual((again["event"], Application.told[-1][1]["EventKey"]), ("SCAN", "login-7"))

        self.json("/_qrstack/v1/clock", {"advance": "601s"})
        self.assertEqual(fetch(show)[0], 404)
        failure = self.json("/_qrstack/v1/scan", {"ticket": made["ticket"]}, expected=410)
        self.assertEqual(failure["error"]["code"], "code_expired")
        self.json("/_qrstack/v1/clock", method="DELETE", expected=200)

    def test_the_address_is_verified_and_failures_are_repeated(self):
        verified = self.json("/_qrstack/v1/callbacks/verify", {"credential": APPID})
        self.assertTrue(verified["verified"], verified)
        _, made = self.create("repeat", 600)
        Application.answers.extend([(500, "")] * 3)
        scanned = self.json("/_qrstack/v1/scan", {"ticket": made["ticket"]})
        self.assertEqual([attempt["status"] for attempt in scanned["attempts"]], [500, 500, 500])
        self.assertFalse(scanned["delivered"])
        times = {event["CreateTime"] for _, event in Application.told[-3:]}
        self.assertEqual(len(times), 1, "repeats have the same time")

    def test_a_drawn_picture_is_read_from_its_address(self):
        recipe = {"text": "https://example.com/", "rotation": 15, "noise": 0.03, "seed": 4}
        made = self.json("/_qrstack/v1/pictures", recipe, expected=201)
        token, _ = self.create("x", 60)
        read = self.json(f"/cv/img/qrcode?access_token={token}&" + urllib.parse.urlencode({"img_url": made["url"]}))
        self.assertEqual(read["code_results"][0]["data"], recipe["text"])

    def test_a_refused_signature_is_explained_offline(self):
        request = (
            "GET /?Action=QueryBarCode&Version=2018-11-19&BarCode=1&Nonce=1&Timestamp=1700000000"
            "&SecretId=EMUsecretExampleKey0123456789abcdefg&Signature=x HTTP/1.1\nHost: ocr.tencentcloudapi.com\n\n"
        )
        command = [program.PATH, "explain", "--json"]
        done = subprocess.run(command, input=request, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(json.loads(done.stdout)["mistakes"][0]["name"], "swapped_id_and_key")
        self.assertNotIn("EMUsecret", done.stdout)
        for text in ["", "hello", "GET / HTTP/1.1\n\n"]:
            done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), text)


if __name__ == "__main__":
    unittest.main()
