"""A site's DNP3 devices in the master's terms: lines shared by address, TLS, serial, modes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.links.dnp3.objects import PointType
from gateway.model.command import CommandMode
from gateway.model.errors import ConfigError
from gateway.site.dnp3 import dnp3_channels, dnp3_devices
from gateway.site.load import load_site

SITE = """\
name = "s1"

[links.field]
type = "dnp3-tcp"
master_address = 7

[links.far]
type = "dnp3-tcp"
ca = "pki/ca.pem"
certificate = "pki/box.pem"
key = "pki/box.key"
server_name = "recloser.example"

[links.line]
type = "dnp3-serial"
serial_port = "/dev/ttyS1"
baud = 19200
parity = "E"
"""
DEVICES = """\
device,profile,link,address,unit,timeout_s
reg,dnp3_regulator,field,10.0.0.7:20000,11,
cap,dnp3_capacitor,field,10.0.0.7:20000,21,
rec,dnp3_recloser,far,10.0.0.8:19999,31,1.5
brk,dnp3_breaker,line,,40,
der,dnp3_der_an2018,line,,41,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "pki").mkdir()
    for name in ("ca.pem", "box.pem", "box.key"):
        (tmp_path / "pki" / name).write_text("")
    (tmp_path / "devices.csv").write_text(DEVICES)
    return tmp_path


def faults(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_site(folder)
    return [f"{Path(i.file).name}:{i.line}:{i.column} {i.message}" for i in caught.value.issues]


def test_outstations_at_one_address_share_a_connection(folder):
    shared, tls, serial = dnp3_channels(load_site(folder))
    assert (shared.host, shared.port, shared.transport, shared.master_address) == (
        "10.0.0.7", 20000, "tcp", 7,
    )  # fmt: skip
    assert tls.tls is not None
    assert tls.tls.certificate == folder / "pki" / "box.pem"
    assert tls.tls.server_name == "recloser.example"
    assert (serial.transport, serial.serial_port, serial.baudrate, serial.parity) == (
        "serial", "/dev/ttyS1", 19200, "E",
    )  # fmt: skip


def test_points_outputs_and_how_they_are_commanded(folder):
    site = load_site(folder)
    positions = {point.spec.id: n for n, point in enumerate(site.points)}
    reg, cap, rec, _, der = dnp3_devices(site, positions)
    assert reg.config.channel == cap.config.channel
    assert (rec.config.address, rec.config.timeout_s) == (31, 1.5)
    assert reg.config.scans == ((0.5, (1, 2, 3)), (5.0, (0,)))
    (tap,) = reg.outputs
    assert (tap.type, tap.index, tap.variation, tap.mode) == (
        PointType.ANALOG_OUTPUT, 0, 2, CommandMode.DIRECT_OPERATE,
    )  # fmt: skip
    (switch,) = cap.outputs
    assert (switch.style, switch.mode) == ("trip-close", CommandMode.SELECT_BEFORE_OPERATE)
    assert switch.feedback == positions["cap.closed"]
    limit = next(output for output in der.outputs if output.point == "der.p_limit")
    assert (limit.index, limit.scale, limit.variation) == (88, 0.1, 1)


def test_how_a_clock_is_set_may_differ_by_device(folder):
    table = DEVICES.replace("timeout_s\n", "timeout_s,time_sync\n").replace(
        "7:20000,11,", "7:20000,11,,none"
    )
    (folder / "devices.csv").write_text(table)
    reg, cap, *_ = dnp3_devices(load_site(folder), _Anywhere())
    assert (reg.config.time_sync, cap.config.time_sync) == ("none", "lan")


class _Anywhere(dict):
    def __missing__(self, key):
        self[key] = len(self)
        return self[key]


def test_a_point_that_a_device_does_not_have_is_left_out(folder):
    (folder / "points.csv").write_text("point,omit\nder.soc,true\nder.p_limit,true\n")
    site = load_site(folder)
    assert "der.soc" not in site.by_id
    assert site.devices["der"].point_of("soc") is None
    positions = {point.spec.id: n for n, point in enumerate(site.points)}
    der = dnp3_devices(site, positions)[-1]
    assert "der.p_limit" not in {output.point for output in der.outputs}


def test_half_of_tls_and_a_serial_line_without_its_port_are_faults(folder):
    text = SITE.replace('key = "pki/box.key"\n', "").replace('serial_port = "/dev/ttyS1"\n', "")
    (folder / "site.toml").write_text(text)
    found = faults(folder)
    assert any("TLS needs ca, certificate and key" in fault for fault in found)
    assert any("needs serial_port" in fault for fault in found)


def test_two_outstations_on_one_line_need_addresses_of_their_own(folder):
    (folder / "devices.csv").write_text(DEVICES.replace("line,,41", "line,,40"))
    (fault,) = faults(folder)
    assert fault.startswith("devices.csv:6:")
    assert "unit 40 at this address stands already at line 5" in fault


def test_an_outstation_at_the_masters_address_and_missing_certificates_are_faults(folder):
    (folder / "devices.csv").write_text(DEVICES.replace("20000,21", "20000,7"))
    (folder / "pki" / "box.key").unlink()
    assert faults(folder) == [
        "devices.csv:3:41 address 7 is the master's own on link 'field'",
        "site.toml:11:1 key 'pki/box.key' is not a file",
    ]
