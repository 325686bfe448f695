"""What is forecast keeps moves that would be taken back from being made."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.apps.forecast.daily import as_yesterday
from gateway.apps.forecast.persistence import History
from gateway.apps.vvo.config import VvoConfig
from gateway.apps.vvo.horizon import over_horizon
from gateway.apps.vvo.plan import seek
from tests.unit.vvo.ieee13 import objective

CONFIG = VvoConfig(objective="power", tap_cost_kw=1.0, capacitor_cost_kw=3.0)
LOADS = np.full((3, 2), 1.0)


def found(ahead: tuple[float, ...], start):
    """Taps and switches found at 0.6 of the load from ``start``, with loads to come."""
    taps, closed = start
    own = objective(taps, closed, (0.0, 0.0), 0.6, CONFIG)
    model = own._model
    outlook = over_horizon(own, [(LOADS * load, own) for load in ahead], model, LOADS * 0.6)
    present = tuple(control.present for control in own.problem.controls)
    best = seek(own.problem, present, 4000, outlook if ahead else None).best
    return best, own


def whole(best) -> tuple[float, ...]:
    return best.setting[:5]


def test_a_dip_that_ends_at_once_is_not_followed_and_one_that_lasts_is():
    start = ((8, 4, 8), (True, True))
    blind, own = found((), start)
    lasting, _ = found((0.6,) * 4, start)
    passing, _ = found((1.0,) * 4, start)
    stay = (8.0, 4.0, 8.0, 1.0, 1.0)
    moved = [sum(map(abs, np.subtract(whole(one), stay))) for one in (blind, lasting, passing)]
    assert whole(lasting) == whole(blind) != stay
    assert moved[2] < moved[0]
    # what is decided is never out of band now
    assert own.limits.outside(passing.volts_pu) <= own.limits.outside(blind.volts_pu)


def test_the_mean_over_the_horizon_is_what_a_setting_costs_and_the_model_is_left_as_it_was():
    own = objective((4, 2, 4), (True, True), (0.0, 0.0), 0.6, CONFIG)
    present = tuple(control.present for control in own.problem.controls)
    model = own._model
    now_kw = own.judge(present).value_kw
    model.scale_loads(LOADS)
    later_kw = own.judge(present).value_kw
    outlook = over_horizon(own, [(LOADS, own)], model, LOADS * 0.6)
    assert outlook.judge(present).value_kw == pytest.approx((now_kw + later_kw) / 2)
    assert own.judge(present).value_kw == pytest.approx(now_kw)


def test_a_day_ago_says_how_the_value_moves():
    history = History(900.0)
    for quarter in range(97):
        history.add(100.0 + quarter % 96)
    assert as_yesterday(history, 900.0) == pytest.approx(101.0)
    assert as_yesterday(history, 3600.0) == pytest.approx(104.0)


def test_without_a_day_or_across_a_gap_there_is_no_forecast():
    short = History(900.0)
    for quarter in range(90):
        short.add(float(quarter))
    assert as_yesterday(short, 3600.0) is None
    gap = History(900.0)
    for quarter in range(97):
        gap.add(None if quarter == 4 else 1.0)
    assert as_yesterday(gap, 3600.0) is None
    assert as_yesterday(gap, 1800.0) == 1.0
