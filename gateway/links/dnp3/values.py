"""Points of a block, all at once: object octets to arrays and back.

Values are raw, as the device counts; scaling to engineering units is the profile's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.links.dnp3.codec import Block, indexed_header, range_header
from gateway.links.dnp3.objects import (
    OBJECTS,
    ObjectType,
    PointType,
    TimeField,
    Use,
    put_time_ms,
    time_ms_of,
)
from gateway.model.quality import Quality

Floats = NDArray[np.float64]
Flags = NDArray[np.uint8]
Times = NDArray[np.int64]
Indices = NDArray[np.intp]

_ONLINE = int(Quality.ONLINE)
_OVER_RANGE = int(Quality.OVER_RANGE)
#: Flag bits that are quality in each kind of object; above them stand a binary's state bits.
_COUNTER_QUALITY, _ANALOG_QUALITY = np.uint8(0x1F), np.uint8(0x7F)
_QUALITY_BITS = {
    PointType.BINARY_INPUT: np.uint8(0x1F),
    PointType.BINARY_OUTPUT: np.uint8(0x1F),
    PointType.DOUBLE_BIT_INPUT: np.uint8(0x1F),
    PointType.COUNTER: _COUNTER_QUALITY,
    PointType.FROZEN_COUNTER: _COUNTER_QUALITY,
}
_STATE_SHIFT = {
    PointType.BINARY_INPUT: np.uint8(7),
    PointType.BINARY_OUTPUT: np.uint8(7),
    PointType.DOUBLE_BIT_INPUT: np.uint8(6),
}


@dataclass(frozen=True, slots=True)
class CommonTime:
    """Common time of occurrence (group 51): what relative times of a fragment count from."""

    time_ms: int
    synchronised: bool


@dataclass(frozen=True, slots=True)
class Points:
    """Points of one block.

    Attributes:
        kind: what they came as.
        indices: point indices, shape (n,).
        values: raw values, shape (n,); a double bit is 0..3 (0 intermediate, 1 off, 2 on,
            3 indeterminate).
        flags: IEEE 1815 quality bits, shape (n,), state bits removed.
        times_ms: source times, UTC ms, shape (n,); None where the objects carry none.
        synchronised: whether those times came from a clock that had been set.
    """

    kind: ObjectType
    indices: Indices
    values: Floats
    flags: Flags
    times_ms: Times | None
    synchronised: bool = True


def common_time(block: Block) -> CommonTime | None:
    """The common time a group 51 block sets; None where it holds none."""
    if len(block.data) < 6:
        return None
    return CommonTime(int.from_bytes(block.data[-6:], "little"), block.variation == 1)


def decode(block: Block, base: CommonTime | None = None) -> Points | None:
    """The points of a block.

    Args:
        block: as walked; its length is already checked.
        base: the common time before it in the same fragment.

    Returns:
        None for an object that is not a point's (times, classes, strings, commands' echoes).
    """
    kind = OBJECTS.get((block.group, block.variation))
    if kind is None or kind.use not in (Use.STATIC, Use.EVENT) or block.count is None:
        return None
    if block.indices is None:
        indices = np.arange(block.start, block.start + block.count, dtype=np.intp)
    else:
        indices = np.array(block.indices, dtype=np.intp)
    if kind.layout is None:
        values = _unpack(block.data, block.count, kind.packed_bits)
        online = np.full(block.count, _ONLINE, dtype=np.uint8)
        return Points(kind, indices, values, online, None)
    objects = np.frombuffer(block.data, dtype=kind.layout, count=block.count)
    values, flags = _values_and_flags(kind, objects)
    if kind.time is TimeField.RELATIVE:
        return _relative(kind, indices, values, flags, objects, base)
    times = time_ms_of(objects) if kind.time is TimeField.ABSOLUTE else None
    return Points(kind, indices, values, flags, times)


def encode_static(kind: ObjectType, start: int, values: Floats, flags: Flags) -> bytes:
    """A header and its run of static objects.

    Args:
        kind: a static variation.
        start: index of the first point.
        values: raw values, shape (n,). What a variation cannot hold goes out as its nearest
            limit, flagged OVER_RANGE.
        flags: quality bits, shape (n,).
    """
    head = range_header(kind.group, kind.variation, start, start + len(values) - 1)
    return head + encode_objects(kind, values, flags)


def encode_objects(
    kind: ObjectType, values: Floats, flags: Flags, times_ms: Times | None = None
) -> bytes:
    """Objects alone, one after the other; see :func:`encode_static`.

    ``times_ms`` is for those that carry one (frozen counters).
    """
    if kind.layout is None:
        return _pack(values, kind.packed_bits)
    objects = _objects(kind, values, flags)
    if times_ms is not None:
        _put_times(kind, objects, times_ms)
    return objects.tobytes()


def encode_events(
    kind: ObjectType, indices: Indices, values: Floats, flags: Flags, times_ms: Times
) -> bytes:
    """A header and events that each carry their index; ``times_ms`` absolute or relative."""
    wide = (bool(indices.size) and int(indices.max()) > 0xFF) or indices.size > 0xFF
    head = indexed_header(kind.group, kind.variation, indices.size, wide=wide)
    return head + encode_indexed(kind, indices, values, flags, times_ms, wide=wide)


def encode_indexed(
    kind: ObjectType,
    indices: Indices,
    values: Floats,
    flags: Flags,
    times_ms: Times,
    *,
    wide: bool,
) -> bytes:
    """Objects that each carry their index, one octet wide or two, without a header."""
    objects = _objects(kind, values, flags)
    _put_times(kind, objects, times_ms)
    prefixed = np.empty(
        indices.size, dtype=[("index", "<u2" if wide else "u1"), ("object", objects.dtype)]
    )
    prefixed["index"], prefixed["object"] = indices, objects
    return prefixed.tobytes()


def _put_times(kind: ObjectType, objects: NDArray[np.void], times_ms: Times) -> None:
    if kind.time is TimeField.ABSOLUTE:
        put_time_ms(objects, times_ms)
    elif kind.time is TimeField.RELATIVE:
        objects["relative"] = times_ms


def _values_and_flags(kind: ObjectType, objects: NDArray[np.void]) -> tuple[Floats, Flags]:
    if kind.has_value:
        with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN like any other here
            values = objects["value"].astype(np.float64)
        if not kind.has_flags:
            return values, np.full(len(values), _ONLINE, dtype=np.uint8)
        flags: Flags = objects["flags"]
        # a counter's rollover and discontinuity are not quality of its value
        return values, flags & _QUALITY_BITS.get(kind.point, _ANALOG_QUALITY)
    octets: Flags = objects["flags"]
    states = (octets >> _STATE_SHIFT[kind.point]).astype(np.float64)
    return states, octets & _QUALITY_BITS[kind.point]


def _relative(
    kind: ObjectType,
    indices: Indices,
    values: Floats,
    flags: Flags,
    objects: NDArray[np.void],
    base: CommonTime | None,
) -> Points:
    if base is None:  # a time that counts from nothing is no time
        return Points(kind, indices, values, flags, None, synchronised=False)
    times: Times = objects["relative"].astype(np.int64) + base.time_ms
    return Points(kind, indices, values, flags, times, base.synchronised)


def _objects(kind: ObjectType, values: Floats, flags: Flags) -> NDArray[np.void]:
    objects = np.zeros(len(values), dtype=kind.layout)
    if not kind.has_value:
        shift = _STATE_SHIFT[kind.point]
        states = np.nan_to_num(values).astype(np.uint8) << shift
        objects["flags"] = (flags & _QUALITY_BITS[kind.point]) | states
        return objects
    target = objects.dtype["value"]
    if target.kind == "f":
        limit = float(np.finfo(target.type).max)
        low, high, given = -limit, limit, values
    else:
        info = np.iinfo(target.type)
        low, high, given = float(info.min), float(info.max), np.rint(values)
    known = np.nan_to_num(given, nan=0.0, posinf=np.inf, neginf=-np.inf)
    objects["value"] = np.clip(known, low, high).astype(target)
    if kind.has_flags:
        over = (known < low) | (known > high)
        marked = flags | (over * np.uint8(_OVER_RANGE)).astype(np.uint8)
        objects["flags"] = marked & _QUALITY_BITS.get(kind.point, _ANALOG_QUALITY)
    return objects


def _unpack(data: bytes, count: int, bits: int) -> Floats:
    states = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
    if bits == 1:
        return states[:count].astype(np.float64)
    pairs = states[: 2 * count].reshape(count, 2)
    return (pairs[:, 0] + 2 * pairs[:, 1]).astype(np.float64)


def _pack(values: Floats, bits: int) -> bytes:
    states = np.nan_to_num(values).astype(np.uint8)
    if bits == 1:
        return np.packbits(states & 1, bitorder="little").tobytes()
    pairs = np.stack([states & 1, (states >> 1) & 1], axis=1)
    return np.packbits(pairs.reshape(-1), bitorder="little").tobytes()
