"""Points of one outstation into the store: index to position, raw to engineering, in order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.links.dnp3.objects import PointType, Use
from gateway.links.dnp3.southbound.device import PolledPoint
from gateway.links.dnp3.values import Flags, Floats, Indices, Points, Times
from gateway.model.point import Measurement

#: Static ranges whose positions are kept; an outstation answers with few, again and again.
_MOST_RANGES = 512


class Sink(Protocol):
    """Where readings go: the point store."""

    def update_block(
        self,
        indices: Indices,
        values: Floats,
        flags: Flags,
        time_ms: int | Times,
        *,
        synchronised: bool | NDArray[np.bool_] = False,
    ) -> None:
        """Take engineering values with their flags and times."""

    def touch(self, indices: Indices) -> bool:
        """These stand: their source answers. True where some were lost and not read since."""

    def mark_comm_lost(self, indices: Indices) -> None:
        """Keep the values, add COMM_LOST."""

    def at(self, position: int) -> Measurement:
        """Present measurement."""


@dataclass(frozen=True, slots=True)
class _Map:
    """Points of one type by index: positions (-1 where none), scales, offsets."""

    positions: Indices
    scales: Floats
    offsets: Floats
    is_plain: bool


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which objects of a block are wanted, and where they go.

    Attributes:
        at: their places in the block; None for all.
        positions: where they go; ``distinct`` where none comes twice.
        scales, offsets: None where all are 1 and 0.
    """

    at: Indices | None
    positions: Indices
    distinct: bool
    scales: Floats | None
    offsets: Floats | None


class Delivery:
    """Takes the blocks of one outstation to the store.

    Args:
        points: what is wanted of it.
        store: where it goes.

    Attributes:
        types: types wanted, in the order given.
        positions: store positions of all its points.

    Raises:
        ValueError: two points share a type and index, or a store position, or a type that no
            number can hold.
    """

    def __init__(self, points: Sequence[PolledPoint], store: Sink) -> None:
        self._store = store
        self._by_position = {point.position: point for point in points}
        keys = {(point.type, point.index) for point in points}
        if len(keys) < len(points) or len(self._by_position) < len(points):
            raise ValueError("two points share an index or a position")
        self.types = tuple(dict.fromkeys(point.type for point in points))
        if PointType.OCTET_STRING in self.types:
            raise ValueError("octet strings are not measurements")
        self.positions = np.array([point.position for point in points], dtype=np.intp)
        self._maps = {kind: _map([p for p in points if p.type is kind]) for kind in self.types}
        self._ranges: dict[tuple[PointType, int, int], _Chosen] = {}

    def point_at(self, position: int) -> PolledPoint | None:
        """The point that goes to a store position; None where it is another device's."""
        return self._by_position.get(position)

    def shown(self, position: int) -> float | None:
        """Engineering value at a store position; None where it may not be relied on."""
        measurement = self._store.at(position)
        return measurement.value if measurement.is_good else None

    def touch(self) -> bool:
        """The outstation answers: what it did not report has not changed.

        Returns:
            Whether some points grew too old meanwhile and have to be read again.
        """
        return bool(self.positions.size) and self._store.touch(self.positions)

    def lose(self) -> None:
        """The outstation is lost."""
        if self.positions.size:
            self._store.mark_comm_lost(self.positions)

    def deliver(self, points: Points, arrived_ms: int, *, clock_set: bool) -> None:
        """Take a block's points to the store, each in its turn.

        Args:
            points: as decoded.
            arrived_ms: arrival, UTC ms: the time of what carries none.
            clock_set: whether the outstation says that its clock is set.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # the store judges infinities
            self._deliver(points, arrived_ms, clock_set=clock_set)

    def _deliver(self, points: Points, arrived_ms: int, *, clock_set: bool) -> None:
        chosen = self._chosen(points)
        if chosen is None or not chosen.positions.size:
            return
        values, flags, times = points.values, points.flags, points.times_ms
        if chosen.at is not None:
            values, flags = values[chosen.at], flags[chosen.at]
            times = None if times is None else times[chosen.at]
        if chosen.scales is not None and chosen.offsets is not None:
            values = values * chosen.scales + chosen.offsets
        sure = times is not None and points.synchronised and clock_set
        when = np.full(len(values), arrived_ms, dtype=np.int64) if times is None else times
        if chosen.distinct:
            self._store.update_block(chosen.positions, values, flags, when, synchronised=sure)
            return
        for part in _runs(chosen.positions):
            self._store.update_block(
                chosen.positions[part], values[part], flags[part], when[part], synchronised=sure
            )

    def _chosen(self, points: Points) -> _Chosen | None:
        kind = points.kind.point
        known = self._maps.get(kind)
        if known is None or not points.indices.size:
            return None
        if points.kind.use is not Use.STATIC or not _is_range(points.indices):
            return _choose(known, points.indices)
        # the store too knows an array of positions that comes again
        key = (kind, int(points.indices[0]), len(points.indices))
        chosen = self._ranges.get(key)
        if chosen is None:
            if len(self._ranges) >= _MOST_RANGES:
                self._ranges.clear()
            chosen = self._ranges[key] = _choose(known, points.indices)
        return chosen


def _map(points: Sequence[PolledPoint]) -> _Map:
    size = max(point.index for point in points) + 1
    positions = np.full(size, -1, dtype=np.intp)
    scales, offsets = np.ones(size), np.zeros(size)
    for point in points:
        positions[point.index] = point.position
        scales[point.index], offsets[point.index] = point.scale, point.offset
    is_plain = all(point.scale == 1.0 and point.offset == 0.0 for point in points)
    return _Map(positions, scales, offsets, is_plain)


def _is_range(indices: Indices) -> bool:
    return bool((np.diff(indices) == 1).all())


def _choose(known: _Map, indices: Indices) -> _Chosen:
    inside = indices < known.positions.size
    wanted = np.zeros(len(indices), dtype=np.bool_)
    wanted[inside] = known.positions[indices[inside]] >= 0
    at = None if wanted.all() else np.flatnonzero(wanted)
    taken = indices if at is None else indices[at]
    positions = known.positions[taken]
    distinct = len(np.unique(positions)) == len(positions)
    if known.is_plain:
        return _Chosen(at, positions, distinct, None, None)
    return _Chosen(at, positions, distinct, known.scales[taken], known.offsets[taken])


def _runs(positions: Indices) -> Iterator[slice]:
    """Runs in which no position comes twice: a point's changes reach the store one by one."""
    begin, seen = 0, set[int]()
    for at, position in enumerate(positions.tolist()):
        if position in seen:
            yield slice(begin, at)
            begin, seen = at, set()
        seen.add(position)
    yield slice(begin, len(positions))


def newest_ms(points: Points) -> float:
    """The newest source time of a block, UTC ms; minus infinity where it carries none."""
    times = points.times_ms
    return -math.inf if times is None or not times.size else float(times.max())
