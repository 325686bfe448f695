"""Switches, faults and what instruments at the switches see: physics of the plant."""

from __future__ import annotations

import pytest

from hil.plant.engine import Feeder
from hil.plant.world import Plant
from hil.scenario import DEFAULT_SCENARIO, Fault, Switch, load_scenario

SWITCHES = {
    "brk650": ("breaker", "rg60_632"),
    "rec671": ("recloser", "670_671"),
    "sec692": ("sectionaliser", "sw671_692"),
    "sec684": ("sectionaliser", "671_684"),
}
PICKUP_A = 600.0


@pytest.fixture(scope="module")
def scenario():
    switches = tuple(
        Switch(name=n, kind=kind, line=line, pickup_a=PICKUP_A)
        for n, (kind, line) in SWITCHES.items()
    )
    fault = Fault(name="f1", nodes=("675.1",), start_s=2, clear_s=4)
    plain = load_scenario(DEFAULT_SCENARIO)
    return plain.model_copy(update={"switch": switches, "fault": (fault,)})


@pytest.fixture
def plant(scenario):
    return Plant(scenario, Feeder(scenario.feeder))


def run_to(plant: Plant, time_s: float):
    snapshot = plant.step(plant.uncontrolled(plant.time_s), 0.0)
    while plant.time_s < time_s - 1e-9:
        snapshot = plant.step(plant.uncontrolled(plant.time_s), 1.0)
    return snapshot


def test_fault_current_flows_through_every_switch_up_to_the_fault_and_no_other(plant):
    before, during, after = (run_to(plant, t) for t in (1, 3, 5))
    for name in ("brk650", "rec671", "sec692"):
        assert during.switches[name].amps["1"] > PICKUP_A > before.switches[name].amps["1"]
        assert during.switches[name].va["1"].real > 0  # away from the substation
        assert during.switches[name].amps["2"] < PICKUP_A
    assert during.switches["sec684"].amps["1"] < PICKUP_A  # the fault is not behind it
    assert during.voltage_pu["675.1"] < 0.2
    assert after.switches["sec692"].amps["1"] == pytest.approx(
        before.switches["sec692"].amps["1"], rel=0.1
    )


def test_beyond_an_open_switch_nothing_is_fed_and_inverters_trip(plant):
    run_to(plant, 5)
    plant.command({}, {}, {"sec692": False})
    snapshot = run_to(plant, 7)
    assert not snapshot.switches["sec692"].closed
    assert max(snapshot.switches["sec692"].amps.values()) == pytest.approx(0, abs=1e-6)
    assert {"692", "675"}.isdisjoint(snapshot.fed)
    assert {"671", "684", "680"} <= snapshot.fed
    assert snapshot.voltage_pu["675.2"] == pytest.approx(0, abs=1e-3)
    assert snapshot.der["pv675"].power_w == pytest.approx(0, abs=1)
    assert snapshot.der["pv634"].power_w > 0
    plant.command({}, {}, {"sec692": True})
    snapshot = run_to(plant, 9)
    assert "675" in snapshot.fed
    assert snapshot.voltage_pu["675.2"] > 0.9
    assert snapshot.switches["sec692"].operations == 2


def test_power_at_the_feeder_breaker_is_what_the_head_delivers(plant):
    snapshot = run_to(plant, 1)
    at_breaker = sum(snapshot.switches["brk650"].va.values())
    at_head = sum(snapshot.head_va)  # before the regulators, whose losses are small
    assert at_breaker.real == pytest.approx(at_head.real, rel=0.02)
