"""At the headroom the feeder holds, and just beyond it does not, by a power flow of its own."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.apps.awareness.headroom import NOT_SOLVED, HeadroomSearch, Limits
from gateway.grid.dss_engine import DssEngine
from gateway.grid.probes import probes
from tests.unit.awareness.feeder import HEAD, MASTER, PROBED, RATED, Plant, look


def feeder(taps=(4, 2, 4), load: float = 0.6, changes: tuple[str, ...] = RATED):
    """A model with probes, and the probes."""
    bare = DssEngine(MASTER, HEAD, changes=changes)
    names, commands = probes(bare.nodes, bare.network.base_kv, PROBED)
    model = DssEngine(MASTER, HEAD, changes=(*changes, *commands))
    for phase, tap in zip("abc", taps, strict=True):
        model.set_tap(f"reg60{phase}", tap)
    model.scale_loads(np.full((3, 2), load))
    return model, names


def limits(model: DssEngine, bias: float = 0.0) -> Limits:
    judged = np.array([n.split(".")[0] not in ("sourcebus", "650") for n in model.nodes])
    return Limits(0.95, 1.05, np.full(len(model.nodes), bias), judged)


def faults(bus: str, power_w: float, bias: float = 0.0, **given) -> set[str]:
    """What is out of its limits with so much injected at a bus, on an engine of its own."""
    model, names = feeder(**given)
    for probe in names[bus]:
        model.set_injection(probe, power_w / len(names[bus]), 0.0)
    solution = model.solve()
    assert solution.converged
    out = {
        node
        for node, volt in zip(model.nodes, solution.voltages_pu, strict=True)
        if node.split(".")[0] not in ("sourcebus", "650") and not 0.95 <= volt + bias <= 1.05
    }
    return out | {name for name, share in model.loadings().items() if share > 1.0}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("bus", PROBED)
def test_at_the_headroom_all_holds_and_a_half_per_cent_beyond_it_does_not(bus, sign):
    model, names = feeder()
    power_w, limit = HeadroomSearch(model, limits(model)).find(names[bus], sign)
    assert power_w > 0.0
    assert faults(bus, sign * power_w) == set()
    assert limit in faults(bus, sign * (1.005 * power_w + 1e3))


def test_a_rating_or_the_band_binds_whichever_is_met_first():
    model, names = feeder()
    _, limit = HeadroomSearch(model, limits(model)).find(names["634"], -1)
    assert limit == "transformer.xfm1"  # 500 kVA, and its load stands behind it
    model, names = feeder(taps=(12, 10, 12), load=0.3)
    _, limit = HeadroomSearch(model, limits(model)).find(names["680"], 1)
    assert "." in limit
    assert limit in model.nodes


def test_a_bias_that_meters_show_counts():
    model, names = feeder(taps=(6, 4, 6))
    plain_w, _ = HeadroomSearch(model, limits(model)).find(names["680"], 1)
    raised_w, _ = HeadroomSearch(model, limits(model, 0.004)).find(names["680"], 1)
    assert raised_w < plain_w
    assert faults("680", raised_w, 0.004, taps=(6, 4, 6)) == set()


def test_where_a_limit_is_broken_already_what_makes_it_worse_has_no_headroom():
    given = {"taps": (16, 16, 16), "load": 0.3}
    assert faults("680", 0.0, **given)
    model, names = feeder(**given)
    search = HeadroomSearch(model, limits(model))
    hosting_w, limit = search.find(names["680"], 1)
    assert hosting_w <= 500.0
    assert limit
    relieved_w, _ = search.find(names["680"], -1)
    assert relieved_w > 100e3  # load pulls the voltage down: that is welcome


def test_the_search_goes_no_further_than_it_was_told_and_puts_all_back():
    model, names = feeder()
    before = model.solve().voltages_pu
    found = HeadroomSearch(model, limits(model), most_w=1e3).find(names["675"], 1)
    assert found == (1e3, "")
    assert model.solve().voltages_pu == pytest.approx(before, abs=1e-6)


def test_where_the_present_cannot_be_solved_there_is_no_headroom():
    model, names = feeder()
    model._host.run("set maxiterations=1")
    model.scale_loads(np.full((3, 2), 1.2))
    assert HeadroomSearch(model, limits(model)).find(names["675"], 1) == (0.0, NOT_SOLVED)


def test_buses_take_turns(clock):
    plant = Plant(clock)
    plant.taps = {"reg60a": 4, "reg60b": 2, "reg60c": 4}
    first = look(plant)
    assert {one.bus for one in first.state.report.headroom} == {"675", "634"}
    second = look(plant, state=first.state, at_ms=61_000)
    found = {one.bus: one.time_ms for one in second.state.report.headroom}
    assert found == {"675": 1000, "634": 1000, "652": 61_000, "680": 61_000}
    assert all(one.hosting_kw > 0.0 for one in second.state.report.headroom)
