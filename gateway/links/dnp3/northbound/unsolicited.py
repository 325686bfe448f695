"""Responses nobody asked for: one at a time, confirmed or repeated, with pauses between tries."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.links.dnp3.codec import (
    RESPONSE_HEADER,
    Control,
    Fragment,
    Function,
    Iin,
    Qualifier,
    walk,
)
from gateway.links.dnp3.northbound.events import CLASSES, NO_EVENTS, EventFilter, Rows
from gateway.links.dnp3.northbound.responses import ReadResponse
from gateway.links.dnp3.northbound.station import Association, Reply, Request
from gateway.links.dnp3.objects import CLASS_GROUP

_SEQUENCES = 16


@dataclass(slots=True)
class _Awaited:
    """The response that waits for its confirmation."""

    octets: bytes
    sequence: int
    rows: Rows
    start: int
    discarded: int
    shows_broadcast: bool
    deadline_s: float
    tries: int = 1


class Unsolicited:
    """One master's unsolicited responses.

    After each restart an empty one says so, until it is confirmed; then events of the classes the
    master enabled go out as they occur.

    Attributes:
        enabled: those classes.
        given_up: responses that were not confirmed after all repetitions.
    """

    def __init__(self, association: Association) -> None:
        self._association = association
        self._config = association.station.config.unsolicited
        self._room = association.station.config.max_fragment - RESPONSE_HEADER
        self.enabled: set[int] = set()
        self.given_up = 0
        self._sequence = 0
        self._announced_start = 0
        self._start = association.starts
        self._awaited: _Awaited | None = None
        self._since_s: float | None = None
        self._pause_until_s = -math.inf
        self._pause_s = self._config.pause_min_s

    @property
    def awaiting(self) -> bool:
        """Whether a response waits for its confirmation."""
        return self._awaited is not None

    def disconnected(self) -> None:
        """The connection is over; what was enabled and announced holds for the next."""
        self._awaited = None
        self._end_pause()

    def give_up(self, now_s: float) -> None:
        """Stop waiting, and pause: whoever does not confirm is not kept from reading for long."""
        self._awaited = None
        self.given_up += 1
        self._pause_until_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, self._config.pause_max_s)

    def switch(self, request: Request) -> Reply:
        """ENABLE_UNSOLICITED and DISABLE_UNSOLICITED: all the classes named, or none."""
        named: set[int] = set()
        for block in list(walk(request.body, carries_objects=False)):
            if block.group != CLASS_GROUP or block.variation - 1 not in CLASSES:
                return Reply(iin=Iin.OBJECT_UNKNOWN)
            if block.qualifier is not Qualifier.ALL:
                return Reply(iin=Iin.PARAMETER_ERROR)
            named.add(block.variation - 1)
        if not named:
            return Reply(iin=Iin.PARAMETER_ERROR)
        if request.fragment.function == Function.ENABLE_UNSOLICITED:
            self.enabled |= named
        else:
            self.enabled -= named
        self._end_pause()
        return Reply()

    def deadline(self) -> float:
        """When :meth:`tick` is next worth calling."""
        self._notice_restart()
        if self._awaited is not None:
            return self._awaited.deadline_s
        if not self._announced:
            return self._pause_until_s
        waiting = self._waiting()
        if not waiting:
            self._since_s = None
            return math.inf
        if waiting >= self._config.hold_count or self._since_s is None:
            return self._pause_until_s
        return max(self._pause_until_s, self._since_s + self._config.hold_s)

    def tick(self, now_s: float) -> bytes:
        """The fragment that is due now, if one is; empty otherwise."""
        self._notice_restart()
        awaited = self._awaited
        if awaited is not None:
            return self._overdue(awaited, now_s) if now_s >= awaited.deadline_s else b""
        if now_s < self._pause_until_s:
            return b""
        if not self._announced:
            return self._send(b"", NO_EVENTS, now_s)
        waiting = self._waiting()
        if not waiting:
            self._since_s = None
            return b""
        if self._since_s is None:
            self._since_s = now_s
        if waiting < self._config.hold_count and now_s < self._since_s + self._config.hold_s:
            return b""
        filters = [EventFilter(number) for number in sorted(self.enabled)]
        part = ReadResponse(self._association.events, filters, ()).part(self._room)
        return self._send(part.body, part.rows, now_s)

    def confirm(self, sequence: int) -> bool:
        """A confirmation came; whether it is the awaited one's. Its events are taken."""
        awaited = self._awaited
        if awaited is None or awaited.sequence != sequence:
            return False
        association = self._association
        association.events.confirm(awaited.rows)
        association.events.losses_shown(awaited.discarded)
        if awaited.shows_broadcast:
            association.broadcast_shown(confirmed=True)
        self._announced_start = max(self._announced_start, awaited.start)
        self._awaited = self._since_s = None
        self._end_pause()
        return True

    @property
    def _announced(self) -> bool:
        return self._announced_start == self._association.starts

    def _notice_restart(self) -> None:
        """What a master enabled does not outlive a restart."""
        if self._start != self._association.starts:
            self._start = self._association.starts
            self.enabled.clear()
            self._awaited = None
            self._end_pause()

    def _waiting(self) -> int:
        counts = self._association.events.counts()
        return sum(counts[number - 1] for number in self.enabled)

    def _send(self, body: bytes, rows: Rows, now_s: float) -> bytes:
        association = self._association
        iin = association.indications(now_s, rows)
        control = Control(self._sequence, confirm=True, unsolicited=True)
        octets = Fragment(control, Function.UNSOLICITED_RESPONSE, body, iin).octets()
        self._awaited = _Awaited(
            octets, self._sequence, rows, association.starts,
            association.events.discarded if iin & Iin.EVENT_BUFFER_OVERFLOW else -1,
            bool(iin & Iin.ALL_STATIONS), now_s + self._config.timeout_s,
        )  # fmt: skip
        self._sequence = (self._sequence + 1) % _SEQUENCES
        return octets

    def _overdue(self, awaited: _Awaited, now_s: float) -> bytes:
        if awaited.tries <= self._config.retries:
            awaited.tries += 1
            awaited.deadline_s = now_s + self._config.timeout_s
            return awaited.octets
        self.give_up(now_s)
        return b""

    def _end_pause(self) -> None:
        self._pause_until_s = -math.inf
        self._pause_s = self._config.pause_min_s
