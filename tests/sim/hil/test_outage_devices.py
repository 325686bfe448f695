"""The 123-node feeder's devices in an outage: what masters read, what the microgrid does."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import pytest

from hil.devices.dnp3_feeder import Dnp3Feeder
from hil.devices.dnp3_switchgear import Dnp3Switchgear
from hil.devices.mc_logic import State
from hil.devices.mc_plc import McPlc, build_mc_plc
from hil.plant.engine import Feeder
from hil.plant.terminals import Instruments
from hil.plant.world import Injection, Plant, Snapshot
from hil.scenario import Scenario, load_scenario
from hil.wire import MAX_LINE, encode
from tests.sim.hil.masters import by_py1815, on_one_channel, serving

ROOT = Path(__file__).parents[3]
METERS, REG_160C, CAP83 = 10, 17, 21
#: In the order of the scenario's switches.
SW1, SW2, SW3, SW4, SW450 = 31, 32, 33, 34, 40
ONLINE = 0x01


def fresh() -> bool:
    return True


@pytest.fixture(scope="module")
def fault() -> Scenario:
    plain = load_scenario(ROOT / "hil/scenarios/ieee123_fault.toml")
    return plain.model_copy(update={"noise": type(plain.noise)()})


class Field:
    """Plant, switchgear and microgrid, joined as the device bus joins them."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.plant = Plant(scenario, Feeder(scenario.feeder))
        self.gear = Dnp3Switchgear(scenario, fresh)
        self.microgrid: McPlc = build_mc_plc(scenario, "mg108", fresh)
        self.instruments = Instruments(scenario)
        self.states: list[State] = []
        self.volts_at_fault: dict[str, float] = {}
        self.snapshot = self.step(0.0)

    def step(self, elapsed_s: float = 1.0) -> Snapshot:
        wanted = self.plant.uncontrolled(self.plant.time_s)
        if self.states:
            wanted["mg108"] = self.injection
        self.snapshot = self.plant.step(wanted, elapsed_s)
        if self.snapshot_faulted() and not self.volts_at_fault:
            self.volts_at_fault = {n: abs(v) for n, v in self.snapshot.phasor_v.items()}
        say = self.instruments.message
        answer = self.gear.on_step(say("switchgear", 0, elapsed_s, self.snapshot))
        self.plant.command({}, {}, answer["switches"])
        self.plant.hear_relays(answer["by_relay"], answer["locked"])
        told = self.microgrid.on_step(say("mg108", 0, elapsed_s, self.snapshot))
        self.injection = Injection(told["p_w"], told["q_var"], told["poi_closed"])
        self.states.append(self.microgrid.controller.state)
        return self.snapshot

    def snapshot_faulted(self) -> bool:
        return bool(self.snapshot.supply and self.snapshot.supply.faults)

    def run_to(self, time_s: float) -> Snapshot:
        while self.plant.time_s < time_s - 1e-9:
            self.step()
        return self.snapshot

    def switch(self, *names: str, close: bool) -> None:
        for name in names:
            self.gear._relays[name].operate(close=close)
            self.run_to(self.plant.time_s + 2)


def test_the_microgrid_becomes_an_island_serves_its_load_and_comes_back_in_step(fault) -> None:
    field = Field(fault)
    field.run_to(29)
    assert set(field.states) == {State.SS1}
    assert field.snapshot.der["mg108"].power_w < -10e3, "tied to the grid, importing"
    field.run_to(60)
    controller = field.microgrid.controller
    assert controller.state is State.SS2
    assert field.states[31:33] == [State.T2, State.SS2], "at the first trip"
    assert controller.load_carried
    assert controller.assets.pv_w + controller.assets.battery_w == pytest.approx(120e3, abs=1)
    assert field.snapshot.der["mg108"].power_w == pytest.approx(0, abs=1)

    controller.ask_connect()  # to a dead feeder
    field.run_to(80)
    assert controller.state is State.T3
    assert not controller.closed
    field.switch("sw2", "sw4", close=False)
    field.run_to(125)
    assert controller.state is State.SS2, "given up after 60 s"

    field.switch("sw1", "sw7", close=True)
    live_s = field.plant.time_s
    assert "197" in field.snapshot.supply.zones
    field.run_to(live_s + 30)
    assert controller.state is State.SS2, "voltage alone does not bring it back"
    controller.ask_connect()
    asked = len(field.states)
    field.run_to(field.plant.time_s + 60)
    assert controller.state is State.SS1
    assert field.states[asked:].count(State.T3) >= 4, "good voltage for five seconds first"
    assert field.snapshot.der["mg108"].power_w < -10e3
    assert not any(a is State.SS1 and b is State.T2 for a, b in pairwise(field.states[asked:]))


async def test_masters_read_what_the_relays_kept_of_the_fault(fault) -> None:
    field = Field(fault)
    field.run_to(60)
    addresses = [SW1, SW2, SW4, SW450]
    async with (
        serving(field.gear.stations) as port,
        on_one_channel(port, addresses) as peers,
    ):
        for peer in peers:
            await peer.integrity()
    sw1, sw2, sw4, sw450 = (peer.seen.readings for peer in peers)
    assert (sw1["BI", 2].value, sw1["BI", 7].value, sw1["CTR", 1].value) == (1, 0, 2)
    assert [sw1["BI", n].value for n in (3, 4, 5, 6)] == [1, 0, 0, 0]
    assert [sw2["BI", n].value for n in (1, 2, 3, 4)] == [1, 0, 0, 0]
    assert [sw4["BI", n].value for n in (1, 2, 3, 4)] == [0, 0, 0, 0]
    # phase A to 57: 2275 ft of 1.078 ohm a mile; the source drives 2.49 kV through it and 0.1 ohm
    current_a, reactance_ohm = sw1["AI", 5].value * 0.1, sw1["AI", 6].value * 0.0001
    assert reactance_ohm == pytest.approx(1.0780 * 2275 / 5280, rel=0.08)
    assert current_a == pytest.approx(4600, rel=0.05)
    assert (sw450["BI", 7].value, sw450["BI", 8].value) == (0, 1), "normally open"
    assert (sw450["AI", 5].value, sw450["AI", 6].value) == (0, 0)
    flags = {sw450["AI", n].flags for n in (5, 6)}
    assert flags == {ONLINE}, "that there was none is known, not unread"


async def test_a_control_keeps_the_sag_though_no_fault_current_passed_it(fault) -> None:
    field = Field(fault)
    field.run_to(29)
    addresses = [SW1, SW3, SW4, SW450]
    async with serving(field.gear.stations) as port, on_one_channel(port, addresses) as peers:
        for peer in peers:
            await peer.integrity()
            assert peer.seen.readings["AI", 5 if peer in peers[1:3] else 7].value == 0
        field.run_to(60)
        for peer in peers:
            await peer.integrity()
    sw1, sw3, sw4, sw450 = (peer.seen.readings for peer in peers)
    at_fault = field.volts_at_fault
    # a steady source holds voltage before the head; where there is a sag, it is the plant's own
    assert (sw1["AI", 7].value, sw450["AI", 7].value) == (0, 0)
    assert sw3["AI", 5].value * 0.1 == pytest.approx(at_fault["18.1"], rel=1e-3)
    assert sw4["AI", 5].value * 0.1 == pytest.approx(at_fault["60.1"], rel=1e-3)
    assert sw3["BI", 1].value == sw4["BI", 1].value == 0, "no fault current there"
    assert sw4["AI", 5].value < sw3["AI", 5].value, "deeper towards the fault"


@pytest.mark.parametrize("profile", ["dnp3_breaker", "dnp3_recloser"])
def test_the_new_points_stand_behind_the_old_ones(profile: str) -> None:
    with (ROOT / "devices" / f"{profile}.csv").open(newline="") as file:
        analogs = {int(r["index"]): r["point"] for r in csv.DictReader(file) if r["kind"] == "AI"}
    assert analogs == {
        0: "i_a", 1: "i_b", 2: "i_c", 3: "p", 4: "q", 5: "fault_i", 6: "fault_x", 7: "sag_v",
    }  # fmt: skip


async def test_the_crew_hands_back_its_permits_at_the_meters(fault) -> None:
    field, device = Field(fault), Dnp3Feeder(fault, fresh)
    message = field.instruments.message("feeder_plc", 0, 1.0, field.snapshot)
    device.on_step(message)
    async with serving(device.stations) as port, by_py1815(port, METERS) as peer:
        await peer.integrity()
        assert peer.seen.readings["BI", 0].value == 0
        device.on_step(message | {"time_s": fault.outage.repaired_s - 1})
        await peer.poll()
        assert peer.seen.readings["BI", 0].value == 0
        device.on_step(message | {"time_s": fault.outage.repaired_s})
        await peer.poll()
        assert peer.seen.readings["BI", 0].value == 1
        # bus 149 behind the head's recloser, in 0.0001 pu
        assert peer.seen.readings["AI", 8].value / 1e4 == pytest.approx(1.0375, abs=0.002)


async def test_regulators_and_capacitors_stand_where_the_scenario_has_them(fault) -> None:
    field, device = Field(fault), Dnp3Feeder(fault, fresh)
    message = field.instruments.message("feeder_plc", 0, 1.0, field.snapshot)
    device.on_step(message)
    addresses = [REG_160C, CAP83]
    async with (
        serving(device.stations) as port,
        on_one_channel(port, addresses) as (regulator, capacitor),
    ):
        await regulator.integrity()
        await capacitor.integrity()
        assert regulator.seen.readings["AI", 0].value == 4
        assert capacitor.seen.readings["BI", 0].value == 1
        assert await regulator.operate("AO", 0, 5) == "SUCCESS"
    assert device.on_step(message)["taps"]["160c"] == 5


def test_every_message_of_the_large_feeder_fits_a_line(fault) -> None:
    field = Field(fault)
    for device in ("feeder_plc", "switchgear", "mg108", "pv76"):
        message = field.instruments.message(device, 99999, 1.0, field.snapshot)
        assert len(encode(message)) < MAX_LINE / 1.2, device
