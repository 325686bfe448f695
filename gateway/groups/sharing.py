"""Sharing P and Q of a group among members whose areas bind: exact where it can be, else nearest.

First every member gets the same share of its own range, real power before reactive. Where circles
then leave too little reactive power, both are solved together: the shares nearest to the fair ones
that bring the sum (a convex problem with two multipliers, whatever the number of members), or,
where no shares can, the sum nearest to what was asked, watts and vars weighing alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gateway.groups.areas import Areas, Column, Nearest, nearest

#: Sums count as met within this share of the members' apparent power.
EXACT = 1e-9
_ROUNDS, _STEPS = 40, 30


@dataclass(frozen=True, slots=True)
class Shares:
    """What each member is to give; a column is None where nobody asked for that quantity.

    Attributes:
        power_w, reactive_var: shape (n,).
    """

    power_w: Column | None
    reactive_var: Column | None

    @property
    def sum_w(self) -> float | None:
        """Real power together, W."""
        return None if self.power_w is None else math.fsum(self.power_w)

    @property
    def sum_var(self) -> float | None:
        """Reactive power together, var."""
        return None if self.reactive_var is None else math.fsum(self.reactive_var)


def share(
    areas: Areas, wanted_w: float | None, wanted_var: float | None, burden: Column | None = None
) -> Shares:
    """Share what is asked of a group.

    Args:
        areas: what each member can do now.
        wanted_w: real power together, W; None where it is not asked for.
        wanted_var: reactive power together, var; the same.
        burden: how much of a cut each member bears against the others, shape (n,), all above 0;
            1 where it is None.
    """
    if not len(areas):
        nobody = np.zeros(0)
        return Shares(None if wanted_w is None else nobody, None if wanted_var is None else nobody)
    fit = areas.fitted()
    bears = np.ones(len(fit)) if burden is None else burden
    power = None
    if wanted_w is not None:
        power = level(fit.power_min_w, fit.power_max_w, wanted_w, bears)
    if wanted_var is None:
        return Shares(power, None)
    held = fit if power is None else fit.with_power(power, power).fitted()
    reactive = level(held.reactive_min_var, held.reactive_max_var, wanted_var)
    short_var = abs(math.fsum(reactive) - wanted_var)
    if power is None or wanted_w is None or short_var <= EXACT * math.fsum(fit.apparent_va):
        return Shares(power, reactive)
    return _together(fit, wanted_w, wanted_var, bears)


def level(low: Column, high: Column, wanted: float, burden: Column | None = None) -> Column:
    """Cut every member's range from above by the same share, so that the sum is ``wanted``.

    Args:
        low: lower ends of the ranges, shape (n,).
        high: upper ends, shape (n,).
        wanted: the sum asked for; beyond what the ranges allow every member stands at its end.
        burden: as in :func:`share`: a member of burden 2 is cut twice as deep as one of 1.
    """
    span = np.maximum(high - low, 0.0)
    bears = np.ones(len(span)) if burden is None else burden
    cut = min(max(float(high.sum()) - wanted, 0.0), float(span.sum()))
    order = np.argsort(-bears, kind="stable")
    spans, rates = span[order], (span * bears)[order]
    # members that bear most reach their lower end first: the cut at each of these depths
    depths = 1.0 / bears[order]
    done = np.cumsum(spans)
    rest = np.maximum(rates.sum() - np.cumsum(rates), 0.0)
    cuts = done + depths * rest
    found = int(np.searchsorted(cuts, cut))
    if found >= len(cuts):
        return low.copy()
    before = float(done[found - 1]) if found else 0.0
    rate = float(rates[found:].sum())
    depth = (cut - before) / rate if rate > 0 else 0.0
    shares: Column = np.maximum(high - depth * bears * span, low)
    return shares


def _together(fit: Areas, wanted_w: float, wanted_var: float, burden: Column) -> Shares:
    """Both sums at once, by multipliers on them, raised until the sums stand (or no longer move).

    Each member's share is the point of its area nearest to its fair one moved by the multipliers,
    in proportion to its size.
    """
    unit = float(fit.apparent_va.mean())
    scaled = Areas(
        fit.power_min_w / unit, fit.power_max_w / unit, fit.reactive_min_var / unit,
        fit.reactive_max_var / unit, fit.apparent_va / unit,
    )  # fmt: skip
    wanted = np.array([wanted_w, wanted_var]) / unit
    fair_p = level(scaled.power_min_w, scaled.power_max_w, float(wanted[0]), burden)
    fair_q = level(scaled.reactive_min_var, scaled.reactive_max_var, float(wanted[1]))
    problem = _Problem(scaled, fair_p, fair_q, wanted)
    found = problem.solve()
    return Shares(unit * found.power_w, unit * found.reactive_var)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Two sums of many areas, in units of the mean member."""

    areas: Areas
    fair_p: Column
    fair_q: Column
    wanted: Column

    def solve(self) -> Nearest:
        multipliers, tie = np.zeros(2), 1e-2 * len(self.areas)
        before = np.full(2, np.inf)
        exact = EXACT * len(self.areas)
        found = self._at(multipliers)
        for _ in range(_ROUNDS):
            multipliers, found = self._climb(multipliers, tie)
            missing = self._missing(found)
            moved = np.hypot(*(missing - before))
            if np.hypot(*missing) <= exact or moved <= 1e-3 * exact:
                break
            before, tie = missing, max(tie / 8.0, 1e-9)
        return found

    def _climb(self, start: Column, tie: float) -> tuple[Column, Nearest]:
        """Newton's method on the dual, kept near ``start`` by ``tie``; climbs at every step."""
        at, found = start, self._at(start)
        value = self._dual(at, start, tie, found)
        for _ in range(_STEPS):
            slope = self._missing(found) - tie * (at - start)
            if np.hypot(*slope) <= 0.1 * EXACT * len(self.areas):
                break
            step, length = np.linalg.solve(self._bend(found, tie), slope), 1.0
            while length > 1e-6:
                there = at + length * step
                seen = self._at(there)
                risen = self._dual(there, start, tie, seen)
                if risen >= value + 1e-4 * length * float(slope @ step):
                    break
                length /= 2.0
            else:
                break
            at, found, value = there, seen, risen
        return at, found

    def _at(self, multipliers: Column) -> Nearest:
        size = self.areas.apparent_va
        p, q = self.fair_p + size * multipliers[0], self.fair_q + size * multipliers[1]
        return nearest(self.areas, p, q)

    def _missing(self, found: Nearest) -> Column:
        missing: Column = self.wanted - np.array([found.power_w.sum(), found.reactive_var.sum()])
        return missing

    def _dual(self, at: Column, start: Column, tie: float, found: Nearest) -> float:
        size = np.maximum(self.areas.apparent_va, 1e-12)
        moved = (found.power_w - self.fair_p) ** 2 + (found.reactive_var - self.fair_q) ** 2
        cost = float((moved / (2.0 * size)).sum())
        return (
            cost + float(at @ self._missing(found)) - tie / 2.0 * float((at - start) @ (at - start))
        )

    def _bend(self, found: Nearest, tie: float) -> Column:
        size = self.areas.apparent_va
        cross = float(size @ found.d_pq)
        bend: Column = np.array(
            [[float(size @ found.d_pp) + tie, cross], [cross, float(size @ found.d_qq) + tie]]
        )
        return bend
