"""Operations are counted from what the field shows, priced by the day, and hunting is stopped."""

from __future__ import annotations

import math

import pytest

from gateway.apps.vvo.config import Budget, Hunting, VvoConfig
from gateway.apps.vvo.plant import priced
from gateway.apps.vvo.problem import Control
from gateway.apps.vvo.usage import SPENT_KW, Usage, alarms, left, observe, price_kw, resting

HOUR_MS = 3_600_000
BUDGET = Budget(taps=20, switchings=4)
NO_HUNTING = Hunting(turns=100)


def seen(positions, step_ms, budget=BUDGET, hunting=NO_HUNTING, begin_ms=0):
    usage = {}
    for number, value in enumerate(positions):
        now_ms = begin_ms + number * step_ms
        usage = observe(usage, {"reg": float(value)}, budget, hunting, now_ms)
    return usage


def test_steps_that_the_field_shows_are_counted_whoever_ordered_them():
    assert seen([3, 5, 5, 4], 1000)["reg"].operations == 3.0


def test_the_first_reading_is_no_operation_and_a_lost_one_forgets_nothing():
    usage = seen([7, 8], 1000)
    assert usage["reg"].operations == 1.0
    assert observe(usage, {}, BUDGET, NO_HUNTING, 5000) == usage


def test_the_day_begins_at_local_midnight():
    east = Budget(taps=20, utc_offset_h=2.0)
    usage = seen([0, 4], 1000, east, begin_ms=21 * HOUR_MS)
    later = observe(usage, {"reg": 5.0}, east, NO_HUNTING, 22 * HOUR_MS)
    assert usage["reg"].operations == 4.0
    assert later["reg"].operations == 1.0
    same = observe(usage, {"reg": 5.0}, BUDGET, NO_HUNTING, 22 * HOUR_MS)
    assert same["reg"].operations == 5.0


def test_the_price_rises_as_the_budget_goes_faster_than_the_day():
    def price(used, hour):
        known = Usage(0.0, 0, used)
        return price_kw(2.0, 20, known, BUDGET, round(hour * HOUR_MS))

    assert price(0, 0) == pytest.approx(2.0)
    assert price(10, 12) == pytest.approx(2.0)
    assert price(10, 6) == pytest.approx(3.0)
    assert price(5, 12) == 2.0  # behind the day it is not cheaper than wear is
    assert price(19, 0) == pytest.approx(40.0)
    assert price(20, 23) == price(25, 23) == SPENT_KW
    assert price_kw(2.0, None, None, BUDGET, 0) == 2.0


def test_no_move_goes_beyond_what_is_left_until_it_is_spent():
    config = VvoConfig(budget=BUDGET)
    control = Control("reg", "tap", -4, 4, 0.0, 2.0, 0.0)
    near = priced(config, control, Usage(0.0, 0, 18.0), 0)
    assert (near.minimum, near.maximum) == (-2.0, 2.0)
    spent = priced(config, control, Usage(0.0, 0, 20.0), 0)
    assert (spent.minimum, spent.maximum, spent.wear_kw) == (-4, 4, SPENT_KW)
    assert left(20, Usage(0.0, 0, 20.0)) == 0.0
    assert left(None, None) == math.inf


def test_a_control_that_goes_back_and_forth_rests_and_is_tried_again():
    hunting = Hunting(turns=2, window_s=600.0, rest_s=1800.0)
    swinging = [0, 1, 0, 1, 0]  # turns back three times
    usage = seen(swinging, 60_000, hunting=hunting)
    last_ms = 4 * 60_000
    assert resting(usage, last_ms) == {"reg"}
    (alarm,) = alarms(usage, last_ms)
    assert alarm.active
    over_ms = last_ms + 1_800_000
    usage = observe(usage, {"reg": 0.0}, BUDGET, hunting, over_ms)
    assert resting(usage, over_ms) == frozenset()
    assert not alarms(usage, over_ms)[0].active


def test_going_one_way_or_turning_seldom_is_no_hunting():
    hunting = Hunting(turns=2, window_s=600.0)
    assert not resting(seen(range(12), 60_000, hunting=hunting), 12 * 60_000)
    assert not resting(seen([0, 1] * 6, 400_000, hunting=hunting), 12 * 400_000)


def test_a_clock_that_steps_back_does_not_keep_a_control_at_rest():
    hunting = Hunting(turns=1, window_s=600.0, rest_s=100.0)
    usage = seen([0, 1, 0, 1], 1000, hunting=hunting, begin_ms=HOUR_MS)
    back = observe(usage, {"reg": 1.0}, BUDGET, hunting, 0)
    assert back["reg"].rests_until_ms <= 100_000
