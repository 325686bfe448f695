"""The outstation's map and its index lock: a released index belongs to its point for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from gateway.site.dnp3_map import release, unreleased
from gateway.site.load import load_site

SITE = """\
name = "s1"

[links.lan]
type = "modbus-tcp"

[dnp3_outstation]
port = 20000

[[dnp3_outstation.master]]
name = "ems"
"""
DEVICES = """\
device,profile,link,address,unit
feeder,feeder_plc,lan,127.0.0.1:503,1
"""
MAP = """\
point,object,index,class,static,event,deadband
feeder.head_p,AI,0,2,5,7,2000
feeder.reg_a_tap,AI,1,2,,,
feeder.reg_a_tap_cmd,AO,0,2,,,
feeder.cap675_closed,BI,0,1,,,
feeder.reg_a_ops,CTR,0,3,,,
site.title,OS,0,0,,,
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "devices.csv").write_text(DEVICES)
    (tmp_path / "maps" / "dnp3.csv").write_text(MAP)
    return tmp_path


def faults(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_site(folder)
    return [f"{Path(i.file).name}:{i.line}:{i.column} {i.message}" for i in caught.value.issues]


def rewrite(folder: Path, old: str, new: str) -> None:
    path = folder / "maps" / "dnp3.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_valid_map_is_loaded_row_by_row(folder):
    site = load_site(folder)
    assert [(r.object_, r.index, r.class_) for r in site.dnp3_map][:3] == [
        ("AI", 0, 2), ("AI", 1, 2), ("AO", 0, 2),
    ]  # fmt: skip
    assert len(unreleased(folder / "maps" / "dnp3.lock.csv", site.dnp3_map)) == 6


def test_an_index_taken_twice_an_unknown_point_and_a_wrong_object_are_located(folder):
    rewrite(folder, "feeder.reg_a_tap,AI,1", "feeder.reg_a_tap,AI,0")
    rewrite(folder, "feeder.cap675_closed,BI,0", "feeder.nothing,BI,0")
    rewrite(folder, "feeder.reg_a_ops,CTR", "feeder.reg_a_ops,BI")
    assert faults(folder) == [
        "dnp3.csv:3:21 AI 0 is taken by line 2",
        "dnp3.csv:5:1 there is no point 'feeder.nothing'",
        "dnp3.csv:6:18 feeder.reg_a_ops is CTR, BI cannot show it",
        "dnp3.csv:6:21 BI 0 is taken by line 5",
    ]


def test_a_deadband_finer_than_the_points_own_cannot_be_kept(folder):
    rewrite(folder, "AI,0,2,5,7,2000", "AI,0,2,5,7,10")
    assert faults(folder) == ["dnp3.csv:2:26 deadband 10 is below the point's own 1000"]


def test_each_master_may_have_a_deadband_of_its_own(folder):
    rewrite(folder, "AI,0,2,5,7,2000", "AI,0,2,5,7,2000 ems=5000")
    assert load_site(folder).dnp3_map[0].deadband == {"": 2000.0, "ems": 5000.0}
    rewrite(folder, "2000 ems=5000", "2000 oms=5000")
    assert faults(folder) == ["dnp3.csv:2:26 there is no master 'oms'"]
    rewrite(folder, "2000 oms=5000", "much")
    (fault,) = faults(folder)
    assert fault.startswith("dnp3.csv:2:26 'deadband' = 'much'")


def test_a_variation_that_does_not_exist_is_refused(folder):
    rewrite(folder, "AI,0,2,5,7,2000", "AI,0,2,9,7,2000")
    assert faults(folder) == ["dnp3.csv:2:22 there is no group 30 variation 9"]


def test_a_released_index_never_moves(folder):
    lock = folder / "maps" / "dnp3.lock.csv"
    assert release(lock, load_site(folder).dnp3_map) == 6
    assert release(lock, load_site(folder).dnp3_map) == 0
    rewrite(folder, "feeder.reg_a_tap,AI,1", "feeder.reg_a_tap,AI,7")
    assert faults(folder) == ["dnp3.csv:3:21 feeder.reg_a_tap was released as AI 1"]


def test_a_released_index_is_not_given_to_another_point(folder):
    lock = folder / "maps" / "dnp3.lock.csv"
    release(lock, load_site(folder).dnp3_map)
    rewrite(folder, "feeder.reg_a_tap,AI,1", "feeder.reg_b_tap,AI,1")
    assert faults(folder) == ["dnp3.csv:3:21 AI 1 was released for feeder.reg_a_tap"]


def test_a_row_taken_out_keeps_its_index_reserved(folder):
    lock = folder / "maps" / "dnp3.lock.csv"
    release(lock, load_site(folder).dnp3_map)
    rewrite(folder, "feeder.reg_a_tap,AI,1,2,,,\n", "")
    site = load_site(folder)
    release(lock, site.dnp3_map)
    assert "AI,1,feeder.reg_a_tap" in lock.read_text()


def test_a_lock_that_cannot_be_read_is_a_fault_and_is_not_overwritten(folder):
    lock = folder / "maps" / "dnp3.lock.csv"
    rows = load_site(folder).dnp3_map
    lock.write_text("object,index,point\nAI,one,feeder.head_p\n")
    assert "dnp3.lock.csv:2" in faults(folder)[0]
    with pytest.raises(ConfigError):
        release(lock, rows)
    assert "AI,one" in lock.read_text()


def test_an_outstation_without_masters_or_half_of_tls_is_refused(folder):
    text = SITE.replace("[[dnp3_outstation.master]]\nname", "ca = 'ca.pem'\nlocal = 'x.y'\n#")
    (folder / "site.toml").write_text(text + "\n")
    assert "TLS needs ca, certificate and key" in faults(folder)[0] or "master" in faults(folder)[0]


def test_a_dnp3_device_belongs_on_a_dnp3_link(folder):
    (folder / "devices.csv").write_text(DEVICES + "der,dnp3_der_an2018,lan,127.0.0.1:20001,10\n")
    assert faults(folder) == [
        "devices.csv:3:21 profile 'dnp3_der_an2018' speaks dnp3, link 'lan' is modbus-tcp"
    ]


def test_a_host_that_is_no_network_is_located(folder):
    second = '\n[[dnp3_outstation.master]]\nname = "two"\naddress = 2\nhosts = ["nowhere"]\n'
    (folder / "site.toml").write_text(SITE + second)
    assert any(
        "'nowhere' does not appear to be an IPv4 or IPv6 network" in f for f in faults(folder)
    )


def test_two_masters_of_one_name_are_told_apart_at_check(folder):
    second = '\n[[dnp3_outstation.master]]\nname = "ems"\naddress = 3\n'
    (folder / "site.toml").write_text(SITE + second)
    assert faults(folder) == ["site.toml:6:2 two masters share a name"]
