"""Events as the blocks they travel in, as many as a fragment has room for.

Order of occurrence stands above everything: events of one kind share a block only where they
follow each other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.links.dnp3.codec import count_header, indexed_header
from gateway.links.dnp3.northbound.database import TYPES
from gateway.links.dnp3.northbound.events import Chosen, EventBuffer, EventFilter, Rows
from gateway.links.dnp3.objects import (
    EVENT_GROUP,
    OBJECTS,
    OCTET_STRING_EVENT,
    ObjectType,
    PointType,
    TimeField,
)
from gateway.links.dnp3.values import encode_events

COMMON_TIME, SYNCHRONISED, UNSYNCHRONISED = 51, 1, 2
#: Octets of the smallest event with its index: how many could fit, at most.
SMALLEST_EVENT = 2
_MAX_RELATIVE_MS = 0xFFFF
_NARROW_HEAD, _WIDE_HEAD, _COMMON_TIME_SIZE = 4, 5, 10
_MOST_NARROW = 0xFF


@dataclass(frozen=True, slots=True)
class EncodedEvents:
    """Blocks, the events in them, and whether all that were chosen are."""

    octets: bytes
    rows: Rows
    owners: NDArray[np.uint8]
    complete: bool


def encode_chosen(
    chosen: Chosen, filters: tuple[EventFilter, ...], events: EventBuffer, room: int
) -> EncodedEvents:
    """The longest beginning of the chosen events that fits ``room`` octets."""
    rows = chosen.rows
    if not len(rows):
        return EncodedEvents(b"", rows, chosen.owners, complete=True)
    kinds = _kinds(chosen, filters)
    ends = [*(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(rows)]
    blocks: list[bytes] = []
    at = 0
    for end in ends:
        point, variation = TYPES[int(rows["type"][at])], int(kinds[at]) & 0xFF
        while at < end:
            run = rows[at:end]
            if point is PointType.OCTET_STRING:
                octets, count = _string(run, events, room)
            else:
                octets, count = _block(OBJECTS[EVENT_GROUP[point], variation], run, room)
            if not count:
                return EncodedEvents(
                    b"".join(blocks), rows[:at], chosen.owners[:at], complete=False
                )
            blocks.append(octets)
            room -= len(octets)
            at += count
    return EncodedEvents(b"".join(blocks), rows, chosen.owners, complete=True)


def _kinds(chosen: Chosen, filters: tuple[EventFilter, ...]) -> NDArray[np.int64]:
    """A number for type, variation and state of the clock; events alike in it share a block."""
    rows = chosen.rows
    asked = np.array([wanted.variation for wanted in filters], dtype=np.int64)[chosen.owners]
    variation = np.where(asked > 0, asked, rows["variation"].astype(np.int64))
    binary = np.isin(rows["type"], _WITH_RELATIVE_TIME)
    # an absolute time is a claim that the clock was right; who cannot claim it sends the
    # time relative to a common one that says so (g51v2)
    variation = np.where(binary & (variation == 2) & ~rows["synchronised"], 3, variation)
    relative = binary & (variation == 3)
    clock = np.where(relative, rows["synchronised"].astype(np.int64) + 1, 0)
    return (rows["type"].astype(np.int64) << 16) | (clock << 8) | variation


_WITH_RELATIVE_TIME = np.array(
    [TYPES.index(PointType.BINARY_INPUT), TYPES.index(PointType.DOUBLE_BIT_INPUT)], dtype=np.uint8
)


def _block(kind: ObjectType, run: Rows, room: int) -> tuple[bytes, int]:
    """One block of events all of one kind, and how many are in it."""
    prefix = b""
    times = run["time_ms"]
    if kind.time is TimeField.RELATIVE:
        base = int(times[0])
        times = times - base
        reach = np.flatnonzero((times < 0) | (times > _MAX_RELATIVE_MS))
        run = run[: reach[0]] if len(reach) else run
        variation = SYNCHRONISED if run["synchronised"][0] else UNSYNCHRONISED
        prefix = count_header(COMMON_TIME, variation, 1) + struct.pack("<Q", base)[:6]
        room -= _COMMON_TIME_SIZE
    wide = int(run["index"].max()) > 0xFF
    head, most = (_WIDE_HEAD, len(run)) if wide else (_NARROW_HEAD, _MOST_NARROW)
    count = min(len(run), most, max(0, room - head) // (kind.size + 1 + wide))
    if not count:
        return b"", 0
    run, times = run[:count], times[:count]
    octets = encode_events(
        kind, run["index"].astype(np.intp), run["value"], run["flags"], times
    )  # fmt: skip
    return prefix + octets, count


def _string(run: Rows, events: EventBuffer, room: int) -> tuple[bytes, int]:
    """A block of one octet string's event: each may have another length."""
    octets, index = events.string(int(run["seq"][0])), int(run["index"][0])
    wide = index > 0xFF
    block = (
        indexed_header(OCTET_STRING_EVENT, len(octets), 1, wide=wide)
        + index.to_bytes(2 if wide else 1, "little")
        + octets
    )
    return (block, 1) if len(block) <= room else (b"", 0)
