"""PV forecast: the clear sky's course, scaled by how clear it is now.

A plant's share of the clear sky (W a W/m2) is measured while the sun is high enough: by its power,
or where the irradiance is measured by that, times what the plant has been seen to make of it. Then
a limit, or a plant that cannot be read, hides nothing. From the present the share relaxes to its
mean of late: clouds go, and whether the sun does is known.
"""

from __future__ import annotations

import math

from gateway.apps.forecast.models import Guess
from gateway.apps.forecast.solar import Place, clear_sky_w_per_m2

#: Below this irradiance the share is not measured: small over small, and horizons have hills.
_LEAST_W_PER_M2 = 50.0
#: How long a cloudiness goes on, and over how much daylight its mean is taken.
_PERSISTS_S, _MEAN_S = 3600.0, 3 * 36_000.0
#: A share measured longer ago than this, the sun having been high, is not the present one.
_OLDEST_S = 18 * 3600.0
#: Most irradiance that is believed, as a share of the clear sky's: a cloud's edge adds some.
_MOST_INDEX = 1.6
#: Irradiance at which a plant of which nothing else is known gives its rating, W/m2.
_RATED_W_PER_M2 = 1000.0
#: A plant that gives more than so many times its rating's share of the sun, and some more of its
#: rating, or less than this share of what it used to make of it, gives the sensor the lie.
_MOST_GAIN, _SLACK, _LEAST_GAIN = 2.0, 0.05, 0.05


class ClearSky:
    """Forecasts one PV plant.

    Args:
        place: where it is.
        spacing_s: time between samples.
        sensor: how the irradiance sensor's plane lies; the plant's own where None.
    """

    name = "clear-sky"

    def __init__(self, place: Place, spacing_s: float, sensor: Place | None = None) -> None:
        self._place, self._sensor = place, sensor or place
        self._weight = spacing_s / _MEAN_S
        self._share: float | None = None
        self._mean: float | None = None
        self._measured_ms = 0
        self._measured_s = 0.0
        self._spacing_s = spacing_s
        #: Power, and irradiance beside it, each added up and slowly forgotten.
        self._power_w = self._sun_w_per_m2 = 0.0

    def observe(self, now_ms: int, value: float | None) -> None:
        """Take the sample of now, W; None where nothing good was measured."""
        clear = clear_sky_w_per_m2(self._place, now_ms)
        if value is not None and clear >= _LEAST_W_PER_M2:
            self._take(now_ms, max(value, 0.0) / clear)

    def observe_sun(
        self, now_ms: int, irradiance_w_per_m2: float, value: float | None, rating_w: float
    ) -> bool:
        """Take the sample of now by the sun rather than by the power.

        Args:
            now_ms: UTC ms.
            irradiance_w_per_m2: as measured in the sensor's plane.
            value: W; None where nothing good was measured, or where a limit holds it down.
            rating_w: the most the plant gives; 0 where that is not known.

        Returns:
            Whether the irradiance could be believed; where not, nothing was taken.
        """
        clear = clear_sky_w_per_m2(self._place, now_ms)
        there = clear_sky_w_per_m2(self._sensor, now_ms)
        if min(clear, there) < _LEAST_W_PER_M2:
            return False
        index = irradiance_w_per_m2 / there
        sun = index * clear
        if not 0.0 <= index <= _MOST_INDEX or not self._agrees(sun, value, rating_w):
            return False
        if value is not None:
            left = 1.0 - self._weight
            self._power_w = left * self._power_w + max(value, 0.0)
            self._sun_w_per_m2 = left * self._sun_w_per_m2 + sun
        gain = self._gain(rating_w)
        if gain:
            self._take(now_ms, gain * index)
        return bool(gain)

    def guess(self, now_ms: int, at_ms: int) -> Guess | None:
        """The power at a time; errors grow with the irradiance, so that is their scale."""
        clear = clear_sky_w_per_m2(self._place, at_ms)
        if clear == 0.0:
            return Guess(0.0, 0.0)
        age_s = (now_ms - self._measured_ms) / 1000.0
        if self._share is None or self._mean is None or not 0 <= age_s <= _OLDEST_S:
            return None
        ahead_s = (at_ms - self._measured_ms) / 1000.0
        left = math.exp(-max(ahead_s, 0.0) / _PERSISTS_S)
        return Guess((self._mean + (self._share - self._mean) * left) * clear, clear)

    def _take(self, now_ms: int, share: float) -> None:
        self._measured_s += self._spacing_s
        # a plain mean until the time it is to look back over has been seen
        weight = max(self._weight, self._spacing_s / self._measured_s)
        mean = share if self._mean is None else self._mean
        self._share, self._mean = share, mean + weight * (share - mean)
        self._measured_ms = now_ms

    def _gain(self, rating_w: float) -> float:
        """What the plant makes of the sun, W a W/m2: as seen, before that as rated."""
        if self._sun_w_per_m2 > 0.0:
            return self._power_w / self._sun_w_per_m2
        return rating_w / _RATED_W_PER_M2

    def _agrees(self, sun_w_per_m2: float, value: float | None, rating_w: float) -> bool:
        """Whether the power and the irradiance can both be true."""
        if value is None or not rating_w:
            return True
        most_w = rating_w * (_MOST_GAIN * sun_w_per_m2 / _RATED_W_PER_M2 + _SLACK)
        least_w = _LEAST_GAIN * self._gain(rating_w) * sun_w_per_m2
        return least_w <= value <= most_w
