"""Control objects of a request: what they ask of which output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from gateway.links.dnp3.codec import Block, Iin, ObjectError, walk
from gateway.links.dnp3.objects import OBJECTS, ObjectType, PointType, Use
from gateway.model.command import CommandStatus


class Operation(IntEnum):
    """Operation types of a control relay output block."""

    NUL = 0
    PULSE_ON = 1
    PULSE_OFF = 2
    LATCH_ON = 3
    LATCH_OFF = 4


class TripClose(IntEnum):
    """Trip-close codes of a control relay output block."""

    NUL = 0
    CLOSE = 1
    TRIP = 2


#: What our outputs understand, and the state each asks for. They latch: a pulse sets the state
#: it points at, its times do not matter.
_STATE_OF = {
    (Operation.LATCH_ON, TripClose.NUL): 1.0,
    (Operation.LATCH_OFF, TripClose.NUL): 0.0,
    (Operation.PULSE_ON, TripClose.NUL): 1.0,
    (Operation.PULSE_ON, TripClose.CLOSE): 1.0,
    (Operation.PULSE_ON, TripClose.TRIP): 0.0,
}
_QUEUE_AND_CLEAR = 0x30


@dataclass(frozen=True, slots=True)
class ControlObject:
    """One control of a request.

    Attributes:
        type: BO or AO.
        index: of the output.
        value: raw; a binary's is 0 or 1.
        fault: what is wrong with the object itself; SUCCESS where nothing is.
    """

    type: PointType
    index: int
    value: float
    fault: CommandStatus


@dataclass(frozen=True, slots=True)
class ControlBody:
    """Controls of a request, in order, with what an echo needs."""

    blocks: tuple[Block, ...]
    controls: tuple[ControlObject, ...]

    def echo(self, statuses: Sequence[CommandStatus]) -> bytes:
        """The request's objects again, each with its status: headers and qualifiers as sent."""
        octets: list[bytes] = []
        given = iter(statuses)
        for block in self.blocks:
            octets.append(block.head)
            width = 2 if len(block.head) == 5 else 1
            size = len(block.data) // (block.count or 1)
            for number, index in enumerate(block.points()):
                body = bytearray(block.data[number * size : (number + 1) * size])
                body[-1] = next(given)
                octets.append(index.to_bytes(width, "little") + body)
        return b"".join(octets)


def parse_controls(body: bytes) -> ControlBody:
    """Controls of a request.

    Raises:
        ObjectError: it is no sound request for controls.
    """
    blocks: list[Block] = []
    controls: list[ControlObject] = []
    for block in walk(body, carries_objects=True):
        kind = OBJECTS.get((block.group, block.variation))
        if kind is None or kind.layout is None or kind.use is not Use.COMMAND:
            reason = f"group {block.group} variation {block.variation} is no control"
            raise ObjectError(reason, 0, Iin.OBJECT_UNKNOWN)
        if block.indices is None:
            raise ObjectError("a control carries its index", 0)
        blocks.append(block)
        objects = np.frombuffer(block.data, dtype=kind.layout).tolist()
        controls += [
            _control(kind, index, one) for index, one in zip(block.indices, objects, strict=True)
        ]
    if not controls:
        raise ObjectError("the request holds no control", 0)
    return ControlBody(tuple(blocks), tuple(controls))


def _control(kind: ObjectType, index: int, fields: tuple[Any, ...]) -> ControlObject:
    """One object: code and count of a relay or the value of an output first, its status last."""
    if kind.point is PointType.BINARY_OUTPUT:
        value, fault = _state(fields[0], fields[1])
    else:
        value, fault = float(fields[0]), CommandStatus.SUCCESS
        if not math.isfinite(value):
            fault = CommandStatus.OUT_OF_RANGE
    if fields[-1] != 0:  # the status is ours to fill in
        fault = CommandStatus.FORMAT_ERROR
    return ControlObject(kind.point, index, value, fault)


def _state(code: int, count: int) -> tuple[float, CommandStatus]:
    """The state a control code asks for."""
    try:
        operation, trip_close = Operation(code & 0x0F), TripClose(code >> 6)
    except ValueError:  # reserved codes
        return math.nan, CommandStatus.FORMAT_ERROR
    state = _STATE_OF.get((operation, trip_close))
    if state is None or code & _QUEUE_AND_CLEAR or count != 1:
        return math.nan, CommandStatus.NOT_SUPPORTED
    return state, CommandStatus.SUCCESS
