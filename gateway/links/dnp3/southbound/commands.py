"""Controls: from an engineering value to a conversation with the outstation, and its end.

A control is sent once and never again; whatever happens after it went out, its end says so.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import numpy as np

from gateway.links.dnp3.codec import Function, Iin, indexed_header, range_header
from gateway.links.dnp3.objects import CROB, OBJECTS, STATIC_GROUP, PointType
from gateway.links.dnp3.southbound.delivery import Delivery
from gateway.links.dnp3.southbound.device import OutputPoint, PolledPoint
from gateway.links.dnp3.southbound.exchange import (
    Answer,
    End,
    Failure,
    Now,
    Reply,
    Request,
    Run,
    Wait,
)
from gateway.model.command import Command, CommandMode, CommandResult, CommandStatus

#: Control codes by style and state; a pulse has no off.
_CODES = {
    "latch": {1: 0x03, 0: 0x04},
    "pulse": {1: 0x01},
    "trip-close": {1: 0x41, 0: 0x81},
}
_REFUSED_AS = (
    (Iin.NO_FUNC_CODE_SUPPORT, CommandStatus.NOT_SUPPORTED),
    (Iin.OBJECT_UNKNOWN, CommandStatus.NOT_SUPPORTED),
    (Iin.PARAMETER_ERROR, CommandStatus.FORMAT_ERROR),
    (Iin.ALREADY_EXECUTING, CommandStatus.ALREADY_ACTIVE),
)
#: How often a point that must follow is looked at.
_LOOK_S = 0.1
_DOUBLE_OFF, _DOUBLE_ON = 1.0, 2.0
_Said = tuple[CommandStatus, str]
_Step = Generator[Request | Wait, Answer, _Said]


class CannotEncodeError(ValueError):
    """A value that an output cannot take; ``status`` says how the command ends."""

    def __init__(self, status: CommandStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def encode(output: OutputPoint, value: float) -> bytes:
    """Header and object of a control.

    Raises:
        CannotEncodeError: the output cannot take the value.
    """
    wide = output.index > 0xFF
    if output.type is PointType.BINARY_OUTPUT:
        group, variation, payload = 12, 1, _relay(output, value)
    else:
        group, variation, payload = 41, output.variation, _analog(output, value)
    head = indexed_header(group, variation, 1, wide=wide)
    return head + output.index.to_bytes(2 if wide else 1, "little") + payload


def _relay(output: OutputPoint, value: float) -> bytes:
    if value not in (0.0, 1.0):
        raise CannotEncodeError(CommandStatus.OUT_OF_RANGE, f"{value} is neither 0 nor 1")
    code = _CODES[output.style].get(int(value))
    if code is None:
        reason = f"an output of style {output.style} cannot be set to {value:g}"
        raise CannotEncodeError(CommandStatus.NOT_SUPPORTED, reason)
    block = (code, output.count, output.on_ms, output.off_ms, 0)
    return np.array([block], dtype=CROB).tobytes()


def _analog(output: OutputPoint, value: float) -> bytes:
    layout = OBJECTS[41, output.variation].layout
    assert layout is not None  # noqa: S101 - group 41 has layouts only
    target = layout["value"]
    raw = (value - output.offset) / output.scale
    if target.kind == "i":
        raw = float(np.rint(raw))
        limits = np.iinfo(target.type)
        fits = math.isfinite(raw) and limits.min <= raw <= limits.max
    else:
        fits = math.isfinite(raw) and abs(raw) <= float(np.finfo(target.type).max)
    if not fits:
        reason = f"{value:g} does not fit group 41 variation {output.variation} (raw {raw:g})"
        raise CannotEncodeError(CommandStatus.OUT_OF_RANGE, reason)
    return np.array([(raw, 0)], dtype=layout).tobytes()


@dataclass(slots=True, eq=False)
class Control:
    """One control, from the queue to its end.

    Attributes:
        output, command: what to set, and to what.
        body: as it goes out.
        send_by: not sent later than this; UTC ms 0 for no such limit.
        on_end: told the end, once.
        sent: it may have reached the outstation: it was in a request that operates.
        answered_s: when the outstation answered that request, monotonic seconds.
        abandoned: whoever asked is gone; not sent if it still waits.
    """

    output: OutputPoint
    command: Command
    body: bytes
    send_by: Now
    on_end: Callable[[CommandResult], None]
    sent: bool = False
    answered_s: float = 0.0
    abandoned: bool = False

    def is_late(self, now: Now) -> bool:
        """Whether it may no longer be sent."""
        return now.s > self.send_by.s or 0 < self.send_by.utc_ms < now.utc_ms

    def finish(self, status: CommandStatus, detail: str) -> None:
        """Say how it ended."""
        value = self.command.value if self.sent else None
        self.on_end(CommandResult(self.command, status, detail, value))


@dataclass(slots=True)
class Controls:
    """Controls of one outstation: one under way, the others wait in order.

    Attributes:
        room: how many may wait.
        points: where feedback is looked for.
    """

    room: int
    points: Delivery
    _waiting: deque[Control] = field(default_factory=deque)
    _current: Run | None = None

    def submit(self, control: Control) -> None:
        """Queue a control; without room it ends at once."""
        if len(self._waiting) >= self.room:
            control.finish(CommandStatus.PROCESSING_LIMITED, "not sent: too many controls wait")
        else:
            self._waiting.append(control)

    def run(self, now: Now) -> Run | None:
        """The control under way, or the next one; None where there is none."""
        if self._current is not None and self._current.end is None:
            return self._current
        self._current = None
        while self._waiting and self._current is None:
            control = self._waiting.popleft()
            if control.abandoned or control.is_late(now):
                control.finish(CommandStatus.TIMEOUT, "not sent: waited too long to be sent")
            else:
                self._current = Run(carry_out(control, self.points), whole=True)
        return self._current

    @property
    def next_s(self) -> float:
        """When the control under way goes on by itself, or the next may begin."""
        if self._current is not None and self._current.end is None:
            return self._current.until_s
        return 0.0 if self._waiting else math.inf

    def lose(self) -> None:
        """The outstation is lost: every control ends."""
        current, self._current = self._current, None
        waiting = list(self._waiting)
        self._waiting.clear()
        if current is not None and current.end is None:
            current.answer(Failure.LOST)
        for control in waiting:
            control.finish(CommandStatus.DOWNSTREAM_FAIL, "not sent: connection lost")


def carry_out(control: Control, points: Delivery) -> Generator[Request | Wait, Answer, End]:
    """The conversation of one control, feedback included."""
    output = control.output
    status, detail = yield from _operate(control)
    if status is CommandStatus.SUCCESS and output.feedback is not None:
        status, detail = yield from _follow(control, output.feedback, points)
    control.finish(status, detail)
    if status is CommandStatus.SUCCESS and output.reads_back:
        # many outstations report no events of their outputs: ask what it holds now
        group = STATIC_GROUP[output.type]
        yield Request(Function.READ, range_header(group, 0, output.index, output.index))
    return End.DONE


def _operate(control: Control) -> _Step:
    function = Function.DIRECT_OPERATE
    if control.output.mode is CommandMode.SELECT_BEFORE_OPERATE:
        answer = yield Request(Function.SELECT, control.body)
        refusal = _select_refusal(control.body, answer)
        if refusal is not None:
            return refusal
        function = Function.OPERATE

    def body(_: Now) -> bytes:
        control.sent = True
        return control.body

    answer = yield Request(function, body)
    if not isinstance(answer, Reply):
        why = answer.value if isinstance(answer, Failure) else "no answer"
        return CommandStatus.TIMEOUT, f"{why}: whether it operated is not known"
    control.answered_s = answer.received.s
    if _differs(control.body, answer.body):
        status, detail = _refused(answer)
        return status, f"{detail}; the answer does not echo the control"
    return _status(answer.body)


def _select_refusal(body: bytes, answer: Answer) -> _Said | None:
    """Why no operate may follow; None where one may."""
    if not isinstance(answer, Reply):
        lost = answer is Failure.LOST
        status = CommandStatus.DOWNSTREAM_FAIL if lost else CommandStatus.TIMEOUT
        why = answer.value if isinstance(answer, Failure) else "no answer"
        return status, f"{why} to the select; nothing was operated"
    if answer.body == body and not answer.is_refused:
        return None
    if answer.body != body and not _differs(body, answer.body):
        status, detail = _status(answer.body)
        return status, f"select refused: {detail}; nothing was operated"
    if answer.body != body and answer.body:
        detail = "the outstation selected something else than asked; nothing was operated"
        return CommandStatus.NO_SELECT, detail
    status, detail = _refused(answer)
    return status, f"select refused: {detail}; nothing was operated"


def _differs(body: bytes, echo: bytes) -> bool:
    """Whether an echo is another control; its last octet, the status, apart."""
    return len(echo) != len(body) or echo[:-1] != body[:-1]


def _status(echo: bytes) -> _Said:
    number = echo[-1] & 0x7F
    try:
        status = CommandStatus(number)
    except ValueError:
        return CommandStatus.UNDEFINED, f"status {number} is not in the standard"
    return status, f"the outstation says {status.name}"


def _refused(answer: Reply) -> _Said:
    for bit, status in _REFUSED_AS:
        if answer.iin & bit:
            return status, f"the outstation says {bit.name}"
    return CommandStatus.UNDEFINED, "the outstation answers without a status"


def _follow(control: Control, position: int, points: Delivery) -> _Step:
    """Look at the feedback until it shows what was commanded, or time is up."""
    output, point = control.output, points.point_at(position)
    wanted, tolerance = _expected(output, control.command.value, point)
    deadline_s = control.answered_s + output.feedback_s
    looked_s = control.answered_s
    while True:
        if point is not None:
            header = range_header(STATIC_GROUP[point.type], 0, point.index, point.index)
            if (yield Request(Function.READ, header)) is Failure.LOST:
                break
        shown = points.shown(position)
        if shown is not None and abs(shown - wanted) <= tolerance:
            return CommandStatus.SUCCESS, "accepted, and the feedback followed"
        if looked_s >= deadline_s:
            break
        pause = yield Wait(min(looked_s + _LOOK_S, deadline_s))
        if not isinstance(pause, Now):
            break
        looked_s = pause.s
    name = f"{point.type} {point.index}" if point is not None else f"point {position}"
    return CommandStatus.DOWNSTREAM_FAIL, f"accepted, but {name} did not follow"


def _expected(output: OutputPoint, value: float, point: PolledPoint | None) -> tuple[float, float]:
    """What the feedback shall show, engineering units, and how far it may stay away."""
    scale = 0.0 if point is None else abs(point.scale)
    if output.type is PointType.BINARY_OUTPUT:
        if point is None:
            return value, output.feedback_tolerance
        raw = value
        if point.type is PointType.DOUBLE_BIT_INPUT:
            raw = _DOUBLE_ON if value else _DOUBLE_OFF
        return raw * point.scale + point.offset, output.feedback_tolerance
    rounding = 1e-6 * abs(value)
    if output.variation in (1, 2):  # integers: both sides may round
        rounding = 0.5 * (abs(output.scale) + scale) * (1 + 1e-9)
    return value, max(output.feedback_tolerance, rounding)
