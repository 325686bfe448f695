"""The live point database: columns of values, flags and times.

Everything that measures writes here in blocks (one numpy pass a polling slot); everything that
looks reads here or, for control, from the frozen image.
"""

from __future__ import annotations

import itertools
import weakref
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.model.clock import Clock
from gateway.model.errors import LocalProtocolError
from gateway.model.point import NEVER_READ, Measurement, PointSpec
from gateway.model.quality import GOOD, GOOD_MASK, Quality
from gateway.points.image import ProcessImage

Indices = NDArray[np.intp]
#: Called with the positions of points that changed by more than their deadband, or in quality.
ChangeListener = Callable[[Indices], None]

_COMM_LOST = np.uint8(Quality.COMM_LOST)
_ALL_BUT_ONLINE = np.uint8(0xFF & ~int(Quality.ONLINE))
_OVER_RANGE = np.uint8(Quality.OVER_RANGE)


@dataclass(frozen=True, slots=True)
class _Span:
    """Positions of a block, as a slice where they follow each other (else None), and limits.

    Writing a slice costs a fraction of writing scattered positions; limits have one entry where
    all points share them, else one a point.
    """

    at: slice | None
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    deadband: NDArray[np.float64]


class PointStore:
    """Present measurement of every point of a site.

    Args:
        specs: the site's points, in the order that fixes their positions.
        clock: stamps arrivals; ages run on its monotonic side, so a stepped UTC ages nothing.

    Attributes:
        index: positions by point id.

    Raises:
        LocalProtocolError: two specs share an id.
    """

    def __init__(self, specs: Iterable[PointSpec], clock: Clock) -> None:
        # a site has many points and few kinds of them: one spec a kind is kept, not one a point
        kinds: dict[PointSpec, int] = {}
        kind_of = array("i")
        self.index: dict[str, int] = {}
        for position, spec in enumerate(specs):
            self.index[spec.id] = position
            kind_of.append(kinds.setdefault(replace(spec, id=""), len(kinds)))
        if len(self.index) != len(kind_of):
            raise LocalProtocolError("two points share an id; the loader must refuse that")
        self._kind = np.array(kind_of, dtype=np.int32)
        self._set_kinds(list(kinds))
        self._clock = clock
        count = len(self.index)
        self._values = np.full(count, NEVER_READ.value)
        self._flags = np.full(count, NEVER_READ.quality, dtype=np.uint8)
        self._times_ms = np.zeros(count, dtype=np.int64)
        self._synchronised = np.zeros(count, dtype=np.bool_)
        self._arrived_s = np.full(count, -np.inf)
        self._reported = np.full(count, np.nan)
        self._lost_here = np.zeros(count, dtype=np.bool_)
        self._spans: dict[int, tuple[weakref.ref[Indices], _Span]] = {}
        self._listeners: list[ChangeListener] = []

    def __contains__(self, point_id: object) -> bool:
        return point_id in self.index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, point_id: str) -> Measurement:
        """Present measurement of one point.

        Raises:
            KeyError: no such point.
        """
        return self.at(self.index[point_id])

    def at(self, position: int) -> Measurement:
        """Present measurement of the point at a position."""
        return Measurement(
            float(self._values[position]),
            Quality(int(self._flags[position])),
            int(self._times_ms[position]),
            bool(self._synchronised[position]),
        )

    def columns(
        self, indices: Indices
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64], NDArray[np.bool_]]:
        """Values, flags, source times (UTC ms) and whether those are synchronised; copies."""
        return (
            self._values[indices],
            self._flags[indices],
            self._times_ms[indices],
            self._synchronised[indices],
        )

    def good_values(self, positions: Indices) -> NDArray[np.float64]:
        """Values control logic may use, by position; not a number where it may not."""
        good = (self._flags[positions] & GOOD_MASK) == GOOD
        return np.where(good, self._values[positions], np.nan)

    def source_times_ms(self, positions: Indices) -> NDArray[np.int64]:
        """Source times by position, UTC ms; a copy."""
        return self._times_ms[positions]

    def spec(self, point_id: str) -> PointSpec:
        """Spec of one point.

        Raises:
            KeyError: no such point.
        """
        return replace(self._kinds[int(self._kind[self.index[point_id]])], id=point_id)

    def subscribe(self, listener: ChangeListener) -> None:
        """Call ``listener`` on every change worth an event; it must not block."""
        self._listeners.append(listener)

    def update_block(
        self,
        indices: Indices,
        values: NDArray[np.float64],
        flags: NDArray[np.uint8],
        time_ms: int | NDArray[np.int64],
        *,
        synchronised: bool | NDArray[np.bool_] = False,
    ) -> None:
        """Take one block of readings.

        Args:
            indices: positions, shape (n,), no position twice.
            values: engineering units, shape (n,).
            flags: IEEE 1815 flags as the source gave them, shape (n,); a value that is not a
                number loses ONLINE here whatever the source said.
            time_ms: source time of the block, UTC ms, or of each reading, shape (n,).
            synchronised: whether that time came from a synchronised clock; as ``time_ms``.
        """
        span = self._span(indices)
        at = indices if span.at is None else span.at
        taken = flags & (np.isfinite(values).view(np.uint8) | _ALL_BUT_ONLINE)
        outside = values < span.minimum
        outside |= values > span.maximum
        if outside.any():
            taken |= outside * _OVER_RANGE
        changed = np.abs(values - self._reported[at]) > span.deadband
        changed |= taken != self._flags[at]
        self._values[at] = values
        self._flags[at] = taken
        self._times_ms[at] = time_ms
        self._synchronised[at] = synchronised
        self._arrived_s[at] = self._clock.monotonic_s()
        self._lost_here[at] = False
        if changed.any():
            self._report(indices[changed])

    def update(self, point_id: str, measurement: Measurement) -> None:
        """Take one reading.

        Raises:
            KeyError: no such point.
        """
        self.update_block(
            np.array([self.index[point_id]], dtype=np.intp),
            np.array([measurement.value]),
            np.array([int(measurement.quality)], dtype=np.uint8),
            measurement.time_ms,
            synchronised=measurement.synchronised,
        )

    def touch(self, indices: Indices) -> bool:
        """Say that a source that reports by exception still answers: these values stand.

        Nothing but their age changes; one that is COMM_LOST stays so until it is read.

        Returns:
            Whether any of them was marked COMM_LOST here and has not been read since: then the
            source has to be read as a whole.
        """
        self._arrived_s[indices] = self._clock.monotonic_s()
        return bool(self._lost_here[indices].any())

    def vouched_s(self, point_id: str) -> float:
        """When a point's source last gave its value or confirmed it, on the monotonic clock.

        Its time may be older: a source that reports by exception says nothing of what stands.

        Raises:
            KeyError: no such point.
        """
        return float(self._arrived_s[self.index[point_id]])

    def lost_here(self, indices: Indices) -> NDArray[np.bool_]:
        """Which of these were marked COMM_LOST here and not read since; a copy."""
        return self._lost_here[indices]

    def mark_comm_lost(self, indices: Indices) -> None:
        """Say that these points' source is lost: values stay, COMM_LOST joins the flags."""
        newly = indices[(self._flags[indices] & _COMM_LOST) == 0]
        if newly.size:
            self._flags[newly] |= _COMM_LOST
            self._lost_here[newly] = True
            self._report(newly)

    def age(self) -> int:
        """Mark every point older than its ``max_age_s``; returns how many were marked now."""
        too_old = self._clock.monotonic_s() - self._arrived_s > self._max_age_s.take(self._kind)
        newly = np.flatnonzero(too_old & ((self._flags & _COMM_LOST) == 0))
        self.mark_comm_lost(newly)
        return int(newly.size)

    def freeze(self) -> ProcessImage:
        """A copy of everything for one control cycle, aged first."""
        self.age()
        return ProcessImage(
            self.index,
            self._values.copy(),
            self._flags.copy(),
            self._times_ms.copy(),
            self._clock.utc_ms(),
        )

    def lost(self) -> tuple[str, ...]:
        """Ids of the points that control logic may not use now."""
        bad = (self._flags & GOOD_MASK) != GOOD
        return tuple(itertools.compress(self.index, bad))

    def allow(self, point_id: str, *, act: bool) -> None:
        """Switch one output between ``act`` and ``advise`` for applications.

        Raises:
            KeyError: no such point.
        """
        position = self.index[point_id]
        changed = replace(self._kinds[int(self._kind[position])], act=act)
        self._set_kinds([*self._kinds, changed])
        self._kind[position] = len(self._kinds) - 1

    def _set_kinds(self, kinds: list[PointSpec]) -> None:
        """Limits by kind; a point's are found through its kind."""
        self._kinds = kinds
        self._minimum = np.array([kind.minimum for kind in kinds], dtype=np.float64)
        self._maximum = np.array([kind.maximum for kind in kinds], dtype=np.float64)
        self._deadband = np.array([kind.deadband for kind in kinds], dtype=np.float64)
        self._max_age_s = np.array([kind.max_age_s for kind in kinds], dtype=np.float64)

    def _span(self, indices: Indices) -> _Span:
        """What an array of positions stands for, looked at once an array.

        Pollers come with the same array each time. It is then sealed: positions that changed
        behind our back would put values on other points.
        """
        known = self._spans.get(id(indices))
        if known is not None and known[0]() is indices:
            return known[1]
        at: slice | None = None
        if indices.size and bool((np.diff(indices) == 1).all()):
            at = slice(int(indices[0]), int(indices[-1]) + 1)
        kind = self._kind[indices]
        alike = kind[:1] if bool((kind == kind[:1]).all()) else kind
        span = _Span(at, self._minimum[alike], self._maximum[alike], self._deadband[alike])
        indices.setflags(write=False)
        key = id(indices)
        forget = weakref.ref(indices, lambda _: self._spans.pop(key, None))
        self._spans[key] = (forget, span)
        return span

    def _report(self, changed: Indices) -> None:
        self._reported[changed] = self._values[changed]
        for listener in self._listeners:
            listener(changed)
