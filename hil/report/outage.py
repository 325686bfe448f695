"""An outage from the truth log: customers out, customer minutes, when who was back.

``RULES`` says how everything is measured; the report repeats it word for word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from hil.report.run import Column, read_records

_RULES = (
    """Everything is counted on the plant's own truth log. A customer is out while any phase of the
    load has no closed path to a source; CMI is customers out times minutes, every interruption
    counted however short.""",
    """Restored last: the last time before the crew hands back its permits at which fewer customers
    are out than before. What the microgrid serves behind its own breaker is not counted.""",
    """Closed onto a fault: a switch that a command closed and that put voltage on a fault. A
    recloser's own tries are not counted. Paralleled: a loop made or two sources joined.""",
    """Loads do not come back colder than they went: the plant knows no cold load pick-up.""",
)
#: The same, a line each.
RULES = tuple(" ".join(text.split()) for text in _RULES)

Value = float | int | bool | None


@dataclass(frozen=True, slots=True)
class OutageRun:
    """One run of the plant.

    Attributes:
        time_s: simulated seconds, shape (steps,); steps differ in length.
        customers: all there are.
        customers_out, served_kw: shape (steps,).
        switches: position by name, shape (steps,); closed is 1.
        steps: what else the log says of each step, as it says it.
    """

    time_s: Column
    customers: int
    customers_out: Column
    served_kw: Column
    switches: dict[str, Column]
    steps: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a truth log; a last line cut off by the plant's end is left out.

        Raises:
            ValueError: it holds no step, or none of an outage.
            OSError: it cannot be read.
        """
        return cls.of(list(read_records(path)))

    @classmethod
    def of(cls, records: list[dict[str, Any]]) -> Self:
        """Put records side by side.

        Raises:
            ValueError: there is none, or none of an outage.
        """
        if not records or "customers_out" not in records[0]:
            raise ValueError("the truth log holds no step of an outage")
        shown = ("zones", "faults", "locked", "by_relay", "closed_onto_fault", "paralleled")
        return cls(
            time_s=np.array([record["time_s"] for record in records]),
            customers=int(records[0]["customers"]),
            customers_out=np.array([float(record["customers_out"]) for record in records]),
            served_kw=np.array([record["served_kw"] for record in records]),
            switches={
                name: np.array([float(record["switches"][name]) for record in records])
                for name in records[0]["switches"]
            },
            steps=tuple({key: record[key] for key in shown} for record in records),
        )

    def at(self, time_s: float) -> int:
        """Position of the last step not after a time."""
        return max(int(np.searchsorted(self.time_s, time_s + 1e-9, side="right")) - 1, 0)

    def until(self, time_s: float) -> Self:
        """The run up to a time; a step that would end later is cut."""
        count = self.at(time_s) + 1
        kept = replace(
            self,
            time_s=self.time_s[:count],
            customers_out=self.customers_out[:count],
            served_kw=self.served_kw[:count],
            switches={name: column[:count] for name, column in self.switches.items()},
            steps=self.steps[:count],
        )
        return kept if kept.time_s[-1] >= time_s else kept._held(time_s)

    def _held(self, time_s: float) -> Self:
        """One more step in which nothing changed."""

        def longer(column: Column) -> Column:
            return np.append(column, column[-1])

        return replace(
            self,
            time_s=np.append(self.time_s, time_s),
            customers_out=longer(self.customers_out),
            served_kw=longer(self.served_kw),
            switches={name: longer(column) for name, column in self.switches.items()},
            steps=(*self.steps, self.steps[-1]),
        )

    @property
    def cmi(self) -> float:
        """Customer minutes interrupted; what a step shows holds until the next."""
        return float((self.customers_out[:-1] * np.diff(self.time_s)).sum() / 60)

    @property
    def lockout_s(self) -> float | None:
        """When a relay locked out first."""
        return next(
            (float(t) for t, s in zip(self.time_s, self.steps, strict=True) if s["locked"]), None
        )

    def restorations(self, until_s: float) -> list[int]:
        """Positions after the lockout, up to a time, at which fewer are out than before."""
        if self.lockout_s is None:
            return []
        fewer = np.flatnonzero(np.diff(self.customers_out) < 0) + 1
        return [int(i) for i in fewer if self.lockout_s < self.time_s[i] <= until_s]

    def normal_from_s(self) -> float | None:
        """From when on every switch stands as at the start and nobody is out; None if never."""
        off = self.customers_out > 0
        for column in self.switches.values():
            off |= column != column[0]
        bad = np.flatnonzero(off)
        if bad.size == 0:
            return float(self.time_s[0])
        return float(self.time_s[bad[-1] + 1]) if bad[-1] + 1 < self.time_s.size else None


def outage_score(
    ours: OutageRun, theirs: OutageRun, repaired_s: float, status: dict[str, Any]
) -> dict[str, Value]:
    """The object ``tieline demo --scenario fault --json`` prints.

    Args:
        ours: with the gateway.
        theirs: without, over the same time.
        repaired_s: when permits were handed back; 0 if they never are.
        status: the gateway's last status.
    """
    until_s = repaired_s or float(ours.time_s[-1])
    back, back_by_hand = ours.restorations(until_s), theirs.restorations(until_s)
    lockout_s = ours.lockout_s
    last_s = float(ours.time_s[back[-1]]) if back else None
    by_hand_s = float(theirs.time_s[back_by_hand[-1]]) if back_by_hand else None
    moves = sum(int(np.abs(np.diff(column)).sum()) for column in ours.switches.values())
    return {
        "customers": ours.customers,
        "customers_out_max": int(ours.customers_out.max()),
        "customers_out_restored": int(ours.customers_out[back[-1]]) if back else None,
        "customers_out_at_end": int(ours.customers_out[-1]),
        "cmi": round(ours.cmi, 1),
        "cmi_without": round(theirs.cmi, 1),
        "cmi_saved_pct": round(100 * (1 - ours.cmi / theirs.cmi), 1) if theirs.cmi else None,
        "lockout_s": lockout_s,
        "first_restored_s": float(ours.time_s[back[0]]) if back else None,
        "last_restored_s": last_s,
        "lockout_to_last_restored_s": _between(lockout_s, last_s),
        "lockout_to_last_restored_without_s": _between(theirs.lockout_s, by_hand_s),
        "normal_from_s": ours.normal_from_s(),
        "closed_onto_fault": int(ours.steps[-1]["closed_onto_fault"]),
        "paralleled": int(ours.steps[-1]["paralleled"]),
        "switch_operations": moves,
        "commands_sent": int(status.get("commands_sent", 0)),
        "comm_lost_points": int(status.get("comm_lost_points", 0)),
        "group_messages": len(status.get("messages", ())),
        "flisr": "flisr" in status,
        "simulated_s": float(ours.time_s[-1]),
    }


def outage_verdict(score: dict[str, Value]) -> tuple[bool, str]:
    """Whether all went well, and one sentence on what happened."""
    safe = not score["closed_onto_fault"] and not score["paralleled"]
    hurt = "" if safe else (
        f" Closed onto the fault {score['closed_onto_fault']} times, paralleled "
        f"{score['paralleled']} times."
    )  # fmt: skip
    if score["lockout_s"] is None:
        quiet = score["customers_out_at_end"] == 0
        return quiet and safe, f"No relay locked out: the recloser cleared the fault.{hurt}"
    if score["lockout_to_last_restored_s"] is None:
        return False, f"Nobody was restored before the end of the repair.{hurt}"
    sentence = (
        f"{score['customers_out_max']} customers out; {score['lockout_to_last_restored_s']:.0f} s "
        f"after the lockout all but {score['customers_out_restored']} are back. "
        f"CMI {score['cmi']:.0f}, without {score['cmi_without']:.0f}.{hurt}"
    )
    return safe, sentence


def _between(start_s: float | None, end_s: float | None) -> float | None:
    return None if start_s is None or end_s is None else end_s - start_s
