"""The microgrid controller: dispatch within 5 % of the POI rating, states, refusals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.devices.mc_logic import Controller, Curve, Function, Grid, Result, State
from hil.devices.microgrid import Assets
from hil.scenario import DEFAULT_SCENARIO, load_scenario

SCENARIO = load_scenario(DEFAULT_SCENARIO)
POI = SCENARIO.ders["mg680"]
BAND = 0.05 * POI.s_max_va
LOAD_W = SCENARIO.microgrid.load_w


def make(sun: float = 0.8, soc: float = 0.65) -> Controller:
    controller = Controller(Assets(POI, SCENARIO.microgrid))
    controller.assets.soc = soc
    run(controller, 5, sun)
    return controller


def run(
    controller: Controller, seconds: int, sun: float = 0.8, grid: Grid | None = None
) -> tuple[float, float]:
    for _ in range(seconds):
        poi = controller.step(grid or Grid(), sun, 1.0)
    return poi


def test_without_a_request_the_battery_rests_and_pv_serves_the_load() -> None:
    power_w, _ = run(make(sun=0.8), 10)
    assert power_w == pytest.approx(0.8 * 250e3 - LOAD_W, abs=1.0)


@pytest.mark.parametrize("wanted_w", [200e3, 100e3, 0.0, -100e3, -250e3])
def test_real_power_is_held_within_5_pct_of_the_rating(wanted_w: float) -> None:
    controller = make()
    assert controller.ask_power(wanted_w)
    assert controller.result is Result.OK
    power_w, _ = run(controller, 8)
    assert abs(power_w - wanted_w) <= BAND
    # and stays there when the sun goes
    power_w, _ = run(controller, 8, sun=0.5)
    assert abs(power_w - wanted_w) <= BAND


@pytest.mark.parametrize("wanted_var", [250e3, 60e3, 0.0, -250e3])
def test_reactive_power_is_held_within_5_pct_of_the_rating(wanted_var: float) -> None:
    controller = make()
    assert controller.ask_reactive_power(wanted_var)
    assert controller.result is Result.OK
    _, reactive_var = run(controller, 8)
    assert abs(reactive_var - wanted_var) <= BAND


def test_a_request_beyond_the_capability_is_clipped_to_it() -> None:
    controller = make(sun=0.5)
    now = controller.capability()
    assert controller.ask_power(400e3)
    assert controller.result is Result.CLIPPED
    assert controller.held.power_w == pytest.approx(now.p_max)
    assert now.p_max == pytest.approx(0.5 * 250e3 + 200e3 - LOAD_W)
    power_w, _ = run(controller, 8, sun=0.5)
    assert abs(power_w - now.p_max) <= BAND


def test_an_export_limit_curtails_pv_once_the_battery_is_full() -> None:
    controller = make(sun=1.0, soc=0.99)
    assert controller.ask_limit(0.0)
    power_w, _ = run(controller, 8, sun=1.0)
    assert power_w <= 0.0 + 1.0
    assert controller.assets.pv_w == pytest.approx(LOAD_W, abs=1.0)


def test_an_import_limit_discharges_the_battery() -> None:
    controller = make(sun=0.0)
    assert run(controller, 5, sun=0.0)[0] == pytest.approx(-LOAD_W)
    assert controller.ask_limit(-50e3)
    power_w, _ = run(controller, 8, sun=0.0)
    assert power_w >= -50e3 - 1.0


def test_a_dispatch_beyond_the_limit_is_clipped_to_it() -> None:
    controller = make()
    controller.ask_limit(50e3)
    assert controller.ask_power(200e3)
    assert controller.result is Result.CLIPPED
    assert run(controller, 10)[0] <= 50e3 + 1.0
    controller.ask_limit(None)
    controller.ask_power(200e3)
    assert controller.result is Result.OK


def test_power_factor_sets_the_sign_and_size_of_q() -> None:
    controller = make()
    controller.ask_power(200e3)
    assert controller.ask_power_factor(0.9)
    power_w, reactive_var = run(controller, 10)
    assert power_w / math.hypot(power_w, reactive_var) == pytest.approx(0.9, abs=0.01)
    assert reactive_var > 0, "over-excited injects"
    controller.ask_power_factor(-0.9)
    assert run(controller, 10)[1] < 0, "under-excited absorbs"
    assert not controller.ask_power_factor(0.5)
    assert controller.result is Result.INVALID


def test_a_volt_var_curve_answers_the_voltage() -> None:
    controller = make()
    curve = Curve(((0.92, 176e3), (0.98, 0.0), (1.02, 0.0), (1.08, -176e3)))
    assert controller.ask_curve(curve)
    for voltage, expected in ((0.95, 88e3), (1.0, 0.0), (1.05, -88e3), (1.2, -176e3)):
        _, reactive_var = run(controller, 10, grid=Grid(voltage))
        assert abs(reactive_var - expected) <= 0.10 * POI.s_max_va
        assert reactive_var == pytest.approx(expected, abs=100.0)
    assert not controller.ask_curve(Curve(((1.0, 0.0), (0.9, 0.0))))
    assert controller.result is Result.INVALID
    assert controller.held.curve == curve, "a refused curve leaves the old one"


def test_the_reactive_functions_exclude_each_other() -> None:
    controller = make()
    controller.ask_reactive_power(50e3)
    controller.ask_power_factor(0.95)
    assert controller.held.reactive_power_var is None
    controller.ask_reactive_power(50e3)
    assert controller.held.power_factor is None


def test_the_battery_keeps_40_pct_while_connected() -> None:
    controller = make(sun=0.0, soc=0.402)
    controller.ask_power(80e3)
    for _ in range(600):
        controller.step(Grid(), 0.0, 1.0)
        assert controller.assets.soc >= 0.3995
    assert controller.assets.battery_w == 0.0
    assert controller.capability().p_max == pytest.approx(-LOAD_W)


def test_planned_islanding_brings_the_poi_to_zero_then_opens_within_30_s() -> None:
    controller = make()
    controller.ask_power(250e3)
    run(controller, 10)
    assert controller.ask_disconnect(emergency=False)
    assert controller.state is State.T1
    seen = []
    while controller.closed and len(seen) < 30:
        seen.append(controller.step(Grid(), 0.8, 1.0))
    assert controller.state is State.SS2
    assert math.hypot(*seen[-2]) < BAND, "about zero before it opens"
    assert seen[-1] == (0.0, 0.0)
    assert controller.load_carried


def test_islanded_the_battery_forms_the_grid_and_requests_are_refused() -> None:
    controller = make()
    controller.ask_disconnect(emergency=True)
    assert controller.state is State.T2
    run(controller, 60, sun=0.2)
    assert controller.state is State.SS2
    assets = controller.assets
    assert assets.pv_w + assets.battery_w == pytest.approx(LOAD_W)
    assert abs(controller.island_hz - 60.0) <= 0.05
    for ask in (controller.ask_power, controller.ask_reactive_power, controller.ask_limit):
        assert not ask(10e3)
        assert controller.result is Result.ISLANDED
    assert not controller.ask_power_factor(0.95)
    assert controller.result is Result.ISLANDED
    assert controller.held.power_w is None


def test_islanded_the_load_is_carried_for_30_minutes() -> None:
    controller = make(sun=0.0, soc=0.65)
    controller.ask_disconnect(emergency=True)
    for _ in range(30 * 60):
        controller.step(Grid(), 0.0, 1.0)
        assert controller.load_carried


def test_reconnection_closes_only_in_step() -> None:
    controller = make()
    controller.ask_disconnect(emergency=True)
    run(controller, 100)
    assert controller.ask_connect()
    assert controller.state is State.T3
    for _ in range(60):
        controller.step(Grid(1.02, 60.01), 0.8, 1.0)
        if controller.closed:
            break
    assert controller.state is State.SS1
    assert abs(controller.angle_deg) <= 20.0
    power_w, _ = run(controller, 10)
    assert power_w == pytest.approx(0.8 * 250e3 - LOAD_W, abs=1.0)


def test_reconnection_to_a_dead_grid_is_given_up() -> None:
    controller = make()
    controller.ask_disconnect(emergency=True)
    run(controller, 5)
    controller.ask_connect()
    run(controller, 61, grid=Grid(0.0, 60.0))
    assert controller.state is State.SS2
    assert (controller.result, controller.result_function) == (Result.NO_SYNC, Function.CONNECT)


def test_loss_of_mains_islands_by_itself() -> None:
    controller = make()
    assert controller.step(Grid(0.1), 0.8, 1.0) == (0.0, 0.0)
    assert controller.state is State.T2
    run(controller, 3, grid=Grid(0.1))
    assert controller.state is State.SS2


def test_in_local_nothing_is_taken() -> None:
    controller = make()
    controller.local = True
    assert not controller.ask_power(10e3)
    assert not controller.ask_disconnect(emergency=False)
    assert controller.result is Result.LOCAL
    assert controller.state is State.SS1


@settings(max_examples=60, deadline=None)
@given(
    sun=st.floats(0, 1),
    soc=st.floats(0.1, 1.0),
    wanted_w=st.floats(-1e6, 1e6),
    wanted_var=st.floats(-1e6, 1e6),
    limit_w=st.none() | st.floats(-400e3, 400e3),
)
def test_whatever_is_asked_ratings_and_limits_hold(
    sun: float, soc: float, wanted_w: float, wanted_var: float, limit_w: float | None
) -> None:
    controller = make(sun, soc)
    if limit_w is not None:
        controller.ask_limit(limit_w)
    controller.ask_power(wanted_w)
    controller.ask_reactive_power(wanted_var)
    power_w, reactive_var = run(controller, 15, sun)
    assets = controller.assets
    assert -1 <= assets.pv_w <= sun * 250e3 + 1
    assert abs(assets.battery_w) <= 200e3 + 1
    assert math.hypot(power_w, reactive_var) <= POI.s_max_va + BAND
    if limit_w is not None and limit_w >= 0 and soc < 0.97:
        assert power_w <= max(limit_w, -LOAD_W) + 1.0
