"""[microgrid] in a site: its faults with their places, and the points the gateway holds itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model.command import Command, CommandStatus, Priority
from gateway.model.errors import ConfigError
from gateway.points.store import PointStore
from gateway.site.load import load_site
from gateway.site.own_points import OwnPoints
from tests.conftest import VirtualClock
from tests.unit.microgrid.virtual import config


def _spoilt(folder: Path, old: str, new: str, file: str = "site.toml") -> str:
    config(folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_site(folder)
    return str(caught.value)


def test_a_device_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    told = _spoilt(tmp_path, 'poi = "poi"', 'poi = "pio"')
    assert "there is no device 'pio'" in told
    line = (tmp_path / "site.toml").read_text().splitlines().index('poi = "pio"') + 1
    assert f"site.toml:{line}:" in told


def test_a_device_that_has_not_what_it_takes_is_refused(tmp_path: Path) -> None:
    told = _spoilt(tmp_path, 'device = "bat"', 'device = "pv"')
    assert "'sunspec_inverter' of 'pv' has no running, forming" in told


def test_the_controllers_own_points_are_behind_no_link(tmp_path: Path) -> None:
    told = _spoilt(tmp_path, 'device = "mg"\npoi', 'device = "bat"\npoi')
    assert "is a device behind a link" in told


def test_an_own_device_needs_an_own_link(tmp_path: Path) -> None:
    told = _spoilt(tmp_path, "mg,microgrid_controller,own,,", "mg,microgrid_controller,plc,,",
                   "devices.csv")  # fmt: skip
    assert "speaks own" in told


def test_a_group_behind_the_poi_must_be_one_of_the_site(tmp_path: Path) -> None:
    told = _spoilt(tmp_path, "groups = []", 'groups = ["fleet"]')
    assert "there is no group 'fleet'" in told


def test_reserves_that_do_not_rise_are_refused(tmp_path: Path) -> None:
    told = _spoilt(
        tmp_path, "[microgrid.pace]", "[microgrid.reserve]\nstart_pct = 70\n[microgrid.pace]"
    )
    assert "must rise" in told


def test_a_remote_group_needs_its_certificates(tmp_path: Path) -> None:
    told = _spoilt(
        tmp_path, 'backend = "plc"\ndevice = "mg"',
        'backend = "remote"\nurl = "https://192.0.2.7:15443/groups"',
    )  # fmt: skip
    assert "a remote group needs url, group, ca, certificate and key" in told


@pytest.fixture
def own(tmp_path: Path, clock: VirtualClock) -> tuple[PointStore, OwnPoints]:
    config(tmp_path)
    site = load_site(tmp_path)
    store = PointStore([point.spec for point in site.points], clock)
    return store, OwnPoints(site, store, clock)


def _told(point: str, value: float) -> Command:
    return Command(point, value, "dms", Priority.GROUP_FUNCTION)


async def test_nothing_is_asked_when_the_gateway_starts(own: tuple[PointStore, OwnPoints]) -> None:
    store, _ = own
    for name in ("mg.req_disconnect", "mg.req_p_active", "mg.req_black_start"):
        assert store[name].is_good
        assert store[name].value == 0.0


async def test_an_output_told_since_the_image_is_not_cleared(
    own: tuple[PointStore, OwnPoints], clock: VirtualClock
) -> None:
    """A request that came while the step was reckoning is not lost with the one before."""
    store, points = own
    await points.operate(_told("mg.req_connect", 1.0))
    image = store.freeze()
    clock.advance(0.2)
    result = await points.operate(_told("mg.req_connect", 1.0))
    assert result.status is CommandStatus.SUCCESS
    points.show({"mg.req_connect": 0.0}, image)
    assert store["mg.req_connect"].value == 1.0
    image = store.freeze()
    points.show({"mg.req_connect": 0.0}, image)
    assert store["mg.req_connect"].value == 0.0


def test_what_is_not_known_keeps_its_value_and_loses_its_quality(
    own: tuple[PointStore, OwnPoints],
) -> None:
    store, points = own
    points.show({"mg.poi_p": 5e3}, store.freeze())
    assert store["mg.poi_p"].is_good
    points.show({"mg.poi_p": None}, store.freeze())
    assert store["mg.poi_p"].value == 5e3
    assert not store["mg.poi_p"].is_good


def test_own_points_turn_comm_lost_while_the_controller_is_silent_and_recover(
    own: tuple[PointStore, OwnPoints], clock: VirtualClock
) -> None:
    store, points = own
    points.show({"mg.poi_p": 5e3}, store.freeze())
    clock.advance(10.0)
    store.age()
    assert not store["mg.poi_p"].is_good
    assert not store["mg.req_p_active"].is_good
    points.show({"mg.poi_p": 6e3}, store.freeze())
    assert store["mg.poi_p"].is_good
    assert store["mg.req_p_active"].is_good
