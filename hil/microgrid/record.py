"""What a run left behind: the plant's truth line by line, and what was asked and answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.microgrid.scenario import PathScenario, Rule

#: Rating of the POI that shares are of, VA.
RATING_VA = 400e3


@dataclass(frozen=True, slots=True)
class Asked:
    """One group function the DMS asked, and its end.

    Attributes:
        time_s: simulated.
        ask: the function; ``value`` as in the scenario.
        result: OK, PARTIAL, FAILED, or ``none`` where no reply came.
        text: in words.
        took_s: wall seconds from question to reply.
    """

    time_s: float
    ask: str
    value: float | None
    result: str
    text: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Record:
    """One run."""

    scenario: PathScenario
    lines: tuple[dict[str, Any], ...]
    asked: tuple[Asked, ...]

    def within(self, rule: Rule) -> Iterator[dict[str, Any]]:
        """The truth in the time a rule looks at."""
        until_s = rule.to_s or float("inf")
        return (line for line in self.lines if rule.from_s <= line["time_s"] <= until_s)

    def last_asked(self, ask: str, before_s: float) -> Asked | None:
        """The last question of a kind before a time."""
        found = [one for one in self.asked if one.ask == ask and one.time_s <= before_s]
        return found[-1] if found else None


def read_truth(path: Path) -> tuple[dict[str, Any], ...]:
    """The truth log; a last line that was cut off is left out."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return tuple(lines)
