"""Fault drills: what is lost says so in time, the rest goes on, all comes back by itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from hil.report.run import BAND_HIGH_PU, BAND_LOW_PU

from .conftest import Watched, good, longest_gap_s, lost

#: Poll period of fast points, s, by profile; a source time may stand still for two of them.
FAST_S = {"feeder": 0.5, "mg680": 0.25}
#: How long a device may take from being started to being read again, s.
BACK_S = 12.0


def ages(watched: Watched, points: list[str]) -> float:
    return max(watched.site.by_id[point].spec.max_age_s for point in points)


async def turns_lost(watched: Watched, name: str, device: str) -> None:
    """Kill a process; every fast point of its device turns COMM_LOST within its age limit."""
    points = watched.points(device, poll="fast")
    await watched.session.bench.kill(name)
    await watched.until(
        lambda status: all(lost(status, point) for point in points), ages(watched, points) + 0.5
    )


async def comes_back(watched: Watched, name: str, *devices: str) -> None:
    await watched.session.bench.restart(name)
    points = [p for p in watched.points(*devices, poll="fast") if good(watched.seen[0][1], p)]
    assert points
    await watched.until(lambda status: all(good(status, point) for point in points), BACK_S)


def others_kept_their_cycle(watched: Watched, since_s: float, but: str) -> None:
    statuses = watched.since(since_s)
    for device in sorted({point.device.name for point in watched.site.points} - {but}):
        point = watched.points(device, poll="fast")[0]
        assert not any(lost(status, point) for status in statuses), point
        assert longest_gap_s(statuses, point) <= 3 * FAST_S.get(device, 0.5), point


async def decides(watched: Watched) -> dict[str, Any]:
    """Notes of a DMS decision made from now on."""
    cycles = watched.status["vvo"]["cycles"]
    await watched.until(lambda status: status["vvo"]["cycles"] >= cycles + 2, 10.0)
    assert watched.status["vvo"]["fault"] == ""
    notes: dict[str, Any] = watched.status["vvo"]["notes"]
    return notes


def nodes_out(truth: Path) -> int:
    last = json.loads(truth.read_text().splitlines()[-2])
    return sum(not BAND_LOW_PU <= v <= BAND_HIGH_PU for v in last["v_pu"].values())


@pytest.mark.demo
async def test_inverter_plc_and_plant_die_in_turn(watched: Watched) -> None:
    bench, truth = watched.session.bench, watched.session.truth
    meters = len(watched.session.facts.voltages)
    await watched.until(lambda status: status["vvo"]["notes"].get("meters") == meters, 15.0)

    began = time.monotonic()
    await turns_lost(watched, "pv675", "pv675")
    notes = await decides(watched)
    assert notes["meters"] == meters, "its voltages are the feeder PLC's, not the inverter's"
    others_kept_their_cycle(watched, began, but="pv675")
    await comes_back(watched, "pv675", "pv675")
    assert nodes_out(truth) == 0

    began = time.monotonic()
    await turns_lost(watched, "feeder_plc", "feeder")
    notes = await decides(watched)
    assert "held" in notes, "blind: every control is held"
    assert watched.status["vvo"]["alarms"]
    others_kept_their_cycle(watched, began, but="feeder")
    await comes_back(watched, "feeder_plc", "feeder")
    notes = await decides(watched)
    assert notes["meters"] == meters
    assert watched.status["vvo"]["alarms"] == []

    # without the plant no device has anything to show; the gateway still talks to all of them
    measured = {point.device.name: point.device for point in watched.site.points}
    await bench.kill("plant")
    fast = [watched.points(device, poll="fast")[0] for device in measured]
    limit_s = max(ages(watched, fast), 2.0) + ages(watched, fast)
    await watched.until(lambda status: all(lost(status, p) for p in fast), limit_s)
    losses = {name: line["losses"] for name, line in watched.status["links"].items()}
    await comes_back(watched, "plant", *measured)
    now = {name: line["losses"] for name, line in watched.status["links"].items()}
    assert now == losses, "no connection was given up for it"
    notes = await decides(watched)
    assert notes["meters"] == meters

    always = [p for p, (_, flags, _) in watched.seen[0][1]["points"].items() if flags & 0x01]
    await watched.until(lambda status: all(good(status, p) for p in always), 12.0)
    assert watched.status["comm_lost_points"] == 0
