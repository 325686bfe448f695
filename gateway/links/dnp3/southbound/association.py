"""The session with one outstation, without I/O: fragments in, fragments out, time an argument.

It begins in the standard's order, reads events before static values, confirms what it has
delivered and nothing else, and keeps a device that answers with errors apart from one that is
silent. Rules follow IEEE 1815-2012 (edition not verified); three other stacks judge them in tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from gateway.links.dnp3.codec import Control, Fragment, Function, Iin, parse_response
from gateway.links.dnp3.config import AssociationConfig
from gateway.links.dnp3.southbound.commands import Control as Operation
from gateway.links.dnp3.southbound.commands import Controls
from gateway.links.dnp3.southbound.delivery import Delivery
from gateway.links.dnp3.southbound.exchange import Failure, Now, Reply, Request, Run
from gateway.links.dnp3.southbound.intake import Intake
from gateway.links.dnp3.southbound.jobs import Jobs
from gateway.links.dnp3.southbound.polls import Need
from gateway.links.dnp3.southbound.statistics import DeviceState
from gateway.model.errors import RemoteProtocolError

#: Fragments of one answer taken; a series without end is given up there.
MOST_FRAGMENTS = 4096
_OPERATING = (Function.OPERATE, Function.DIRECT_OPERATE)


class Phase(Enum):
    """Where a session stands."""

    CLOSED = "no connection"
    STARTING = "before its integrity poll"
    RUNNING = "running"
    LOST = "silent"


#: What leads where; anything else leaves the phase as it is.
TRANSITIONS: Mapping[tuple[Phase, str], Phase] = MappingProxyType(
    {
        (Phase.CLOSED, "connected"): Phase.STARTING,
        (Phase.STARTING, "integrity"): Phase.RUNNING,
        (Phase.RUNNING, "restart"): Phase.STARTING,
        (Phase.STARTING, "silence"): Phase.LOST,
        (Phase.RUNNING, "silence"): Phase.LOST,
        (Phase.LOST, "retry"): Phase.STARTING,
        (Phase.STARTING, "disconnected"): Phase.CLOSED,
        (Phase.RUNNING, "disconnected"): Phase.CLOSED,
        (Phase.LOST, "disconnected"): Phase.CLOSED,
    }
)
_UP = (Phase.STARTING, Phase.RUNNING)


@dataclass(slots=True)
class _Pending:
    """A request under way; ``run`` is None for a link status request."""

    run: Run | None
    function: int
    sequence: int
    sent: Now
    deadline_s: float
    fragments: int = 0

    def awaits(self, control: Control) -> bool:
        """Whether a solicited fragment is the one that comes next."""
        follows = control.first == (self.fragments == 0)
        return self.run is not None and control.sequence == self.sequence and follows


class Association:
    """The session with one outstation.

    Args:
        config: how it is spoken to.
        points: where its points go.
        jitter: numbers 0 to 1 for back-off, so that a thousand devices do not retry in step.

    Attributes:
        state: what is known of it, live.
        phase: where the session stands.
    """

    def __init__(
        self, config: AssociationConfig, points: Delivery, jitter: Callable[[], float]
    ) -> None:
        self.config = config
        self.state = DeviceState()
        self.phase = Phase.CLOSED
        self._points = points
        self._jitter = jitter
        self._intake = Intake(points, self.state)
        self._jobs = Jobs(config, points, self.state)
        self._controls = Controls(config.max_pending_controls, points)
        self._pending: _Pending | None = None
        self._sequence = 0
        self._timeouts = 0
        self._failures = 0
        self._retry_s = math.inf
        self._heard_s = 0.0
        self._is_held = False
        self._last_report: tuple[int, bytes] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._pending is not None

    @property
    def is_lost(self) -> bool:
        """Whether it is taken for lost although there is a connection."""
        return self.phase is Phase.LOST

    @property
    def has_control(self) -> bool:
        """Whether a control waits for its turn."""
        return self._controls.next_s <= 0.0

    def connected(self, now: Now) -> None:
        """There is a connection: begin a session."""
        self._go("connected")
        self._begin(now)

    def disconnected(self) -> None:
        """The connection is gone: everything under way ends, nothing is resent."""
        was_up = self.phase in _UP
        self._go("disconnected")
        if was_up:
            self._drop()

    def operate(self, operation: Operation) -> None:
        """Take a control; its end is told to it."""
        self._controls.submit(operation)
        if self.phase not in _UP:
            self._controls.lose()

    def receive(self, octets: bytes, now: Now) -> bytes | None:
        """Take a fragment; returns the confirmation that is due at once, if one is."""
        try:
            fragment = parse_response(octets)
        except RemoteProtocolError as error:
            self._intake.count_malformed(error)
            return None
        self.heard(now)
        if self.phase not in _UP:
            return None  # the session begins anew first; what is not confirmed stays with it
        self.state.fragments += 1
        self.state.connected = True
        if fragment.control.unsolicited:
            return self._reported(fragment, fragment.iin or Iin.NONE, now)
        return self._answered(fragment, fragment.iin or Iin.NONE, now)

    def heard(self, now: Now) -> None:
        """A good frame came from it."""
        self._heard_s = now.s
        if self.phase is Phase.LOST:
            self._retry_s = now.s
        if self._pending is not None and self._pending.run is None:
            self._pending = None
            self._timeouts = 0
            if self._jobs.reporting and self.phase is Phase.RUNNING:
                self._points.touch()  # what it would have reported has not changed

    def next_request(self, now: Now) -> bytes | None:
        """The request that is due, if one is and none is under way. It counts as sent then."""
        if self._pending is not None or self.phase not in _UP:
            return None
        run = self._next_run(now)
        request = None if run is None else run.request(now)
        if run is None or request is None:
            self._settle(now)
            return None
        sequence = self._next_sequence()
        deadline_s = now.s + self._patience_s()
        self._pending = _Pending(run, request.function, sequence, now, deadline_s)
        self.state.controls += request.function in _OPERATING
        return Fragment(Control(sequence), request.function, _body(request, now)).octets()

    def link_status_due(self, now: Now) -> bool:
        """Whether the link has been silent for so long that it is to be asked. Then it counts."""
        if self._pending is not None or self.phase not in _UP:
            return False
        if now.s < self._heard_s + self.config.keepalive_s:
            return False
        self._pending = _Pending(None, -1, 0, now, now.s + self.config.timeout_s)
        return True

    def deadline(self) -> float:
        """When :meth:`tick` or a request is due next, monotonic seconds; infinite for never."""
        if self.phase is Phase.CLOSED:
            return math.inf
        if self.phase is Phase.LOST:
            return self._retry_s
        if self._pending is not None:
            return self._pending.deadline_s
        keep_alive_s = self._heard_s + self.config.keepalive_s
        return min(self._jobs.next_s, self._controls.next_s, keep_alive_s)

    def tick(self, now: Now) -> None:
        """End what is overdue; try again what was lost."""
        pending = self._pending
        if self.phase is Phase.LOST and now.s >= self._retry_s:
            self._go("retry")
            self._begin(now)
        elif pending is not None and now.s >= pending.deadline_s:
            self._timed_out(pending, now)

    def _begin(self, now: Now) -> None:
        self.state.iin = Iin.NONE
        self._timeouts = 0
        self._heard_s = now.s
        self._is_held = False
        self._jobs.begin(now)

    def _go(self, event: str) -> None:
        self.phase = TRANSITIONS.get((self.phase, event), self.phase)

    def _next_run(self, now: Now) -> Run | None:
        """Whose turn it is: what belongs together stays so, then controls, then jobs."""
        if self._jobs.run is not None and self._jobs.run.is_inside:
            return self._jobs.run
        control = self._controls.run(now)
        if control is not None and control.request(now) is not None:
            return control
        return self._jobs.next(now)

    def _patience_s(self) -> float:
        """How long to wait for an answer; longer where :meth:`_reported` says it is held back."""
        return self.config.timeout_s * (2 if self._is_held else 1)

    def _next_sequence(self) -> int:
        sequence, self._sequence = self._sequence, (self._sequence + 1) & 0x0F
        return sequence

    def _answered(self, fragment: Fragment, iin: Iin, now: Now) -> bytes | None:
        pending, control = self._pending, fragment.control
        if pending is None or pending.run is None or not pending.awaits(control):
            self.state.stale += 1
            return None
        self._timeouts = self._failures = 0
        taken = pending.function != Function.READ or self._intake.take(fragment, now)
        more = taken and not control.final and pending.fragments < MOST_FRAGMENTS
        if more:
            pending.fragments += 1
            pending.sequence = self._next_sequence()
            pending.deadline_s = now.s + self.config.timeout_s
        else:
            self._pending = None
        self._note(iin, now)
        if not more:
            cut = not (taken and control.final)
            reply = Reply(iin, fragment.body, pending.sent, now, cut)
            self.state.refusals += reply.is_refused
            pending.run.answer(reply)
            self._settle(now)
        return _confirmation(control) if taken else None

    def _reported(self, fragment: Fragment, iin: Iin, now: Now) -> bytes | None:
        """An unsolicited response: confirmed once it is delivered.

        Before the integrity poll only those without data are taken: what is not confirmed stays
        with the outstation and comes with that poll, so nothing is lost. The outstation may hold
        back that poll's answer until it has given up waiting for the confirmation.
        """
        control, state = fragment.control, self.state
        self._note(iin, now)
        if fragment.body and self.phase is not Phase.RUNNING:
            state.early += 1
            self._is_held = True
            if self._pending is not None:
                self._pending.deadline_s = self._pending.sent.s + self._patience_s()
            return None
        report = (control.sequence, fragment.body)
        if fragment.body and report == self._last_report:
            state.duplicates += 1
            return _confirmation(control)
        if not self._intake.take(fragment, now):
            self._jobs.distrust_reports(now)
            return None
        self._last_report = report
        state.unsolicited += 1
        self._points.touch()
        return _confirmation(control)

    def _note(self, iin: Iin, now: Now) -> None:
        if self._jobs.note(iin, now, running=self.phase is Phase.RUNNING):
            self._last_report = None
            self._go("restart")

    def _settle(self, now: Now) -> None:
        if self._jobs.settle(now) is Need.INTEGRITY:
            self._go("integrity")
            self._is_held = False
            self._note(self.state.iin, now)  # events may have come up meanwhile

    def _timed_out(self, pending: _Pending, now: Now) -> None:
        self._pending = None
        self.state.timeouts += 1
        self._timeouts += 1
        self._heard_s = now.s  # the next keep-alive is due a period after this one
        if pending.run is not None:
            pending.run.answer(Failure.TIMEOUT)
            self._settle(now)
        if self._timeouts >= self.config.timeouts_to_lost:
            self._lost(now)

    def _lost(self, now: Now) -> None:
        config = self.config
        self._go("silence")
        self.state.last_error = f"no answer to {self._timeouts} requests"
        full_s = min(config.retry_min_s * 2.0 ** min(self._failures, 32), config.retry_max_s)
        self._failures += 1
        self._retry_s = now.s + full_s * (0.5 + 0.5 * self._jitter())
        self._drop()

    def _drop(self) -> None:
        """It is lost: requests, controls and points with it."""
        self.state.losses += self.state.connected
        self.state.connected = False
        self._pending = self._jobs.run = None
        self._controls.lose()
        self._points.lose()


def _body(request: Request, now: Now) -> bytes:
    return request.body if isinstance(request.body, bytes) else request.body(now)


def _confirmation(control: Control) -> bytes | None:
    if not control.confirm:
        return None
    confirmation = Control(control.sequence, unsolicited=control.unsolicited)
    return Fragment(confirmation, Function.CONFIRM).octets()
