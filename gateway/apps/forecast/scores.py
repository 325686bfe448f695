"""How good forecasts were: each is compared with what came true, a window a model and horizon.

The last errors give a model its interval, and the choice between models.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.groups.messages import Quantity
from gateway.model.der import Range

#: Outcomes kept a window, and fewest that an interval or a choice rests on.
WINDOW, FEWEST = 200, 20


@dataclass(frozen=True, slots=True)
class Key:
    """Whose score: source, quantity, model and how far ahead."""

    source: str
    quantity: Quantity
    model: str
    horizon_s: int


@dataclass(frozen=True, slots=True)
class Claim:
    """A forecast of one value.

    Attributes:
        value, scale: nominal, and what its error is measured in.
        band: interval; None where it had none.
        confidence: share of values that the band is said to contain.
    """

    value: float
    scale: float = 1.0
    band: Range | None = None
    confidence: float = 0.8


@dataclass(frozen=True, slots=True)
class Outcome:
    """One forecast that came true, or did not.

    Attributes:
        time_ms: of what was forecast, UTC ms.
        error: actual less forecast.
        scale: as the forecast had it.
        inside: whether the actual was in the band; None without one.
        pinball: mean loss of both ends of the band and the nominal; None without a band.
    """

    time_ms: int
    error: float
    scale: float
    inside: bool | None = None
    pinball: float | None = None


def outcome(claim: Claim, actual: float, time_ms: int) -> Outcome:
    """Compare a forecast with what came true."""
    error = actual - claim.value
    if claim.band is None:
        return Outcome(time_ms, error, claim.scale)
    tail = (1.0 - claim.confidence) / 2.0
    low, high = claim.band.minimum, claim.band.maximum
    loss = (
        pinball(low, actual, tail) + pinball(claim.value, actual, 0.5)
        + pinball(high, actual, 1.0 - tail)
    ) / 3.0  # fmt: skip
    return Outcome(time_ms, error, claim.scale, low <= actual <= high, loss)


def pinball(forecast: float, actual: float, share: float) -> float:
    """Loss of a quantile: least, on average, where ``share`` of the actuals are below it."""
    error = actual - forecast
    return share * error if error >= 0.0 else (share - 1.0) * error


@dataclass(frozen=True, slots=True)
class Figures:
    """A window's figures, in the source's unit; None where there is nothing to take them of."""

    samples: int
    mae: float | None
    bias: float | None
    coverage: float | None
    pinball: float | None


class Window:
    """The last outcomes of one key, oldest first.

    Args:
        outcomes: those there are already.
    """

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self._outcomes = deque(outcomes, maxlen=WINDOW)
        # a forecast is asked for far more often than one comes true
        self._mae: float | None = None
        self._relative: list[float] | None = None

    def __len__(self) -> int:
        return len(self._outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self._outcomes)

    def add(self, one: Outcome) -> None:
        """Add an outcome; the oldest goes when the window is full."""
        self._outcomes.append(one)
        self._mae = self._relative = None

    @property
    def mae(self) -> float:
        """Mean absolute error; infinite for an empty window."""
        if self._mae is None:
            self._mae = _mean([abs(one.error) for one in self])
        return math.inf if self._mae is None else self._mae

    def figures(self) -> Figures:
        """All figures."""
        inside = [one.inside for one in self if one.inside is not None]
        losses = [one.pinball for one in self if one.pinball is not None]
        return Figures(
            len(self),
            _mean([abs(one.error) for one in self]),
            _mean([one.error for one in self]),
            _mean([float(one) for one in inside]),
            _mean(losses),
        )

    def band(self, claim: Claim) -> Range | None:
        """Where the actual will be with the claim's confidence; None with too few errors.

        Ranks are those of conformal prediction: with n errors the next one is below the k-th
        smallest with probability k / (n + 1), whatever their distribution.
        """
        if claim.scale == 0.0:
            return Range(claim.value, claim.value)
        if self._relative is None:
            self._relative = sorted(one.error / one.scale for one in self if one.scale > 0.0)
        errors, count = self._relative, len(self._relative)
        if count < FEWEST:
            return None
        tail = (1.0 - claim.confidence) / 2.0
        low = max(math.floor(tail * (count + 1)), 1)
        high = min(math.ceil((1.0 - tail) * (count + 1)), count)
        return Range(
            claim.value + claim.scale * min(errors[low - 1], 0.0),
            claim.value + claim.scale * max(errors[high - 1], 0.0),
        )


class ScoreBook:
    """Every window, by key; the one heard of longest ago goes when there are too many.

    Args:
        most: windows kept.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._windows: dict[Key, Window] = {}
        self._new: deque[tuple[Key, Outcome]] = deque(maxlen=most)

    def __getitem__(self, key: Key) -> Window:
        """A key's window; an empty one for an unknown key, not kept."""
        return self._windows.get(key) or Window()

    def keys(self) -> Iterable[Key]:
        """Every key with an outcome."""
        return self._windows.keys()

    def add(self, key: Key, one: Outcome) -> None:
        """Add an outcome."""
        window = self._windows.pop(key, None) or Window()
        window.add(one)
        self._windows[key] = window
        self._new.append((key, one))
        while len(self._windows) > self._most:
            del self._windows[next(iter(self._windows))]

    def take_new(self) -> list[tuple[Key, Outcome]]:
        """Outcomes added since this was asked last, oldest first; what is taken is forgotten."""
        new = list(self._new)
        self._new.clear()
        return new


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
