"""Delivering events to one subscriber: at least once, in order, for as long as it takes."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.groups.events import GroupEvent
from gateway.groups.messages import GroupReply, Result
from gateway.model.errors import LinkError, RemoteProtocolError

#: Events kept for a subscriber that is away; beyond it the oldest are dropped, and counted.
MAX_QUEUED = 1000
#: Pauses before an event is sent again, doubled from the first to the last, s.
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0


@dataclass(slots=True)
class SenderState:
    """What became of the events for one subscriber.

    Attributes:
        queued: waiting now.
        delivered: acknowledged.
        refused: answered with a refusal that another try would not change.
        dropped: given up for newer ones because the queue was full.
        retries: sent again.
        fault: why the last try failed; empty while all is well.
    """

    queued: int = 0
    delivered: int = 0
    refused: int = 0
    dropped: int = 0
    retries: int = 0
    fault: str = ""


class EventSender:
    """Sends events to one subscriber, one after the other.

    The order is that of the events, which keeps it for each group: an event that cannot be
    delivered holds up those behind it until it is, or is dropped for want of room.

    Args:
        send: sends one event once. Raises LinkError, RemoteProtocolError.
        rng: jitter of the pauses.
        sleep: pauses; tests put virtual time here.

    Attributes:
        state: counts, live.
    """

    def __init__(
        self,
        send: Callable[[GroupEvent], Awaitable[GroupReply]],
        rng: random.Random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._send = send
        self._rng = rng
        self._sleep = sleep
        self._queue: deque[GroupEvent] = deque()
        self._filled = asyncio.Event()
        self.state = SenderState()

    def put(self, event: GroupEvent) -> None:
        """Queue an event; where there is no room the oldest one goes."""
        if len(self._queue) >= MAX_QUEUED:
            self._queue.popleft()
            self.state.dropped += 1
        self._queue.append(event)
        self.state.queued = len(self._queue)
        self._filled.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            if not self._queue:
                self._filled.clear()
                await self._filled.wait()
            event = self._queue[0]
            if await self._delivered(event):
                pause_s = FIRST_PAUSE_S
                if self._queue and self._queue[0] is event:  # else it was dropped meanwhile
                    self._queue.popleft()
                self.state.queued = len(self._queue)
                continue
            await self._sleep(pause_s * self._rng.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, LAST_PAUSE_S)
            self.state.retries += 1

    async def _delivered(self, event: GroupEvent) -> bool:
        """Whether an event is done with: acknowledged, or refused for good."""
        try:
            reply = await self._send(event)
        except (LinkError, RemoteProtocolError) as error:
            self.state.fault = str(error)
            return False
        if reply.result is Result.FAILED:
            self.state.refused += 1
            self.state.fault = "; ".join(error.reason for error in reply.errors)
        else:
            self.state.delivered += 1
            self.state.fault = ""
        return True
