"""Persistence forecast: the present output goes on, inside a band learnt from its own past.

How far a value moves in a given time is measured on the history itself, so the band widens with
the horizon as the source really does; with too short a history the band is the full capability.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.model.der import Range

#: Share of past movements the band contains.
CONFIDENCE_PCT = 80.0
_FEWEST_MOVES = 20
_MOST_SAMPLES = 8640


@dataclass(frozen=True, slots=True)
class Interval:
    """Forecast of one interval: nominal and band, in the history's unit."""

    start_ms: int
    nominal: float
    minimum: float
    maximum: float


class History:
    """Samples of one quantity, evenly spaced, oldest first; the oldest go when it is full.

    Args:
        spacing_s: time between samples.
    """

    def __init__(self, spacing_s: float) -> None:
        self.spacing_s = spacing_s
        self._samples: deque[float | None] = deque(maxlen=_MOST_SAMPLES)

    def add(self, value: float | None) -> None:
        """Add the sample of now; None where nothing good was measured."""
        self._samples.append(value)

    @property
    def last(self) -> float | None:
        """The newest sample; None before the first and while nothing good is measured."""
        return self._samples[-1] if self._samples else None

    def ago(self, age_s: float) -> float | None:
        """The sample of so long ago; None where nothing good was measured, or it is too long."""
        lag = round(age_s / self.spacing_s)
        return self._samples[-1 - lag] if 0 <= lag < len(self._samples) else None

    def moves(self, horizon_s: float) -> list[float]:
        """How far the value moved in every past stretch of that length, sorted."""
        lag = max(1, round(horizon_s / self.spacing_s))
        samples = list(self._samples)
        return sorted(
            later - earlier
            for earlier, later in zip(samples, samples[lag:], strict=False)
            if earlier is not None and later is not None
        )


def forecast(
    history: History, bounds: Range, starts_ms: Iterable[int], now_ms: int
) -> list[Interval] | None:
    """Forecast intervals that begin at ``starts_ms``; None while nothing good is measured.

    Args:
        history: the quantity's past.
        bounds: what the source can give at all; nominal and band stay inside.
        starts_ms: UTC ms of each interval.
        now_ms: UTC ms.
    """
    last = history.last
    if last is None:
        return None
    intervals = []
    for start_ms in starts_ms:
        moves = history.moves(max(start_ms - now_ms, 0) / 1000 or history.spacing_s)
        low, high = bounds.minimum, bounds.maximum
        if len(moves) >= _FEWEST_MOVES:
            low, high = last + _quantile(moves, 0.1), last + _quantile(moves, 0.9)
        nominal = bounds.clip(last)
        minimum, maximum = bounds.clip(min(low, nominal)), bounds.clip(max(high, nominal))
        intervals.append(Interval(start_ms, nominal, minimum, maximum))
    return intervals


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[round(share * (len(ordered) - 1))]
