"""The DNP3 object library as one table: what each group and variation is made of.

Layouts are those of IEEE 1815-2012's object library (edition not verified against the text; every
layout spoken here is judged by three other stacks in ``tests/interop``). Decoding and encoding
run on the numpy layouts, a block of points at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray


class PointType(StrEnum):
    """Point types of an outstation, as a device profile names them."""

    BINARY_INPUT = "BI"
    DOUBLE_BIT_INPUT = "DBI"
    BINARY_OUTPUT = "BO"
    COUNTER = "CTR"
    FROZEN_COUNTER = "FCTR"
    ANALOG_INPUT = "AI"
    ANALOG_OUTPUT = "AO"
    OCTET_STRING = "OS"


class Use(Enum):
    """What an object is for."""

    STATIC = "static"
    EVENT = "event"
    DEADBAND = "deadband"
    COMMAND = "command"
    COMMAND_EVENT = "command event"


class TimeField(Enum):
    """The time an object carries."""

    NONE = 0
    ABSOLUTE = 6
    RELATIVE = 2


#: A 48-bit time in two parts: numpy has no six-octet integer.
_ABSOLUTE = [("time_low", "<u4"), ("time_high", "<u2")]
_RELATIVE = [("relative", "<u2")]
_FLAGS = [("flags", "u1")]


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One group and variation.

    Attributes:
        group, variation: as on the wire.
        point: type of point it carries.
        use: static value, event, deadband, command or command event.
        layout: numpy layout of one object, with the fields ``flags`` (``status`` in commands),
            ``value`` and ``time_low``/``time_high`` or ``relative`` where it has them; a binary's
            value stands in its flags. None for packed bits and octet strings.
        packed_bits: bits a point where states are packed, else 0.
    """

    group: int
    variation: int
    point: PointType
    use: Use
    layout: np.dtype[np.void] | None
    packed_bits: int = 0

    @property
    def size(self) -> int:
        """Octets of one object without its index prefix; 0 where bits are packed."""
        return 0 if self.layout is None else self.layout.itemsize

    @property
    def has_flags(self) -> bool:
        """Whether the object says its quality; without, the standard means ONLINE."""
        return self._has("flags")

    @property
    def has_value(self) -> bool:
        """Whether the value stands in a field of its own rather than in the flags' high bits."""
        return self._has("value")

    @property
    def time(self) -> TimeField:
        """Which time it carries."""
        if self._has("relative"):
            return TimeField.RELATIVE
        return TimeField.ABSOLUTE if self._has("time_low") else TimeField.NONE

    def _has(self, field: str) -> bool:
        return self.layout is not None and field in (self.layout.names or ())


def time_ms_of(objects: NDArray[np.void]) -> NDArray[np.int64]:
    """Absolute times of decoded objects, UTC ms."""
    low: NDArray[np.int64] = objects["time_low"].astype(np.int64)
    return low + (objects["time_high"].astype(np.int64) << 32)


def put_time_ms(objects: NDArray[np.void], times_ms: NDArray[np.int64]) -> None:
    """Set the absolute times of objects about to be sent, UTC ms below 2**48."""
    objects["time_low"] = times_ms & 0xFFFF_FFFF
    objects["time_high"] = times_ms >> 32


def _binary(group: int, point: PointType, use: Use, *variations: str) -> Iterator[ObjectType]:
    fields = {"flags": _FLAGS, "time": _FLAGS + _ABSOLUTE, "relative": _FLAGS + _RELATIVE}
    for number, name in enumerate(variations, start=1):
        if name.startswith("packed"):
            yield ObjectType(group, number, point, use, None, int(name[-1]))
        else:
            yield ObjectType(group, number, point, use, np.dtype(fields[name]))


def _valued(
    group: int, point: PointType, use: Use, rows: Mapping[int, str]
) -> Iterator[ObjectType]:
    """Rows of ``variation: "TYPE [flags] [time]"``."""
    for variation, text in rows.items():
        kind, *extras = text.split()
        fields = [("value", f"<{kind}")]
        if "flags" in extras:
            fields = _FLAGS + fields
        if "status" in extras:
            fields = [*fields, ("status", "u1")]
        if "time" in extras:
            fields = fields + _ABSOLUTE
        yield ObjectType(group, variation, point, use, np.dtype(fields))


_ANALOG_EVENTS = {
    1: "i4 flags", 2: "i2 flags", 3: "i4 flags time", 4: "i2 flags time",
    5: "f4 flags", 6: "f8 flags", 7: "f4 flags time", 8: "f8 flags time",
}  # fmt: skip
_ANALOG_COMMAND_EVENTS = {
    1: "i4", 2: "i2", 3: "i4 time", 4: "i2 time", 5: "f4", 6: "f8", 7: "f4 time", 8: "f8 time",
}  # fmt: skip
_COUNTER_EVENTS = {1: "u4 flags", 2: "u2 flags", 5: "u4 flags time", 6: "u2 flags time"}

#: Control relay output block: control code, count, on-time and off-time in ms, status.
CROB = np.dtype(
    [("code", "u1"), ("count", "u1"), ("on_ms", "<u4"), ("off_ms", "<u4"), ("status", "u1")]
)


def _command_event(group: int, rows: Mapping[int, str]) -> Iterator[ObjectType]:
    """Analog command events carry the status before the value."""
    for variation, text in rows.items():
        kind, *extras = text.split()
        fields = [("status", "u1"), ("value", f"<{kind}"), *(_ABSOLUTE if extras else [])]
        yield ObjectType(
            group, variation, PointType.ANALOG_OUTPUT, Use.COMMAND_EVENT, np.dtype(fields)
        )


def _all() -> Iterator[ObjectType]:
    binary, double, output = (
        PointType.BINARY_INPUT, PointType.DOUBLE_BIT_INPUT, PointType.BINARY_OUTPUT,
    )  # fmt: skip
    counter, frozen = PointType.COUNTER, PointType.FROZEN_COUNTER
    analog, analog_output = PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT
    yield from _binary(1, binary, Use.STATIC, "packed1", "flags")
    yield from _binary(2, binary, Use.EVENT, "flags", "time", "relative")
    yield from _binary(3, double, Use.STATIC, "packed2", "flags")
    yield from _binary(4, double, Use.EVENT, "flags", "time", "relative")
    yield from _binary(10, output, Use.STATIC, "packed1", "flags")
    yield from _binary(11, output, Use.EVENT, "flags", "time")
    yield ObjectType(12, 1, output, Use.COMMAND, CROB)
    yield from _binary(13, output, Use.COMMAND_EVENT, "flags", "time")
    yield from _valued(20, counter, Use.STATIC, {1: "u4 flags", 2: "u2 flags", 5: "u4", 6: "u2"})
    yield from _valued(21, frozen, Use.STATIC, _COUNTER_EVENTS | {9: "u4", 10: "u2"})
    yield from _valued(22, counter, Use.EVENT, _COUNTER_EVENTS)
    yield from _valued(23, frozen, Use.EVENT, _COUNTER_EVENTS)
    yield from _valued(
        30, analog, Use.STATIC,
        {1: "i4 flags", 2: "i2 flags", 3: "i4", 4: "i2", 5: "f4 flags", 6: "f8 flags"},
    )  # fmt: skip
    yield from _valued(32, analog, Use.EVENT, _ANALOG_EVENTS)
    yield from _valued(34, analog, Use.DEADBAND, {1: "u2", 2: "u4", 3: "f4"})
    yield from _valued(
        40, analog_output, Use.STATIC, {1: "i4 flags", 2: "i2 flags", 3: "f4 flags", 4: "f8 flags"}
    )
    yield from _valued(
        41, analog_output, Use.COMMAND,
        {1: "i4 status", 2: "i2 status", 3: "f4 status", 4: "f8 status"},
    )  # fmt: skip
    yield from _valued(42, analog_output, Use.EVENT, _ANALOG_EVENTS)
    yield from _command_event(43, _ANALOG_COMMAND_EVENTS)


#: Every object spoken here, by group and variation.
OBJECTS: Mapping[tuple[int, int], ObjectType] = MappingProxyType(
    {(kind.group, kind.variation): kind for kind in _all()}
)

#: Octets of objects that are walked over: what stands behind one of them is not lost with it.
OTHER_SIZES: Mapping[tuple[int, int], int] = MappingProxyType(
    {
        **dict(zip(((31, v) for v in range(1, 9)), (5, 3, 11, 9, 4, 2, 5, 9), strict=True)),
        **dict(zip(((33, v) for v in range(1, 9)), (5, 3, 11, 9, 5, 9, 11, 15), strict=True)),
        (50, 1): 6, (50, 2): 10, (50, 3): 6, (50, 4): 11,
        (51, 1): 6, (51, 2): 6, (52, 1): 2, (52, 2): 2,
        (101, 1): 2, (101, 2): 4, (101, 3): 8, (102, 1): 1,
        (121, 1): 7, (122, 1): 7, (122, 2): 13,
    }
)  # fmt: skip

#: Groups whose variation is the length of each object: octet strings and virtual terminals.
STRING_GROUPS = frozenset({110, 111, 112, 113})
#: Groups of octet strings: static and event.
OCTET_STRING, OCTET_STRING_EVENT = 110, 111
CLASS_GROUP, IIN_GROUP = 60, 80

#: Group of each point type's static objects and of its events.
STATIC_GROUP: Mapping[PointType, int] = MappingProxyType(
    {
        PointType.BINARY_INPUT: 1, PointType.DOUBLE_BIT_INPUT: 3, PointType.BINARY_OUTPUT: 10,
        PointType.COUNTER: 20, PointType.FROZEN_COUNTER: 21, PointType.ANALOG_INPUT: 30,
        PointType.ANALOG_OUTPUT: 40, PointType.OCTET_STRING: OCTET_STRING,
    }
)  # fmt: skip
EVENT_GROUP: Mapping[PointType, int] = MappingProxyType(
    {
        PointType.BINARY_INPUT: 2, PointType.DOUBLE_BIT_INPUT: 4, PointType.BINARY_OUTPUT: 11,
        PointType.COUNTER: 22, PointType.FROZEN_COUNTER: 23, PointType.ANALOG_INPUT: 32,
        PointType.ANALOG_OUTPUT: 42, PointType.OCTET_STRING: OCTET_STRING_EVENT,
    }
)  # fmt: skip


def size_of(group: int, variation: int) -> int | None:
    """Octets of one object; 0 where bits are packed (see :func:`packed_bits_of`); None unknown."""
    kind = OBJECTS.get((group, variation))
    if kind is not None:
        return kind.size
    if group in STRING_GROUPS:
        return variation
    if (group, variation) == (IIN_GROUP, 1):
        return 0
    return OTHER_SIZES.get((group, variation))


def packed_bits_of(group: int, variation: int) -> int:
    """Bits a point of a packed object, else 0."""
    if (group, variation) == (IIN_GROUP, 1):
        return 1
    kind = OBJECTS.get((group, variation))
    return 0 if kind is None else kind.packed_bits
