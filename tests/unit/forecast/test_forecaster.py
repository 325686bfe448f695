"""Which forecast counts: the best of ours by scores, the source's own unless clearly worse."""

from __future__ import annotations

import datetime as dt
import math
import random

import pytest

from gateway.apps.forecast.forecaster import CLEARLY_SAMPLES, OWN, Forecaster
from gateway.apps.forecast.own import at
from gateway.apps.forecast.scores import FEWEST, Key, ScoreBook
from gateway.apps.forecast.solar import Place, clear_sky_w_per_m2
from gateway.groups.messages import Forecast, ForecastInterval, Interpolation, Quantity
from gateway.model.der import Range

P = Quantity.ACTIVE_POWER
PLACE = Place(40.0, -80.0)
PLATE = Range(0.0, 100e3)
START_MS = round(dt.datetime(2024, 5, 1, tzinfo=dt.UTC).timestamp() * 1000)
STEP_S = 300.0


def told(created_ms: int, value, interval_s: float = 900.0, count: int = 12, **changes) -> Forecast:
    intervals = tuple(
        ForecastInterval(
            start_ms=start_ms, quantity=P, nominal=value(start_ms),
            minimum=value(start_ms) - 1.0, maximum=value(start_ms) + 1.0,
        )
        for start_ms in (created_ms + round(1000 * interval_s * n) for n in range(count))
    )  # fmt: skip
    fields = {"confidence_pct": 80.0, "interpolation": Interpolation.STEP, **changes}
    return Forecast(created_ms=created_ms, interval_s=interval_s, intervals=intervals, **fields)


def run(forecaster: Forecaster, value, hours: float, tell=None, bounds=PLATE) -> int:
    """Feed a source's course; returns the time of the last sample."""
    now_ms = START_MS
    for number in range(round(hours * 3600 / STEP_S) + 1):
        now_ms = START_MS + round(number * STEP_S * 1000)
        if tell is not None:
            forecaster.own = told(now_ms, tell)
        forecaster.observe(now_ms, value(now_ms), bounds)
    return now_ms


def fresh(place=None, horizons=(900, 3600, 7200)):
    book = ScoreBook()
    return Forecaster("pv", P, STEP_S, horizons, book, place), book


# ---- a forecast that was sent --------------------------------------------------------------------


def test_a_step_holds_until_the_next_and_a_line_goes_between():
    stepped = told(0, lambda ms: ms / 1000.0)
    assert at(stepped, P, 1_000_000).value == 900.0
    assert at(stepped, P, 899_999).value == 0.0
    straight = told(0, lambda ms: ms / 1000.0, interpolation=Interpolation.LINEAR)
    assert at(straight, P, 1_000_000).value == pytest.approx(1000.0)
    assert at(straight, P, 1_000_000).band == Range(pytest.approx(999.0), pytest.approx(1001.0))


def test_outside_its_span_a_forecast_says_nothing():
    stepped = told(1000, lambda ms: 5.0, count=2)
    assert at(stepped, P, 999) is None
    assert at(stepped, P, 1000 + 1_800_000) is None
    assert at(stepped, P, 1000 + 1_799_000).value == 5.0
    assert at(stepped, Quantity.REACTIVE_POWER, 2000) is None


# ---- choosing ------------------------------------------------------------------------------------


def wavy(ms: float) -> float:
    return 50e3 + 30e3 * math.sin(2 * math.pi * ms / 86_400_000)


def test_of_ours_the_one_with_the_least_error_is_taken_once_there_are_scores():
    forecaster, book = fresh()
    now_ms = run(forecaster, wavy, 60)
    found = forecaster.predict(now_ms, 7200)
    assert found.model == "day-profile"
    assert found.nominal == pytest.approx(wavy(now_ms + 7_200_000), rel=1e-6)
    persistence = book[Key("pv", P, "persistence", 7200)]
    assert len(persistence) >= FEWEST
    assert persistence.mae > 5e3
    # and where yesterday is no guide at all, the other way round
    forecaster, _ = fresh()
    rng = random.Random(3)
    walk = [50e3]
    for _ in range(60 * 12 + 1):
        walk.append(min(max(walk[-1] + rng.gauss(0, 500), 0), 100e3))
    now_ms = run(forecaster, lambda ms: walk[round((ms - START_MS) / 1000 / STEP_S)], 60)
    assert forecaster.predict(now_ms, 900).model == "persistence"


def test_the_sources_own_forecast_is_preferred_before_there_are_scores_and_while_it_is_good():
    forecaster, book = fresh()
    now_ms = run(forecaster, wavy, 1, tell=wavy)
    assert forecaster.predict(now_ms, 900).model == OWN
    now_ms = run(forecaster, wavy, 60, tell=lambda ms: wavy(ms) + 2.0)
    found = forecaster.predict(now_ms, 900)
    assert (found.model, found.note) == (OWN, "")
    assert book[Key("pv", P, OWN, 900)].mae == pytest.approx(2.0, abs=0.01)


def test_one_that_was_clearly_worse_over_enough_samples_gives_way_with_a_note():
    forecaster, book = fresh()
    now_ms = run(forecaster, wavy, 40, tell=lambda ms: wavy(ms) + 20e3)
    assert len(book[Key("pv", P, OWN, 900)]) >= CLEARLY_SAMPLES
    found = forecaster.predict(now_ms, 900)
    assert found.model != OWN
    assert "its own was off by 20000" in found.note
    few, book = fresh(horizons=(7200,))
    now_ms = run(few, wavy, 12, tell=lambda ms: wavy(ms) + 20e3)
    assert 0 < len(book[Key("pv", P, OWN, 7200)]) < CLEARLY_SAMPLES
    assert few.predict(now_ms, 7200).model == OWN


# ---- clear sky -----------------------------------------------------------------------------------


def plant(ms: float, clearness: float = 0.8) -> float:
    return 90.0 * clearness * clear_sky_w_per_m2(PLACE, ms)


def test_under_a_steady_sky_the_clear_sky_model_is_right_from_the_first_morning_on():
    forecaster, _ = fresh(PLACE)
    now_ms = run(forecaster, plant, 14)  # ten in the morning there, solar time about 8:40
    for ahead_s in (900, 3600, 7200, 6 * 3600):
        found = forecaster.predict(now_ms, ahead_s)
        assert found.model == "clear-sky"
        assert found.nominal == pytest.approx(plant(found.time_ms), rel=1e-6)


def test_night_is_zero_and_nothing_else():
    forecaster, _ = fresh(PLACE, horizons=(900, 3600, 7200, 43_200))
    now_ms = run(forecaster, plant, 20)  # afternoon
    found = forecaster.predict(now_ms, 10 * 3600)
    assert clear_sky_w_per_m2(PLACE, found.time_ms) == 0.0
    assert (found.model, found.nominal, found.band) == ("clear-sky", 0.0, Range(0.0, 0.0))


def test_a_cloud_persists_at_first_and_the_mean_comes_back():
    forecaster, _ = fresh(PLACE)
    cloud_ms = START_MS + (17 * 3_600_000)
    now_ms = run(forecaster, lambda ms: plant(ms, 0.2 if ms >= cloud_ms else 0.8), 17)
    shares = [
        forecaster.predict(now_ms, ahead_s).nominal
        / plant(forecaster.predict(now_ms, ahead_s).time_ms, 1.0)
        for ahead_s in (60, 3600, 4 * 3600)
    ]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(0.2, abs=0.02)
    assert shares[-1] == pytest.approx(0.8, abs=0.05)


def test_what_can_absorb_is_no_pv_plant():
    forecaster, _ = fresh(PLACE)
    now_ms = run(forecaster, plant, 16, bounds=Range(-100e3, 100e3))
    assert forecaster.predict(now_ms, 900).model == "persistence"


# ---- bounds, gaps, the least ---------------------------------------------------------------------


def test_nothing_leaves_the_nameplate():
    forecaster, _ = fresh()
    now_ms = run(forecaster, wavy, 60, tell=None, bounds=Range(0.0, 60e3))
    for ahead_s in range(900, 14_400, 900):
        found = forecaster.predict(now_ms, ahead_s)
        assert 0.0 <= found.band.minimum <= found.nominal <= found.band.maximum <= 60e3


def test_while_nothing_good_is_measured_nothing_is_forecast_nor_scored():
    forecaster, book = fresh()
    now_ms = run(forecaster, lambda ms: None, 10)
    assert forecaster.predict(now_ms, 900) is None
    assert forecaster.least(now_ms, 900) is None
    assert list(book.keys()) == []


def test_the_least_is_the_lowest_end_on_the_way_and_without_scores_what_the_plate_allows():
    forecaster, _ = fresh()
    now_ms = run(forecaster, lambda ms: 40e3, 0.5)
    assert forecaster.least(now_ms, 3600) == 0.0
    now_ms = run(forecaster, lambda ms: 40e3, 48)
    assert forecaster.least(now_ms, 3600) == pytest.approx(40e3)
    sinking = run(forecaster, lambda ms: 90e3 - (ms - START_MS) / 1000 / 3600 * 1000, 60)
    least = forecaster.least(sinking, 7200)
    ends = [forecaster.predict(sinking, ahead_s).band.minimum for ahead_s in (900, 3600, 7200)]
    assert least == min(ends)
    assert least < 90e3 - 60e3


def test_a_clock_that_steps_back_does_not_stop_the_scoring():
    forecaster, book = fresh(horizons=(900,))
    run(forecaster, lambda ms: 1.0, 10)
    before = len(book[Key("pv", P, "persistence", 900)])
    run(forecaster, lambda ms: 1.0, 10)  # from the beginning again
    assert len(book[Key("pv", P, "persistence", 900)]) > before + 20
