"""Follows the truth log while it grows: what is true now, and what simulated time it is."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass(slots=True)
class TruthTail:
    """Reads new lines on demand.

    Attributes:
        path: the log; may not exist yet.
        last: the latest step, empty before the first.
    """

    path: Path
    last: dict[str, Any] = field(default_factory=dict)
    _file: IO[str] | None = None
    _part: str = ""
    _wall_s: list[float] = field(default_factory=list)
    _simulated_s: list[float] = field(default_factory=list)

    def poll(self, wall_s: float) -> None:
        """Take what was written since the last call.

        Args:
            wall_s: now, on whatever clock ``simulated_s`` is asked by.
        """
        if self._file is None:
            if not self.path.exists():
                return
            self._file = self.path.open(encoding="utf-8")
        *lines, self._part = (self._part + self._file.read()).split("\n")
        if lines:
            self.last = json.loads(lines[-1])
            self._wall_s.append(wall_s)
            self._simulated_s.append(float(self.last["time_s"]))

    @property
    def now_s(self) -> float:
        """Simulated time of the latest step."""
        return self._simulated_s[-1] if self._simulated_s else 0.0

    @property
    def scale(self) -> float:
        """Simulated seconds a wall second, as it turned out; 1 before anything was seen."""
        if len(self._wall_s) < 2 or self._wall_s[-1] <= self._wall_s[0]:
            return 1.0
        passed_s = self._simulated_s[-1] - self._simulated_s[0]
        return passed_s / (self._wall_s[-1] - self._wall_s[0])

    def simulated_s(self, wall_s: float) -> float:
        """Simulated time at a wall time, in between two polls by interpolation."""
        walls, times = self._wall_s, self._simulated_s
        i = bisect_right(walls, wall_s)
        if not times:
            return 0.0
        if i == 0:
            return times[0]
        if i == len(walls):
            return times[-1]
        share = (wall_s - walls[i - 1]) / (walls[i] - walls[i - 1])
        return times[i - 1] + share * (times[i] - times[i - 1])

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
