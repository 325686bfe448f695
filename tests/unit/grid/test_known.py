"""What the model does not know is marked, and so is what rests on it."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.grid.dss_engine import DssEngine
from gateway.grid.estimate import fit
from gateway.grid.known import Basis, Doubts, Known, State, doubts, with_file
from gateway.grid.observe import Bindings, Injection, observe
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from tests.unit.grid.settings import FEEDERS

POINTS = ("sw", "tap", "cap", "p1", "p2", "q", "h1", "h2", "h3")
BINDINGS = Bindings(
    taps=(("reg60a", "tap"),),
    capacitors=(("cap675", "cap"),),
    switches=(("line.sw671_692", "sw"),),
    injections=(Injection("der_pv675", ("p1", "p2"), ("q",)), Injection("der_mg680")),
    head_p=("h1", "h2", "h3"),
)


@pytest.fixture
def store(clock):
    return PointStore([PointSpec(name, PointKind.AO, max_age_s=1e9) for name in POINTS], clock)


def show(store, value: float, *points: str, quality: Quality = Quality.ONLINE) -> None:
    for point in points:
        store.update(point, Measurement(value, quality, 1))


def bases(known: Known) -> dict[str, tuple[str, float | None]]:
    return {str(state): (state.basis.value, state.seen) for state in known.states}


def test_what_is_online_is_measured(store):
    show(store, 1.0, *POINTS)
    found = observe(BINDINGS, store.freeze(), told={"der_mg680": (100e3, 0.0)})
    assert {state.basis for state in found.known.states} == {Basis.MEASURED}
    assert found.injections == {"der_pv675": (2.0, 1.0), "der_mg680": (100e3, 0.0)}
    assert found.known.unknown() == ""


def test_what_is_lost_stays_as_seen_last_and_is_unknown(store):
    show(store, 5.0, "tap", quality=Quality.COMM_LOST)
    show(store, 0.0, "sw", quality=Quality.COMM_LOST)
    show(store, 30e3, "p1")
    show(store, 40e3, "p2", quality=Quality.COMM_LOST)
    show(store, 1.0, "h1", "h3")
    found = observe(BINDINGS, store.freeze())
    assert (found.taps, found.switches) == ({"reg60a": 5}, {"line.sw671_692": False})
    assert found.capacitors == {}  # never read: the file's own position stands
    assert bases(found.known) == {
        "switch line.sw671_692": ("unknown", 0.0),
        "tap reg60a": ("unknown", 5.0),
        "capacitor cap675": ("unknown", None),
        "der der_pv675": ("unknown", 70e3),
        "der der_mg680": ("unknown", None),
        "load 1": ("measured", None),
        "load 2": ("unknown", None),
        "load 3": ("measured", None),
    }


def test_a_der_that_cannot_be_read_is_as_forecast(store):
    show(store, 40e3, "p1", "q")
    found = observe(BINDINGS, store.freeze(), forecast_w={"der_pv675": 90e3})
    assert found.injections["der_pv675"] == (90e3, 40e3)
    assert bases(found.known)["der der_pv675"] == ("forecast", 40e3)


def test_what_no_point_measures_is_as_the_file_has_it():
    engine = DssEngine(FEEDERS / "ieee13_der.dss")
    known = with_file(Known(), engine.regulators, engine.capacitors, engine.network.ders)
    assumed = {str(state) for state in known.of(Basis.ASSUMED)}
    assert {"tap reg60a", "capacitor cap611", "der der_pv675"} <= assumed
    assert known.counts()["assumed"] == len(known.states) == len(assumed)


def causes(unknown: State, *bound: str, closed=(), measured=(), name="ieee123_ties.dss") -> Doubts:
    """Doubts about one unknown state, where other switches are bound and known."""
    engine = DssEngine(FEEDERS / name)
    network = engine.network
    known = Known((unknown, *(State("switch", b, Basis.MEASURED) for b in bound)))
    open_branches = network.open_branches - set(closed)
    return doubts(known, network, engine.nodes, open_branches, measured)


SWITCHES = [f"line.sw{number}" for number in range(2, 9)]


def test_beyond_a_closed_switch_that_is_silent_everything_it_feeds_is_in_doubt_and_no_more():
    unknown = State("switch", "line.sw2", Basis.UNKNOWN, 1.0)
    found = causes(unknown, *SWITCHES)
    assert found.at("18") == ""  # before it
    assert found.at("57") == found.at("76") == "switch line.sw2"  # beyond switch 4 as well
    assert found.at("35") == ""  # beside it, beyond switch 3
    node = "57.1"  # a meter knows better
    assert causes(unknown, *SWITCHES, measured={node}).of(node) == ""


def test_an_open_tie_that_is_silent_leaves_the_sections_at_both_its_ends_in_doubt():
    found = causes(State("switch", "line.sw8", Basis.UNKNOWN, 0.0), *SWITCHES)
    engine = DssEngine(FEEDERS / "ieee123_ties.dss")
    for bus in engine.network.branches["line.sw8"].ends:
        assert found.at(bus) == "switch line.sw8"
    assert found.at("1") == ""


def test_a_silent_regulator_leaves_its_phase_beyond_it_in_doubt():
    found = causes(State("tap", "reg60b", Basis.UNKNOWN, 6.0), name="ieee13_der.dss")
    assert found.of("675.2") == found.of("646.2") == "tap reg60b"
    assert found.of("675.1") == found.of("650.2") == ""


def test_a_silent_der_leaves_its_section_and_a_lost_head_meter_its_phase_in_doubt():
    der = causes(State("der", "der_pv675", Basis.UNKNOWN), "line.sw671_692", name="ieee13_der.dss")
    assert der.at("675") == "der der_pv675"
    assert der.at("634") == ""
    load = causes(State("load", "3", Basis.UNKNOWN), name="ieee13_der.dss")
    assert load.of("611.3") == "load 3"
    assert load.of("652.1") == ""


def test_the_model_is_set_by_what_is_observed(store):
    show(store, -4.0, "tap", quality=Quality.COMM_LOST)
    show(store, 0.0, "cap")
    engine = DssEngine(FEEDERS / "ieee13_der.dss")
    fit(engine, observe(BINDINGS, store.freeze()), np.ones((3, 2)))
    assert engine.taps["reg60a"] == -4
    assert engine.capacitors["cap675"] is False
