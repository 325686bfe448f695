"""The feeder against the published power-flow anchors and against physics."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hil.plant.engine import EngineError, Feeder
from hil.scenario import Scenario

FEEDERS = Path(__file__).parents[3] / "hil" / "feeders"


def _solved_with_own_controls() -> Feeder:
    feeder = Feeder(FEEDERS / "ieee13.dss")
    feeder.command("set tolerance=1e-9")
    feeder.command("solve")
    return feeder


def test_base_feeder_meets_the_published_anchors() -> None:
    feeder = _solved_with_own_controls()
    source = feeder.source_va()
    assert source.real / 1e3 == pytest.approx(3567.050, rel=1e-4)
    assert source.imag / 1e3 == pytest.approx(1736.436, rel=1e-4)
    assert feeder.losses_w() / 1e3 == pytest.approx(112.391, rel=1e-4)
    taps = [float(feeder.command(f"? Transformer.reg60{p}.tap")) for p in "abc"]
    assert [round((t - 1) / 0.00625) for t in taps] == [9, 6, 9]


def test_nominal_model_is_the_base_feeder_without_its_regulator_control(nominal: Feeder) -> None:
    base = _solved_with_own_controls()
    loads, lines = base.loads, base.lines
    der = Feeder(FEEDERS / "ieee13_der.dss")
    assert der.loads == loads
    assert der.lines == lines
    assert all(der.command(f"? RegControl.reg60{p}.enabled").lower() == "false" for p in "abc")


@pytest.mark.parametrize("position", [-16, -5, 0, 7, 16])
def test_tap_ratio_is_one_plus_0_00625_a_step(nominal: Feeder, position: int) -> None:
    nominal.set_tap("reg60a", position)
    nominal.solve()
    volts = nominal.voltages_pu()
    # 0.01 % reactance and loss of the regulator leave a few 1e-4.
    assert volts["rg60.1"] / volts["650.1"] == pytest.approx(1 + 0.00625 * position, abs=6e-4)
    assert volts["rg60.2"] / volts["650.2"] == pytest.approx(1.0, abs=6e-4)


def test_reactive_injection_raises_the_voltage(nominal: Feeder) -> None:
    nominal.solve()
    before = nominal.voltages_pu()
    nominal.set_injection("der_pv675", 0.0, 200e3)
    nominal.solve()
    after = nominal.voltages_pu()
    # Three-phase injection: every phase of the bus, and the buses on the way, rise.
    for node in ("675.1", "675.2", "675.3", "671.1", "671.2", "671.3"):
        assert after[node] > before[node] + 1e-3


def test_injection_is_what_was_set(nominal: Feeder, scenario: Scenario) -> None:
    for der in scenario.der:
        nominal.set_injection(der.element, 50e3, -20e3)
    nominal.solve()
    for der in scenario.der:
        into = sum(nominal.powers_va(f"Generator.{der.element}"), 0j)
        assert -into.real == pytest.approx(50e3, rel=1e-4)
        assert -into.imag == pytest.approx(-20e3, rel=1e-4)


def test_energy_balances(nominal: Feeder) -> None:
    nominal.set_injection("der_mg680", 100e3, 0.0)
    nominal.solve()
    source = nominal.source_va()
    loads = sum((sum(nominal.powers_va(f"Load.{n}"), 0j).real for n in nominal.loads), 0.0)
    assert source.real + 100e3 == pytest.approx(loads + nominal.losses_w(), rel=1e-5)


def test_a_capacitor_raises_its_bus(nominal: Feeder) -> None:
    nominal.set_capacitor("cap611", closed=True)
    nominal.solve()
    closed = nominal.voltages_pu()["611.3"]
    nominal.set_capacitor("cap611", closed=False)
    nominal.solve()
    assert closed > nominal.voltages_pu()["611.3"] + 0.005


def test_every_bus_has_a_place_in_the_diagram(nominal: Feeder) -> None:
    with (FEEDERS / "ieee13_buses.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["bus"] for r in rows} == {n.partition(".")[0] for n in nominal.nodes}
    assert len({(r["x"], r["y"]) for r in rows}) == len(rows)


def test_the_engine_leaves_the_working_directory_alone(scenario: Scenario) -> None:
    before = Path.cwd()
    Feeder(scenario.feeder)
    assert Path.cwd() == before


def test_a_refused_command_is_an_error(nominal: Feeder) -> None:
    with pytest.raises(EngineError, match="nonsense"):
        nominal.command("nonsense here")
