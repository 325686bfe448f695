"""Points of an outstation, by type, in columns.

Values are raw, as they go on the wire; scaling from engineering units is the facade's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gateway.links.dnp3.objects import (
    EVENT_GROUP,
    OBJECTS,
    OCTET_STRING,
    STATIC_GROUP,
    PointType,
)
from gateway.links.dnp3.values import Flags, Floats, Indices, Times
from gateway.model.errors import LocalProtocolError
from gateway.model.quality import Quality

#: A type's number in event records; its place here.
TYPES: tuple[PointType, ...] = tuple(PointType)
TYPE_CODE: Mapping[PointType, int] = MappingProxyType({t: n for n, t in enumerate(TYPES)})

#: Variation sent where the map asks for none: flags always, and time with every event.
DEFAULT_STATIC: Mapping[PointType, int] = MappingProxyType(
    {
        PointType.BINARY_INPUT: 2, PointType.DOUBLE_BIT_INPUT: 2, PointType.BINARY_OUTPUT: 2,
        PointType.COUNTER: 1, PointType.FROZEN_COUNTER: 1, PointType.ANALOG_INPUT: 1,
        PointType.ANALOG_OUTPUT: 1, PointType.OCTET_STRING: 0,
    }
)  # fmt: skip
DEFAULT_EVENT: Mapping[PointType, int] = MappingProxyType(
    {
        PointType.BINARY_INPUT: 2, PointType.DOUBLE_BIT_INPUT: 2, PointType.BINARY_OUTPUT: 2,
        PointType.COUNTER: 5, PointType.FROZEN_COUNTER: 5, PointType.ANALOG_INPUT: 3,
        PointType.ANALOG_OUTPUT: 3, PointType.OCTET_STRING: 0,
    }
)  # fmt: skip

_COUNTER_MODULUS = 2.0**32
_MAX_INDEX, _MAX_STRING = 0xFFFF, 255
#: Flag bits that are a type's quality; the rest carries state or means something else there.
_QUALITY = {PointType.ANALOG_INPUT: 0x7F, PointType.ANALOG_OUTPUT: 0x7F}
_QUALITY_ELSE = 0x1F
_NEVER_READ = int(Quality.RESTART | Quality.COMM_LOST)

#: Told of rows of a type just written; reads them at once, for they may change again.
RowListener = Callable[["Columns", Indices], None]


@dataclass(frozen=True, slots=True)
class PointSetup:
    """One point of an outstation's map.

    Attributes:
        type, index: what a master asks for.
        event_class: 1..3, 0 for no events.
        static, event: variation sent unless a master asks for another; 0 is the type's default.
        deadband: smallest change worth an event, raw units; 0 reports every change.
    """

    type: PointType
    index: int
    event_class: int = 0
    static: int = 0
    event: int = 0
    deadband: float = 0.0


def faults(points: Iterable[PointSetup]) -> list[str]:
    """Everything that is wrong with a map, for whoever loads it."""
    found: list[str] = []
    known: set[tuple[PointType, int]] = set()
    for point in points:
        name = f"{point.type} {point.index}"
        if (point.type, point.index) in known:
            found.append(f"{name} is there twice")
        known.add((point.type, point.index))
        if not 0 <= point.index <= _MAX_INDEX:
            found.append(f"{name}: an index is 0..{_MAX_INDEX}")
        if not 0 <= point.event_class <= 3:
            found.append(f"{name}: event class {point.event_class} is none of 0..3")
        if not 0 <= point.deadband < np.inf:
            found.append(f"{name}: deadband {point.deadband} is not a number from 0 up")
        if point.type is not PointType.OCTET_STRING:
            for group, variation in (
                (STATIC_GROUP[point.type], point.static),
                (EVENT_GROUP[point.type], point.event),
            ):
                if variation and (group, variation) not in OBJECTS:
                    found.append(f"{name}: there is no group {group} variation {variation}")
    counters = {index for kind, index in known if kind is PointType.COUNTER}
    found += [
        f"FCTR {index} has no CTR {index} to freeze"
        for kind, index in known
        if kind is PointType.FROZEN_COUNTER and index not in counters
    ]
    return found


class Columns:
    """All points of one type, in order of their indices; a point's place is its row.

    Attributes:
        type: of these points.
        indices: point indices, shape (n,), ascending.
        values, flags, times_ms, synchronised: present state, shape (n,).
        static, event, event_class, deadband, in_class_0: as mapped, shape (n,).
        zero: what a counter read when it was last cleared, shape (n,).
        strings: octets of each octet string.
    """

    def __init__(self, kind: PointType, points: Sequence[PointSetup]) -> None:
        ordered = sorted(points, key=lambda point: point.index)
        count = len(ordered)
        self.type = kind
        self.indices: Indices = np.array([p.index for p in ordered], dtype=np.intp)
        self.static = np.array([p.static or DEFAULT_STATIC[kind] for p in ordered], dtype=np.uint8)
        self.event = np.array([p.event or DEFAULT_EVENT[kind] for p in ordered], dtype=np.uint8)
        self.event_class = np.array([p.event_class for p in ordered], dtype=np.uint8)
        self.deadband: Floats = np.array([p.deadband for p in ordered], dtype=np.float64)
        self.in_class_0 = np.ones(count, dtype=np.bool_)
        self.values: Floats = np.zeros(count)
        self.flags: Flags = np.full(count, _NEVER_READ, dtype=np.uint8)
        self.times_ms: Times = np.zeros(count, dtype=np.int64)
        self.synchronised = np.zeros(count, dtype=np.bool_)
        self.zero: Floats = np.zeros(count)
        self.strings: list[bytes] = [b"\0"] * count if kind is PointType.OCTET_STRING else []
        self.quality = np.uint8(_QUALITY.get(kind, _QUALITY_ELSE))
        self._row_of = np.full(int(self.indices[-1]) + 2 if count else 1, -1, dtype=np.intp)
        self._row_of[self.indices] = np.arange(count)

    def __len__(self) -> int:
        return len(self.indices)

    def rows(self, indices: NDArray[np.intp] | Sequence[int]) -> Indices:
        """Rows of indices, -1 where there is no such point."""
        wanted = np.asarray(indices, dtype=np.intp)
        found: Indices = self._row_of[np.minimum(wanted, len(self._row_of) - 1)]
        return found

    def row(self, index: int) -> int:
        """Row of one index, -1 where there is no such point."""
        return int(self._row_of[min(index, len(self._row_of) - 1)])

    def rows_between(self, start: int, stop: int) -> Indices:
        """Rows of the points from an index to another, both included."""
        low, high = np.searchsorted(self.indices, (start, stop + 1))
        return np.arange(low, high, dtype=np.intp)


class Database:
    """What an outstation knows of its points, whoever its masters are.

    A counter has a frozen one of the same index; where the map does not list it, it answers a
    read of group 21 and stays out of class 0.

    Raises:
        LocalProtocolError: the map is wrong (see :func:`faults`); its loader must refuse it.
    """

    def __init__(self, points: Iterable[PointSetup]) -> None:
        listed = list(points)
        if wrong := faults(listed):
            raise LocalProtocolError("; ".join(wrong))
        by_type: dict[PointType, list[PointSetup]] = {kind: [] for kind in TYPES}
        for point in listed:
            by_type[point.type].append(point)
        frozen, counters = by_type[PointType.FROZEN_COUNTER], by_type[PointType.COUNTER]
        mapped = {point.index for point in frozen}
        frozen += [
            PointSetup(PointType.FROZEN_COUNTER, point.index)
            for point in counters
            if point.index not in mapped
        ]
        self.columns: Mapping[PointType, Columns] = MappingProxyType(
            {kind: Columns(kind, of_kind) for kind, of_kind in by_type.items()}
        )
        column = self.columns[PointType.FROZEN_COUNTER]
        column.in_class_0[:] = np.isin(column.indices, np.array(sorted(mapped), dtype=np.intp))
        self._listeners: list[RowListener] = []

    def subscribe(self, listener: RowListener) -> None:
        """Call ``listener`` after every write; it must not block."""
        self._listeners.append(listener)

    def update(
        self,
        kind: PointType,
        indices: Indices,
        values: Floats,
        flags: Flags,
        times_ms: int | Times,
        synchronised: bool | NDArray[np.bool_] = True,
    ) -> None:
        """Take new states of points of one type.

        Args:
            kind: their type.
            indices: shape (n,), no index twice.
            values: raw, shape (n,).
            flags: IEEE 1815 quality bits, shape (n,); bits the type has not are dropped.
            times_ms: source times, UTC ms.
            synchronised: whether those clocks were set.

        Raises:
            LocalProtocolError: there is no such point.
        """
        rows = self.columns[kind].rows(indices)
        if rows.size and int(rows.min()) < 0:
            raise LocalProtocolError(f"{kind} {indices[rows < 0][0]} is not in this map")
        self.update_rows(kind, rows, values, flags, times_ms, synchronised)

    def update_rows(
        self,
        kind: PointType,
        rows: Indices,
        values: Floats,
        flags: Flags,
        times_ms: int | Times,
        synchronised: bool | NDArray[np.bool_],
    ) -> None:
        """As :meth:`update`, by rows."""
        columns = self.columns[kind]
        if kind is PointType.COUNTER:
            values = np.mod(values - columns.zero[rows], _COUNTER_MODULUS)
        columns.values[rows] = values
        columns.flags[rows] = flags & columns.quality
        columns.times_ms[rows] = times_ms
        columns.synchronised[rows] = synchronised
        self._tell(columns, rows)

    def set_string(self, index: int, octets: bytes, time_ms: int) -> None:
        """Set an octet string; one without octets goes out as a single zero octet.

        Raises:
            LocalProtocolError: there is no such string, or it has more than 255 octets.
        """
        columns = self.columns[PointType.OCTET_STRING]
        (row,) = columns.rows([index])
        if row < 0 or len(octets) > _MAX_STRING:
            raise LocalProtocolError(f"group {OCTET_STRING} index {index}: no such string fits")
        if columns.strings[row] == (octets or b"\0") and columns.flags[row] == int(Quality.ONLINE):
            return
        columns.strings[row] = octets or b"\0"
        columns.flags[row] = int(Quality.ONLINE)
        columns.times_ms[row] = time_ms
        self._tell(columns, np.array([row], dtype=np.intp))

    def freeze(self, rows: Indices, time_ms: int, *, clear: bool) -> None:
        """Copy counters to their frozen ones; ``clear`` lets them count from 0 on.

        Args:
            rows: of the counters.
            time_ms: when, UTC ms.
            clear: what a counter reads now becomes its zero: the device's own goes on counting.
        """
        counters = self.columns[PointType.COUNTER]
        frozen = self.columns[PointType.FROZEN_COUNTER]
        counts, flags = counters.values[rows], counters.flags[rows]
        self.update_rows(
            frozen.type, frozen.rows(counters.indices[rows]), counts, flags, time_ms,
            synchronised=True,
        )  # fmt: skip
        if clear:
            counters.zero[rows] = np.mod(counters.zero[rows] + counts, _COUNTER_MODULUS)
            counters.values[rows] = 0.0
            counters.times_ms[rows] = time_ms
            self._tell(counters, rows)

    def _tell(self, columns: Columns, rows: Indices) -> None:
        for listener in self._listeners:
            listener(columns, rows)
