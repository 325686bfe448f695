"""A device's connection to the plant: it reconnects by itself and knows how old its data is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from hil.wire import MAX_LINE, Message, WireError, decode, encode

#: Wall seconds without plant data after which measured values are no longer shown.
STALE_S = 2.0
_RETRY_S = (0.05, 1.0)


@dataclass(slots=True)
class Freshness:
    """Whether the plant was heard lately; the device and its link share one.

    Attributes:
        clock: monotonic wall seconds.
        heard_at: when the plant was heard last; None before that.
    """

    clock: Callable[[], float]
    heard_at: float | None = None

    def hear(self) -> None:
        """The plant was heard now."""
        self.heard_at = self.clock()

    def __call__(self) -> bool:
        """Whether plant data is young enough to be shown as measured."""
        return self.heard_at is not None and self.clock() - self.heard_at < STALE_S


@dataclass(slots=True)
class PlantLink:
    """Tells ``on_step`` what the plant says and sends back what it answers.

    Attributes:
        name: this device's name on the bus.
        on_step: called with each message; returns the answer without ``seq``.
        freshness: told when the plant is heard.
    """

    name: str
    host: str
    port: int
    on_step: Callable[[Message], Message]
    freshness: Freshness

    async def run(self) -> None:
        """Stay connected until cancelled, trying again after 0.05 s, doubling to 1 s."""
        pause_s, longest_s = _RETRY_S
        while True:
            with suppress(OSError, WireError, ValueError):  # ValueError: a line too long
                await self._session()
                pause_s = _RETRY_S[0]
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)

    async def _session(self) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=MAX_LINE)
        try:
            writer.write(encode({"hello": self.name}))
            while line := await reader.readline():
                message = decode(line)
                answer = self.on_step(message)
                self.freshness.hear()
                writer.write(encode({"seq": message.get("seq"), **answer}))
                await writer.drain()
        finally:
            writer.close()
