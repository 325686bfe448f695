"""The endpoint under attack: a process of its own, its peak memory, its counts."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.groups.messages import Address, StatusRequest
from gateway.groups.xml import encode
from gateway.links.cim.tls import client_context
from gateway.site.pki import pki_paths

ROOT = Path(__file__).resolve().parents[2]


class Victim:
    """The endpoint's process, spoken to through the standard library alone."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("endpoint.py")), str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        paths = pki_paths(folder, ["dms", "operator"])
        self.tls = {
            name: client_context(pair.certificate, pair.key, paths.ca.certificate)
            for name, pair in paths.clients.items()
        }
        self._numbers = iter(range(1_000_000))

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()

    def memory_kib(self, field: str) -> int:
        """``VmRSS`` now, or ``VmHWM``: the highest it has been since :meth:`forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith(field))
        return int(line.split()[1])

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def connect(self, name: str = "dms", timeout_s: float = 5.0) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self.tls[name], timeout=timeout_s
        )

    def raw(self, name: str = "dms") -> ssl.SSLSocket:
        """A TLS connection on which nothing has been said."""
        connection = self.connect(name)
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        return connection.sock

    def post(self, body: bytes, **headers: str) -> tuple[int, bytes, float]:
        """Status, answer and seconds from the first byte of the request to the last of that."""
        connection = self.connect()
        connection.connect()
        began = time.perf_counter()
        with contextlib.closing(connection):
            told = {"Content-Type": "application/xml", **headers}
            # a server that refuses by the head closes before it has read the body
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                connection.request("POST", "/groups", body, told)
            answer = connection.getresponse()
            content = answer.read()
        return answer.status, content, time.perf_counter() - began

    def request(self) -> bytes:
        """A valid request that has not been sent before."""
        number = next(self._numbers)
        address = Address(message_id=f"f{number}", dms_id="dms", group_id="mg", time_ms=1)
        return encode(StatusRequest(address=address))

    def serves(self, name: str = "operator") -> float:
        """Seconds an honest client waits for its reply, handshake and all."""
        began = time.perf_counter()
        connection = self.connect(name)
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/xml"}
            connection.request("POST", "/groups", self.request(), headers)
            assert connection.getresponse().status == 200
        return time.perf_counter() - began

    def counts(self) -> dict[str, object]:
        connection = self.connect("operator")
        with contextlib.closing(connection):
            connection.request("GET", "/counts")
            return json.loads(connection.getresponse().read())


@pytest.fixture(scope="module")
def victim(tmp_path_factory):
    found = Victim(tmp_path_factory.mktemp("pki"))
    yield found
    found.close()
