"""Waiting, bounded, until points show what happened after a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from gateway.model.clock import Clock
from gateway.model.reader import PointReader

_LOOK_EVERY_S = 0.05


class VouchedReader(PointReader, Protocol):
    """A reader that knows when a value was last vouched for."""

    def vouched_s(self, point_id: str) -> float:
        """When the point's source last gave its value or confirmed it, monotonic seconds.

        Raises:
            KeyError: no such point.
        """


class Settler:
    """Looks at the store until a condition holds or the time is up.

    Args:
        reader: present measurements.
        clock: bounds the wait.
        sleep: pauses between looks; tests put virtual time here.
    """

    def __init__(
        self,
        reader: VouchedReader,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reader = reader
        self._clock = clock
        self._sleep = sleep

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Whether the condition came to hold in time."""
        end_s = self._clock.monotonic_s() + timeout_s
        while not holds():
            if self._clock.monotonic_s() >= end_s:
                return False
            await self._sleep(_LOOK_EVERY_S)
        return True

    async def refreshed(self, points: Iterable[str], timeout_s: float) -> list[str]:
        """Wait until every point was read anew from now on; returns those that were not."""
        since_s = self._clock.monotonic_s()
        wanted = [point for point in points if point in self._reader]
        await self.until(lambda: not self._older(wanted, since_s), timeout_s)
        return self._older(wanted, since_s)

    def _older(self, points: list[str], since_s: float) -> list[str]:
        read = self._reader
        return [p for p in points if read.vouched_s(p) <= since_s or not read[p].is_good]
