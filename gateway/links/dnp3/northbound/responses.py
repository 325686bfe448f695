"""The answer to a read, fragment by fragment: events first, in order, then static objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from gateway.links.dnp3.northbound.event_blocks import SMALLEST_EVENT, encode_chosen
from gateway.links.dnp3.northbound.events import NO_EVENTS, EventBuffer, EventFilter, Rows
from gateway.links.dnp3.northbound.static_blocks import StaticBlock


@dataclass(frozen=True, slots=True)
class Part:
    """Objects of one fragment: octets, the events in them, and whether they end the answer."""

    body: bytes
    rows: Rows
    final: bool


class ReadResponse:
    """A read's answer.

    Events that occur while it is on its way wait for the next read, so it always ends; static
    values are those of the moment it was asked for, so none is newer than an event still to come.

    Args:
        events: the master's.
        filters: whose events it wants.
        blocks: static objects it wants.
    """

    def __init__(
        self,
        events: EventBuffer,
        filters: Iterable[EventFilter],
        blocks: Iterable[StaticBlock],
    ) -> None:
        self._events = events
        self._filters = tuple(filters)
        self._blocks = deque(blocks)
        self._newest = events.newest
        self._coming: deque[bytes] = deque()

    def part(self, room: int) -> Part:
        """The next fragment's objects; those before it are confirmed."""
        if self._coming:
            return Part(self._coming.popleft(), NO_EVENTS, not self._coming)
        octets: list[bytes] = []
        rows = NO_EVENTS
        if self._filters:
            body, rows, complete = self._take_events(room)
            octets.append(body)
            room -= len(body)
            # what does not fit an empty fragment never will: static objects are not held up
            if not complete and len(rows):
                return Part(b"".join(octets), rows, final=False)
            self._filters = ()
        octets += self._take_static(room)
        return Part(b"".join(octets), rows, not self._blocks)

    def coming(self, room: int) -> tuple[bytes, ...]:
        """Fragments still to come, where they are static objects alone and so known by now."""
        while self._blocks and not self._filters:
            self._coming.append(b"".join(self._take_static(room)))
        return tuple(self._coming)

    def _take_events(self, room: int) -> tuple[bytes, Rows, bool]:
        most = room // SMALLEST_EVENT
        chosen = self._events.choose(self._filters, self._newest, most)
        sent = encode_chosen(chosen, self._filters, self._events, room)
        counts = np.bincount(sent.owners, minlength=len(self._filters))
        self._filters = tuple(
            wanted
            if wanted.limit is None
            else replace(wanted, limit=wanted.limit - int(counts[number]))
            for number, wanted in enumerate(self._filters)
        )
        return sent.octets, sent.rows, sent.complete and len(chosen.rows) < most

    def _take_static(self, room: int) -> list[bytes]:
        octets: list[bytes] = []
        while self._blocks:
            part = self._blocks[0].take(room)
            octets.append(part)
            room -= len(part)
            if not self._blocks[0].over:
                break
            self._blocks.popleft()
        return octets
