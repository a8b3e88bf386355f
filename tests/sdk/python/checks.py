"""What every Python program here needs: how the server is reached, and `check`, which prints one line for `tests/sdk/run`."""

import base64
import json
import os
import pathlib
import urllib.request

WAY = os.environ["SDK_WAY"]
ENDPOINT = os.environ["SDK_ENDPOINT"]
ORIGIN = f"http://{ENDPOINT}"
CA = os.environ["SDK_CA"]
SECRET_ID, SECRET_KEY = os.environ["SDK_SECRET_ID"], os.environ["SDK_SECRET_KEY"]
LATE_ID = os.environ["SDK_LATE_ID"]  # for the server this one's requests are a day old
TEMPORARY = os.environ["SDK_TEMPORARY_ID"], os.environ["SDK_TEMPORARY_KEY"], os.environ["SDK_TEMPORARY_TOKEN"]
APPID, APPSECRET = os.environ["SDK_APPID"], os.environ["SDK_APPSECRET"]
API_KEY = os.environ["SDK_API_KEY"]
BUCKET, REGION = os.environ["SDK_BUCKET"], os.environ["SDK_REGION"]
PICTURES = pathlib.Path(os.environ["SDK_PICTURES"])
PICTURES_URL = os.environ["SDK_PICTURES_URL"]
DRAWN = pathlib.Path(os.environ["SDK_DRAWN"])
AWKWARD_TEXT = "你好 世界+a&b=c/d?e#f%~!*'()<>\""


class check:
    """One check of one API: it fails by whatever is raised inside."""

    def __init__(self, api, name):
        self.api, self.name = api, name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        detail = "" if error is None else f"line {trace.tb_lineno}: {kind.__name__}: {error}"
        print(self.api, "ok" if error is None else "failed", self.name, " ".join(detail.split()), sep="\t", flush=True)
        return error is None or isinstance(error, Exception)


def equal(found, expected):
    assert found == expected, f"{found!r} instead of {expected!r}"


def refused(kind, call, *arguments, **named):
    """The error that a call ends with."""
    try:
        answer = call(*arguments, **named)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}, but {answer!r}")


def pass_time(span):
    """Lets time pass on the server, for the account at WeChat of this program alone."""
    body = json.dumps({"credential": APPID, "advance": span}).encode()
    request = urllib.request.Request(f"{ORIGIN}/_qrstack/v1/clock", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()


def picture(name):
    return (PICTURES / name).read_bytes()


def picture_base64(name):
    return base64.b64encode(picture(name)).decode()


def is_png(data, width):
    equal((data[:8], int.from_bytes(data[16:20], "big")), (b"\x89PNG\r\n\x1a\n", width))


def keep_drawn(name, data, text):
    """Leaves a picture that the server drew to `tests/sdk/run`, which reads it."""
    (DRAWN / name).write_bytes(data)
    (DRAWN / name).with_suffix(".txt").write_text(text + "\n", encoding="utf-8")
