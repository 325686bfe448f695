"""Which requests are heeded and which orders may be sent in which state: the table as data.

``functions.toml`` beside this file is the table; whoever builds the controller reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.apps.microgrid.requests import Requests
from gateway.apps.microgrid.situation import Asked
from gateway.apps.microgrid.state import Phase

#: Fields of the requests by the group function's name.
_SET_POINTS: Mapping[str, tuple[str, Any]] = {
    "real power dispatch": ("power_w", None),
    "reactive power dispatch": ("reactive_power_var", None),
    "maximum real power limit": ("limit_w", None),
    "power factor": ("power_factor", None),
    "volt-VAR curve": ("curve", ()),
    "price": ("price_per_kwh", None),
}
_ASKED = {
    "islanding": ("island_planned", "island_emergency"),
    "reconnection": ("reconnect",),
    "black start": ("black_start",),
}
#: Every name the second and third column may have.
GROUP_FUNCTIONS = frozenset({*_SET_POINTS, *_ASKED})
DEVICE_FUNCTIONS = frozenset(
    {
        "POI breaker", "settings group", "load breaker", "storage real power",
        "storage reactive power", "storage grid-forming", "storage voltage and frequency",
        "generator start", "generator real power", "generator frequency", "renewable limit",
        "group dispatch",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """One row: a function of IEEE 2030.7, and what belongs to it at the other two levels."""

    function: str
    states: tuple[Phase, ...]
    group: frozenset[str]
    device: frozenset[str]


@dataclass(frozen=True, slots=True)
class FunctionTable:
    """All rows; each state stands in one."""

    rows: tuple[FunctionRow, ...]

    def row(self, phase: Phase) -> FunctionRow:
        """The row of a state."""
        return next(row for row in self.rows if phase in row.states)

    def heeded(
        self, phase: Phase | None, asked: Asked, requests: Requests
    ) -> tuple[Asked, Requests]:
        """What of the requests a state heeds; nothing while the state is not known."""
        known = frozenset() if phase is None else self.row(phase).group
        for name, (field, off) in _SET_POINTS.items():
            if name not in known:
                requests = replace(requests, **{field: off})
        for name, fields in _ASKED.items():
            if name not in known:
                asked = replace(asked, **dict.fromkeys(fields, False))
        return asked, requests


def function_table(data: Mapping[str, Any]) -> FunctionTable:
    """The table of a file's contents.

    Raises:
        ValueError: a name nobody knows, or a state that stands in no row or in two.
    """
    rows = tuple(
        FunctionRow(
            function=str(row["function"]),
            states=tuple(Phase[name] for name in row["states"]),
            group=frozenset(row["group"]),
            device=frozenset(row["device"]),
        )
        for row in data["row"]
    )
    for row in rows:
        unknown = (row.group - GROUP_FUNCTIONS) | (row.device - DEVICE_FUNCTIONS)
        if unknown:
            raise ValueError(f"{row.function}: nobody knows {', '.join(sorted(unknown))}")
    states = sorted(phase for row in rows for phase in row.states)
    if states != sorted(Phase):
        raise ValueError("every state must stand in one row")
    return FunctionTable(rows)
