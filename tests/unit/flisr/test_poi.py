"""A fault inside a microgrid: its POI opens, the feeder stays whole."""

from __future__ import annotations

import pytest

from gateway.apps.flisr.build import PoiSpec, SwitchSpec, build_graph
from gateway.apps.flisr.locate import Evidence, Flag, Place, locate
from gateway.apps.flisr.state import Phase
from gateway.groups.messages import IslandAction, IslandRequest
from tests.unit.flisr.rig import INSIDE, NAMES, OPEN, Rig

NORMALLY = set(NAMES) - set(OPEN)


def faulted(seconds: float = 40.0, **options: object) -> Rig:
    rig = Rig(**options)  # type: ignore[arg-type]
    rig.run(5)
    rig.fault = INSIDE
    rig.run(seconds)
    return rig


def alarms(rig: Rig) -> str:
    assert rig.decision is not None
    return "; ".join(f"{a.source} {a.text}" for a in rig.decision.alarms if a.active)


def test_the_poi_opens_first_and_then_the_feeder_is_closed_whole():
    rig = faulted()
    assert rig.state.phase is Phase.RESTORED
    assert rig.state.zone == "mg"
    assert rig.orders() == ["close sw1"]  # no zone is cut out
    assert rig.closed == NORMALLY
    (ask,) = rig.asked
    assert isinstance(ask, IslandRequest)
    assert ask.action is IslandAction.EMERGENCY
    assert "inside" in ask.reason
    assert rig.onto_fault == 0
    done = [(e.action, e.target) for e in rig.state.record if e.state == "done"]
    assert done == [("island", "mg"), ("close", "sw1")]
    assert "fault inside mg: its POI stays open" in alarms(rig)


def test_the_breaker_waits_for_the_poi_to_be_seen_open():
    rig = Rig()
    rig.run(5)
    rig.lost = {"mg.closed"}
    rig.fault = INSIDE
    rig.run(60)
    # asked, but nobody knows whether it opened: the zone before it is cut out instead
    assert rig.state.phase is Phase.RESTORED
    assert {"open sw4", "open sw5"} <= set(rig.orders())
    assert rig.orders().index("open sw4") < rig.orders().index("close sw1")


def test_a_poi_that_opens_by_its_own_relay_leaves_the_feeder_as_it_was():
    rig = faulted(relay=True)
    assert rig.state.phase is Phase.RESTORED
    assert rig.sent == []
    assert rig.asked == []
    assert rig.state.zone == "mg"
    assert rig.state.notes["out_kw"] == 0.0
    assert "fault inside mg" in alarms(rig)


@pytest.mark.parametrize("relay", [False, True])
def test_it_is_reconnected_once_mended_and_not_before(relay):
    rig = faulted(600, relay=relay)
    assert not rig.connected
    before = len(rig.asked)
    rig.values["repaired"] = 1.0  # permits are back, but the controller still sees the fault
    rig.run(60)
    assert len(rig.asked) == before
    rig.mend()
    rig.run(30)
    assert rig.state.phase is Phase.NORMAL
    assert [ask.action for ask in rig.asked[before:]] == [IslandAction.RECONNECT]
    assert rig.connected
    assert rig.closed == NORMALLY
    assert rig.onto_fault == 0
    assert alarms(rig) == ""
    assert not any(rig.values[f"mg.fault_{p}"] for p in (1, 2, 3))
    rig.run(30)  # what is left of it starts nothing anew
    assert rig.state.phase is Phase.NORMAL
    assert rig.state.event == 1


def test_a_poi_that_does_not_open_has_its_zone_cut_out():
    rig = faulted(80, deaf={"mg"})
    assert rig.state.phase is Phase.RESTORED
    assert rig.connected
    assert {"sw4", "sw5"}.isdisjoint(rig.closed)
    assert "sw1" in rig.closed
    assert rig.onto_fault == 0
    assert "does not open" in alarms(rig)
    rig.mend()
    rig.deaf = set()  # the breaker as well
    rig.run(40)
    assert rig.state.phase is Phase.NORMAL
    assert rig.closed == NORMALLY


def test_a_microgrid_apart_from_before_is_not_brought_back_by_an_outage():
    rig = Rig()
    rig.connected = False
    rig.run(5)
    rig.fault = "52"
    rig.run(60)
    assert rig.state.phase is Phase.RESTORED
    assert rig.asked == []


def test_without_its_flag_the_zone_before_the_poi_is_cut_out_too():
    rig = Rig()
    rig.run(5)
    rig.lost = {f"mg.fault_{p}" for p in (1, 2, 3)}
    rig.fault = INSIDE
    rig.run(60)
    assert rig.state.phase is Phase.RESTORED
    assert not rig.connected
    assert {"sw4", "sw5"}.isdisjoint(rig.closed)
    assert rig.onto_fault == 0


def test_the_feeder_s_trip_that_clears_because_the_poi_opened_is_still_told():
    rig = Rig()
    rig.run(5)
    rig.values |= {"sw1.closed": 0.0, "sw1.tripped": 1.0, "mg.internal": 1.0, "mg.tripped": 1.0}
    rig.values |= {f"{name}.fault_1": 1.0 for name in ("sw1", "sw2", "sw4", "mg")}
    rig.connected = False
    rig.run(2)
    assert rig.state.phase is Phase.TRIPPED
    rig.values |= {"sw1.closed": 1.0, "sw1.tripped": 0.0}
    rig.run(10)
    assert rig.state.phase is Phase.RESTORED
    assert rig.state.zone == "mg"
    assert rig.sent == []


@pytest.mark.parametrize(
    ("seen", "forward", "inside"),
    [(True, True, True), (True, False, False), (False, None, False)],
)
def test_the_direction_at_the_poi_decides_between_the_two_sides(seen, forward, inside):
    rig = Rig()
    network = rig.app._planner._model.network
    specs = [SwitchSpec(name, f"line.{name}", name not in OPEN) for name in NAMES]
    graph = build_graph(network, specs, {}, pois=[PoiSpec("mg", "76")])
    poi, zone = graph.edge_of("mg"), rig.zone("76")
    way = {graph.edge_of(name) for name in ("sw1", "sw2", "sw4")}
    flags = {e: Flag(e in way, True if e in way else None) for e in graph.closed()}
    flags[poi] = Flag(seen, forward)
    leaf = graph.edges[poi].ends[1]
    found = locate(graph, graph.closed(), (leaf,), Evidence(flags, tripped=graph.edge_of("sw1")))
    assert found is not None
    assert found.suspects == (Place(zone=leaf if inside else zone),)
