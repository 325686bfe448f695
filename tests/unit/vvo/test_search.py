"""The search, its measured models and its programs, against what can be counted out."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from gateway.apps.vvo.measure import measure, scales
from gateway.apps.vvo.plan import plan
from gateway.apps.vvo.problem import Control, Judged, Limits, Problem, wear_kw
from gateway.apps.vvo.search import COLD, TRACKING, search
from tests.unit.vvo.ieee13 import objective

BAND = Limits(0.95, 1.05, 0.0, 1e5, 0.0)


def bowl(controls, best, pull, slope, rest_pu=1.0):
    """Losses as a bowl about ``best`` with coupled sides; one voltage that rises with all."""
    scale, best, pull = scales(controls), np.array(best), np.array(pull)

    def judge(setting):
        step = np.array(setting) / scale - best
        value = 50.0 + 0.5 * float(step @ pull @ step)
        volts = np.array([rest_pu + float(np.array(slope) @ (np.array(setting) / scale))])
        cost = value + BAND.penalty_kw(volts) + wear_kw(controls, setting)
        return Judged(tuple(setting), cost, value, volts)

    return Problem(controls, BAND, judge)


TWO_TAPS = (Control("a", "tap", -16, 16), Control("b", "tap", -16, 16))


def test_a_model_of_a_bowl_has_its_slope_and_curvature():
    pull = [[2.0, 0.5], [0.5, 1.0]]
    problem = bowl(TWO_TAPS, (3.0, -2.0), pull, (0.001, 0.002))
    model = measure(problem, problem.judge((0.0, 0.0)), problem.judge)
    assert model.curvature == pytest.approx(np.array(pull), abs=1e-9)
    assert model.slope == pytest.approx(np.array(pull) @ [-3.0, 2.0], abs=1e-9)
    assert model.volts_slope[:, 0] == pytest.approx([0.001, 0.002], abs=1e-12)


@pytest.mark.parametrize("effort", [COLD, TRACKING], ids=["cold", "tracking"])
def test_a_valley_askew_to_the_controls_is_followed_to_its_end(effort):
    """One tap alone makes it worse from nearly everywhere: coordinate descent stands still."""
    pull = [[10.0, 9.9], [9.9, 10.0]]
    problem = bowl(TWO_TAPS, (7.0, -8.0), pull, (0.0, 0.0))
    assert search(problem, (0.0, 0.0), effort).best.setting == (7.0, -8.0)


def test_the_band_is_kept_and_the_best_inside_it_is_found():
    problem = bowl(TWO_TAPS, (10.0, 10.0), np.eye(2), (0.004, 0.005))
    found = search(problem, (-16.0, -16.0))
    inside = [
        problem.judge(setting).cost
        for setting in itertools.product(range(-16, 17), repeat=2)
        if 0.95 <= float(problem.judge(setting).volts_pu[0]) <= 1.05
    ]
    assert found.best.cost == pytest.approx(min(inside))


def test_a_move_must_save_its_wear():
    def solved(wear):
        controls = tuple(replace(control, wear_kw=wear) for control in TWO_TAPS)
        return search(bowl(controls, (2.0, 0.0), np.eye(2), (0.0, 0.0)), (0.0, 0.0)).best.setting

    assert solved(0.0) == (2.0, 0.0)  # saves 1.5 kW with the first step, 0.5 kW with the second
    assert solved(1.0) == (1.0, 0.0)
    assert solved(2.0) == (0.0, 0.0)


def test_a_var_that_is_not_worth_its_wear_stands_where_it_stood():
    def solved(wear):
        control = Control("q", "var", -100e3, 100e3, 20e3, wear)
        problem = bowl((control,), (0.5,), [[8.0]], (0.0,))
        return search(problem, (20e3,)).best.setting[0]

    assert solved(0.1) == pytest.approx(50e3, rel=5e-2)  # saves 0.36 kW
    assert solved(0.5) == 20e3


def test_the_budget_of_power_flows_is_kept():
    goal = objective()
    start = tuple(control.present for control in goal.problem.controls)
    found = search(goal.problem, start, replace(COLD, max_solves=60))
    assert found.solves <= 60
    assert found.best.cost <= goal.problem.judge(start).cost


def test_a_search_has_one_answer():
    answers = {search(objective().problem, (0, 0, 0, 1, 1, 0, 0)).best.setting for _ in range(2)}
    assert len(answers) == 1


@pytest.mark.parametrize("aim", ["losses", "power"])
def test_capacitor_611_is_closed_by_moves_of_two_where_one_does_not_help(aim):
    """Closing it alone breaks the band at phase C; with the tap a step lower it does not."""
    closed = objective(reach=16)
    best = search(closed.problem, (0, 0, 0, 1, 1, 0, 0)).best
    assert best.setting[4] == 1.0
    taps = tuple(int(tap) for tap in best.setting[:3])
    goal = objective(taps, (True, False), best.setting[5:], reach=4)
    found = search(goal.problem, (*best.setting[:4], 0.0, *best.setting[5:]), TRACKING)
    assert found.best.setting[4] == 1.0
    assert found.best.cost <= best.cost * 1.001


def test_without_controls_the_present_is_the_plan():
    goal = objective()
    none = Problem((), goal.limits, goal.judge)
    assert search(replace(none, judge=lambda _: goal.judge((0, 0, 0, 1, 1, 0, 0))), ()).solves == 1


def test_where_the_power_flow_does_not_converge_there_is_no_plan():
    def judge(setting):
        return Judged(setting, float("inf"), 0.0, np.ones(1))

    assert plan(Problem(TWO_TAPS, BAND, judge), 100) is None


ASKEW = [[10.0, 9.9], [9.9, 10.0]]


def test_the_order_avoids_a_state_out_of_band():
    """Raising the one before the other is lowered would break the band: that one waits."""
    controls, told = TWO_TAPS, []
    for _ in range(2):
        problem = bowl(controls, (4.0, -4.0), ASKEW, (0.005, 0.005), rest_pu=1.04)
        planned = plan(problem, 4000)
        assert planned is not None
        told.append((planned.order, planned.best.setting, planned.waiting))
        controls = tuple(
            replace(control, present=value)
            for control, value in zip(TWO_TAPS, planned.best.setting, strict=True)
        )
    assert told == [((1,), (0.0, -4.0), 1), ((0,), (4.0, -4.0), 0)]


def test_what_depends_on_a_changer_waits_until_the_field_shows_it():
    """The lower was told to go down and has not yet: raising the other would break the band."""
    on_its_way = replace(TWO_TAPS[1], present=-4.0, shown=0.0)
    controls = (TWO_TAPS[0], on_its_way)
    planned = plan(bowl(controls, (4.0, -4.0), ASKEW, (0.005, 0.005), rest_pu=1.04), 4000)
    assert planned is not None
    assert (planned.order, planned.waiting) == ((), 1)


def test_moves_too_long_for_any_order_are_made_in_part():
    """Four steps of either alone break the band, at its upper or its lower end; two do not."""
    problem = bowl(TWO_TAPS, (4.0, -4.0), ASKEW, (0.02, 0.02))
    planned = plan(problem, 4000)
    assert planned is not None
    assert planned.best.setting == (2.0, -2.0)


def test_where_no_move_is_safe_none_is_made():
    problem = bowl(TWO_TAPS, (4.0, -4.0), ASKEW, (0.06, 0.06))
    planned = plan(problem, 4000)
    assert planned is not None
    assert planned.order == ()
