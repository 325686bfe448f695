"""What was answered already: a message has its effect once, however often it arrives.

A request is taken while its time stamp is young, and its id is remembered for as long as that: a
recorded request is first answered with its old reply, then too old. An id that may still be
replayed is never forgotten for want of room: what would not fit is refused instead.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from gateway.groups.messages import (
    CapabilityRequest,
    ForecastRequest,
    GroupReply,
    GroupRequest,
    OperationSetRequest,
    QueryGroupsRequest,
    StatusRequest,
    SynchroniseGroupRequest,
    operation_set,
)

#: Requests that change something, remembered for each asker; more within the window are refused.
MAX_CHANGES = 20_000
#: Queries remembered for each asker; they have no effect, so the oldest may go.
MAX_QUERIES = 1000
#: How much another clock may be ahead of ours.
AHEAD_S = 60.0

Query = (
    StatusRequest
    | CapabilityRequest
    | ForecastRequest
    | QueryGroupsRequest
    | SynchroniseGroupRequest
)


@dataclass(slots=True)
class _Entry:
    request: GroupRequest
    answer: asyncio.Future[GroupReply]
    forget_ms: int


@dataclass(slots=True)
class _Asker:
    changes: dict[str, _Entry] = field(default_factory=dict)
    queries: dict[str, _Entry] = field(default_factory=dict)


class MessageMemory:
    """Replies by asker and message id. The time is an argument.

    Args:
        window_s: how old a request's time stamp may be.
        max_changes: see :data:`MAX_CHANGES`.
    """

    def __init__(self, window_s: float = 300.0, max_changes: int = MAX_CHANGES) -> None:
        self._window_ms = round(1000 * window_s)
        self._max_changes = max_changes
        self._askers: dict[str, _Asker] = {}

    def age_fault(self, request: GroupRequest, now_ms: int) -> str:
        """Why a request's time stamp refuses it; empty where it does not."""
        age_ms = now_ms - request.address.time_ms
        if age_ms > self._window_ms:
            most = self._window_ms / 1000
            return f"too old: made {age_ms / 1000:.0f} s ago, {most:g} s at most"
        if age_ms < -1000 * AHEAD_S:
            return f"from the future: made {-age_ms / 1000:.0f} s ahead, {AHEAD_S:g} s at most"
        return ""

    def find(
        self, asker: str, request: GroupRequest, now_ms: int
    ) -> tuple[GroupRequest, asyncio.Future[GroupReply]] | None:
        """The first request under this id and its answer; None where it is a new one."""
        known = self._askers.get(asker)
        if known is None:
            return None
        message_id = request.address.message_id
        entry = known.changes.get(message_id) or known.queries.get(message_id)
        if entry is None:
            return None
        # a repetition stamped anew can itself be recorded
        entry.forget_ms = max(entry.forget_ms, self._forget_ms(request, now_ms))
        return entry.request, entry.answer

    def has_room(self, asker: str, request: GroupRequest, now_ms: int) -> bool:
        """Whether a new request can be remembered for as long as it must be."""
        known = self._askers.setdefault(asker, _Asker())
        if isinstance(request, Query):
            return True
        while known.changes and next(iter(known.changes.values())).forget_ms < now_ms:
            del known.changes[next(iter(known.changes))]
        if len(known.changes) >= self._max_changes:
            left = {key: e for key, e in known.changes.items() if e.forget_ms >= now_ms}
            known.changes = left
        return len(known.changes) < self._max_changes

    def keep(
        self, asker: str, request: GroupRequest, answer: asyncio.Future[GroupReply], now_ms: int
    ) -> None:
        """Remember a request and what comes of it."""
        known = self._askers.setdefault(asker, _Asker())
        is_query = isinstance(request, Query)
        entries = known.queries if is_query else known.changes
        forget_ms = self._forget_ms(request, now_ms)
        entries[request.address.message_id] = _Entry(request, answer, forget_ms)
        while is_query and len(entries) > MAX_QUERIES:
            del entries[next(iter(entries))]

    def _forget_ms(self, request: GroupRequest, now_ms: int) -> int:
        return max(request.address.time_ms, now_ms) + self._window_ms


def repeats(request: GroupRequest, first: GroupRequest) -> bool:
    """Whether a request says what the first one said; a repetition may be stamped anew."""
    return _stamped(request, 0) == _stamped(first, 0)


def _stamped(request: GroupRequest, time_ms: int) -> GroupRequest:
    """The request with another time stamp, its operations as well."""
    address = replace(request.address, time_ms=time_ms)
    if isinstance(request, OperationSetRequest):
        whole = request.transactional
        return operation_set(address, request.operations, transactional=whole)
    return replace(request, address=address)
