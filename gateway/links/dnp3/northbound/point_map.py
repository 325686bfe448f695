"""An outstation's map: which point of the store is which point of a master's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.links.dnp3.northbound.database import TYPE_CODE, TYPES, Database, PointSetup
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.values import Floats, Indices


@dataclass(frozen=True, slots=True)
class MappedPoint:
    """One row of an outstation's map.

    Attributes:
        position: of the point in the store.
        point: its id.
        type, index: what masters call it.
        event_class: 1..3, 0 for no events.
        static, event: variation sent unless a master asks for another; 0 is the default.
        deadband: smallest change worth an event, engineering units.
        scale, offset: engineering value = raw value * scale + offset.
        output: whether masters may control it (BO, AO).
    """

    position: int
    point: str
    type: PointType
    index: int
    event_class: int = 0
    static: int = 0
    event: int = 0
    deadband: float = 0.0
    scale: float = 1.0
    offset: float = 0.0
    output: bool = False

    def setup(self) -> PointSetup:
        """The point as the database knows it, in raw units."""
        deadband = self.deadband / abs(self.scale)
        return PointSetup(
            self.type, self.index, self.event_class, self.static, self.event, deadband
        )


class PositionMap:
    """Finds mapped points by their position in the store, a batch at a time.

    Args:
        points: the map; octet strings and frozen counters have no value in the store.
        database: whose rows they are.
        size: positions of the store.

    Attributes:
        positions: in the map, each once, ascending.
    """

    def __init__(self, points: Sequence[MappedPoint], database: Database, size: int) -> None:
        valued = [p for p in points if p.type not in _WITHOUT_VALUE]
        valued.sort(key=lambda p: p.position)
        self._code = np.array([TYPE_CODE[p.type] for p in valued], dtype=np.uint8)
        self._row = np.array(
            [database.columns[p.type].rows([p.index])[0] for p in valued], dtype=np.intp
        )
        self._scale: Floats = np.array([p.scale for p in valued], dtype=np.float64)
        self._offset: Floats = np.array([p.offset for p in valued], dtype=np.float64)
        positions = np.array([p.position for p in valued], dtype=np.intp)
        self.positions: Indices = np.unique(positions)
        self._count = np.bincount(positions, minlength=size)
        self._first = np.concatenate([[0], np.cumsum(self._count)[:-1]]).astype(np.intp)

    def find(
        self, positions: Indices
    ) -> Iterator[tuple[PointType, NDArray[np.intp], Indices, Floats, Floats]]:
        """Mapped points of positions, by type.

        Yields:
            Type, where in ``positions`` each stands, its row, its scale and its offset.
        """
        counts = self._count[positions]
        total = int(counts.sum())
        if not total:
            return
        at = np.repeat(np.arange(len(positions)), counts)
        # a position may stand in the map several times: the n-th of each follows its first
        nth = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        mapped = self._first[positions[at]] + nth
        codes = self._code[mapped]
        first = int(codes[0])
        if bool((codes == first).all()):
            yield TYPES[first], at, self._row[mapped], self._scale[mapped], self._offset[mapped]
            return
        for code in np.unique(codes):
            of = codes == code
            one = mapped[of]
            yield TYPES[code], at[of], self._row[one], self._scale[one], self._offset[one]


_WITHOUT_VALUE = (PointType.OCTET_STRING, PointType.FROZEN_COUNTER)
