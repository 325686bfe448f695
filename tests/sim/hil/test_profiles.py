"""The device profiles and the emulated devices say the same."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hil.devices.regmap import load_rows
from hil.devices.sunspec_settings import build_map
from hil.scenario import Scenario

DEVICES = Path(__file__).parents[3] / "devices"
#: What a kind of unit has no value for.
ABSENT = {
    "pv675": {"p_cha_rtg"},
    "pv652": {"p_cha_rtg", "v_ll", "v_b", "v_c", "v_ab", "v_bc", "v_ca"},
    "bat671": set(),
}
MEASURED = (701, 713)


def rows(name: str) -> list[dict[str, str]]:
    with (DEVICES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("profile", "device"),
    [
        ("sunspec_inverter", "pv675"),
        ("sunspec_inverter", "pv652"),
        ("sunspec_battery", "bat671"),
    ],
)
def test_sunspec_points_exist_and_are_implemented(
    scenario: Scenario, profile: str, device: str
) -> None:
    sunspec = build_map(scenario.ders[device])
    for row in rows(profile):
        path = f"{row['model']}.{row['name']}"
        assert path in sunspec.points, row
        point = sunspec.points[path]
        assert point.writable or row["kind"] not in ("AO", "BO"), row
        if int(row["model"]) not in MEASURED:
            absent = row["point"] in ABSENT[device]
            assert (sunspec.get(path) is None) == absent, row


@pytest.mark.parametrize("profile", ["sunspec_inverter", "sunspec_battery"])
def test_limits_a_profile_states_are_those_the_device_keeps(
    scenario: Scenario, profile: str
) -> None:
    device = "bat671" if profile == "sunspec_battery" else "pv675"
    sunspec = build_map(scenario.ders[device])
    for row in rows(profile):
        low, high = sunspec.limits.get(f"{row['model']}.{row['name']}", (None, None))
        if row["kind"] == "AO" and row["max"] and high is not None:
            assert float(row["max"]) >= high, row
        if row["kind"] == "AO" and row["min"] and low is not None:
            assert float(row["min"]) <= low, row


@pytest.mark.parametrize("profile", ["feeder_plc", "mc_plc"])
def test_register_lists_do_not_overlap(profile: str) -> None:
    taken: set[tuple[str, int, int | None]] = set()
    for row in load_rows(DEVICES / f"{profile}.csv"):
        for register in range(row.register, row.register + row.size):
            place = (row.table, register, row.bit)
            assert place not in taken, row
            taken.add(place)
    names = [r["point"] for r in rows(profile)]
    assert len(names) == len(set(names))
