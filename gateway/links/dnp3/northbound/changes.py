"""What is worth an event to one master: its classes, its deadbands, what it was told last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.links.dnp3.northbound.database import TYPE_CODE, Columns, Database
from gateway.links.dnp3.northbound.events import EVENT_ROW, EventBuffer
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.values import Flags, Floats, Indices


@dataclass(slots=True)
class _Told:
    """Of one type: what the master was told last, and what it wants to be told."""

    values: Floats
    flags: Flags
    event_class: NDArray[np.uint8]
    deadband: Floats


class ChangeDetector:
    """Turns a database's updates into one master's events, a block at a time.

    A value is measured against the last one reported, so a slow drift is reported once it has
    gone a deadband's width; a change of quality always is, and so is every freeze.

    Args:
        database: watched from here on; what it holds now counts as told.
        events: where events go.
        deadbands: this master's own, raw units, by type and index.
    """

    def __init__(
        self,
        database: Database,
        events: EventBuffer,
        deadbands: Mapping[tuple[PointType, int], float],
    ) -> None:
        self._database = database
        self._events = events
        self._told = {
            kind: _Told(
                columns.values.copy(),
                columns.flags.copy(),
                columns.event_class.copy(),
                columns.deadband.copy(),
            )
            for kind, columns in database.columns.items()
        }
        for (kind, index), deadband in deadbands.items():
            (row,) = database.columns[kind].rows([index])
            if row >= 0:
                self._told[kind].deadband[row] = deadband
        database.subscribe(self._note)

    def deadbands(self, kind: PointType) -> Floats:
        """This master's deadband of each row, raw units."""
        return self._told[kind].deadband

    def set_deadbands(self, kind: PointType, rows: Indices, deadbands: Floats) -> None:
        """Set this master's deadbands, raw units."""
        self._told[kind].deadband[rows] = deadbands

    def assign_class(self, kind: PointType, rows: Indices, event_class: int) -> None:
        """Set the event class of rows for this master; 0 ends their events."""
        told, columns = self._told[kind], self._database.columns[kind]
        told.event_class[rows] = event_class
        # what changed while nobody asked is no event now
        told.values[rows], told.flags[rows] = columns.values[rows], columns.flags[rows]

    def _note(self, columns: Columns, rows: Indices) -> None:
        told = self._told[columns.type]
        values, flags = columns.values[rows], columns.flags[rows]
        changed = told.event_class[rows] > 0
        if columns.type not in (PointType.FROZEN_COUNTER, PointType.OCTET_STRING):
            with np.errstate(invalid="ignore"):  # two infinities have no difference
                far = np.abs(values - told.values[rows]) > told.deadband[rows]
            changed &= far | (flags != told.flags[rows])
        if not changed.any():
            return
        if not changed.all():
            rows, values, flags = rows[changed], values[changed], flags[changed]
        told.values[rows], told.flags[rows] = values, flags
        events = np.zeros(len(rows), dtype=EVENT_ROW)
        events["value"], events["flags"] = values, flags
        events["time_ms"] = columns.times_ms[rows]
        events["synchronised"] = columns.synchronised[rows]
        events["index"], events["variation"] = columns.indices[rows], columns.event[rows]
        events["type"] = TYPE_CODE[columns.type]
        events["event_class"] = told.event_class[rows]
        strings = [columns.strings[row] for row in rows] if columns.strings else ()
        self._events.append(events, strings)
