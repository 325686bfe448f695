"""A group on another box: whoever asks it here is asked for there, by group functions.

What it shows here is what it said in its last status, and good only while that is young. Of
several who ask here the other box sees one: so ranks are judged here, before anything is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from gateway.groups.backend import Asker
from gateway.groups.events import GroupEvent
from gateway.groups.messages import (
    Address,
    CapabilityRequest,
    ForecastRequest,
    GroupReply,
    GroupRequest,
    Present,
    Quantity,
    QuantityRange,
    Result,
    SetPointRequest,
    StatusRequest,
)
from gateway.groups.replies import failed
from gateway.groups.schedule import ends_ms, key_of
from gateway.model.clock import Clock
from gateway.model.errors import LinkError, RemoteProtocolError

#: Quantities polled to show them here.
POLLED = (
    Quantity.ACTIVE_POWER,
    Quantity.REACTIVE_POWER,
    Quantity.APPARENT_POWER,
    Quantity.STATE,
    Quantity.CONNECTED,
)
#: A status this many poll periods old is no longer good.
_MISSED_POLLS = 3.0
#: Least time between questions, however many events come.
_LEAST_S = 0.2

#: What can be asked of one group.
FunctionRequest = StatusRequest | CapabilityRequest | ForecastRequest | SetPointRequest

#: Sends a request to the other box once. Raises LinkError, RemoteProtocolError.
Send = Callable[[GroupRequest], Awaitable[GroupReply]]


@dataclass(frozen=True, slots=True)
class _Claim:
    asker: Asker
    until_ms: int  # 0: until it is ended


class RemoteGroup:
    """One group of another box.

    Args:
        group_id: its id here.
        remote_id: its id there.
        asker_name: the DMS's name in messages sent there.
        send: the way to the other box.
        clock: ages what was heard.
        poll_s: how often its status is asked for.

    Attributes:
        poll_s: as given.
        fault: why the last question found no answer; empty while all is well.
        last_event: what its box last said unasked.
    """

    def __init__(
        self,
        group_id: str,
        remote_id: str,
        asker_name: str,
        send: Send,
        clock: Clock,
        poll_s: float,
    ) -> None:
        self._group_id = group_id
        self._remote_id = remote_id
        self._asker_name = asker_name
        self._send = send
        self._clock = clock
        self.poll_s = poll_s
        self.fault = "not asked yet"
        self.last_event = ""
        self._wake = asyncio.Event()
        self._heard_s = float("-inf")
        self._present: dict[Quantity, Present] = {}
        self._ranges: dict[Quantity, QuantityRange] = {}
        self._claims: dict[str, _Claim] = {}
        self._numbers = itertools.count(1)

    @property
    def group_id(self) -> str:
        """Its id here."""
        return self._group_id

    @property
    def remote_id(self) -> str:
        """Its id there."""
        return self._remote_id

    def wake(self, event: GroupEvent) -> None:
        """An event of its box: it is asked at once, not at its next turn."""
        self.last_event = f"{event.kind} {event.reason}".strip()
        self._wake.set()

    async def due(self) -> None:
        """Wait until it is to be asked again: after ``poll_s``, or at an event.

        Events in quick succession make it no more than a question each ``_LEAST_S``.
        """
        await asyncio.sleep(min(_LEAST_S, self.poll_s))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), max(self.poll_s - _LEAST_S, 0.0))
        self._wake.clear()

    @property
    def is_fresh(self) -> bool:
        """Whether it was heard lately."""
        return self._clock.monotonic_s() - self._heard_s <= _MISSED_POLLS * self.poll_s

    @property
    def islanded(self) -> bool:
        """Whether it last said that it is not connected."""
        known = self._present.get(Quantity.CONNECTED)
        return known is not None and known.value == 0.0

    def present(self, quantity: Quantity) -> Present:
        """What it last said of a quantity; not good once that is old."""
        known = self._present.get(quantity)
        if known is None:
            return Present(quantity=quantity, value=None, good=False, time_ms=0)
        return replace(known, good=known.good and self.is_fresh)

    def ranges(self, quantity: Quantity) -> QuantityRange | None:
        """What it last said that it can do."""
        known = self._ranges.get(quantity)
        if known is None or self.is_fresh:
            return known
        return replace(known, now=None)

    async def poll(self) -> GroupReply:
        """Ask for its status; what it says is shown from now on."""
        now_ms = self._clock.utc_ms()
        address = Address(
            message_id=f"{self._group_id}-poll-{now_ms:x}-{next(self._numbers)}",
            dms_id=self._asker_name,
            group_id=self._group_id,
            time_ms=now_ms,
        )
        return await self._forward(StatusRequest(address=address, quantities=POLLED))

    async def ask(self, request: FunctionRequest, asker: Asker) -> GroupReply:
        """Ask it something on somebody's behalf. Never raises for a refusal or a lost peer."""
        if isinstance(request, StatusRequest | CapabilityRequest | ForecastRequest):
            return await self._forward(request)
        return await self._set(request, asker)

    async def _set(self, request: SetPointRequest, asker: Asker) -> GroupReply:
        now_ms = self._clock.utc_ms()
        function = key_of(request, asker)[1]
        held = self._claims.get(function)
        if held is not None and held.until_ms and held.until_ms <= now_ms:
            held = None
        rival = held is not None and held.asker.name != asker.name
        if held is not None and rival and held.asker.priority > asker.priority:
            return failed(request.address, now_ms, f"held by {held.asker.name}")
        reply = await self._forward(request)
        if reply.result is not Result.FAILED:
            until_ms = ends_ms(request, now_ms)
            if until_ms is None:
                self._claims.pop(function, None)
            else:
                self._claims[function] = _Claim(asker, until_ms)
        return reply

    async def _forward(self, request: FunctionRequest) -> GroupReply:
        address = request.address
        there = replace(request, address=replace(address, group_id=self._remote_id))
        try:
            reply = await self._send(there)
        except (LinkError, RemoteProtocolError) as error:
            self.fault = str(error)
            return failed(address, self._clock.utc_ms(), f"no answer of its own: {error}")
        self.fault = ""
        if isinstance(request, StatusRequest) and reply.present:
            self._hear(reply)
        return replace(
            reply,
            correlation_id=address.message_id,
            dms_id=address.dms_id,
            group_id=address.group_id,
        )

    def _hear(self, reply: GroupReply) -> None:
        self._heard_s = self._clock.monotonic_s()
        self._present |= {entry.quantity: entry for entry in reply.present}
        self._ranges |= {entry.quantity: entry for entry in reply.ranges}
