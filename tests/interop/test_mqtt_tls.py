"""A broker of one's own: mosquitto with TLS, certificates and a password file."""

from __future__ import annotations

import asyncio
import gc
import shutil
import socket
import subprocess
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.links.mqtt.client import MqttLink
from gateway.links.mqtt.config import MqttConfig
from gateway.model.errors import LinkError
from gateway.site.clock import SystemClock
from gateway.site.pki import PkiPaths, ensure_pki

pytestmark = [pytest.mark.interop, pytest.mark.needs("mosquitto", "mosquitto_passwd")]

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> PkiPaths:
    return ensure_pki(tmp_path_factory.mktemp("pki"), "127.0.0.1", ["gateway"])


@asynccontextmanager
async def tls_broker(pki: PkiPaths, folder: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    accounts = folder / "accounts"
    made = await asyncio.create_subprocess_exec(
        "mosquitto_passwd", "-b", "-c", accounts, "tieline", PASSWORD
    )
    assert await made.wait() == 0
    accounts.chmod(0o644)
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\ncafile {pki.ca.certificate}\n"
        f"certfile {pki.server.certificate}\nkeyfile {pki.server.key}\n"
        f"require_certificate true\npassword_file {accounts}\nallow_anonymous false\nuser root\n"
    )
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    broker = await asyncio.create_subprocess_exec(
        program, "-c", folder / "mosquitto.conf", stderr=subprocess.DEVNULL
    )
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.02)
    try:
        yield port
    finally:
        broker.kill()
        await broker.wait()


def link(pki: PkiPaths, port: int, **changes: object) -> MqttLink:
    pair = pki.clients["gateway"]
    settings = {
        "port": port, "site": "s1", "tls": True, "ca": pki.ca.certificate,
        "certificate": pair.certificate, "key": pair.key, "username": "tieline",
        "password": PASSWORD, **changes,
    }  # fmt: skip
    return MqttLink(MqttConfig.model_validate(settings), {}, {}, None, SystemClock())


async def test_tls_with_a_certificate_and_an_account_connects(pki, tmp_path):
    async with tls_broker(pki, tmp_path) as port:
        ours = link(pki, port)
        running = asyncio.create_task(ours.run())
        try:
            async with asyncio.timeout(10):
                while not ours.statistics.connects:
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "changes",
    [{"password": "wrong"}, {"certificate": None, "key": None}, {"ca": None}],
    ids=["wrong password", "no certificate", "broker of an unknown CA"],
)
async def test_anything_less_is_a_lost_link(pki, tmp_path, changes):
    async with tls_broker(pki, tmp_path) as port:
        with pytest.raises(LinkError):
            await asyncio.wait_for(link(pki, port, **changes).run(), 15)
    gc.collect()  # paho leaves the socket of a refused handshake to the collector


def test_the_password_is_not_in_the_settings_text(pki):
    assert PASSWORD not in repr(link(pki, 1).config)
