"""An event loop whose time jumps: a wait of an hour takes no time and happens in order."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.conftest import VirtualClock

Result = TypeVar("Result")


class _Jumping(selectors.SelectSelector):
    """Where the loop would wait, the clock moves on."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everything waits for something that will never happen")
        self._clock.advance(timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_Jumping(clock))
        self._clock_of_test = clock

    def time(self) -> float:
        return self._clock_of_test.monotonic_s()


def run(clock: VirtualClock, main: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end in the clock's time; nothing of it may touch a socket or a thread."""
    with asyncio.Runner(loop_factory=lambda: _Loop(clock)) as runner:
        return runner.run(main)
