"""The sun by published positions, and a plane by geometry."""

from __future__ import annotations

import datetime as dt

import pytest

from gateway.apps.forecast.solar import Place, clear_sky_w_per_m2, sun

GOLDEN = Place(39.742476, -105.1786)
GREENWICH = Place(51.4769, 0.0)


def utc_ms(*when: int) -> int:
    return round(dt.datetime(*when, tzinfo=dt.UTC).timestamp() * 1000)


def test_the_position_is_that_of_the_published_spa_example():
    """NREL's Solar Position Algorithm, its worked example of 17 October 2003, 12:30:30 at UTC-7.

    Without refraction: e0 = 39.872046, azimuth 194.340241, declination -9.314340 degrees,
    equation of time 14.641503 min. Ours is a simpler formula: 0.02 degrees, 0.05 min.
    """
    found = sun(GOLDEN, utc_ms(2003, 10, 17, 19, 30, 30))
    assert found.elevation_deg == pytest.approx(39.872046, abs=0.02)
    assert found.azimuth_deg == pytest.approx(194.340241, abs=0.02)
    assert found.declination_deg == pytest.approx(-9.314340, abs=0.01)
    assert found.equation_of_time_min == pytest.approx(14.641503, abs=0.05)


@pytest.mark.parametrize(
    ("when", "declination_deg"),
    [
        ((2024, 3, 20, 3, 6), 0.0),  # the almanac's equinoxes and solstices of 2024
        ((2024, 6, 20, 20, 51), 23.44),
        ((2024, 9, 22, 12, 44), 0.0),
        ((2024, 12, 21, 9, 20), -23.44),
    ],
)
def test_the_declination_at_equinox_and_solstice(when, declination_deg):
    assert sun(GREENWICH, utc_ms(*when)).declination_deg == pytest.approx(declination_deg, abs=0.01)


@pytest.mark.parametrize(
    ("when", "minutes"), [((2024, 2, 11, 12), -14.2), ((2024, 11, 3, 12), 16.4)]
)
def test_the_equation_of_time_at_its_ends(when, minutes):
    assert sun(GREENWICH, utc_ms(*when)).equation_of_time_min == pytest.approx(minutes, abs=0.1)


def test_noon_is_when_the_sun_is_due_south_and_as_high_as_latitude_and_declination_say():
    place, noon = Place(40.0, -75.0), utc_ms(2024, 5, 1, 12, 0)
    equation_min = sun(place, noon).equation_of_time_min
    noon += round(60_000 * (75.0 * 4.0 - equation_min))
    found = sun(place, noon)
    assert found.azimuth_deg == pytest.approx(180.0, abs=0.05)
    assert found.elevation_deg == pytest.approx(90.0 - 40.0 + found.declination_deg, abs=0.01)
    around = [sun(place, noon + minutes * 60_000).elevation_deg for minutes in (-30, 30)]
    assert found.elevation_deg > max(around)


def test_south_of_the_equator_the_noon_sun_is_in_the_north():
    found = sun(Place(-33.87, 151.21), utc_ms(2024, 6, 21, 2, 0))
    assert min(found.azimuth_deg, 360.0 - found.azimuth_deg) < 5.0


def test_night_is_nothing_and_a_high_sun_gives_what_a_clear_day_does():
    assert clear_sky_w_per_m2(GOLDEN, utc_ms(2024, 6, 21, 7, 0)) == 0.0
    # the sun in the zenith: one air mass, 1 kW/m2 by the standard test condition, within a tenth
    zenith = Place(sun(GREENWICH, utc_ms(2024, 6, 21, 12, 2)).declination_deg, 0.0)
    assert clear_sky_w_per_m2(zenith, utc_ms(2024, 6, 21, 12, 2)) == pytest.approx(1000, rel=0.1)


def test_a_plane_that_faces_a_low_sun_gets_more_than_a_flat_one_and_one_that_does_not_less():
    at = utc_ms(2024, 12, 21, 19, 0)
    flat = clear_sky_w_per_m2(GOLDEN, at)
    south = clear_sky_w_per_m2(Place(39.742476, -105.1786, 50.0, 180.0), at)
    north = clear_sky_w_per_m2(Place(39.742476, -105.1786, 50.0, 0.0), at)
    assert north < flat < south
