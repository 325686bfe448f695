"""The feeder's DNP3 controls before masters of three other makers.

Addresses, indices and scales are spelled out: the point lists are what a vendor would have printed.
"""

from __future__ import annotations

import time

import pytest
from py1815.application import FunctionCode
from py1815.control import AnalogOutput, CommandStatus
from py1815.session import Control

from hil.devices.dnp3_feeder import Dnp3Feeder
from hil.devices.dnp3_mc import Dnp3Mc
from hil.devices.dnp3_switchgear import Dnp3Switchgear
from hil.devices.mc_plc import McPlc, build_mc_plc
from hil.plant.engine import Feeder
from hil.plant.terminals import Instruments
from hil.plant.world import Plant, Snapshot
from hil.scenario import Fault, Scenario
from hil.wire import Message
from tests.sim.hil.masters import MASTERS, by_py1815, on_one_channel, serving, until

ONLINE, RESTART, COMM_LOST = 0x01, 0x02, 0x04
METERS, REG_A, REG_B, REG_C, CAP675, CAP611 = 10, 11, 12, 13, 21, 22
BRK650, REC671, SEC692, SEC684 = 31, 32, 33, 34


class Switch:
    """Plant data young or not, as the test likes."""

    on = True

    def __call__(self) -> bool:
        return self.on


@pytest.fixture(params=sorted(MASTERS))
def master(request: pytest.FixtureRequest):
    return MASTERS[request.param]


@pytest.fixture
def feeder_message(quiet: Instruments, snapshot: Snapshot) -> Message:
    return quiet.message("feeder_plc", 1, 1.0, snapshot)


@pytest.fixture
def feeder(scenario: Scenario, feeder_message: Message) -> Dnp3Feeder:
    device = Dnp3Feeder(scenario, Switch())
    device.on_step(feeder_message)
    return device


# -- feeder: meters, regulators, capacitors --------------------------------------------------------


async def test_every_control_on_the_line_answers_for_itself(feeder, snapshot) -> None:
    addresses = [METERS, REG_A, REG_B, REG_C, CAP675, CAP611]
    async with (
        serving(feeder.stations) as port,
        on_one_channel(port, addresses) as (meters, reg_a, reg_b, reg_c, cap675, cap611),
    ):
        for peer in (meters, reg_a, reg_b, reg_c, cap675, cap611):
            await peer.integrity()
    head_w = sum(s.real for s in snapshot.head_va)
    assert meters.seen.readings["AI", 6].value == pytest.approx(head_w, abs=1)
    for index, node in ((8, "rg60.1"), (14, "675.1"), (21, "646.3"), (23, "611.3")):
        raw = meters.seen.readings["AI", index].value
        assert raw == pytest.approx(snapshot.voltage_pu[node] * 1e4, abs=0.51)
    assert [p.seen.readings["AI", 0].value for p in (reg_a, reg_b, reg_c)] == [7, 9, 4]
    assert [p.seen.readings["AO", 0].value for p in (reg_a, reg_b, reg_c)] == [7, 9, 4]
    assert [p.seen.readings["BI", 0].value for p in (cap675, cap611)] == [1, 0]
    assert ("AI", 6) not in reg_a.seen.readings


async def test_commands_reach_the_plant(master, feeder, feeder_message) -> None:
    before = feeder.on_step(feeder_message)
    assert before == {"taps": {"a": 7, "b": 9, "c": 4}, "caps": {"cap675": True, "cap611": False}}
    async with serving(feeder.stations) as port:
        async with master(port, REG_B) as peer:
            assert await peer.operate("AO", 0, -3, select=False) == "SUCCESS"
            assert await peer.operate("AO", 0, 17) == "OUT_OF_RANGE"
        async with master(port, CAP675) as peer:
            assert await peer.operate("BO", 0, "trip") == "SUCCESS"
            assert await peer.operate("BO", 0, "latch_on") == "NOT_SUPPORTED"
            assert await peer.operate("BO", 1, "close") == "NOT_SUPPORTED"
        async with master(port, CAP611) as peer:
            assert await peer.operate("BO", 0, "close") == "SUCCESS"
            await peer.integrity()
            assert peer.seen.readings["BO", 0].value == 1
            assert peer.seen.readings["BI", 0].value == 0, "the plant has not moved it yet"
    after = feeder.on_step(feeder_message)
    assert after == {"taps": {"a": 7, "b": -3, "c": 4}, "caps": {"cap675": False, "cap611": True}}


async def test_in_local_a_control_says_so_and_does_nothing(master, feeder, feeder_message) -> None:
    feeder.on_site({"local": {"reg_b": True}})
    async with serving(feeder.stations) as port:
        async with master(port, REG_B) as peer:
            assert await peer.operate("AO", 0, 1) == "LOCAL"
            assert await peer.operate("AO", 0, 1, select=False) == "LOCAL"
            await peer.poll()
            assert peer.seen.readings["BI", 0].value == 1
        async with master(port, REG_A) as peer:
            assert await peer.operate("AO", 0, 1) == "SUCCESS"
    assert feeder.on_step(feeder_message)["taps"] == {"a": 1, "b": 9, "c": 4}


async def test_before_the_first_scan_nothing_is_shown_or_taken(master, scenario) -> None:
    device = Dnp3Feeder(scenario, Switch())
    async with serving(device.stations) as port, master(port, REG_A) as peer:
        assert await peer.operate("AO", 0, 1) == "HARDWARE_ERROR"
        await peer.integrity()
        assert peer.seen.readings["AI", 0].flags & (ONLINE | RESTART) == RESTART


async def test_old_measurements_are_flagged_and_reported(master, scenario, feeder_message) -> None:
    fresh = Switch()
    device = Dnp3Feeder(scenario, fresh)
    device.on_step(feeder_message)
    async with serving(device.stations) as port, master(port, METERS) as peer:
        await peer.integrity()
        assert peer.seen.readings["AI", 6].flags == ONLINE
        before = peer.seen.readings["AI", 6].value
        fresh.on = False
        for station in device.stations:
            station.look()
        await peer.poll()
        lost = peer.seen.readings["AI", 6]
        assert lost.flags == ONLINE | COMM_LOST
        assert lost.value == before, "a value that is lost keeps its value"
        assert lost.time_ms == pytest.approx(time.time() * 1000, abs=2000)
        fresh.on = True
        for station in device.stations:
            station.look()
        await peer.poll()
        assert peer.seen.readings["AI", 6].flags == ONLINE


async def test_a_newcomer_takes_the_line_over(feeder) -> None:
    async with (
        serving(feeder.stations) as port,
        by_py1815(port, REG_A) as first,
        by_py1815(port, REG_A) as second,
    ):
        await second.integrity()
        await until(lambda: not first.outstation.connected)
        assert second.seen.readings["AI", 0].value == 7


# -- switchgear ------------------------------------------------------------------------------------


def gear_message(scenario: Scenario, amps: dict[str, float], *opened: str, reverse=()) -> Message:
    """What instruments at the switches see: phase A's current by switch, 100 A elsewhere."""
    return {
        "elapsed_s": 1.0,
        "switches": {
            s.name: {
                "closed": s.name not in opened,
                "ops": 0,
                "amps": {"1": amps.get(s.name, 100.0), "2": 100.0, "3": 100.0},
                "va": {p: [-2e5, -1e5] if s.name in reverse else [2e5, 1e5] for p in "123"},
            }
            for s in scenario.switch
        },
    }


async def test_indicators_latch_with_direction_until_reset(master, scenario) -> None:
    gear = Dnp3Switchgear(scenario, Switch())
    gear.on_step(gear_message(scenario, {"sec692": 2500.0}, reverse=("sec692",)))
    gear.on_step(gear_message(scenario, {}))
    async with serving(gear.stations) as port, master(port, SEC692) as peer:
        await peer.integrity()
        fault_a, fault_b, reverse = (peer.seen.readings["BI", n].value for n in (1, 2, 4))
        assert (fault_a, fault_b, reverse) == (1, 0, 1)
        assert await peer.operate("BO", 1, "pulse_on", select=False) == "SUCCESS"
        gear.on_step(gear_message(scenario, {}))
        await peer.poll()
        assert [peer.seen.readings["BI", n].value for n in (1, 4)] == [0, 0]
        assert {e.value for e in peer.seen.events if (e.kind, e.index) == ("BI", 1)} == {1, 0}


async def test_a_fault_is_reported_unasked_with_its_time(scenario) -> None:
    gear = Dnp3Switchgear(scenario, Switch())
    gear.on_step(gear_message(scenario, {}))
    async with serving(gear.stations) as port, by_py1815(port, REC671) as peer:
        await peer.integrity()
        await peer.poll()
        assert (await peer.outstation.enable_unsolicited(1, 2, 3)).complete
        peer.seen.events.clear()
        before_ms = time.time_ns() // 1_000_000
        answer = gear.on_step(gear_message(scenario, {"rec671": 2500.0}))
        assert answer["switches"]["rec671"] is False, "it trips at the second of fault"
        gear.on_step(gear_message(scenario, {"rec671": 0.0}, "rec671"))
        await until(lambda: any(e.kind == "BI" and e.index == 7 for e in peer.seen.events))
    told = {(e.index, e.value): e.time_ms for e in peer.seen.events if e.kind == "BI"}
    assert {(1, 1), (3, 1), (7, 0), (8, 1)} <= told.keys()  # tripped, phase A, 52a, 52b
    assert all(before_ms <= t <= time.time() * 1000 for t in told.values())


async def test_switches_are_operated_by_trip_and_close(master, scenario) -> None:
    gear = Dnp3Switchgear(scenario, Switch())
    async with serving(gear.stations) as port:
        async with master(port, BRK650) as peer:
            assert await peer.operate("BO", 0, "trip") == "HARDWARE_ERROR", "no scan yet"
            assert all(gear.on_step(gear_message(scenario, {}))["switches"].values())
            assert await peer.operate("BO", 0, "trip") == "SUCCESS"
            assert not gear.on_step(gear_message(scenario, {}))["switches"]["brk650"]
            assert await peer.operate("BO", 0, "close") == "SUCCESS"
            assert gear.on_step(gear_message(scenario, {}, "brk650"))["switches"]["brk650"]
        gear.on_site({"local": {"sec684": True}})
        async with master(port, SEC684) as peer:
            assert await peer.operate("BO", 0, "trip") == "LOCAL"
    assert gear.on_step(gear_message(scenario, {}))["switches"]["sec684"]


def test_a_control_that_comes_back_moves_no_switch(scenario) -> None:
    gear = Dnp3Switchgear(scenario, Switch())
    answer = gear.on_step(gear_message(scenario, {}, "rec671"))
    assert answer["switches"]["rec671"] is False
    for _ in range(60):
        answer = gear.on_step(gear_message(scenario, {}, "rec671"))
    assert answer["switches"]["rec671"] is False, "found open: nothing to reclose"
    assert answer["switches"]["brk650"] is True


async def test_a_fault_in_the_plant_is_cleared_by_the_recloser_alone(scenario) -> None:
    """Phase A of 675 to ground, for good: 650, 671 and 692 carry it, the lateral to 684 not."""
    fault = Fault(name="f675", nodes=("675.1",), start_s=5)
    faulty = scenario.model_copy(update={"fault": (fault,)})
    plant = Plant(faulty, Feeder(faulty.feeder))
    gear, instruments = Dnp3Switchgear(faulty, Switch()), Instruments(faulty)
    for second in range(45):
        snapshot = plant.step(plant.uncontrolled(plant.time_s), 1.0 if second else 0.0)
        answer = gear.on_step(instruments.message("switchgear", second, 1.0, snapshot))
        plant.command({}, {}, answer["switches"])
    assert snapshot.switches["brk650"].closed
    assert snapshot.switches["brk650"].operations == 0
    assert not snapshot.switches["rec671"].closed
    assert snapshot.switches["rec671"].operations == 5, "three openings, two reclosures"
    assert snapshot.switches["sec692"].operations == 0
    addresses = [BRK650, REC671, SEC692, SEC684]
    async with (
        serving(gear.stations) as port,
        on_one_channel(port, addresses) as peers,
    ):
        for peer in peers:
            await peer.integrity()
    brk650, rec671, sec692, sec684 = (p.seen.readings for p in peers)
    assert (rec671["BI", 2].value, rec671["BI", 7].value) == (1, 0), "locked out, open"
    assert rec671["CTR", 1].value == 2
    assert (brk650["BI", 2].value, brk650["BI", 7].value) == (0, 1)
    assert [r["BI", n].value for r, n in ((brk650, 3), (rec671, 3), (sec692, 1))] == [1, 1, 1]
    assert [r["BI", n].value for r, n in ((brk650, 6), (rec671, 6), (sec692, 4))] == [0, 0, 0]
    assert [sec684["BI", n].value for n in (1, 2, 3)] == [0, 0, 0]


# -- microgrid controller --------------------------------------------------------------------------


def scan(device: McPlc | Dnp3Mc, times: int) -> Message:
    answer: Message = {"p_w": 0.0, "q_var": 0.0}
    for _ in range(times):
        answer = device.on_step(
            {"v_v": [4160 / 3**0.5] * 3, "v_pu": [1.0] * 3, "hz": 60.0, "sun": 0.8,
             "elapsed_s": 1.0, **answer}
        )  # fmt: skip
    return answer


#: What is asked: DNP3 kind, index, value; Modbus register and word; seconds that pass then.
ASKED = (
    ("AO", 4, 150_000, 2012, 150, 0),  # P: the value alone is no request
    ("BO", 4, "latch_on", 2011, 1, 10),
    ("AO", 3, -80_000, 2010, 0x10000 - 80, 0),
    ("BO", 3, "latch_on", 2009, 1, 10),
    ("AO", 4, 390_000, 2012, 390, 5),  # beyond its capability: clipped
    ("AO", 1, -20_000, 2006, 0x10000 - 20, 0),
    ("BO", 1, "latch_on", 2005, 1, 10),
    ("BO", 4, "latch_off", 2011, 0, 5),
    ("BO", 0, "latch_on", 2004, 1, 30),  # islands
    ("BO", 4, "latch_on", 2011, 1, 5),  # refused: islanded
    ("BO", 6, "latch_on", 2024, 1, 60),  # comes back
)


async def test_requests_are_judged_as_over_modbus(scenario, serve) -> None:
    over_dnp3 = Dnp3Mc(build_mc_plc(scenario, "mg680", Switch()))
    over_modbus = build_mc_plc(scenario, "mg680", Switch())
    scan(over_dnp3, 5)
    scan(over_modbus, 5)
    async with (
        serving(over_dnp3.stations) as port,
        by_py1815(port, 54) as peer,
        serve(54, over_modbus) as client,
    ):
        for kind, index, value, register, word, seconds in ASKED:
            assert await peer.operate(kind, index, value) == "SUCCESS"
            await client.write_register(register, word, device_id=54)
            await peer.integrity()
            rows = over_dnp3.stations[0].bank.rows.values()
            for row in rows:
                shown = row.engineering(peer.seen.readings[row.kind, row.index].value)
                there = over_modbus.bank.get(row.point)
                assert shown == pytest.approx(there, abs=abs(row.scale)), (row.point, kind, index)
            assert scan(over_dnp3, seconds) == scan(over_modbus, seconds)


async def test_the_controller_refuses_with_the_standards_statuses(master, scenario) -> None:
    fresh = Switch()
    device = Dnp3Mc(build_mc_plc(scenario, "mg680", fresh))
    scan(device, 5)
    async with serving(device.stations) as port, master(port, 54) as peer:
        assert await peer.operate("AO", 4, 500_000) == "OUT_OF_RANGE"
        assert await peer.operate("AO", 99, 1) == "NOT_SUPPORTED"
        fresh.on = False
        assert await peer.operate("BO", 4, "latch_on") == "HARDWARE_ERROR"
        fresh.on = True
        device.on_site({"local": True})
        assert await peer.operate("BO", 4, "latch_on") == "LOCAL"


def test_a_control_without_a_number_is_out_of_range(scenario) -> None:
    """From the wire, floats may be infinite or no number; request time has no upper limit."""
    device = Dnp3Mc(build_mc_plc(scenario, "mg680", Switch()))
    (station,) = device.stations
    for value in (float("inf"), float("nan")):
        control = Control(
            function=FunctionCode.OPERATE, block=0, group=41, variation=4, index=0, raw=b"",
            command=AnalogOutput(value, 4),
        )  # fmt: skip
        assert station.operate([control]) == [CommandStatus.OUT_OF_RANGE]
