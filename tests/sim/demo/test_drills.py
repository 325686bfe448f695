"""Fault drills: what is lost says so in time, the rest goes on, all comes back by itself."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from hil.demo.dnp3master import Dnp3Master, Reading
from hil.report.run import BAND_HIGH_PU, BAND_LOW_PU

from .conftest import COMM_LOST, ONLINE, Watched, good, longest_gap_s, lost

#: Behind the port of one process: the line of the feeder's DNP3 controls.
FEEDER = ("feeder", "reg_a", "reg_b", "reg_c", "cap675", "cap611")
#: Poll period of fast Modbus points, s; a source time may stand still for two of them.
FAST_S = 0.5
#: DNP3's slowest event poll is a second: the others are watched for two of them.
LOOK_S = 2.5
#: A 2030.5 inverter posts every second, and its times have whole ones.
POST_S = 1.0
#: How long a device may take from being started to being read again, and to say so, s.
BACK_S = 12.0
#: The same for a CSIP client: it scans its inverter and walks the server first.
CSIP_BACK_S = 20.0


def ages(watched: Watched, points: list[str]) -> float:
    return max(watched.site.by_id[point].spec.max_age_s for point in points)


async def turns_lost(watched: Watched, name: str, *devices: str) -> None:
    """Kill a process; every fast point of its devices turns COMM_LOST within its age limit."""
    points = watched.fast(*devices)
    assert {point.partition(".")[0] for point in points} == set(devices)
    await watched.session.bench.kill(name)
    await watched.until(
        lambda status: all(lost(status, point) for point in points), ages(watched, points) + 0.5
    )


async def comes_back(watched: Watched, name: str, *devices: str) -> None:
    await watched.session.bench.restart(name)
    points = [p for p in watched.fast(*devices) if good(watched.seen[0][1], p)]
    assert points
    await watched.until(lambda status: all(good(status, point) for point in points), BACK_S)


async def others_kept_their_cycle(watched: Watched, since_s: float, *but: str) -> None:
    """Nothing else was lost; Modbus's times went on, DNP3's outstations went on answering."""
    await watched.until(lambda _: time.monotonic() - since_s > LOOK_S, 2 * LOOK_S)
    statuses = watched.since(since_s)
    for name, device in watched.site.devices.items():
        if name in but:
            continue
        point = watched.fast(name)[0]
        assert not any(lost(status, point) for status in statuses), point
        if device.profile.protocol == "dnp3":
            first, last = (statuses[n]["dnp3"][name]["fragments"] for n in (0, -1))
            assert last > first, name
        else:
            period_s = POST_S if device.profile.protocol == "sep2" else FAST_S
            assert longest_gap_s(statuses, point) <= 3 * period_s, point


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


def losses(watched: Watched) -> dict[str, int]:
    lines = watched.status["links"] | watched.status["dnp3"]
    return {name: line["losses"] for name, line in lines.items()}


async def until_flagged(master: Dnp3Master, flags: int, *places: tuple[str, int]) -> list[Reading]:
    """Poll events until points have these flags; their readings."""
    async with asyncio.timeout(BACK_S):
        while any(master.seen.readings[place].flags & 0x7F != flags for place in places):
            await master.poll()
            await asyncio.sleep(0.1)
    return [master.seen.readings[place] for place in places]


def measurements(watched: Watched, device: str) -> list[str]:
    """What a device measures: DNP3's inputs, the first block read over Modbus."""
    fast = [p for p in watched.fast(device) if good(watched.seen[0][1], p)]
    if watched.site.devices[device].profile.protocol != "dnp3":
        return fast[:1]
    return [p for p in fast if not watched.site.by_id[p].spec.kind.is_output]


async def ders_die_one_by_one(watched: Watched, meters: int) -> None:
    """One of each protocol: SunSpec, the DNP3 DER profile, the microgrid's DNP3 points."""
    for name in ("pv675", "pv634", "mg680"):
        began = time.monotonic()
        await turns_lost(watched, name, name)
        await others_kept_their_cycle(watched, began, name)
        await comes_back(watched, name, name)
    await the_csip_client_dies(watched)
    notes = await decides(watched)
    assert notes["meters"] == meters, "voltages are the feeder's, not the inverters'"
    assert nodes_out(watched.session.truth) == 0


async def the_csip_client_dies(watched: Watched) -> None:
    """The box before a 2030.5 inverter fails: all of it is lost and comes back with its control."""
    name = "pv646"
    began, points = time.monotonic(), watched.fast(name)
    held = watched.status["points"][f"{name}.q_set"][0]
    await watched.session.csip[name].kill()
    await watched.until(
        lambda status: all(lost(status, p) for p in (*points, f"{name}.q_set_ena")),
        ages(watched, [*points, f"{name}.q_set_ena"]) + 3.0,
    )
    await others_kept_their_cycle(watched, began, name)
    await watched.session.csip[name].start()
    back = [*points, f"{name}.q_set_ena"]
    await watched.until(lambda status: all(good(status, p) for p in back), CSIP_BACK_S)
    assert watched.status["points"][f"{name}.q_set"][0] == held


async def feeder_dies(watched: Watched, meters: int, master: Dnp3Master) -> None:
    """Every outstation of the line is lost, the DMS holds, and the utility is told of it."""
    places = {point: place for place, point in watched.session.facts.outstation.points.items()}
    told = [places[p] for p in ("feeder.head_p", "reg_b.tap", "cap675.closed")]
    before = await until_flagged(master, ONLINE, *told)
    began, began_ms = time.monotonic(), time.time_ns() // 1_000_000
    await turns_lost(watched, "feeder_plc", *FEEDER)
    notes = await decides(watched)
    assert "held" in notes, "blind: every control is held"
    assert watched.status["vvo"]["alarms"]

    after = await until_flagged(master, ONLINE | COMM_LOST, *told)
    assert all(reading.time_ms >= began_ms for reading in after), "told when it was lost"
    assert after[1].value == before[1].value, "what is lost keeps its value"
    assert master.seen.readings[places["brk650.closed"]].flags & 0x7F == ONLINE, "another line"
    assert await master.operate(*places["reg_b.tap_cmd"], before[1].value) != "SUCCESS"

    await others_kept_their_cycle(watched, began, *FEEDER)
    await comes_back(watched, "feeder_plc", *FEEDER)
    await until_flagged(master, ONLINE, *told)
    notes = await decides(watched)
    assert notes["meters"] == meters
    assert watched.status["vvo"]["alarms"] == []


async def plant_dies(watched: Watched, meters: int) -> None:
    """No device has anything to show then; the gateway still talks to all of them."""
    devices = tuple(watched.site.devices)
    before = losses(watched)
    await watched.session.bench.kill("plant")
    shown = [point for device in devices for point in measurements(watched, device)]
    limit_s = max(ages(watched, shown), 2.0) + ages(watched, shown)
    await watched.until(lambda status: all(lost(status, p) for p in shown), limit_s)
    await comes_back(watched, "plant", *devices)
    assert losses(watched) == before, "no connection was given up for it"
    notes = await decides(watched)
    assert notes["meters"] == meters


@pytest.mark.demo
async def test_devices_and_plant_die_in_turn(watched: Watched) -> None:
    facts = watched.session.facts
    meters = len(facts.voltages)
    await watched.until(lambda status: status["vvo"]["notes"].get("meters") == meters, 15.0)
    await ders_die_one_by_one(watched, meters)
    port = watched.session.ports["dnp3_outstation"]
    async with Dnp3Master(port, facts.outstation.address) as master:
        await master.integrity()
        await feeder_dies(watched, meters, master)
    await plant_dies(watched, meters)

    always = [p for p, (_, flags, _) in watched.seen[0][1]["points"].items() if flags & ONLINE]
    await watched.until(lambda status: all(good(status, p) for p in always), BACK_S)
    assert watched.status["comm_lost_points"] == 0
