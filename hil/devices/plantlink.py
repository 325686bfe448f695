"""A device's connection to the plant: it reconnects by itself and knows how old its data is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hil.wire import MAX_LINE, Message, WireError, decode, encode

#: Wall seconds without plant data after which measured values are no longer shown.
STALE_S = 2.0
_RETRY_S = (0.05, 1.0)


@dataclass(slots=True)
class PlantLink:
    """Tells ``on_step`` what the plant says and sends back what it answers.

    Attributes:
        name: this device's name on the bus.
        on_step: called with each message; returns the answer without ``seq``.
        on_lost: called when the connection ends.
        clock: monotonic wall seconds.
    """

    name: str
    host: str
    port: int
    on_step: Callable[[Message], Message]
    clock: Callable[[], float]
    on_lost: Callable[[], None] = lambda: None
    heard_at: float | None = None

    @property
    def fresh(self) -> bool:
        """Whether plant data is young enough to be shown as measured."""
        return self.heard_at is not None and self.clock() - self.heard_at < STALE_S

    async def run(self) -> None:
        """Stay connected until cancelled, trying again after 0.05 s, doubling to 1 s."""
        pause_s, longest_s = _RETRY_S
        while True:
            try:
                await self._session()
                pause_s = _RETRY_S[0]
            except (OSError, WireError, ValueError):
                self.on_lost()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)

    async def _session(self) -> None:
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=MAX_LINE)
        try:
            writer.write(encode({"hello": self.name}))
            while line := await reader.readline():
                message = decode(line)
                answer = self.on_step(message)
                self.heard_at = self.clock()
                writer.write(encode({"seq": message.get("seq"), **answer}))
                await writer.drain()
        finally:
            writer.close()
        self.on_lost()
