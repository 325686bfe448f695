"""Operation sets: several requests in one message, carried out in order, or as one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.groups.backend import Asker
from gateway.groups.messages import (
    AdministrationRequest,
    GroupReply,
    OperationSetRequest,
    Result,
    SetPointRequest,
    SingleRequest,
)
from gateway.groups.replies import refusal, reply
from gateway.model.clock import Clock

#: Forecast intervals one reply may have: with more, its reader would refuse it.
_MAX_INTERVALS = 864


#: Brings back what held before one operation; returns why it could not, or nothing.
Undo = Callable[[], Awaitable[str]]


class Transactor(Protocol):
    """What an operation set needs of the group service."""

    async def answer_one(self, request: SingleRequest, asker: Asker) -> GroupReply:
        """Answer one request."""

    def faults(self, requests: Sequence[SingleRequest], asker: Asker) -> list[str]:
        """Why these requests, one after the other, cannot all be carried out; changes nothing."""

    def undo_of(self, request: SingleRequest, asker: Asker) -> Undo | None:
        """What brings back what holds before ``request`` is carried out; None for a query."""


async def carry_out(
    request: OperationSetRequest, asker: Asker, service: Transactor, clock: Clock
) -> GroupReply:
    """Carry out an operation set: each operation has its own part in the reply.

    A transactional one is judged as a whole first. When an operation of it is not carried out
    whole, what was done is undone, the last first, and the reply says so.
    """
    if request.transactional:
        return await _as_one(request, asker, service, clock)
    parts = [await service.answer_one(operation, asker) for operation in request.operations]
    results = {part.result for part in parts}
    result = results.pop() if len(results) == 1 else Result.PARTIAL
    return _together(reply(request.address, clock.utc_ms(), result), parts)


async def _as_one(
    request: OperationSetRequest, asker: Asker, service: Transactor, clock: Clock
) -> GroupReply:
    address = request.address
    if faults := service.faults(request.operations, asker):
        refused = tuple(refusal(f"nothing was done: {fault}") for fault in faults)
        return replace(reply(address, clock.utc_ms(), Result.FAILED), errors=refused)
    parts: list[GroupReply] = []
    undos: list[tuple[int, Undo]] = []
    for number, operation in enumerate(request.operations, 1):
        undo = service.undo_of(operation, asker)
        part = await service.answer_one(operation, asker)
        parts.append(part)
        if part.result is not Result.FAILED and undo is not None:
            undos.append((number, undo))
        if not _whole(operation, part):
            break
    else:
        return _together(reply(address, clock.utc_ms(), Result.OK), parts)
    reasons = "; ".join(error.reason for error in parts[-1].errors) or str(parts[-1].result)
    errors = [refusal(f"operation {len(parts)}: {reasons}")]
    for number, undo in reversed(undos):
        fault = await undo()
        said = f"could not be undone: {fault}" if fault else "was undone"
        errors.append(refusal(f"operation {number} {said}"))
    bare = reply(address, clock.utc_ms(), Result.FAILED)
    return _together(replace(bare, errors=tuple(errors)), parts)


def _whole(operation: SingleRequest, part: GroupReply) -> bool:
    """Whether an operation did what it was for; a query may know only a part."""
    changes = isinstance(operation, SetPointRequest | AdministrationRequest)
    return part.result is Result.OK or (part.result is Result.PARTIAL and not changes)


def _together(whole: GroupReply, parts: Sequence[GroupReply]) -> GroupReply:
    """The reply with its parts, without those forecasts that are too long for one reply."""
    told: list[GroupReply] = []
    left = _MAX_INTERVALS
    for part in parts:
        left -= 0 if part.forecast is None else len(part.forecast.intervals)
        said = replace(part, time_ms=whole.time_ms)
        if part.forecast is not None and left < 0:
            errors = (refusal("too long for one reply: ask for it alone"),)
            said = replace(said, result=Result.FAILED, forecast=None, errors=errors)
        told.append(said)
    return replace(whole, parts=tuple(told))
