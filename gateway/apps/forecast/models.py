"""What every forecast model offers, and the two that need nothing but a source's own past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.apps.forecast.daily import as_yesterday
from gateway.apps.forecast.persistence import History


@dataclass(frozen=True, slots=True)
class Guess:
    """A value in the source's unit, and what its error is measured in; 0 where it cannot err."""

    value: float
    scale: float = 1.0


class Model(Protocol):
    """A way to forecast one source.

    Attributes:
        name: under which its scores are kept.
    """

    name: str

    def observe(self, now_ms: int, value: float | None) -> None:
        """Take the sample of now, evenly spaced; None where nothing good was measured."""

    def guess(self, now_ms: int, at_ms: int) -> Guess | None:
        """The value at a time to come; None where too little is known."""


class Persistence:
    """The present goes on."""

    name = "persistence"

    def __init__(self, history: History) -> None:
        self._history = history

    def observe(self, now_ms: int, value: float | None) -> None:
        """The history is kept by whoever shares it."""

    def guess(self, now_ms: int, at_ms: int) -> Guess | None:  # noqa: ARG002 - as every model
        """The last value."""
        return None if self._history.last is None else Guess(self._history.last)


class DayProfile:
    """From the present on, as a day ago."""

    name = "day-profile"

    def __init__(self, history: History) -> None:
        self._history = history

    def observe(self, now_ms: int, value: float | None) -> None:
        """The history is kept by whoever shares it."""

    def guess(self, now_ms: int, at_ms: int) -> Guess | None:
        """The last value, moved as yesterday."""
        value = as_yesterday(self._history, (at_ms - now_ms) / 1000.0)
        return None if value is None else Guess(value)
