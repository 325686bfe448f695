"""The process image: every point, frozen for one control cycle."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model.point import Measurement
from gateway.model.quality import GOOD, GOOD_MASK, Quality


@dataclass(frozen=True, slots=True)
class ProcessImage:
    """Values, flags and times of all points at one instant; arrays of shape (points,).

    Attributes:
        index: point id to position in the arrays; shared, never written.
        values: engineering values, float64.
        flags: IEEE 1815 flag octets, uint8.
        times_ms: source times, UTC ms, int64.
        taken_ms: UTC ms at which the image was frozen.
    """

    index: Mapping[str, int]
    values: NDArray[np.float64]
    flags: NDArray[np.uint8]
    times_ms: NDArray[np.int64]
    taken_ms: int

    def __contains__(self, point_id: object) -> bool:
        return point_id in self.index

    def __getitem__(self, point_id: str) -> Measurement:
        """Measurement of one point.

        Raises:
            KeyError: no such point.
        """
        position = self.index[point_id]
        return Measurement(
            float(self.values[position]),
            Quality(int(self.flags[position])),
            int(self.times_ms[position]),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.index)

    def __len__(self) -> int:
        return len(self.index)

    def good_value(self, point_id: str) -> float | None:
        """The value where control logic may use it, else None (also for an unknown point)."""
        position = self.index.get(point_id)
        if position is None or self.flags[position] & GOOD_MASK != GOOD:
            return None
        value = float(self.values[position])
        return value if math.isfinite(value) else None

    def good_values(self, positions: NDArray[np.intp]) -> NDArray[np.float64]:
        """Values control logic may use, by position; not a number where it may not."""
        good = (self.flags[positions] & GOOD_MASK) == GOOD
        return np.where(good, self.values[positions], np.nan)

    def source_times_ms(self, positions: NDArray[np.intp]) -> NDArray[np.int64]:
        """Source times by position, UTC ms."""
        return self.times_ms[positions]

    def lost_count(self) -> int:
        """How many points control logic may not use."""
        return int(np.count_nonzero((self.flags & GOOD_MASK) != GOOD))
