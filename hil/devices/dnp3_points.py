"""A DNP3 device's point list as data: what ``devices/<name>.csv`` says, by name and by index."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from hil.devices.regmap import devices_dir

KINDS = ("BI", "BO", "CTR", "AI", "AO")


@dataclass(frozen=True, slots=True)
class PointRow:
    """One point; engineering value = raw x scale + offset."""

    point: str
    kind: str
    index: int
    style: str
    scale: float
    offset: float
    minimum: float
    maximum: float
    deadband: float

    def admits(self, value: float) -> bool:
        """Whether a value asked for is within the list's limits."""
        slack = abs(self.scale) / 2
        return self.minimum - slack <= value <= self.maximum + slack

    def raw(self, value: float) -> float:
        """What the device counts for an engineering value."""
        return (value - self.offset) / self.scale

    def engineering(self, raw: float) -> float:
        """The engineering value of what the device counts."""
        return raw * self.scale + self.offset


@dataclass(slots=True)
class PointBank:
    """Present values of a point list.

    Attributes:
        rows: by point name.
        values: engineering values by point name; a point not put yet has none.
    """

    rows: dict[str, PointRow]
    values: dict[str, float] = field(default_factory=dict)
    _by_place: dict[tuple[str, int], PointRow] = field(init=False)

    def __post_init__(self) -> None:
        self._by_place = {(row.kind, row.index): row for row in self.rows.values()}

    def at(self, kind: str, index: int) -> PointRow | None:
        """The point of a kind and index, or None."""
        return self._by_place.get((kind, index))

    def runs(self, kind: str, first: int = 0, last: int = 0xFFFF) -> Iterator[list[PointRow]]:
        """Points of a kind within a range, as runs of consecutive indices."""
        indices = sorted(i for k, i in self._by_place if k == kind and first <= i <= last)
        numbered = enumerate(indices)
        for _, run in groupby(numbered, key=lambda pair: pair[1] - pair[0]):
            yield [self._by_place[kind, index] for _, index in run]


def load_bank(profile: str) -> PointBank:
    """The point list of a device profile.

    Raises:
        OSError: it cannot be read.
        ValueError: a cell is no number.
    """
    with (devices_dir() / f"{profile}.csv").open(encoding="utf-8", newline="") as file:
        return PointBank({row.point: row for row in _rows(csv.DictReader(file))})


def _rows(table: Iterable[dict[str, str]]) -> Iterator[PointRow]:
    for cells in table:
        yield PointRow(
            point=cells["point"],
            kind=cells["kind"],
            index=int(cells["index"]),
            style=cells["type"] or "latch",
            scale=float(cells["scale"] or 1),
            offset=float(cells["offset"] or 0),
            minimum=float(cells["min"] or -math.inf),
            maximum=float(cells["max"] or math.inf),
            deadband=float(cells["deadband"] or 0),
        )
