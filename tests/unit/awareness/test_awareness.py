"""What awareness says of a feeder, against the feeder itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gateway.apps.awareness.step import AwarenessState
from gateway.grid.dss_engine import DssEngine
from gateway.grid.topology import ends, load_va
from tests.unit.awareness.feeder import BINDINGS, CONFIG, HEAD, MASTER, RATED, SWITCH, Plant, look


@pytest.fixture
def plant(clock):
    return Plant(clock)


def raised(decision) -> set[str]:
    return {alarm.source for alarm in decision.alarms if alarm.active}


def test_nothing_is_ever_commanded_or_asked(plant):
    decision = look(plant)
    assert (decision.commands, decision.messages, decision.advice) == ((), (), ())


def test_power_and_losses_are_the_feeders(plant):
    plant.load = 0.9
    report = look(plant).state.report
    truth = plant.solution
    assert report.head_kw == pytest.approx(truth.power_w / 1e3, abs=0.1)
    assert report.der_kw == pytest.approx(100.0)
    # loads differ from bus to bus in what one head meter cannot tell: within two per cent
    assert report.losses_kw == pytest.approx(truth.losses_w / 1e3, rel=0.02)
    assert report.load_kw == pytest.approx(report.head_kw + 100.0 - report.losses_kw)
    assert report.losses_pct == pytest.approx(
        100 * report.losses_kw / (report.head_kw + 100.0), rel=1e-9
    )
    assert report.quality.grade == "good"
    assert abs(report.quality.head_error_kw) < 0.1


def test_losses_are_the_engines_where_model_and_feeder_are_one(plant):
    """The reference of the published case: taps 9 6 9, nominal loads, 112.391 kW."""
    blind = replace(CONFIG, bindings=replace(BINDINGS, head_p=(), head_q=(), injections=()))
    plant.pv_w = 0.0
    report = look(plant, config=blind).state.report
    assert report.losses_kw == pytest.approx(112.391, abs=0.5)


def test_nodes_out_of_band_are_those_of_the_feeder_and_keep_their_beginning(plant):
    plant.taps = {"reg60a": 16, "reg60b": 2, "reg60c": -4}
    first = look(plant, at_ms=5000)
    report = first.state.report
    truth = {
        node
        for node, volt in plant.volts.items()
        if node.split(".")[0] not in ("sourcebus", "650") and not 0.95 <= volt <= 1.05
    }
    metered = {one.node for one in report.violations if one.measured_pu is not None}
    assert metered == truth & {node for node, _ in BINDINGS.voltages}
    # others by the model: all but those within a thousandth of the edge
    edge = {n for n, v in plant.volts.items() if min(abs(v - 0.95), abs(v - 1.05)) < 1e-3}
    assert {one.node for one in report.violations} ^ truth <= edge
    worst = report.violations[0]
    assert worst.voltage_pu == pytest.approx(max(plant.volts[n] for n in truth), abs=2e-3) or (
        worst.voltage_pu == pytest.approx(min(plant.volts[n] for n in truth), abs=2e-3)
    )
    assert "awareness:voltage" in raised(first)
    later = look(plant, state=first.state, at_ms=65_000)
    assert {one.since_ms for one in later.state.report.violations} == {5000}
    plant.taps = {"reg60a": 4, "reg60b": 2, "reg60c": 4}
    mended = look(plant, state=later.state, at_ms=125_000)
    assert mended.state.report.violations == ()
    assert "awareness:voltage" not in raised(mended)
    assert mended.state.since == {}


def test_loadings_are_current_over_rating_of_rated_branches_only(plant):
    plant.load = 1.0
    report = look(plant).state.report
    shown = {one.branch: one.loading_pct for one in report.loadings}
    currents = plant.engine.currents_a("line.692_675")
    assert shown["line.692_675"] == pytest.approx(100 * max(currents.values()) / 500.0, rel=0.03)
    assert "line.671_680" not in shown
    assert list(shown.values()) == sorted(shown.values(), reverse=True)


def test_an_overload_is_counted_with_its_beginning_and_raises_an_alarm(plant):
    plant.load = 1.3
    decision = look(plant, at_ms=7000)
    report = decision.state.report
    over = {one.branch for one in report.loadings if one.loading_pct > 100.0}
    currents = plant.engine.currents_a("transformer.xfm1").values()
    rating_a = plant.engine.network.branches["transformer.xfm1"].rating_a
    assert ("transformer.xfm1" in over) == (max(currents) > rating_a) is True
    assert report.overloads == len(over)
    assert all(one.since_ms == 7000 for one in report.loadings if one.branch in over)
    assert "awareness:loading" in raised(decision)


def test_imbalance_is_the_largest_deviation_from_the_mean(plant):
    report = look(plant).state.report
    by_bus = {}
    for node, volt in plant.volts.items():
        by_bus.setdefault(node.split(".")[0], []).append(volt)
    worst = max(
        100 * max(abs(v - np.mean(volts)) for v in volts) / np.mean(volts)
        for bus, volts in by_bus.items()
        if len(volts) == 3 and bus not in CONFIG.excluded_buses
    )
    assert report.voltage_imbalance_pct == pytest.approx(worst, abs=0.1)
    head = plant.solution.head_p_w
    assert report.head_imbalance_pct == pytest.approx(
        100 * np.abs(head - head.mean()).max() / head.mean(), rel=1e-3
    )


def test_an_open_switch_leaves_its_zone_without_supply(plant):
    plant.closed = False
    decision = look(plant, looks=2)
    report = decision.state.report
    (zone,) = report.unsupplied
    network = plant.engine.network
    nominal_kw = load_va(network, {"692", "675"}).real / 1e3
    assert (zone.zone, zone.buses, zone.ders) == ("692", 2, ("der_pv675",))
    share = decision.state.multipliers[:, 0].mean()
    assert zone.load_kw == pytest.approx(share * nominal_kw)
    assert report.islands == 2
    assert not any(one.node.startswith(("675", "692")) for one in report.violations)
    assert "awareness:supply" in raised(decision)
    plant.closed = True
    assert look(plant, state=decision.state).state.report.unsupplied == ()


def test_a_switch_nobody_has_seen_stays_as_the_model_has_it(plant):
    plant.measure()
    blind = replace(CONFIG, bindings=replace(BINDINGS, switches=((SWITCH, "no such point"),)))
    assert look(plant, config=blind).state.report.islands == 1


@pytest.mark.parametrize("off_pu", [0.03, -0.03, 0.2])
def test_a_meter_that_reads_wrong_is_found_and_no_other(plant, off_pu):
    plant.off = {"634.2": off_pu}
    decision = look(plant, looks=3)
    suspects = {meter.node for meter in decision.state.report.meters if meter.suspect}
    assert suspects == {"634.2"}
    found = decision.state.report.meters[0]
    assert found.mean_pu == pytest.approx(off_pu, abs=0.01)
    assert found.sigma_pu == pytest.approx(0.0, abs=1e-4)
    assert decision.state.report.quality.grade == "good"  # the others still fit
    assert "awareness:meters" in raised(decision)


def test_good_meters_are_not_suspect(plant):
    assert not any(meter.suspect for meter in look(plant, looks=3).state.report.meters)


def test_a_lost_meter_is_not_counted_and_its_past_is_kept(plant):
    first = look(plant)
    plant.lost = ("v.675.1",)
    second = look(plant, state=first.state)
    assert second.state.report.meters_good == len(BINDINGS.voltages) - 1
    assert second.state.meters["675.1"] == first.state.meters["675.1"]


def test_before_anything_is_measured_there_is_a_report_all_the_same(plant):
    awareness_state = AwarenessState()
    plant.lost = tuple(plant.store.index)
    report = look(plant, state=awareness_state).state.report
    assert report.meters_good == 0
    assert report.quality.grade == "unknown"


def test_the_ends_of_a_feeder_are_its_leaves():
    engine = DssEngine(MASTER, HEAD, changes=RATED)
    assert set(ends(engine.network)) == {"680", "634", "646", "611", "652", "675"}
