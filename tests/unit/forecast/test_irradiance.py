"""Irradiance says how clear it is, whatever a limit or a lost link does to the power."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.apps.forecast.forecaster import Forecaster
from gateway.apps.forecast.scores import Key, ScoreBook
from gateway.apps.forecast.solar import Place, clear_sky_w_per_m2
from gateway.groups.messages import Quantity
from gateway.model.der import Range

P = Quantity.ACTIVE_POWER
FLAT = Place(40.0, -80.0)
SOUTH = Place(40.0, -80.0, 30.0, 180.0)
PLATE = Range(0.0, 100e3)
#: Local midnight is five hours after it in UTC.
START_MS = round(dt.datetime(2024, 5, 1, 5, tzinfo=dt.UTC).timestamp() * 1000)
STEP_S = 300.0
#: What the plant makes of the sun, W a W/m2.
GAIN = 90.0


class Day:
    """A plant under a sky, sampled from local midnight on."""

    def __init__(self, place: Place = FLAT, sensor: Place | None = None) -> None:
        self.book = ScoreBook()
        self.forecaster = Forecaster("pv", P, STEP_S, (900, 3600), self.book, place, sensor)
        self.place, self.sensor = place, sensor or place
        self.now_ms = START_MS

    def until(self, hour, clearness=1.0, *, limit_w=None, power=True, sun=True, lie=1.0):
        """Sample up to a local hour; ``clearness`` is the sky's share of the clear one."""
        while self.now_ms < START_MS + hour * 3_600_000:
            self.now_ms += round(STEP_S * 1000)
            free_w = self.free_w(self.now_ms, clearness)
            value = free_w if limit_w is None else min(free_w, limit_w)
            irradiance = lie * clearness * clear_sky_w_per_m2(self.sensor, self.now_ms)
            self.forecaster.observe(
                self.now_ms,
                value if power else None,
                PLATE,
                irradiance if sun else None,
                limited=limit_w is not None and free_w > limit_w,
            )
        return self

    def free_w(self, at_ms: float, clearness: float = 1.0) -> float:
        return GAIN * clearness * clear_sky_w_per_m2(self.place, at_ms)

    def ahead(self, ahead_s: float):
        return self.forecaster.predict(self.now_ms, ahead_s)


@pytest.mark.parametrize("sensor", [None, FLAT], ids=["plane", "horizontal"])
@pytest.mark.parametrize("clearness", [1.0, 0.5], ids=["clear", "half covered"])
def test_under_a_steady_sky_the_forecast_is_the_suns_course(sensor, clearness):
    day = Day(SOUTH, sensor).until(11, clearness)
    for ahead_s in (900, 3600, 5 * 3600):
        found = day.ahead(ahead_s)
        assert found.nominal == pytest.approx(day.free_w(found.time_ms, clearness), rel=1e-6)


def test_what_holds_a_plant_does_not_hold_its_forecast():
    day = Day().until(9).until(12, limit_w=20e3)
    for ahead_s in (900, 3600):
        found = day.ahead(ahead_s)
        assert found.model == "clear-sky"
        assert found.nominal == pytest.approx(day.free_w(found.time_ms), rel=1e-6)
    assert day.forecaster.present == 20e3
    # and it follows the cloud that the limited power does not show
    day.until(12.5, 0.5, limit_w=20e3)
    found = day.ahead(60)
    assert found.nominal == pytest.approx(day.free_w(found.time_ms, 0.5), rel=0.03)


def test_without_irradiance_a_limit_is_taken_for_the_sky():
    day = Day().until(9).until(12, limit_w=20e3, sun=False)
    assert day.ahead(60).nominal == pytest.approx(20e3, rel=0.1)


def test_a_limit_from_the_first_sample_on_leaves_the_rating_to_go_by():
    day = Day().until(12, limit_w=0.0)
    found = day.ahead(900)
    sun = clear_sky_w_per_m2(FLAT, found.time_ms)
    assert found.nominal == pytest.approx(PLATE.maximum * sun / 1000.0, rel=1e-6)


def test_a_plant_that_cannot_be_read_is_forecast_by_its_sun():
    day = Day().until(10).until(11, 0.6, power=False)
    found = day.ahead(60)
    assert found.nominal == pytest.approx(day.free_w(found.time_ms, 0.6), rel=0.03)
    assert day.forecaster.present is None


@pytest.mark.parametrize("lie", [0.0, -0.2, 3.0, 0.2], ids=["dead", "negative", "high", "shaded"])
def test_irradiance_that_cannot_be_true_is_left_for_the_measured_power(lie):
    told = Day().until(10).until(12, 0.6, lie=lie)
    alone = Day().until(10, sun=False).until(12, 0.6, sun=False)
    if lie == 0.2:  # 0.2 of 0.6 of the sky could not make 54 % of the rating
        assert told.free_w(told.now_ms, 0.6) > 2.0 * 0.12 * PLATE.maximum
    for ahead_s in (900, 3600):
        assert told.ahead(ahead_s).nominal == pytest.approx(alone.ahead(ahead_s).nominal, rel=0.02)


def test_a_plant_that_is_switched_off_is_not_forecast_to_give_what_its_sun_would():
    day = Day().until(10)
    day.forecaster.observe(day.now_ms + 300_000, 0.0, PLATE, 800.0)
    assert day.forecaster.predict(day.now_ms + 300_000, 60).nominal < 0.05 * PLATE.maximum


def test_nothing_is_scored_while_a_limit_hides_what_would_have_come_true():
    day = Day().until(10)
    keys = tuple(day.book.keys())
    before = [len(day.book[key]) for key in keys]
    clear_sky = keys.index(Key("pv", P, "clear-sky", 900))
    assert before[clear_sky] > 20
    day.until(12, limit_w=20e3)
    assert [len(day.book[key]) for key in keys] == before
    day.until(14)
    assert len(day.book[keys[clear_sky]]) > before[clear_sky]


def test_the_interval_stays_what_the_past_errors_were_while_a_limit_holds():
    day = Day()
    for hour in range(12, 84):  # three days, each hour another sky
        day.until(hour / 2, (1.0, 0.6, 0.8, 0.3)[hour % 4])
    day.until(36.0 + 48.0).until(36.0 + 50.0, 0.7, limit_w=10e3)
    band = day.ahead(3600).band
    assert band is not None
    assert band.maximum - band.minimum > 5e3
    assert band.maximum > 10e3
