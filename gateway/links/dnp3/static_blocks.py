"""Static objects as runs of points, cut where a fragment ends."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from gateway.links.dnp3.codec import indexed_header, range_header
from gateway.links.dnp3.database import Columns
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
    encode_static,
)
from gateway.model.quality import Quality

_ONLINE = int(Quality.ONLINE)
#: The variation that says quality beside each that does not.
_WITH_FLAGS = {
    (1, 1): 2, (3, 1): 2, (10, 1): 2, (20, 5): 1, (20, 6): 2, (21, 9): 1, (21, 10): 2,
    (30, 3): 1, (30, 4): 2,
}  # fmt: skip
_MOST_NARROW = 0xFF


@dataclass(frozen=True, slots=True)
class StaticRun:
    """Points to be sent as one variation: a copy of their state, taken when they were asked for.

    Attributes:
        kind: what they go out as.
        indices: shape (n,); following each other unless ``width`` is set.
        values, flags, times_ms: shape (n,).
        width: octets of each object's index prefix; 0 where a range says the indices.
    """

    kind: ObjectType
    indices: Indices
    values: Floats
    flags: Flags
    times_ms: Times
    width: int = 0

    def take(self, room: int) -> tuple[bytes, StaticRun | None]:
        """As many points as fit ``room`` octets, and the run of the rest."""
        count = min(len(self.indices), self._fitting(room))
        if count <= 0:
            return b"", self
        part, rest = self._part(0, count), None
        if count < len(self.indices):
            rest = self._part(count, len(self.indices))
        if part.width:
            octets = encode_indexed(
                part.kind, part.indices, part.values, part.flags, part.times_ms,
                wide=part.width > 1,
            )  # fmt: skip
        else:
            start = int(part.indices[0])
            octets = encode_static(part.kind, start, part.values, part.flags, part.times_ms)
        return octets, rest

    def _fitting(self, room: int) -> int:
        if self.width:
            count = (room - 3 - self.width) // (self.width + self.kind.size)
            return min(count, _MOST_NARROW) if self.width == 1 else count
        head = 5 if int(self.indices[-1]) <= 0xFF else 7
        if self.kind.packed_bits:
            return (room - head) * 8 // self.kind.packed_bits
        return (room - head) // self.kind.size

    def _part(self, start: int, stop: int) -> StaticRun:
        at = slice(start, stop)
        return replace(
            self, indices=self.indices[at], values=self.values[at], flags=self.flags[at],
            times_ms=self.times_ms[at],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ready:
    """A block that is not cut: an octet string, a time."""

    octets: bytes

    def take(self, room: int) -> tuple[bytes, Ready | None]:
        """All of it or nothing."""
        return (self.octets, None) if len(self.octets) <= room else (b"", self)


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
