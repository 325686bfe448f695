"""What controls have been seen to do: operations of the day, and going back and forth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.apps.decision import Alarm
from gateway.apps.vvo.config import Budget, Hunting

_DAY_MS = 86_400_000
#: Price of an operation once the budget is spent, kW: what 0.0005 pu out of band at one node
#: costs. Savings never pay it, a violation does: voltage overrules the budget.
SPENT_KW = 50.0


@dataclass(frozen=True, slots=True)
class Usage:
    """One tap changer or switch.

    Attributes:
        shown: where the field last showed it.
        day: the local day that is counted.
        operations: steps or switchings seen that day, whoever ordered them.
        direction: of the last one, +1 or -1; 0 before the first.
        turned_ms: when it turned back, UTC ms, within the window.
        rests_until_ms: not moved before; 0 where it does not rest.
    """

    shown: float
    day: int
    operations: float = 0.0
    direction: float = 0.0
    turned_ms: tuple[int, ...] = ()
    rests_until_ms: int = 0


def observe(
    before: Mapping[str, Usage],
    shown: Mapping[str, float],
    budget: Budget,
    hunting: Hunting,
    now_ms: int,
) -> dict[str, Usage]:
    """Count what moved since the last cycle.

    Args:
        before: what is known, by element.
        shown: present positions; an element that is not read keeps what is known of it.
        budget: says when a day begins.
        hunting: what too often is.
        now_ms: UTC ms.
    """
    day = _local_ms(budget, now_ms) // _DAY_MS
    usage = dict(before)
    for element, value in shown.items():
        known = before.get(element, Usage(value, day))
        operations = known.operations if known.day == day else 0.0
        moved = value - known.shown
        direction = math.copysign(1.0, moved) if moved else known.direction
        oldest_ms = now_ms - hunting.window_s * 1000
        # a stamp from the future is the clock's that stepped back
        turned = tuple(at_ms for at_ms in known.turned_ms if oldest_ms < at_ms <= now_ms)
        if direction * known.direction < 0.0:
            turned = (*turned, now_ms)
        rests_until_ms = known.rests_until_ms if now_ms < known.rests_until_ms else 0
        rests_until_ms = min(rests_until_ms, now_ms + round(hunting.rest_s * 1000))
        if len(turned) > hunting.turns:
            rests_until_ms, turned = now_ms + round(hunting.rest_s * 1000), ()
        usage[element] = Usage(
            value, day, operations + abs(moved), direction, turned, rests_until_ms
        )
    return usage


def resting(usage: Mapping[str, Usage], now_ms: int) -> frozenset[str]:
    """Elements that hunted and are let be."""
    return frozenset(name for name, known in usage.items() if now_ms < known.rests_until_ms)


def alarms(usage: Mapping[str, Usage], now_ms: int) -> tuple[Alarm, ...]:
    """One an element, active while it rests."""
    still = resting(usage, now_ms)
    return tuple(
        Alarm(f"vvo:{name}:hunting", f"{name} goes back and forth, let be", active=name in still)
        for name in usage
    )


def left(most: int | None, known: Usage | None) -> float:
    """Operations of the day that are left; infinite without a budget."""
    used = 0.0 if known is None else known.operations
    return math.inf if most is None else max(most - used, 0.0)


def price_kw(
    cost_kw: float, most: int | None, known: Usage | None, budget: Budget, now_ms: int
) -> float:
    """What an operation must save now, kW.

    It is the plain cost while no more than the day's share is used, rises as the budget goes
    faster than the day, and ends at :data:`SPENT_KW`.
    """
    if most is None:
        return cost_kw
    remaining = left(most, known)
    if remaining < 1.0:
        return max(SPENT_KW, cost_kw)
    day_left = 1.0 - (_local_ms(budget, now_ms) % _DAY_MS) / _DAY_MS
    return max(cost_kw, min(cost_kw * day_left * most / remaining, SPENT_KW))


def _local_ms(budget: Budget, now_ms: int) -> int:
    return now_ms + round(budget.utc_offset_h * 3_600_000)
