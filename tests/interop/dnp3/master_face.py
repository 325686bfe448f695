"""What tests ask of any master, and what a master was told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

OUTSTATION, PATIENCE_S = 1024, 5.0


@dataclass(frozen=True)
class Event:
    """One event as a master reported it."""

    kind: str
    index: int
    value: float
    time_ms: int | None


@dataclass
class Seen:
    """What a master was told.

    Attributes:
        values: last of each point, static or event.
        events: in the order they came.
        iin: indications of the last response, IIN1 in the low octet.
    """

    values: dict[tuple[str, int], float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    iin: int = 0


class Peer(Protocol):
    """A master of another stack, connected."""

    seen: Seen

    async def integrity(self) -> None:
        """Read classes 1, 2, 3 and 0."""

    async def poll(self) -> None:
        """Read classes 1, 2 and 3."""

    async def enable_unsolicited(self) -> None:
        """For all three classes."""

    async def listen(self) -> None:
        """Let what comes unasked come in."""

    async def operate(self, kind: str, index: int, value: float, *, select: bool) -> int:
        """Latch a binary output or set an analog one; the status of its object."""

    async def clear_restart(self) -> None:
        """Write IIN1.7."""

    async def cold_restart(self) -> int:
        """Ask for a restart; the delay answered, ms."""


async def eventually(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait for something that other threads or tasks bring about."""
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.005)
