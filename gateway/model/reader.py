"""What reads points: the live store and the frozen image alike."""

from __future__ import annotations

from typing import Protocol

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
