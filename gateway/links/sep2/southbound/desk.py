"""Commands of one DER: each becomes a DERControl, and ends when the DER has answered it.

A control holds for ``control_s`` and is renewed while it is wanted: where the gateway falls silent
the DER goes back to its default by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from gateway.links.sep2.resources import DERControl, DERControlBase, DERControlResponse, DERCurve
from gateway.links.sep2.response_codes import ResponseCode
from gateway.links.sep2.southbound.orders import (
    CURVES,
    ENABLE,
    CannotOrderError,
    DerOutput,
    control_base,
    curve,
    enabled,
    held_from,
)
from gateway.links.sep2.southbound.telemetry import Sink
from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, CommandStatus
from gateway.model.quality import Quality

#: Controls a DER has left of which that is remembered.
_REMEMBERED = 16
_SECOND_MS = 1000


#: Answers that end a command badly, as control status and in words.
_REFUSED: Mapping[int, tuple[CommandStatus, str]] = {
    ResponseCode.OPT_OUT: (CommandStatus.DOWNSTREAM_LOCAL, "opted out"),
    ResponseCode.CANCELLED: (CommandStatus.CANCELLED, "says it was cancelled"),
    ResponseCode.SUPERSEDED: (CommandStatus.BLOCKED_OTHER_MASTER, "follows another control"),
    ResponseCode.NOT_APPLICABLE: (CommandStatus.NOT_SUPPORTED, "does not have that mode"),
    ResponseCode.INVALID: (CommandStatus.FORMAT_ERROR, "calls the control invalid"),
    ResponseCode.EXPIRED: (CommandStatus.TIMEOUT, "received it too late"),
}


class Program(Protocol):
    """The DER's own program at the server."""

    async def add_control(
        self, base: DERControlBase, *, start: int, duration: int, mrid: int
    ) -> DERControl:
        """Make a control, durably.

        Raises:
            RuntimeError: the program is full.
        """

    async def cancel_control(self, mrid: int) -> None:
        """Cancel one, durably."""

    async def add_curve(self, made: DERCurve) -> str:
        """Store a curve, durably; returns its href."""

    def in_force(self) -> DERControl | None:
        """The control that is active or scheduled now; None where there is none."""


@dataclass
class _Wait:
    """A command on its way."""

    mrid: int
    end: asyncio.Future[DERControlResponse]
    wanted: frozenset[int]
    received: bool = False


#: Answers that say a DER follows a control, and that it follows it no more.
_FOLLOWS = frozenset({int(ResponseCode.STARTED)})
_LEFT = frozenset(
    {int(ResponseCode.CANCELLED), int(ResponseCode.SUPERSEDED), int(ResponseCode.COMPLETED)}
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take.

    Attributes:
        control_s: how long a control holds unless it is renewed.
        answer_s: how long a DER may take to say that it follows one.
    """

    control_s: int
    answer_s: float


class Desk:
    """The output points of one DER.

    Args:
        name: the device, for messages.
        outputs: its output points.
        program: where its controls go.
        sink: the store; read-backs are what the DER has confirmed.
        clock: time.
        pace: how long things take.
        new_mrid: makes mRIDs of controls and curves.

    Attributes:
        outputs: as given.
    """

    def __init__(
        self,
        name: str,
        outputs: Sequence[DerOutput],
        program: Program,
        sink: Sink,
        clock: Clock,
        pace: Pace,
        new_mrid: Callable[[], int],
    ) -> None:
        self._name = name
        self.outputs = tuple(outputs)
        self._by_point = {output.point: output for output in self.outputs}
        self._program = program
        self._sink = sink
        self._clock = clock
        self._pace = pace
        self._new_mrid = new_mrid
        self._held = {output.point: output.initial for output in self.outputs}
        self._touched: set[str] = set()
        self._curves: dict[str, str] = {}
        self._current: DERControl | None = None
        self._wait: _Wait | None = None
        self._last_made_s = 0
        self._left: deque[int] = deque(maxlen=_REMEMBERED)
        self._turn = asyncio.Lock()
        self._positions = np.array([output.position for output in self.outputs], dtype=np.intp)

    @property
    def points(self) -> tuple[str, ...]:
        """Ids of the points it commands."""
        return tuple(self._by_point)

    def adopt(self) -> None:
        """Take over what the server's state holds for this DER after a restart."""
        self._current = self._program.in_force()
        if self._current is None:
            return
        base = self._current.der_control_base
        self._held |= held_from(self.outputs, base)
        for mode, field in CURVES.items():
            link = getattr(base, field)
            if link is not None:
                self._curves[mode] = link.href

    def contact(self) -> bool:
        """The DER was heard: what it confirmed stands.

        Returns:
            Whether the read-backs were lost and have to be shown anew.
        """
        return self._sink.touch(self._positions)

    def show(self) -> None:
        """Publish what is held, as the outputs' read-backs."""
        values = np.array([self._held[output.point] for output in self.outputs])
        flags = np.full(len(values), int(Quality.ONLINE), dtype=np.uint8)
        self._sink.update_block(self._positions, values, flags, self._clock.utc_ms())

    async def operate(self, command: Command) -> CommandResult:
        """Carry one command to the DER: sent at most once, its end is a value."""
        async with self._turn:  # a control carries every mode, so one at a time
            output = self._by_point[command.point]
            held = {**self._held, output.point: command.value}
            touched = self._touched | {output.mode}
            before = enabled(self.outputs, self._held, self._touched)
            modes = enabled(self.outputs, held, touched)
            if output.mode not in modes and output.mode not in before:
                self._hold(held)  # a set point whose mode is off: nothing is asked of the DER
                return CommandResult(command, CommandStatus.SUCCESS, "held", command.value)
            if held == self._held and modes == before and self._current is not None:
                return CommandResult(command, CommandStatus.SUCCESS, "held already", command.value)
            result = await self._order(command, output, held, modes)
            if result.ok:
                self._touched = touched
                self._hold(held)
            return result

    async def _order(
        self,
        command: Command,
        output: DerOutput,
        held: Mapping[str, float],
        modes: Sequence[str],
    ) -> CommandResult:
        if not modes:
            return await self._end(command)
        try:
            curves = await self._curve_of(output, held, modes)
            base = control_base(self.outputs, held, modes, curves)
        except CannotOrderError as error:
            return CommandResult(command, CommandStatus.OUT_OF_RANGE, str(error))
        wait = self._expect(self._new_mrid(), _FOLLOWS)
        try:
            control = await self._add(base, wait.mrid)
        except RuntimeError as error:
            return CommandResult(command, CommandStatus.PROCESSING_LIMITED, str(error))
        result = await self._answered(command, wait)
        if not result.ok:
            await self._undo(control)
            return result
        previous, self._current = self._current, control
        self._curves = dict(curves)
        if previous is not None and not _modes(previous) <= _modes(control):
            # a control without a mode leaves the old one's in force: that one has to go as well
            return await self._withdraw(previous, command)
        return result

    async def _end(self, command: Command) -> CommandResult:
        """The last mode goes off: the DER is back at its default."""
        if self._current is None:
            return CommandResult(command, CommandStatus.SUCCESS, "nothing in force", command.value)
        current, self._current = self._current, None
        return await self._withdraw(current, command)

    async def _withdraw(self, control: DERControl, command: Command) -> CommandResult:
        """Cancel a control; done when the DER has left it, for whatever reason."""
        wait = self._expect(control.mrid, _LEFT)
        await self._program.cancel_control(control.mrid)
        if control.mrid in self._left:
            self._wait = None
            detail = f"{self._name} had left it"
            return CommandResult(command, CommandStatus.SUCCESS, detail, command.value)
        return await self._answered(command, wait)

    async def _curve_of(
        self, output: DerOutput, held: Mapping[str, float], modes: Sequence[str]
    ) -> Mapping[str, str]:
        """Hrefs of the curves these modes need; one is stored where it is new."""
        known = {mode: href for mode, href in self._curves.items() if mode in modes}
        for mode in modes:
            changed = output.mode == mode and output.part != ENABLE
            if mode in CURVES and (mode not in known or changed):
                now = self._clock.utc_ms() // 1000
                made = curve(self.outputs, held, mode, mrid=self._new_mrid(), now=now)
                known[mode] = await self._program.add_curve(made)
        return known

    async def _add(self, base: DERControlBase, mrid: int) -> DERControl:
        """Make a control, in a later second than the last.

        creationTime decides which of two controls wins and has whole seconds: two of one second
        leave it to the client.
        """
        wait_ms = 1000 * (self._last_made_s + 1) - self._clock.utc_ms()
        if 0 < wait_ms <= _SECOND_MS:
            await asyncio.sleep(wait_ms / 1000)
        start, duration = self._clock.utc_ms() // 1000, self._pace.control_s
        control = await self._program.add_control(base, start=start, duration=duration, mrid=mrid)
        self._last_made_s = control.creation_time
        return control

    async def _undo(self, control: DERControl) -> None:
        """What was not taken must not be taken later: the server offers what held before."""
        if self._current is not None:
            self._current = await self._add(self._current.der_control_base, self._new_mrid())
        await self._program.cancel_control(control.mrid)

    async def renew(self) -> None:
        """Prolong the control in force once half its time is over; call it every few seconds."""
        async with self._turn:
            current = self._current
            if current is None:
                return
            left_s = current.interval.start + current.interval.duration
            left_s -= self._clock.utc_ms() // 1000
            if left_s < self._pace.control_s / 2:
                self._current = await self._add(current.der_control_base, self._new_mrid())

    def respond(self, response: DERControlResponse) -> None:
        """A response of this DER's."""
        wait, status = self._wait, response.status or 0
        if status in _LEFT:
            self._left.append(response.subject)
        if wait is not None and response.subject == wait.mrid:
            if status == ResponseCode.RECEIVED:
                wait.received = True
            elif (status in wait.wanted or status in _REFUSED) and not wait.end.done():
                wait.end.set_result(response)
        elif (
            self._current is not None
            and response.subject == self._current.mrid
            and status in (ResponseCode.OPT_OUT, ResponseCode.COMPLETED)
        ):
            self._lapse()

    def _lapse(self) -> None:
        """The DER follows its control no more."""
        self._current = None
        self._touched.clear()
        self._hold(
            {p: 0.0 if o.part == ENABLE else self._held[p] for p, o in self._by_point.items()}
        )

    def _expect(self, mrid: int, wanted: frozenset[int]) -> _Wait:
        end: asyncio.Future[DERControlResponse] = asyncio.get_running_loop().create_future()
        self._wait = _Wait(mrid, end, wanted)
        return self._wait

    async def _answered(self, command: Command, wait: _Wait) -> CommandResult:
        try:
            response = await asyncio.wait_for(asyncio.shield(wait.end), self._pace.answer_s)
        except TimeoutError:
            heard = "received it and says no more" if wait.received else "has not fetched it"
            detail = f"{self._name} {heard} after {self._pace.answer_s:g} s"
            sent = command.value if wait.received else None
            return CommandResult(command, CommandStatus.TIMEOUT, detail, sent)
        finally:
            self._wait = None
        status = response.status or 0
        if status in wait.wanted:
            detail = f"{self._name} answered {ResponseCode(status).name.lower()}"
            return CommandResult(command, CommandStatus.SUCCESS, detail, command.value)
        code, words = _REFUSED[status]
        return CommandResult(command, code, f"{self._name} {words} (response {status})")

    def _hold(self, held: Mapping[str, float]) -> None:
        self._held = dict(held)
        self.show()


def _modes(control: DERControl) -> frozenset[str]:
    base = control.der_control_base
    return frozenset(f.name for f in fields(base) if getattr(base, f.name) is not None)
