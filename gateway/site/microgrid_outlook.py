"""What a microgrid looks ahead to: its load and its renewables, forecast from their own past."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.apps.forecast.forecaster import Forecaster
from gateway.apps.forecast.scores import ScoreBook
from gateway.groups.messages import Quantity
from gateway.model.clock import Clock
from gateway.model.der import Range
from gateway.model.reader import PointReader
from gateway.points.image import ProcessImage

if TYPE_CHECKING:
    from gateway.apps.microgrid.config import MicrogridConfig
    from gateway.apps.microgrid.planning import Outlook

_SAMPLE_S, _STEP_S, _STEPS = 60.0, 900.0, 48
_HORIZONS_S = (900, 3600, 14_400, 43_200)


class MicrogridOutlook:
    """Forecasts load and renewables over half a day.

    Args:
        config: whose points these are.
        store: present measurements.
        clock: stamps samples.
    """

    def __init__(self, config: MicrogridConfig, store: PointReader, clock: Clock) -> None:
        self._loads = [(load.closed, load.power) for load in config.loads]
        self._renewables = [renewable.power for renewable in config.renewables]
        self._store = store
        self._clock = clock
        book = ScoreBook()
        self._load, self._renewable = (
            Forecaster(name, Quantity.ACTIVE_POWER, _SAMPLE_S, _HORIZONS_S, book)
            for name in ("load", "renewables")
        )

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(_SAMPLE_S)

    def sample(self) -> None:
        """Take one sample of each."""
        now_ms = self._clock.utc_ms()
        anything = Range(0.0, 1e12)
        loads = [power for closed, power in self._loads if self._value(closed) == 1.0]
        self._load.observe(now_ms, self._sum(loads), anything)
        self._renewable.observe(now_ms, self._sum(self._renewables), anything)

    def __call__(self, image: ProcessImage) -> Outlook | None:
        """The outlook of a cycle; None while nothing is known."""
        from gateway.apps.microgrid.planning import Outlook  # noqa: PLC0415 - brings the solver

        now_ms = image.taken_ms
        ahead = [_STEP_S * (number + 0.5) for number in range(_STEPS)]
        loads = [self._load.predict(now_ms, ahead_s) for ahead_s in ahead]
        suns = [self._renewable.predict(now_ms, ahead_s) for ahead_s in ahead]
        if any(one is None for one in (*loads, *suns)):
            return None
        return Outlook(
            tuple(one.nominal for one in loads if one is not None),
            tuple(one.nominal for one in suns if one is not None),
            _STEP_S,
        )

    def _sum(self, points: list[str]) -> float | None:
        values = [self._value(point) for point in points]
        known = [value for value in values if value is not None]
        return sum(known) if len(known) == len(values) else None

    def _value(self, point: str) -> float | None:
        measurement = self._store[point]
        return measurement.value if measurement.is_good else None
