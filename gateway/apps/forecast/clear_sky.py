"""PV forecast: the clear sky's course, scaled by how clear it is now.

A plant's share of the clear sky (W a W/m2) is measured while the sun is high enough. From the
present it relaxes to its mean of late: clouds go, and whether the sun does is known.
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


class ClearSky:
    """Forecasts one PV plant.

    Args:
        place: where it is.
        spacing_s: time between samples.
    """

    name = "clear-sky"

    def __init__(self, place: Place, spacing_s: float) -> None:
        self._place = place
        self._weight = spacing_s / _MEAN_S
        self._share: float | None = None
        self._mean: float | None = None
        self._measured_ms = 0
        self._measured_s = 0.0
        self._spacing_s = spacing_s

    def observe(self, now_ms: int, value: float | None) -> None:
        """Take the sample of now, W; None where nothing good was measured."""
        clear = clear_sky_w_per_m2(self._place, now_ms)
        if value is None or clear < _LEAST_W_PER_M2:
            return
        share = max(value, 0.0) / clear
        self._measured_s += self._spacing_s
        # a plain mean until the time it is to look back over has been seen
        weight = max(self._weight, self._spacing_s / self._measured_s)
        mean = share if self._mean is None else self._mean
        self._share, self._mean = share, mean + weight * (share - mean)
        self._measured_ms = now_ms

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
