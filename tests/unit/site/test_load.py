"""A site folder: every fault at once with file, line and column, or a valid site."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from gateway.model.point import PointKind
from gateway.site.load import load_site

SITE = """\
name = "s1"

[links.lan]
type = "modbus-tcp"

[groups.mg]
backend = "plc"
device = "mg"
"""
DEVICES = """\
device,profile,link,address,unit
mg,mc_plc,lan,127.0.0.1:502,54
feeder,feeder_plc,lan,127.0.0.1:503,1
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "devices.csv").write_text(DEVICES)
    return tmp_path


def faults(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_site(folder)
    return [
        f"{Path(issue.file).name}:{issue.line}:{issue.column} {issue.message}"
        for issue in caught.value.issues
    ]


def test_a_valid_site_has_every_point_of_every_device(folder):
    site = load_site(folder)
    assert site.by_id["mg.poi_p"].spec.kind is PointKind.AI
    assert site.by_id["mg.poi_p"].spec.unit == "W"
    assert [device.name for device in site.members("mg")] == ["mg"]
    assert site.groups_of("feeder") == ()


def test_outputs_need_their_own_read_back_and_their_local_switch(folder):
    site = load_site(folder)
    rule = site.by_id["feeder.reg_a_tap_cmd"].rule
    assert rule is not None
    assert rule.requires == ("feeder.reg_a_tap_cmd",)
    assert rule.local_point == "feeder.reg_a_local"
    limit_rule = site.by_id["mg.req_limit"].rule
    assert limit_rule is not None
    assert limit_rule.local_point == "mg.local"


def test_outputs_advise_until_the_site_says_act(folder):
    assert not any(point.spec.act for point in load_site(folder).points)
    (folder / "points.csv").write_text("point,act\nfeeder.reg_a_tap_cmd,true\n")
    acting = [point.spec.id for point in load_site(folder).points if point.spec.act]
    assert acting == ["feeder.reg_a_tap_cmd"]


def test_every_fault_of_every_file_is_reported_at_once(folder):
    (folder / "site.toml").write_text(SITE + 'colour = "red"\n')
    (folder / "devices.csv").write_text(
        "device,profile,link,address,unit\n"
        "mg,mc_plc,lan,127.0.0.1,54\n"
        "feeder,no_such,lan,127.0.0.1:503,1\n"
        "Feeder2,feeder_plc,lan,127.0.0.1:504,one\n"
        "x,feeder_plc,wan,127.0.0.1:505,1\n"
    )
    assert [fault.partition(" ")[0] for fault in faults(folder)] == [
        "devices.csv:2:15",
        "devices.csv:3:8",
        "devices.csv:4:1",
        "devices.csv:4:38",
        "devices.csv:5:14",
        "site.toml:9:1",
    ]


def test_a_syntax_error_says_where(folder):
    (folder / "site.toml").write_text('name = "s1"\n[links.lan\n')
    assert faults(folder)[0].startswith("site.toml:2:")


def test_an_unknown_group_member_is_named(folder):
    (folder / "site.toml").write_text(SITE.replace('device = "mg"', 'device = "nn"'))
    assert faults(folder) == ["site.toml:8:1 there is no device 'nn'"]


def test_two_devices_at_one_address_are_refused(folder):
    (folder / "devices.csv").write_text(DEVICES.replace("503,1", "502,54"))
    assert faults(folder) == [
        "devices.csv:3:23 unit 54 at this address stands already at line 2",
    ]


def test_an_override_of_no_point_is_refused(folder):
    (folder / "points.csv").write_text("point,act\nmg.no_such,true\n")
    assert faults(folder) == ["points.csv:2:1 there is no point 'mg.no_such'"]


def test_overlapping_northbound_registers_are_refused(folder):
    (folder / "site.toml").write_text(SITE + "\n[modbus_server]\nport = 1502\n")
    (folder / "maps").mkdir()
    (folder / "maps/modbus.csv").write_text(
        "point,table,register,type\nmg.poi_p,input,0,int32\nmg.poi_q,input,1,int32\n"
    )
    assert faults(folder) == ["modbus.csv:3:16 input 1 is taken by line 2"]


def test_a_command_cannot_be_offered_in_a_read_only_table(folder):
    (folder / "site.toml").write_text(SITE + "\n[modbus_server]\nport = 1502\n")
    (folder / "maps").mkdir()
    (folder / "maps/modbus.csv").write_text("point,table,register,type\nmg.req_p,input,0,int16\n")
    (fault,) = faults(folder)
    assert fault.startswith("modbus.csv:2:10 mg.req_p takes commands")


def test_a_missing_file_says_so(tmp_path):
    assert "cannot be read" in faults(tmp_path)[0]


@pytest.mark.parametrize("text", ["", "# nothing\n", "device,profile\n"])
def test_a_device_table_without_its_columns_is_refused(folder, text):
    (folder / "devices.csv").write_text(text)
    assert any("devices.csv" in fault for fault in faults(folder))


def test_a_comma_too_many_is_located(folder):
    (folder / "devices.csv").write_text(DEVICES.replace("54\n", "54,7\n"))
    assert any(fault.startswith("devices.csv:2:1 has 6 cells") for fault in faults(folder))


def test_ten_thousand_points_load_without_delay(folder):
    rows = "".join(
        f"f{number},feeder_plc,lan,10.0.{number // 250}.{number % 250}:502,1\n"
        for number in range(220)
    )
    (folder / "devices.csv").write_text(DEVICES + rows)
    started = time.process_time()
    site = load_site(folder)
    assert len(site.points) > 10_000
    # the bench states the figure (under 1 s); here only that nothing is quadratic
    assert time.process_time() - started < 10


def test_a_place_is_a_latitude_and_a_longitude(folder):
    (folder / "maps").mkdir()
    (folder / "maps" / "network.csv").write_text("role,element,source,command\n")
    text = SITE + "[dms]\n[dms.forecast]\nlatitude_deg = 40.0\n"
    (folder / "site.toml").write_text(text)
    (fault,) = faults(folder)
    assert "a place needs latitude_deg and longitude_deg" in fault
    assert fault.startswith("site.toml:")
    (folder / "site.toml").write_text(text + "longitude_deg = -80.0\n")
    dms = load_site(folder).file.dms
    assert dms is not None
    assert (dms.forecast.latitude_deg, dms.forecast.longitude_deg) == (40.0, -80.0)
