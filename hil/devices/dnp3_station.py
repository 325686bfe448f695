"""One emulated DNP3 outstation on py1815's session, its points by name in engineering units.

py1815 carries the protocol: sessions, select before operate, events with time, unsolicited
responses. What it asks of its owner is here: the octets of static objects and what controls do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

from py1815.application import CLASS_GROUP, ObjectHeader, object_header
from py1815.control import (
    AnalogOutput,
    CommandStatus,
    ControlRelayOutputBlock,
    encode_analog_output_status,
    encode_binary_output_status,
)
from py1815.events import EventBuffers, EventClass
from py1815.objects import (
    AnalogPoint,
    BinaryPoint,
    CounterPoint,
    analog_range,
    binary_range,
    counter_range,
)
from py1815.session import Control, Session, UnknownObject

from hil.devices.dnp3_points import KINDS, PointRow, load_bank

ONLINE, RESTART, COMM_LOST = 0x01, 0x02, 0x04
#: Tries a control: point, engineering value, whether to carry it out or only to judge it. Whoever
#: carries one out shows what the output then stands at: that need not be what was asked.
Take = Callable[[str, float, bool], CommandStatus]
_GROUPS = {1: "BI", 10: "BO", 20: "CTR", 30: "AI", 40: "AO"}
_LATCH_ON, _LATCH_OFF, _PULSE_CLOSE, _PULSE_TRIP, _PULSE = 0x03, 0x04, 0x41, 0x81, 0x01
#: Control codes that each style of output knows, with the value they mean.
_CODES = {
    "latch": {_LATCH_ON: 1.0, _LATCH_OFF: 0.0},
    "trip-close": {_PULSE_CLOSE: 1.0, _PULSE_TRIP: 0.0},
    "pulse": {_PULSE: 1.0},
}
_BLOCK = 100
_EVENTS = 5000


def refuse_all(_point: str, _value: float, _carry_out: bool) -> CommandStatus:
    """What a device without outputs says to a control."""
    return CommandStatus.NOT_SUPPORTED


class Station:
    """An outstation.

    Args:
        address: its link address.
        profile: device profile whose point list it shows.
        take: tries controls.
        fresh: asked whether what is measured is young enough to be shown as such.
        utc_ms: stamps events.
    """

    def __init__(
        self,
        address: int,
        profile: str,
        take: Take = refuse_all,
        fresh: Callable[[], bool] = lambda: True,
        utc_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.address = address
        self.bank = load_bank(profile)
        self._take = take
        self._fresh = fresh
        self._utc_ms = utc_ms
        self._events = EventBuffers(capacity=_EVENTS)
        self._was_fresh = False
        self.session = Session(
            self,
            control_provider=self,
            events=self._events,
            outstation_address=address,
            master_address=None,
            unsolicited=True,
            time_sink=lambda _utc_ms: None,
        )

    def put(self, point: str, value: float) -> None:
        """Show a value; a change worth it becomes an event.

        Raises:
            KeyError: there is no such point.
        """
        self.bank.values[point] = value
        self._record(self.bank.rows[point])

    def get(self, point: str) -> float:
        """The value shown.

        Raises:
            KeyError: none yet.
        """
        return self.bank.values[point]

    def look(self) -> None:
        """Flag what is measured as lost while its source is not heard, and as found again."""
        fresh = self._fresh()
        if fresh != self._was_fresh:
            self._was_fresh = fresh
            for point in self.bank.values:
                self._record(self.bank.rows[point])

    def read(self, headers: Sequence[ObjectHeader]) -> bytes:
        """Octets of what is read; py1815's read provider."""
        return b"".join(self.read_blocks(headers))

    def read_blocks(self, headers: Sequence[ObjectHeader]) -> list[bytes]:
        """The same in blocks that each fit a fragment."""
        return [block for header in headers for block in self._blocks(header)]

    def select(self, controls: Sequence[Control]) -> Sequence[CommandStatus]:
        """Judge controls; py1815's control provider."""
        return [self._control(control, carry_out=False) for control in controls]

    def operate(self, controls: Sequence[Control]) -> Sequence[CommandStatus]:
        """Carry controls out."""
        return [self._control(control, carry_out=True) for control in controls]

    def _blocks(self, header: ObjectHeader) -> Iterator[bytes]:
        kinds = KINDS if header.group == CLASS_GROUP else (_GROUPS.get(header.group),)
        if kinds == (None,):
            raise UnknownObject(f"group {header.group}")
        first = 0 if header.start is None else header.start
        last = 0xFFFF if header.stop is None else header.stop
        for kind in kinds:
            for run in self.bank.runs(str(kind), first, last):
                for at in range(0, len(run), _BLOCK):
                    yield self._block(str(kind), run[at : at + _BLOCK])

    def _block(self, kind: str, run: list[PointRow]) -> bytes:
        start, stop = run[0].index, run[-1].index
        shown = [(self._raw(row), self._flags(row)) for row in run]
        match kind:
            case "BI":
                return binary_range(start, [BinaryPoint(bool(v), f) for v, f in shown])
            case "AI":
                return analog_range(start, [AnalogPoint(v, f) for v, f in shown])
            case "CTR":
                points = [CounterPoint(int(v) & 0xFFFF_FFFF, f) for v, f in shown]
                return counter_range(start, points)
            case "BO":
                head = object_header(10, 2, start=start, stop=stop)
                states = (encode_binary_output_status(state=bool(v), flags=f) for v, f in shown)
                return head + b"".join(states)
            case _:
                head = object_header(40, 1, start=start, stop=stop)
                return head + b"".join(encode_analog_output_status(v, flags=f) for v, f in shown)

    def _control(self, control: Control, *, carry_out: bool) -> CommandStatus:
        command = control.command
        if isinstance(command, ControlRelayOutputBlock):
            row = self.bank.at("BO", control.index)
            value = None if row is None else _CODES[row.style].get(command.control_code)
        else:
            assert isinstance(command, AnalogOutput)  # noqa: S101 - the only other command
            row = self.bank.at("AO", control.index)
            value = None if row is None else row.engineering(command.value)
        if row is None or value is None:
            return CommandStatus.NOT_SUPPORTED
        if not (math.isfinite(value) and row.admits(value)):
            return CommandStatus.OUT_OF_RANGE
        return self._take(row.point, value, carry_out)

    def _raw(self, row: PointRow) -> float:
        return row.raw(self.bank.values.get(row.point, row.offset))

    def _flags(self, row: PointRow) -> int:
        if row.point not in self.bank.values:
            return RESTART
        measured = row.kind in ("BI", "AI", "CTR")
        return ONLINE if self._fresh() or not measured else ONLINE | COMM_LOST

    def _record(self, row: PointRow) -> None:
        raw, flags, now_ms = self._raw(row), self._flags(row), self._utc_ms()
        if row.kind == "BI":
            self._events.record_binary(
                row.index,
                BinaryPoint(bool(raw), flags),
                event_class=EventClass.CLASS_1,
                timestamp_ms=now_ms,
            )
        elif row.kind == "AI":
            self._events.record_analog(
                row.index,
                AnalogPoint(raw, flags),
                event_class=EventClass.CLASS_2,
                deadband=row.deadband / abs(row.scale),
                timestamp_ms=now_ms,
            )
