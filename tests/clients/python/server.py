"""Starts `lockstep dev` for the tests."""

import json
import os
import select
import subprocess
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def without_ours(environment):
    """The environment without what would configure a Lockstep of the person who runs the tests."""
    return {name: value for name, value in environment.items() if not name.startswith("LOCKSTEP_")}


class Server:
    """A server of the tests' own, on free ports and in memory."""

    def __init__(self):
        target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
        binary = os.environ.get("LOCKSTEP_BIN", str(target / "debug" / "lockstep"))
        self.log = tempfile.TemporaryFile()
        # A cache folder of its own: its certificates must not meet those of the person who runs the tests.
        self.cache = tempfile.TemporaryDirectory(prefix="lockstep-cache-")
        self.process = subprocess.Popen(
            [binary, "dev", "--port", "0", "--json"],
            env={**without_ours(os.environ), "LOCKSTEP_CACHE_DIR": self.cache.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        readable, _, _ = select.select([self.process.stdout], [], [], 30)
        line = self.process.stdout.readline() if readable else b""
        if not line.endswith(b"\n"):
            self.stop()
            raise RuntimeError(f"lockstep dev was not ready: {line!r}\n{self.read_log()}")
        self.ready = json.loads(line)
        # What the official SDKs and the guide's backend look at: httpx and urllib the first, requests the second.
        os.environ["SSL_CERT_FILE"] = os.environ["REQUESTS_CA_BUNDLE"] = self.ready["ca"]

    @property
    def issuer(self):
        return self.ready["issuer"]

    @property
    def domain(self):
        return self.issuer.removeprefix("https://").removesuffix("/")

    def read_log(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-20_000:]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.cache.cleanup()
