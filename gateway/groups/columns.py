"""Many DERs' present values and capabilities as columns, one row a member.

The same rules as :class:`gateway.groups.der_points.DerView` has for one; a test holds them alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.groups.areas import Areas, Column
from gateway.groups.der_points import DerPoints
from gateway.model.reader import ColumnReader


@dataclass(frozen=True, slots=True)
class Seen:
    """What members show at one moment; columns of shape (n,), not a number where not known.

    Attributes:
        power_w, reactive_var: present output.
        soc_pct: state of charge; not a number without storage.
        now: what each can do now; reactive power beside the real power it gives.
        free: the same, reactive power as it could be were real power moved for it.
        plate: what is installed.
        held: a generator that is held back: what it could give does not show.
    """

    power_w: Column
    reactive_var: Column
    soc_pct: Column
    now: Areas
    free: Areas
    plate: Areas
    held: NDArray[np.bool_]

    @property
    def online(self) -> NDArray[np.bool_]:
        """Whose power can be read."""
        online: NDArray[np.bool_] = np.isfinite(self.power_w) & np.isfinite(self.reactive_var)
        return online

    @property
    def able(self) -> NDArray[np.bool_]:
        """Whose capability is known as well."""
        able: NDArray[np.bool_] = self.online & np.isfinite(self.now.power_max_w)
        return able


class Columns:
    """Where members' points stand in a store or image.

    Args:
        members: one a row.
        index: positions by point id.
    """

    def __init__(self, members: Sequence[DerPoints], index: Mapping[str, int]) -> None:
        self._count = len(members)
        self._index = index
        self._members = members
        self._at: dict[str, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}

    def rows(self, role: str) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of the members whose points play a role, and the positions of those points."""
        if role not in self._at:
            found = [
                (row, self._index[der.points[role]])
                for row, der in enumerate(self._members)
                if der.points.get(role) in self._index
            ]
            pairs = np.array(found, dtype=np.intp).reshape(-1, 2)
            self._at[role] = pairs[:, 0].copy(), pairs[:, 1].copy()
        return self._at[role]

    def values(self, role: str, reader: ColumnReader) -> Column:
        """A role's good values, shape (n,); not a number where there is none."""
        rows, positions = self.rows(role)
        column = np.full(self._count, np.nan)
        column[rows] = reader.good_values(positions)
        return column

    def look(self, reader: ColumnReader) -> Seen:
        """What every member shows."""
        power, reactive = self.values("p", reader), self.values("q", reader)
        plate = self._plate(reader)
        held = (self.values("p_enable", reader) == 1.0) | (
            self.values("limit_enable", reader) == 1.0
        )
        now = self._now(plate, power, held, reader)
        low, high = self._told("q_now", plate.reactive_min_var, plate.reactive_max_var, reader)
        return Seen(
            power_w=power,
            reactive_var=reactive,
            soc_pct=self.values("soc", reader),
            now=now,
            free=replace(now, reactive_min_var=low, reactive_max_var=high),
            plate=plate,
            held=held,
        )

    def _plate(self, reader: ColumnReader) -> Areas:
        rating, p_max, q_max = (
            self.values(role, reader) for role in ("s_rated", "p_rated_max", "q_rated_max")
        )
        charged = np.nan_to_num(self.values("p_charge_rated", reader))
        p_min = _else(self.values("p_rated_min", reader), -charged)
        absorbed = _else(self.values("q_absorb_rated", reader), q_max)
        q_min = _else(self.values("q_rated_min", reader), -absorbed)
        unknown = np.isnan(rating) | np.isnan(p_max) | np.isnan(q_max)
        return Areas(
            *(np.where(unknown, np.nan, column) for column in (p_min, p_max, q_min, q_max, rating))
        )

    def _now(
        self, plate: Areas, power: Column, held: NDArray[np.bool_], reader: ColumnReader
    ) -> Areas:
        spare = np.sqrt(np.maximum(plate.apparent_va**2 - power**2, 0.0))
        # a generator held by nobody already gives what its source has; storage has its rating
        gives = np.minimum(np.maximum(power, 0.0), plate.power_max_w)
        most = np.where((plate.power_min_w < 0) | held, plate.power_max_w, gives)
        p_low, p_high = self._told("p_now", plate.power_min_w, most, reader)
        q_low, q_high = self._told(
            "q_now",
            np.maximum(plate.reactive_min_var, -spare),
            np.minimum(plate.reactive_max_var, spare),
            reader,
        )
        unknown = np.isnan(plate.apparent_va) | np.isnan(power)
        columns = (p_low, p_high, q_low, q_high, plate.apparent_va)
        return Areas(*(np.where(unknown, np.nan, column) for column in columns))

    def _told(
        self, stem: str, low: Column, high: Column, reader: ColumnReader
    ) -> tuple[Column, Column]:
        """A range as the device says it, where it does; else the other."""
        told_low = self.values(f"{stem}_min", reader)
        told_high = self.values(f"{stem}_max", reader)
        told = told_low <= told_high
        return np.where(told, told_low, low), np.where(told, told_high, high)


def _else(column: Column, other: Column) -> Column:
    return np.where(np.isnan(column), other, column)
