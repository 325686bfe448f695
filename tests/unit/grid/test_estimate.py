"""Fitting a model whose loads are wrong to a feeder whose head and voltages are known."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.grid.dss_engine import DssEngine
from gateway.grid.estimate import MAX_BIAS_PU, Measured, fit
from tests.unit.grid.settings import FEEDERS

MASTER = FEEDERS / "ieee13_der.dss"
TRUE_LOADS = np.array([[0.7, 0.8], [1.1, 0.9], [0.9, 1.2]])


def plant():
    """Voltages by node and the solution of a feeder with loads, taps and a DER of its own."""
    engine = DssEngine(MASTER)
    engine.scale_loads(TRUE_LOADS)
    engine.set_tap("reg60a", 5)
    engine.set_capacitor("cap611", closed=False)
    engine.set_injection("der_pv675", 200e3, 50e3)
    solution = engine.solve()
    return dict(zip(engine.nodes, solution.voltages_pu.tolist(), strict=True)), solution


def seen(solution, volts) -> Measured:
    return Measured(
        taps={"reg60a": 5},
        capacitors={"cap611": False},
        injections={"der_pv675": (200e3, 50e3)},
        head_p_w=solution.head_p_w.tolist(),
        head_q_var=solution.head_q_var.tolist(),
        voltages_pu=volts,
    )


def test_a_fitted_model_draws_what_the_head_shows():
    _, solution = plant()
    found = fit(DssEngine(MASTER), seen(solution, {}), np.ones((3, 2)))
    assert found.solution.head_p_w == pytest.approx(solution.head_p_w, abs=50.0)
    assert found.solution.head_q_var == pytest.approx(solution.head_q_var, abs=50.0)
    assert found.metered == 0
    assert not found.bias_pu.any()


def test_the_bias_is_what_a_meter_shows_beyond_the_model_and_goes_to_its_phase():
    volts, solution = plant()
    model = DssEngine(MASTER)
    found = fit(model, seen(solution, {"675.1": volts["675.1"] + 0.02}), np.ones((3, 2)))
    modelled = dict(zip(model.nodes, found.solution.voltages_pu, strict=True))
    error = volts["675.1"] + 0.02 - modelled["675.1"]
    assert found.errors_pu == {"675.1": pytest.approx(error)}
    bias = dict(zip(model.nodes, found.bias_pu, strict=True))
    assert bias["671.1"] == bias["675.1"] == pytest.approx(error)
    assert bias["671.2"] == 0.0


def test_a_meter_far_off_is_doubted_and_still_told_of():
    volts, solution = plant()
    wrong = volts["675.1"] + 2 * MAX_BIAS_PU
    found = fit(DssEngine(MASTER), seen(solution, {"675.1": wrong}), np.ones((3, 2)))
    assert found.metered == 0
    assert not found.bias_pu.any()
    assert found.errors_pu["675.1"] > MAX_BIAS_PU


def test_an_open_switch_leaves_what_is_behind_it_without_voltage():
    model = DssEngine(MASTER)
    found = fit(model, Measured(switches={"line.sw671_692": False}), np.ones((3, 2)))
    volts = dict(zip(model.nodes, found.solution.voltages_pu, strict=True))
    assert volts["675.1"] == 0.0
    assert volts["671.1"] > 0.9
