"""The outstation's conversation with one master: octets in, octets out, time as an argument.

Source: IEEE 1815-2012 (edition not verified); each rule is pinned by raw octets in
``tests/unit/links/dnp3`` and judged by three masters in ``tests/interop/dnp3``.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.links.dnp3.codec import (
    RESPONSE_HEADER,
    Control,
    Fragment,
    Function,
    Iin,
    ObjectError,
    parse_request,
)
from gateway.links.dnp3.frames import (
    BROADCASTS,
    Frame,
    FrameReader,
    Reassembler,
)
from gateway.links.dnp3.northbound import requests
from gateway.links.dnp3.northbound.controls import ControlDesk, ControlRequest
from gateway.links.dnp3.northbound.events import NO_EVENTS, Rows
from gateway.links.dnp3.northbound.link_station import LinkStation
from gateway.links.dnp3.northbound.outbox import Outbox
from gateway.links.dnp3.northbound.reads import plan_read
from gateway.links.dnp3.northbound.responses import ReadResponse
from gateway.links.dnp3.northbound.station import Association, Reply, Request
from gateway.links.dnp3.northbound.unsolicited import Unsolicited
from gateway.model.command import CommandStatus
from gateway.model.errors import RemoteProtocolError

_SEQUENCES = 16


@dataclass(frozen=True, slots=True)
class _Pending:
    """A response that waits for its confirmation."""

    octets: bytes
    sequence: int
    request: Request
    rows: Rows
    discarded: int
    shows_broadcast: bool
    deadline_s: float
    rest: ReadResponse | None = None
    extra: Iin = Iin.NONE
    first: bool = True


class Session:
    """One master's session; it outlives connections.

    Args:
        association: what the outstation keeps of that master.

    Attributes:
        connected: whether there is a connection; without, nothing is sent.
        counts: of requests and of what went wrong, by name.
        unsolicited, controls, link: its parts.
    """

    def __init__(self, association: Association) -> None:
        config = association.station.config
        self.association = association
        self.connected = False
        self.counts: Counter[str] = Counter()
        self.unsolicited = Unsolicited(association)
        self.controls = ControlDesk(association)
        self.link = LinkStation()
        self._config = config
        self._room = config.max_fragment - RESPONSE_HEADER
        self._reader = FrameReader()
        self._reassembler = Reassembler(config.max_fragment)
        self._broadcasts = Reassembler(config.max_fragment)
        self._out = Outbox(config.address, association.master.address)
        self._pending: _Pending | None = None
        self._deferred: Request | None = None
        self._waiting: deque[Request] = deque()
        self._last: tuple[bytes, bytes] | None = None

    def connect(self) -> None:
        """A connection begins. What belonged to the last one is over; events are not."""
        self.disconnect()
        self.connected = True

    def disconnect(self) -> None:
        """The connection is over."""
        self.connected = False
        self._reader = FrameReader()
        self._reassembler.reset()
        self._broadcasts.reset()
        self.link.disconnected()
        self.unsolicited.disconnected()
        self.controls.forget()
        self._out.clear()
        self._waiting.clear()
        self._pending = self._deferred = self._last = None

    def outgoing(self) -> bytes:
        """Octets to send now; each is given once."""
        return self._out.take()

    @property
    def request(self) -> ControlRequest | None:
        """Controls to carry out; answered with :meth:`complete`, or at its deadline without."""
        return self.controls.request

    def receive(self, octets: bytes, now_s: float, utc_ms: int) -> None:
        """Take octets of a stream that is this master's alone."""
        for frame in self._reader.feed(octets, now_s):
            self.receive_frame(frame, now_s, utc_ms)

    def receive_frame(self, frame: Frame, now_s: float, utc_ms: int) -> None:
        """Take a frame; what is not for us, or not from our master, is dropped and counted."""
        station, master = self.association.station.config.address, self.association.master.address
        to_all = frame.destination in BROADCASTS
        to_us = to_all or frame.destination == station
        if not to_us or frame.source != master or not frame.from_master:
            self.counts["frames not ours"] += 1
            return
        heard = self.link.hear(frame)
        if heard.reset:
            self._reassembler.reset()
            self._broadcasts.reset()
        if heard.answer is not None:
            self._out.link(heard.answer)
        if heard.payload:
            reassembler = self._broadcasts if to_all else self._reassembler
            fragment = reassembler.add(heard.payload)
            if fragment is not None:
                broadcast = frame.destination if to_all else None
                self._take(fragment, broadcast, now_s, utc_ms)

    def complete(
        self, serial: int, statuses: Sequence[CommandStatus], now_s: float, utc_ms: int
    ) -> bool:
        """Controls of :attr:`request` ended.

        Args:
            serial: of that request.
            statuses: of the controls that were due, in order.
            now_s: monotonic time.
            utc_ms: present time.

        Returns:
            False where nobody waits for it any more: too late, or the connection is over.
        """
        done = self.controls.complete(serial, statuses)
        if done is None:
            return False
        self._finish_control(*done, now_s, utc_ms)
        return True

    def deadline(self) -> float:
        """Monotonic time at which :meth:`tick` is next due; infinite where nothing is."""
        if not self.connected:
            return math.inf
        due = self._unsolicited_due()
        if self._pending is not None:
            due = self._pending.deadline_s
        if self.request is not None:
            due = min(due, self.request.deadline_s)
        return due

    def tick(self, now_s: float, utc_ms: int) -> None:
        """Do what time asks for: repeat, give up, report."""
        if not self.connected:
            return
        if self._pending is not None and now_s >= self._pending.deadline_s:
            self._pending = None  # its events stay
            self.counts["responses not confirmed"] += 1
        late = self.controls.expire(now_s)
        if late is not None:
            self.counts["controls out of time"] += 1
            self._finish_control(*late, now_s, utc_ms)
        if self._deferred is not None and now_s >= self.unsolicited.deadline():
            self.unsolicited.give_up(now_s)
        if self._deferred is not None and not self.unsolicited.awaiting:
            self._read_deferred(now_s, utc_ms)
        if self._pending is None and self.association.master.unsolicited:
            self._out.fragment(self.unsolicited.tick(now_s))

    def _unsolicited_due(self) -> float:
        return self.unsolicited.deadline() if self.association.master.unsolicited else math.inf

    def _take(self, octets: bytes, broadcast: int | None, now_s: float, utc_ms: int) -> None:
        try:
            fragment = parse_request(octets)
        except RemoteProtocolError:  # no request: no answer, but the end of a selection
            self.counts["malformed requests"] += 1
            self.controls.clear_selection()
            return
        request = Request(fragment, octets, now_s, now_s, utc_ms, broadcast)
        if fragment.function == Function.CONFIRM:
            if broadcast is None:
                self._confirm(fragment.control, now_s, utc_ms)
            return
        self.counts["requests"] += 1
        if self.request is None:
            self._handle(request)
            return
        if len(self._waiting) >= self._config.max_waiting:
            self._waiting.popleft()  # a master waits for the answer to its last request
            self.counts["requests not taken"] += 1
        self._waiting.append(request)

    def _handle(self, request: Request) -> None:
        function = request.fragment.function
        if request.broadcast is not None:
            self._hear_broadcast(request)
            return
        if self._repeated(request):
            return
        self._pending = self._deferred = self._last = None
        if function in requests.CONTROLS:
            self._control(request)
            return
        self.controls.clear_selection()
        if function == Function.READ:
            if self.unsolicited.awaiting:  # which events it may have is not known yet
                self._deferred = request
            else:
                self._read(request)
            return
        reply = requests.handle(self.association, self.unsolicited, request)
        self._answer(request, reply)
        if function in requests.RESTARTS and reply.body:
            self.association.station.surroundings.restart_asked(
                self.association.master.name, function
            )
            self.association.station.restarted()

    def _repeated(self, request: Request) -> bool:
        """A request sent again octet for octet gets its answer again; nothing is done twice."""
        if self._last is not None and self._last[0] == request.octets:
            self._out.fragment(self._last[1])
        elif (
            self._pending is not None
            and self._pending.first
            and self._pending.request.octets == request.octets
        ):
            self._out.fragment(self._pending.octets)
        else:
            return False
        self.counts["requests repeated"] += 1
        return True

    def _hear_broadcast(self, request: Request) -> None:
        self.controls.clear_selection()
        self.association.broadcast = request.broadcast
        if request.fragment.function in requests.BROADCAST:
            requests.handle(self.association, self.unsolicited, request)

    def _control(self, request: Request) -> None:
        try:
            reply = self.controls.handle(request)
        except ObjectError as error:
            reply = Reply(iin=error.iin)
        if reply is not None:
            self._answer(request, reply)

    def _finish_control(self, request: Request, reply: Reply, now_s: float, utc_ms: int) -> None:
        self._answer(_at(request, now_s, utc_ms), reply)
        while self._waiting and self.request is None:
            self._handle(_at(self._waiting.popleft(), now_s, utc_ms))

    def _read_deferred(self, now_s: float, utc_ms: int) -> None:
        request, self._deferred = self._deferred, None
        if request is not None:
            self._read(_at(request, now_s, utc_ms))

    def _read(self, request: Request) -> None:
        try:
            plan = plan_read(self.association, request)
        except ObjectError as error:
            self._answer(request, Reply(iin=error.iin))
            return
        response = ReadResponse(self.association.events, plan.filters, plan.blocks)
        self._out.end()
        self._send_part(request, response, request.fragment.control.sequence, plan.iin)

    def _send_part(
        self,
        request: Request,
        response: ReadResponse,
        sequence: int,
        extra: Iin,
        *,
        first: bool = True,
    ) -> None:
        part = response.part(self._room)
        if not self._out.is_ahead and (coming := response.coming(self._room)):
            self._out.begin([part.body, *coming])
        iin = self.association.indications(request.now_s, part.rows) | extra
        overflow = bool(iin & Iin.EVENT_BUFFER_OVERFLOW)
        confirm = bool(len(part.rows)) or overflow or not part.final
        control = Control(sequence, first=first, final=part.final, confirm=confirm)
        pending = self._respond(request, Fragment(control, Function.RESPONSE, part.body, iin))
        if pending is not None:
            rest = None if part.final else response
            self._pending = _Pending(
                pending, sequence, request, part.rows,
                self.association.events.discarded if overflow else -1,
                bool(iin & Iin.ALL_STATIONS), request.now_s + self._config.confirm_timeout_s,
                rest, extra, first,
            )  # fmt: skip

    def _answer(self, request: Request, reply: Reply) -> None:
        """Answer anything but a read that can be answered."""
        if request.fragment.function in requests.SILENT:
            self._last = (request.octets, b"")
            return
        iin = self.association.indications(request.now_s) | reply.iin
        control = Control(request.fragment.control.sequence)
        fragment = Fragment(control, Function.RESPONSE, reply.body, iin)
        pending = self._respond(request, fragment)
        if pending is not None:
            self._pending = _Pending(
                pending, control.sequence, request, NO_EVENTS, -1, shows_broadcast=True,
                deadline_s=request.now_s + self._config.confirm_timeout_s,
            )  # fmt: skip

    def _respond(self, request: Request, fragment: Fragment) -> bytes | None:
        """Send a response; its octets where they wait for a confirmation."""
        control = fragment.control
        confirm = control.confirm or self.association.broadcast_wants_confirmation()
        if confirm and not control.confirm:
            control = Control(control.sequence, control.first, control.final, confirm=True)
            fragment = Fragment(control, fragment.function, fragment.body, fragment.iin)
        if self.association.broadcast is not None:
            self.association.broadcast_shown(confirmed=False)
        octets = fragment.octets()
        self._out.fragment(octets)
        if request.fragment.function != Function.READ:
            self._last = (request.octets, octets)
        return octets if confirm else None

    def _confirm(self, control: Control, now_s: float, utc_ms: int) -> None:
        if control.unsolicited:
            if self.unsolicited.confirm(control.sequence):
                self._read_deferred(now_s, utc_ms)
            return
        pending = self._pending
        if pending is None:
            return
        if control.sequence != pending.sequence:
            if not pending.first and (control.sequence + 1) % _SEQUENCES == pending.sequence:
                self._out.fragment(pending.octets)  # the one before it again: this one got lost
            return
        self._pending = None
        if now_s > pending.deadline_s:
            return
        association = self.association
        association.events.confirm(pending.rows)
        association.events.losses_shown(pending.discarded)
        if pending.shows_broadcast:
            association.broadcast_shown(confirmed=True)
        if pending.rest is not None:
            sequence = (pending.sequence + 1) % _SEQUENCES
            request = _at(pending.request, now_s, utc_ms)
            self._send_part(request, pending.rest, sequence, pending.extra, first=False)


def _at(request: Request, now_s: float, utc_ms: int) -> Request:
    """The same request, handled later."""
    return Request(
        request.fragment, request.octets, request.received_s, now_s, utc_ms, request.broadcast
    )
