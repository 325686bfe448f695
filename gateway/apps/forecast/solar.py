"""Where the sun stands, and what a clear sky would give a plane.

Position: the low-accuracy formulas of Meeus, *Astronomical Algorithms*, as NOAA's solar calculator
uses them (edition not verified); good to some hundredths of a degree between 1950 and 2050. The
air's refraction is left out: it matters below 5 degrees, where no forecast rests on the sun.
Irradiance: Meinel's beam through Kasten and Young's air mass, a tenth of it diffuse. Its shape
over the day is what counts; how much a plant gives of it is measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_MS_PER_DAY = 86_400_000
#: 1970-01-01 and 2000-01-01T12:00 as Julian days.
_UNIX_EPOCH_JD, _J2000_JD = 2_440_587.5, 2_451_545.0
_SOLAR_CONSTANT_W_PER_M2 = 1353.0
_DIFFUSE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plant is and how its plane lies.

    Attributes:
        latitude_deg, longitude_deg: north and east positive.
        tilt_deg: 0 is flat.
        azimuth_deg: what the plane faces, clockwise from north.
    """

    latitude_deg: float
    longitude_deg: float
    tilt_deg: float = 0.0
    azimuth_deg: float = 180.0


@dataclass(frozen=True, slots=True)
class Sun:
    """Position of the sun's centre, degrees; azimuth clockwise from north."""

    elevation_deg: float
    azimuth_deg: float
    declination_deg: float
    equation_of_time_min: float


def sun(place: Place, utc_ms: float) -> Sun:
    """Where the sun stands."""
    days = utc_ms / _MS_PER_DAY + _UNIX_EPOCH_JD - _J2000_JD
    century = days / 36_525.0
    longitude = math.radians((280.46646 + century * (36_000.76983 + 0.0003032 * century)) % 360.0)
    anomaly = math.radians(357.52911 + century * (35_999.05029 - 0.0001537 * century))
    eccentricity = 0.016708634 - century * (0.000042037 + 0.0000001267 * century)
    centre_deg = (
        math.sin(anomaly) * (1.914602 - century * (0.004817 + 0.000014 * century))
        + math.sin(2 * anomaly) * (0.019993 - 0.000101 * century)
        + math.sin(3 * anomaly) * 0.000289
    )
    node = math.radians(125.04 - 1934.136 * century)
    apparent = longitude + math.radians(centre_deg - 0.00569 - 0.00478 * math.sin(node))
    obliquity = math.radians(23.4392911 - 0.0130042 * century + 0.00256 * math.cos(node))
    declination = math.asin(math.sin(obliquity) * math.sin(apparent))
    y = math.tan(obliquity / 2.0) ** 2
    equation_min = 4.0 * math.degrees(
        y * math.sin(2 * longitude)
        - 2 * eccentricity * math.sin(anomaly)
        + 4 * eccentricity * y * math.sin(anomaly) * math.cos(2 * longitude)
        - 0.5 * y * y * math.sin(4 * longitude)
        - 1.25 * eccentricity**2 * math.sin(2 * anomaly)
    )
    clock_min = utc_ms % _MS_PER_DAY / 60_000.0
    solar_min = clock_min + equation_min + 4.0 * place.longitude_deg
    hour = math.radians(solar_min / 4.0 - 180.0)
    latitude = math.radians(place.latitude_deg)
    sine = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(
        declination
    ) * math.cos(hour)
    east = -math.cos(declination) * math.sin(hour)
    north = math.sin(declination) * math.cos(latitude) - math.cos(declination) * math.sin(
        latitude
    ) * math.cos(hour)
    return Sun(
        elevation_deg=math.degrees(math.asin(max(-1.0, min(1.0, sine)))),
        azimuth_deg=math.degrees(math.atan2(east, north)) % 360.0,
        declination_deg=math.degrees(declination),
        equation_of_time_min=equation_min,
    )


def clear_sky_w_per_m2(place: Place, utc_ms: float) -> float:
    """Irradiance of a place's plane under a clear sky; 0 at night."""
    position = sun(place, utc_ms)
    if position.elevation_deg <= 0.0:
        return 0.0
    elevation = math.radians(position.elevation_deg)
    air_mass = 1.0 / (math.sin(elevation) + 0.50572 * (position.elevation_deg + 6.07995) ** -1.6364)
    beam = _SOLAR_CONSTANT_W_PER_M2 * math.pow(0.7, math.pow(air_mass, 0.678))
    tilt = math.radians(place.tilt_deg)
    across = math.radians(position.azimuth_deg - place.azimuth_deg)
    incidence = math.sin(elevation) * math.cos(tilt) + math.cos(elevation) * math.sin(
        tilt
    ) * math.cos(across)
    sky_seen = (1.0 + math.cos(tilt)) / 2.0
    return beam * (max(incidence, 0.0) + _DIFFUSE_SHARE * sky_seen)
