"""Static objects as runs of points, cut where a fragment ends."""

from __future__ import annotations

import itertools

import numpy as np

from gateway.links.dnp3.codec import indexed_header, range_header
from gateway.links.dnp3.northbound.database import Columns
from gateway.links.dnp3.objects import (
    OBJECTS,
    OCTET_STRING,
    STATIC_GROUP,
    ObjectType,
    PointType,
)
from gateway.links.dnp3.values import (
    Flags,
    Floats,
    Indices,
    Times,
    encode_indexed,
    encode_objects,
)
from gateway.model.quality import Quality

_ONLINE = int(Quality.ONLINE)
#: The variation that says quality beside each that does not.
_WITH_FLAGS = {
    (1, 1): 2, (3, 1): 2, (10, 1): 2, (20, 5): 1, (20, 6): 2, (21, 9): 1, (21, 10): 2,
    (30, 3): 1, (30, 4): 2,
}  # fmt: skip
_MOST_NARROW = 0xFF


class StaticRun:
    """Points to be sent as one variation, encoded when they were asked for.

    Their state is that of one moment, however many fragments they take.

    Args:
        kind: what they go out as.
        indices: shape (n,); following each other unless ``width`` is set.
        values, flags, times_ms: their state, shape (n,).
        width: octets of each object's index prefix; 0 where a range says the indices.
    """

    def __init__(
        self,
        kind: ObjectType,
        indices: Indices,
        values: Floats,
        flags: Flags,
        times_ms: Times,
        width: int = 0,
    ) -> None:
        self._kind = kind
        self._width = width
        self._size = width + kind.size
        self._left = len(indices)
        self._next = int(indices[0])
        self._last = int(indices[-1])
        self._at = 0
        if width:
            wide = width > 1
            self._octets = encode_indexed(kind, indices, values, flags, times_ms, wide=wide)
        else:
            self._octets = encode_objects(kind, values, flags, times_ms)

    def take(self, room: int) -> bytes:
        """As many of the points left as fit ``room`` octets, with their header."""
        count = min(self._left, self._fitting(room))
        if count <= 0:
            return b""
        kind = self._kind
        if self._width:
            head = indexed_header(kind.group, kind.variation, count, wide=self._width > 1)
        else:
            stop = self._next + count - 1
            head = range_header(kind.group, kind.variation, self._next, stop)
        bits = kind.packed_bits
        span = (count * bits + 7) // 8 if bits else count * self._size
        octets = self._octets[self._at : self._at + span]
        self._at += span
        self._next += count
        self._left -= count
        return head + octets

    @property
    def over(self) -> bool:
        """Whether all have been taken."""
        return not self._left

    def _fitting(self, room: int) -> int:
        if self._width:
            count = (room - 3 - self._width) // self._size
            return min(count, _MOST_NARROW) if self._width == 1 else count
        room -= 5 if self._last <= 0xFF else 7
        if self._kind.packed_bits:  # cut between octets
            return room * 8 // self._kind.packed_bits
        return room // self._size


class Ready:
    """A block that is not cut: an octet string, a time."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.over = False

    def take(self, room: int) -> bytes:
        """All of it or nothing."""
        if len(self._octets) > room:
            return b""
        self.over = True
        return self._octets


StaticBlock = StaticRun | Ready


def static_blocks(
    columns: Columns, rows: Indices, variation: int, width: int = 0
) -> list[StaticBlock]:
    """Rows as blocks.

    Args:
        columns: of one type.
        rows: to be sent; ascending unless ``width`` is set.
        variation: asked for; 0 is each point's own.
        width: octets of index prefixes, where each point was asked for by its index.
    """
    if columns.type is PointType.OCTET_STRING:
        return [_string(columns, int(row), width) for row in rows]
    if not len(rows):
        return []
    variations = np.full(len(rows), variation) if variation else columns.static[rows].astype(int)
    breaks = np.diff(variations) != 0
    if not width:
        breaks |= np.diff(columns.indices[rows]) != 1
    edges = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(rows)]
    return [
        _run(columns, rows[start:stop], int(variations[start]), width)
        for start, stop in itertools.pairwise(edges)
    ]


def _run(columns: Columns, rows: Indices, variation: int, width: int) -> StaticRun:
    group, flags = STATIC_GROUP[columns.type], columns.flags[rows]
    kind = OBJECTS[group, variation]
    # without flags the standard means ONLINE and nothing else: what is not, says so, and
    # packed bits have no index of their own
    if not kind.has_flags and (bool((flags != _ONLINE).any()) or (width and kind.packed_bits)):
        kind = OBJECTS[group, _WITH_FLAGS[group, variation]]
    return StaticRun(
        kind, columns.indices[rows], columns.values[rows], flags, columns.times_ms[rows], width
    )


def _string(columns: Columns, row: int, width: int) -> Ready:
    octets, index = columns.strings[row], int(columns.indices[row])
    if width:
        head = indexed_header(OCTET_STRING, len(octets), 1, wide=width > 1)
        return Ready(head + index.to_bytes(width, "little") + octets)
    return Ready(range_header(OCTET_STRING, len(octets), index, index) + octets)
