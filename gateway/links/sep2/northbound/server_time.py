"""The server's time, told by our own clocks, which are never set. Pure."""

from __future__ import annotations

import math

from gateway.links.sep2.resources import Time
from gateway.model.clock import Clock

#: TimeType counts whole seconds: a new reading within one of what we believe says nothing new.
_RESOLUTION_S = 1.0


class ServerTime:
    """What time it is at the server.

    Kept against the monotonic clock, so that setting our own UTC moves no event.

    Args:
        clock: ours.

    Attributes:
        quality: of the server's time; None before it told.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at_zero_s: float | None = None
        self.quality: int | None = None

    def take(self, time: Time, asked_s: float, answered_s: float) -> None:
        """Take a reading, asked for and answered at these monotonic times, s."""
        middle_s = (asked_s + answered_s) / 2
        self.quality = time.quality
        told = time.current_time - middle_s
        known = self._at_zero_s
        if known is None or not told <= known < told + _RESOLUTION_S:
            self._at_zero_s = told

    @property
    def offset_s(self) -> float | None:
        """The server's time less our UTC, s; None before it told."""
        if self._at_zero_s is None:
            return None
        return self._at_zero_s + self._clock.monotonic_s() - self._clock.utc_ms() / 1000

    def now_s(self) -> float:
        """UTC s by the server; by our own clock until it told."""
        if self._at_zero_s is None:
            return self._clock.utc_ms() / 1000
        return self._at_zero_s + self._clock.monotonic_s()

    def now(self) -> int:
        """The same in whole seconds, as the standard's TimeType."""
        return math.floor(self.now_s())
