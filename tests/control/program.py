"""Starts the program for the walks: on a port of its own, with a data folder of its own, and no settings but those given."""

import os
import subprocess
import sys
import tempfile

PATH = os.environ.get("QRSTACK", "target/debug/qrstack")
if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
    PATH = sys.argv.pop(1)


class Program:
    """A running server. `base` is `http://HOST:PORT`."""

    def __init__(self, **settings):
        self.folder = tempfile.TemporaryDirectory()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QRSTACK")}
        environment.update((f"QRSTACK_{name.upper()}", value) for name, value in settings.items())
        self.process = subprocess.Popen(
            [PATH, "serve", "--listen", "127.0.0.1:0", "--data-dir", os.path.join(self.folder.name, "data")],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.base = line.removeprefix("listening on ").strip()
                return
        raise RuntimeError("the program does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()
