"""The arithmetic of scores, and intervals that hold what they promise."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apps.forecast.forecaster import Forecaster
from gateway.apps.forecast.scores import (
    FEWEST,
    WINDOW,
    Claim,
    Key,
    Outcome,
    ScoreBook,
    Window,
    outcome,
    pinball,
)
from gateway.groups.messages import Quantity
from gateway.model.der import Range

KEY = Key("pv", Quantity.ACTIVE_POWER, "persistence", 900)


def test_figures_of_three_forecasts_reckoned_by_hand():
    window = Window()
    band = Range(90.0, 110.0)
    for actual in (95.0, 100.0, 130.0):
        window.add(outcome(Claim(100.0, band=band), actual, 0))
    found = window.figures()
    assert found.samples == 3
    assert found.mae == pytest.approx((5 + 0 + 30) / 3)
    assert found.bias == pytest.approx((-5 + 0 + 30) / 3)
    assert found.coverage == pytest.approx(2 / 3)
    # ends at 0.1 and 0.9, the nominal at 0.5
    first = (0.1 * 5 + 0.5 * 5 + 0.1 * 15) / 3
    second = (0.1 * 10 + 0.0 + 0.1 * 10) / 3
    third = (0.1 * 40 + 0.5 * 30 + 0.9 * 20) / 3
    assert found.pinball == pytest.approx((first + second + third) / 3)


def test_a_forecast_without_a_band_has_no_coverage():
    one = outcome(Claim(1.0), 2.0, 5)
    assert one == Outcome(5, 1.0, 1.0, None, None)
    window = Window()
    window.add(one)
    assert window.figures().coverage is None
    assert Window().figures().mae is None


@given(st.lists(st.floats(-100, 100), min_size=11, max_size=60), st.sampled_from([0.1, 0.5, 0.9]))
def test_the_pinball_loss_is_least_at_the_quantile(values, share):
    ordered = sorted(values)
    quantile = ordered[max(math.ceil(share * len(values)) - 1, 0)]

    def loss(forecast):
        return sum(pinball(forecast, actual, share) for actual in values)

    assert all(loss(quantile) <= loss(other) + 1e-6 for other in ordered)


def test_too_few_errors_give_no_band_and_a_window_forgets():
    book = ScoreBook()
    for number in range(FEWEST - 1):
        book.add(KEY, Outcome(number, 1.0, 1.0))
    assert book[KEY].band(Claim(10.0)) is None
    book.add(KEY, Outcome(0, 3.0, 1.0))
    assert book[KEY].band(Claim(10.0)) == Range(10.0, pytest.approx(11.0, abs=2.0))
    for _ in range(WINDOW):
        book.add(KEY, Outcome(0, -2.0, 1.0))
    assert book[KEY].mae == 2.0
    assert book[KEY].band(Claim(10.0)) == Range(8.0, 10.0)


def test_a_band_scales_with_what_the_error_is_measured_in_and_is_nothing_at_night():
    window = Window()
    for error in (-50.0, 50.0) * 20:
        window.add(Outcome(0, error, 500.0))
    assert window.band(Claim(80.0, 1000.0)) == Range(-20.0, 180.0)
    assert window.band(Claim(0.0, 0.0)) == Range(0.0, 0.0)


def test_the_book_lets_the_window_go_that_was_heard_of_longest_ago():
    book = ScoreBook(most=2)
    keys = [Key(name, Quantity.ACTIVE_POWER, "m", 1) for name in "abc"]
    book.add(keys[0], Outcome(0, 1.0, 1.0))
    book.add(keys[1], Outcome(0, 1.0, 1.0))
    book.add(keys[0], Outcome(0, 1.0, 1.0))
    book.add(keys[2], Outcome(0, 1.0, 1.0))
    assert set(book.keys()) == {keys[0], keys[2]}


def ar1(rng: random.Random, count: int, memory: float):
    value = 0.0
    for _ in range(count):
        value = memory * value + rng.gauss(0.0, 1.0)
        yield value


@pytest.mark.parametrize("memory", [0.0, 0.7, 0.95])
def test_intervals_hold_four_in_five_of_a_process_that_nobody_told_them(memory):
    """Ends of the 80 % band against an AR(1) process, one step ahead.

    Forecasts do not overlap. A band of 200 errors is itself a draw: by conformal prediction's
    ranks at least 80 % and at most 80 % + 2/201 are inside on average over windows; over 4,000
    forecasts in 20 windows the spread is that of the binomial and of the windows together,
    sqrt(0.16/4000 + 0.16/200/20) = 0.9 %. Four of those.
    """
    rng, book = random.Random(7), ScoreBook()
    forecaster = Forecaster("ar", Quantity.ACTIVE_POWER, 300.0, [300], book)
    now_ms, inside = 0, []
    for value in ar1(rng, 4000 + WINDOW, memory):
        before = forecaster.predict(now_ms - 300_000, 300.0)
        if before is not None and before.band is not None:
            inside.append(before.band.minimum <= value <= before.band.maximum)
        forecaster.observe(now_ms, value, None)
        now_ms += 300_000
    assert len(inside) > 4000
    assert sum(inside) / len(inside) == pytest.approx(0.805, abs=0.036)
    kept = book[Key("ar", Quantity.ACTIVE_POWER, "persistence", 300)].figures()
    assert kept.samples == WINDOW
    # the window's own coverage is a binomial of 200: five of its sigmas
    assert kept.coverage == pytest.approx(0.8, abs=5 * math.sqrt(0.16 / WINDOW))
