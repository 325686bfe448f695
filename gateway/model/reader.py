"""What reads points: the live store and the frozen image alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.model.point import Measurement


class PointReader(Protocol):
    """Anything that can say what a point's value is."""

    def __contains__(self, point_id: object) -> bool:
        """Whether the point exists at this site."""

    def __getitem__(self, point_id: str) -> Measurement:
        """Present measurement; NEVER_READ before the first one.

        Raises:
            KeyError: no such point.
        """


class ColumnReader(PointReader, Protocol):
    """A reader that gives many points at once, by their positions."""

    @property
    def index(self) -> Mapping[str, int]:
        """Positions by point id."""

    def good_values(self, positions: NDArray[np.intp]) -> NDArray[np.float64]:
        """Values that control logic may use; not a number where it may not."""

    def source_times_ms(self, positions: NDArray[np.intp]) -> NDArray[np.int64]:
        """Source times, UTC ms; 0 before the first measurement."""
