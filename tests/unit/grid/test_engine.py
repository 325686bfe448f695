"""What the engine does with switches, sources and faults, by Kirchhoff and Ohm."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.grid.dss_engine import DssEngine
from gateway.grid.topology import energised, load_va
from gateway.model.errors import ConfigError
from tests.unit.grid.settings import FEEDERS

NO_LOAD, FULL_LOAD = np.zeros((3, 2)), np.ones((3, 2))
PHASE_V = 12_660.0 / math.sqrt(3.0)


def feeder(name: str, changes: tuple[str, ...] = ()) -> DssEngine:
    return DssEngine(FEEDERS / f"{name}.dss", changes=changes)


@cache
def baran_wu() -> DssEngine:
    """One for all examples of a property, each of which sets every switch."""
    return feeder("baran_wu_33")


def lit_buses(engine: DssEngine, volts: np.ndarray) -> set[str]:
    return {n.partition(".")[0] for n, v in zip(engine.nodes, volts, strict=True) if v > 0.0}


def volt(engine: DssEngine, node: str) -> float:
    return float(engine.solve().voltages_pu[engine.nodes.index(node)])


# ---- the graph ---------------------------------------------------------------------------------


def test_a_lines_impedance_is_the_positive_sequence_of_its_whole_length():
    network = feeder("ieee13_der").network
    miles = 2000.0 / 5280.0
    line = network.branches["line.rg60_632"]
    own = np.mean([0.3465, 0.3375, 0.3414]), np.mean([1.0179, 1.0478, 1.0348])
    mutual = np.mean([0.1560, 0.1580, 0.1535]), np.mean([0.5017, 0.4236, 0.3849])
    assert line.r_ohm == pytest.approx((own[0] - mutual[0]) * miles, rel=1e-6)
    assert line.x_ohm == pytest.approx((own[1] - mutual[1]) * miles, rel=1e-6)
    assert (line.ends, line.phases, line.rating_a) == (("rg60", "632"), (1, 2, 3), 0.0)
    single = network.branches["line.684_611"]
    assert single.r_ohm == pytest.approx(1.3292 * 300.0 / 5280.0, rel=1e-6)
    assert single.phases == (3,)


def test_a_transformers_impedance_is_at_its_second_winding_and_its_rating_at_the_first():
    transformer = feeder("ieee13_der").network.branches["transformer.xfm1"]
    base_ohm = 480.0**2 / 500e3
    assert transformer.r_ohm == pytest.approx(0.011 * base_ohm)
    assert transformer.x_ohm == pytest.approx(0.02 * base_ohm)
    assert transformer.rating_a == pytest.approx(500e3 / 4160.0 / math.sqrt(3.0))


def test_the_graph_holds_what_the_model_does():
    network = feeder("ieee13_der").network
    assert network.base_kv["634"] == pytest.approx(0.48)
    assert network.base_kv["671"] == pytest.approx(4.16)
    assert network.loads_va["675"] == pytest.approx(843e3 + 462e3j)
    assert network.sources == {"source": "sourcebus"}
    assert network.ders["der_mg680"] == "680"
    assert network.branches["transformer.reg60b"].ends == ("650", "rg60")


def test_a_rating_is_known_where_the_model_states_one_and_loadings_are_of_those():
    engine = feeder("baran_wu_33", ("line.1.normamps=250",))
    engine.solve()
    assert set(engine.loadings()) == {"line.1"}
    assert engine.loadings()["line.1"] == pytest.approx(
        max(engine.currents_a("line.1").values()) / 250
    )


def test_a_series_reactor_is_a_branch_and_a_shunt_one_is_not():
    engine = feeder("baran_wu_33", (
        "new reactor.series bus1=22 bus2=new phases=3 r=0.1 x=0.7",
        "new reactor.shunt bus1=20 phases=3 kvar=10 kv=12.66",
        "calcvoltagebases",
    ))  # fmt: skip
    reactor = engine.network.branches["reactor.series"]
    assert (reactor.ends, reactor.r_ohm, reactor.x_ohm) == (("22", "new"), 0.1, 0.7)
    assert "reactor.shunt" not in engine.network.branches
    assert volt(engine, "new.1") > 0.9
    engine.set_switch("reactor.series", closed=False)
    assert volt(engine, "new.1") == 0.0


# ---- switches and supply -----------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.sets(st.integers(1, 37), max_size=12), st.floats(0.1, 0.8))
def test_the_source_gives_what_the_supplied_load_takes_and_the_lines_lose(opened, load):
    engine = baran_wu()
    for branch in range(1, 38):
        engine.set_switch(f"line.{branch}", closed=branch not in opened)
    engine.scale_loads(np.full((3, 2), load))
    assert engine.open_branches == {f"line.{branch}" for branch in opened}
    solution = engine.solve()
    assert solution.converged
    supplied = energised(engine.network, engine.open_branches)
    assert lit_buses(engine, solution.voltages_pu) == supplied
    lit = solution.voltages_pu[solution.voltages_pu > 0.0]
    if lit.min() > 0.5:  # below that a load is no longer constant power
        taken_w = load * load_va(engine.network, supplied).real + solution.losses_w
        assert solution.power_w == pytest.approx(taken_w, abs=100.0)
        assert engine.source_powers_w()["source"] == pytest.approx(solution.power_w)


def test_a_switch_opened_and_closed_again_leaves_everything_as_it_was():
    engine = feeder("ieee123")
    before = engine.solve()
    engine.set_switch("line.sw4", closed=False)
    opened = engine.solve()
    assert opened.power_w < 0.7 * before.power_w
    engine.set_switch("line.sw4", closed=True)
    after = engine.solve()
    assert after.voltages_pu == pytest.approx(before.voltages_pu, abs=1e-6)
    assert engine.open_branches == engine.network.open_branches


def test_a_tie_feeds_bus_300_from_the_other_side():
    engine = feeder("ieee123")
    engine.set_switch("line.sw5", closed=False)
    assert volt(engine, "300.1") == 0.0
    engine.set_switch("line.sw7", closed=True)
    assert volt(engine, "300.1") > 0.9
    assert sum(engine.powers_va("line.sw7").values()).real > 300e3


def test_what_a_single_phase_tie_feeds_is_lit_on_that_phase_alone():
    engine = feeder("ieee123")
    engine.set_switch("line.sw4", closed=False)
    engine.set_switch("line.sw8", closed=True)
    assert volt(engine, "93.1") > 0.8
    assert volt(engine, "93.2") == 0.0
    assert volt(engine, "93.3") == 0.0


@pytest.mark.parametrize("name", ["line.none", "transformer.reg150", "sw4"])
def test_only_a_line_can_be_switched(name):
    engine = feeder("ieee123")
    with pytest.raises(KeyError):
        engine.set_switch(name, closed=False)


def test_ders_without_supply_inject_nothing_until_their_bus_is_back():
    engine = feeder("ieee13_der")
    engine.set_injection("der_pv675", 300e3, 0.0)
    engine.set_injection("der_mg680", 400e3, 0.0)
    together = engine.solve()
    engine.set_switch("line.670_671", closed=False)
    apart = engine.solve()
    # left to inject, they would drive an island that nothing holds, and the solution off its limits
    assert apart.converged
    assert max(engine.currents_a("line.692_675").values()) < 1e-6
    engine.set_injection("der_pv675", 200e3, 0.0)  # as measured, or as planned
    assert engine.solve().converged
    assert max(engine.currents_a("line.692_675").values()) < 1e-6
    engine.set_switch("line.670_671", closed=True)
    assert engine.solve().power_w == pytest.approx(together.power_w + 100e3, rel=0.01)
    engine.set_injection("der_pv675", 300e3, 0.0)
    assert engine.solve().power_w == pytest.approx(together.power_w, rel=1e-6)


def test_a_der_that_keeps_one_phase_of_three_stops_too():
    engine = feeder("ieee123", (
        "new generator.der93 bus1=93 phases=3 kv=4.16 kw=0 kvar=0 vminpu=0.5 vmaxpu=1.5",
    ))  # fmt: skip
    engine.set_switch("line.sw4", closed=False)
    engine.set_switch("line.sw8", closed=True)
    without = engine.solve().power_w
    engine.set_injection("der93", 300e3, 0.0)
    assert engine.solve().power_w == pytest.approx(without, rel=1e-6)


def test_another_head_carries_the_feeder_when_the_first_is_lost():
    engine = feeder("ieee123_ties")
    normal = engine.solve()
    assert engine.source_powers_w()["alt250"] == pytest.approx(0.0, abs=1.0)
    engine.set_source("source", live=False)
    assert not engine.solve().voltages_pu[: engine.nodes.index("alt250.1")].any()
    engine.set_switch("line.sw1", closed=False)
    engine.set_switch("line.sw250", closed=True)
    assert volt(engine, "300.1") > 0.85
    powers = engine.source_powers_w()
    assert powers["source"] == 0.0
    assert powers["alt250"] == pytest.approx(normal.power_w, rel=0.1)
    assert volt(engine, "150r.1") == 0.0
    with pytest.raises(KeyError):
        engine.set_source("nowhere", live=True)


def test_without_any_source_everything_is_dark():
    engine = feeder("ieee123")
    engine.set_source("source", live=False)
    solution = engine.solve()
    assert not solution.voltages_pu.any()
    assert solution.power_w == 0.0
    engine.set_source("source", live=True)
    assert engine.solve().voltages_pu.all()


# ---- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize("phases", [(2,), (1, 3), (1, 2, 3)])
def test_a_fault_draws_what_ohm_says(phases):
    engine = feeder("baran_wu_33")
    engine.scale_loads(NO_LOAD)
    engine.set_fault("3", phases, 0.5)
    assert engine.solve().converged
    ohm = abs(complex(0.0922 + 0.4930 + 0.5, 0.0470 + 0.2511))  # phases without coupling
    currents = engine.currents_a("line.2")
    for phase in (1, 2, 3):
        expected = PHASE_V / ohm if phase in phases else 0.0
        assert currents[phase] == pytest.approx(expected, rel=1e-3, abs=0.1)
    beyond = engine.currents_a("line.3")
    assert max(beyond.values()) < 0.1


def test_a_fault_moves_and_ends():
    engine = feeder("baran_wu_33")
    before = engine.solve()
    engine.set_fault("30", (1, 2, 3), 0.5)
    engine.solve()
    engine.set_fault("18", (2,), 0.5)
    solution = engine.solve()
    currents = engine.currents_a("line.17")
    assert currents[2] > 10.0 * currents[1]
    assert currents[1] == pytest.approx(currents[3], rel=1e-3)
    assert solution.voltages_pu[engine.nodes.index("18.2")] < 0.3
    engine.clear_fault()
    engine.clear_fault()
    assert engine.solve().voltages_pu == pytest.approx(before.voltages_pu, abs=1e-5)


def test_power_flows_towards_the_fault_from_every_source():
    engine = feeder("ieee123_ties")
    engine.set_switch("line.sw450", closed=True)
    engine.set_fault("67", (1,), 0.5)
    assert engine.solve().converged
    assert engine.powers_va("line.sw4")[1].real > 0.0  # 60 to 160
    assert engine.powers_va("line.97_98")[1].real < 0.0  # 450's head, from beyond
    assert engine.currents_a("line.97_98")[1] > 3.0 * engine.currents_a("line.97_98")[2]


def test_a_fault_on_a_dead_section_draws_nothing():
    engine = feeder("ieee123")
    engine.set_switch("line.sw3", closed=False)
    without = engine.solve()
    engine.set_fault("44", (1, 2, 3), 0.5)
    solution = engine.solve()
    assert solution.converged
    assert solution.power_w == pytest.approx(without.power_w, rel=1e-6)


@pytest.mark.parametrize(("bus", "phases"), [("nowhere", (1,)), ("94", (1, 2))])
def test_a_fault_is_refused_where_there_is_no_such_conductor(bus, phases):
    engine = feeder("ieee123")
    before = engine.solve().power_w
    with pytest.raises(KeyError):
        engine.set_fault(bus, phases, 0.5)
    assert engine.solve().power_w == pytest.approx(before, rel=1e-6)


def test_a_model_that_cannot_be_read_is_a_fault_of_its_file(tmp_path):
    path = tmp_path / "bad.dss"
    path.write_text("new circuit.a\nnew line.b bus1=x bus2=y linecode=none_such\nsolve\n")
    with pytest.raises(ConfigError, match=r"bad\.dss"):
        DssEngine(path)
