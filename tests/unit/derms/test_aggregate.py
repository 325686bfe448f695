"""A sum of forecasts: its band holds as often as it says, however members hang together."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.apps.forecast.aggregate import aggregate, dependence

MEMBERS, SAMPLES, LAG = 30, 360, 12


def walk(rng: np.random.Generator, together: float) -> np.ndarray:
    """Random walks whose steps have a given mean correlation."""
    common, own = rng.normal(size=(SAMPLES + LAG, 1)), rng.normal(size=(SAMPLES + LAG, MEMBERS))
    steps = np.sqrt(together) * common + np.sqrt(1.0 - together) * own
    return 5e3 + np.cumsum(10.0 * steps, axis=0)


@pytest.mark.parametrize("together", [0.0, 0.3, 1.0])
def test_the_band_of_the_sum_holds_what_it_says(together):
    rng = np.random.default_rng(3)
    low, high = np.full(MEMBERS, -1e5), np.full(MEMBERS, 1e5)
    inside, widths, sums = 0, [], []
    for _ in range(200):
        whole = walk(rng, together)
        made = aggregate(whole[:SAMPLES], low, high, 5.0, 0, 5.0 * LAG)
        came = whole[-1].sum()
        inside += made.minimum <= came <= made.maximum
        widths.append(made.maximum - made.minimum)
        moves = whole[LAG:SAMPLES] - whole[: SAMPLES - LAG]
        sums.append(
            float((np.quantile(moves, 0.9, axis=0) - np.quantile(moves, 0.1, axis=0)).sum())
        )
    assert inside / 200 >= 0.75  # of 80 % said; 200 draws tell it to 3 %
    # and where errors cancel it says so: much narrower than bands laid end to end
    if together == 0.0:
        assert np.mean(widths) < 0.6 * np.mean(sums)


def test_too_short_a_past_takes_errors_to_go_together():
    rng = np.random.default_rng(4)
    assert dependence(rng.normal(size=(40, 5)), 2.0) == 1.0
    assert dependence(rng.normal(size=(4000, 5)), 4000.0) < 0.1


def test_what_is_not_known_is_not_forecast():
    low, high = np.zeros(2), np.full(2, 10.0)
    past = np.array([[1.0, 2.0], [1.0, np.nan]])
    assert aggregate(past, low, high, 5.0, 0, 5.0) is None
    made = aggregate(past[:1], low, high, 5.0, 0, 5.0)
    assert (made.nominal, made.minimum, made.maximum) == (3.0, 0.0, 20.0)
