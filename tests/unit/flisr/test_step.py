"""Restoration step by step in virtual time, on the 123-node model."""

from __future__ import annotations

import pytest

from gateway.apps.flisr.state import Phase
from gateway.groups.messages import IslandAction
from tests.unit.flisr.rig import NAMES, OPEN, Rig


def after_a_fault(bus: str, seconds: float = 40.0, **options: object) -> Rig:
    rig = Rig(**options)  # type: ignore[arg-type]
    rig.run(5)
    rig.fault = bus
    rig.run(seconds)
    return rig


def test_nothing_is_sent_while_the_feeder_is_quiet():
    rig = Rig()
    rig.run(60)
    assert rig.state.phase is Phase.NORMAL
    assert rig.sent == []
    assert rig.asked == []


def test_a_permanent_fault_is_cut_out_and_the_rest_is_served():
    rig = after_a_fault("52")
    assert rig.state.phase is Phase.RESTORED
    assert rig.state.zone == "sw2"
    assert {"sw1", "sw3", "sw5", "sw450"} <= rig.closed
    assert not {"sw2", "sw4", "sw7"} & rig.closed
    assert rig.onto_fault == 0
    # everything is isolated before anything is closed
    assert [order.split()[0] for order in rig.orders()] == ["open"] * 3 + ["close"] * 2
    # the microgrid beyond switch 4 goes to island before, and back after, the switching
    assert [ask.action for ask in rig.asked] == [IslandAction.EMERGENCY, IslandAction.RECONNECT]
    done = [(e.action, e.target) for e in rig.state.record if e.state == "done"]
    assert done[0] == ("island", "mg")
    assert done[-1] == ("reconnect", "mg")


def test_after_the_repair_the_feeder_stands_as_before():
    rig = after_a_fault("52")
    rig.run(30)
    before = len(rig.orders())
    rig.fault, rig.values["repaired"] = "", 1.0
    rig.run(40)
    assert rig.state.phase is Phase.NORMAL
    assert rig.closed == set(NAMES) - set(OPEN)
    assert rig.connected
    # break before make: the tie opens before the way that was mended closes
    back = rig.orders()[before:]
    assert back.index("open sw450") < back.index("close sw4")
    assert not any(rig.values[f"{name}.fault_1"] for name in NAMES)


def test_without_a_repair_nothing_goes_back():
    rig = after_a_fault("52", 600)
    assert rig.state.phase is Phase.RESTORED


def test_a_trip_that_clears_by_reclosing_leaves_a_record_and_nothing_else():
    rig = Rig()
    rig.run(5)
    rig.values |= {"sw1.closed": 0.0, "sw1.tripped": 1.0}
    rig.run(2)
    assert rig.state.phase is Phase.TRIPPED
    rig.values |= {"sw1.closed": 1.0, "sw1.tripped": 0.0}
    rig.run(5)
    assert rig.state.phase is Phase.NORMAL
    assert rig.sent == []
    assert rig.asked == []
    assert "momentary" in rig.state.record[-1].text


def test_advise_plans_and_sends_nothing():
    rig = Rig(mode="advise", no_act=NAMES)
    rig.run(5)
    rig.fault = "52"
    advice = []
    for _ in range(20):
        rig.run(0.5)
        assert rig.decision is not None
        advice += rig.decision.advice
    assert rig.sent == []
    assert rig.asked == []
    assert [f"{c.point}={c.value:g}" for c in advice][-2:] == ["sw1.cmd=1", "sw450.cmd=1"]


@pytest.mark.parametrize("deaf", ["sw2", "sw450"])
def test_a_switch_that_does_not_follow_stops_the_plan(deaf):
    rig = after_a_fault("52", 60, deaf={deaf})
    assert rig.state.phase is Phase.STOPPED
    assert rig.orders()[-1].endswith(deaf)
    assert rig.decision is not None
    assert "did not follow" in rig.state.record[-1].text
    if deaf == "sw2":  # the fault is not cut out: nothing may close
        assert not any(order.startswith("close") for order in rig.orders())


def test_what_trips_on_the_way_stops_the_plan():
    rig = Rig()
    rig.run(5)
    # every indicator is silent but the head's: the model cannot know, and isolates the wrong zone
    rig.fault = "67"
    rig.lost = {f"{n}.fault_{p}" for n in NAMES if n != "sw1" for p in (1, 2, 3)}
    rig.run(60)
    assert rig.onto_fault == 0  # unreadable is not silent: all that may be faulted stays out
    silent = Rig()
    silent.run(5)
    silent.fault = "67"
    for _ in range(120):
        silent.values |= {f"{n}.fault_{p}": 0.0 for n in NAMES if n != "sw1" for p in (1, 2, 3)}
        silent.run(0.5)
    assert silent.onto_fault == 1
    assert silent.state.phase is Phase.STOPPED
    assert "tripped" in silent.state.record[-1].text
    closings = [order for order in silent.orders() if order.startswith("close")]
    assert len(closings) == 1


def test_a_switch_in_local_is_not_relied_on():
    rig = Rig()
    rig.values["sw450.local"] = 1.0
    rig.run(5)
    rig.fault = "52"
    rig.run(40)
    assert rig.state.phase is Phase.RESTORED
    assert "sw7" in rig.closed  # the other way round
    assert not any(order.endswith("sw450") for order in rig.orders())


def test_a_border_that_may_not_be_moved_widens_what_is_cut_out():
    rig = after_a_fault("52", no_act=("sw4",))
    assert rig.state.phase is Phase.RESTORED
    assert "sw4" in rig.closed
    assert not any(order.endswith("sw4") for order in rig.orders())
    assert {"sw2", "sw5"}.isdisjoint(rig.closed)
    assert rig.onto_fault == 0


def test_a_trip_at_start_is_left_to_people():
    rig = Rig(fault="52")
    rig.run(30)
    assert rig.state.phase is Phase.STOPPED
    assert rig.sent == []


def test_a_position_that_is_lost_on_the_way_holds_the_plan_until_it_stops():
    rig = Rig()
    rig.run(5)
    rig.fault = "52"
    rig.run(4)
    rig.lost = {"sw4.closed"}
    rig.run(40)
    assert rig.state.phase is Phase.STOPPED
    assert not any(order == "close sw450" for order in rig.orders())
