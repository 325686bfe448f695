"""What many DERs can do now, as columns: each a box of P and Q inside a circle of S.

One row a member. Numpy throughout: a group may have ten thousand of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Areas:
    """P-Q areas of n members; every column of shape (n,).

    Attributes:
        power_min_w, power_max_w: real power, W.
        reactive_min_var, reactive_max_var: reactive power, var.
        apparent_va: radius of the circle both stay in, VA.
    """

    power_min_w: Column
    power_max_w: Column
    reactive_min_var: Column
    reactive_max_var: Column
    apparent_va: Column

    def __len__(self) -> int:
        return len(self.apparent_va)

    def at(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Areas:
        """The areas of some members."""
        return Areas(
            self.power_min_w[rows],
            self.power_max_w[rows],
            self.reactive_min_var[rows],
            self.reactive_max_var[rows],
            self.apparent_va[rows],
        )

    def with_power(self, low_w: Column, high_w: Column) -> Areas:
        """The areas with real power kept between two columns, as far as they allow it."""
        low = np.clip(low_w, self.power_min_w, self.power_max_w)
        high = np.clip(high_w, self.power_min_w, self.power_max_w)
        return replace(self, power_min_w=low, power_max_w=np.maximum(low, high))

    def with_reactive(self, low_var: Column, high_var: Column) -> Areas:
        """The areas with reactive power kept between two columns, as far as they allow it."""
        low = np.clip(low_var, self.reactive_min_var, self.reactive_max_var)
        high = np.clip(high_var, self.reactive_min_var, self.reactive_max_var)
        return replace(self, reactive_min_var=low, reactive_max_var=np.maximum(low, high))

    def fitted(self) -> Areas:
        """The same areas with each box as tight around its part of the circle as can be.

        A box that lies outside its circle altogether is cut to what real power leaves.
        """
        s = np.maximum(self.apparent_va, 0.0)
        p_low, p_high = np.clip(self.power_min_w, -s, s), np.clip(self.power_max_w, -s, s)
        near_p = np.clip(0.0, p_low, p_high)
        room = _leg(s, near_p)
        q_low = np.clip(self.reactive_min_var, -room, room)
        q_high = np.clip(self.reactive_max_var, -room, room)
        left = _leg(s, np.clip(0.0, q_low, q_high))
        return Areas(np.clip(p_low, -left, left), np.clip(p_high, -left, left), q_low, q_high, s)


class Nearest(NamedTuple):
    """Nearest points of areas, and how they move with the points asked for (2 x 2, symmetric)."""

    power_w: Column
    reactive_var: Column
    d_pp: Column
    d_pq: Column
    d_qq: Column


def nearest(areas: Areas, power_w: Column, reactive_var: Column) -> Nearest:
    """The point of each (fitted) area nearest to a point, and the derivative of that map."""
    p = np.clip(power_w, areas.power_min_w, areas.power_max_w)
    q = np.clip(reactive_var, areas.reactive_min_var, areas.reactive_max_var)
    d_pp, d_qq = (p == power_w).astype(np.float64), (q == reactive_var).astype(np.float64)
    d_pq = np.zeros_like(p)
    over = np.flatnonzero(np.hypot(p, q) > areas.apparent_va * (1.0 + 1e-12))
    if over.size:
        found = _on_circle(areas.at(over), power_w[over], reactive_var[over])
        p[over], q[over], d_pp[over], d_pq[over], d_qq[over] = found
    return Nearest(p, q, d_pp, d_pq, d_qq)


def _on_circle(areas: Areas, a: Column, b: Column) -> Nearest:
    """The nearest points where the circle binds: free on it, or where it meets a side."""
    s = areas.apparent_va
    far = np.maximum(np.hypot(a, b), np.finfo(float).tiny)
    sign_p, sign_q = np.where(a < 0, -1.0, 1.0), np.where(b < 0, -1.0, 1.0)
    corners = [(side, sign_q * _leg(s, side)) for side in (areas.power_min_w, areas.power_max_w)]
    sides = (areas.reactive_min_var, areas.reactive_max_var)
    corners += [(sign_p * _leg(s, side), side) for side in sides]
    p, q = s * a / far, s * b / far
    free = _inside(areas, p, q)
    best = np.where(free, 0.0, np.inf)
    for p_at, q_at in corners:
        distance = np.where(_inside(areas, p_at, q_at), np.hypot(p_at - a, q_at - b), np.inf)
        nearer = distance < best
        p, q = np.where(nearer, p_at, p), np.where(nearer, q_at, q)
        best = np.minimum(best, distance)
    # a corner of the box that just touches the circle: no side was found to meet it
    lost = ~np.isfinite(best)
    p = np.where(lost, np.clip(0.0, areas.power_min_w, areas.power_max_w), p)
    q = np.where(lost, np.clip(0.0, areas.reactive_min_var, areas.reactive_max_var), q)
    turn = np.where(free, s / far, 0.0)
    cos, sin = a / far, b / far
    return Nearest(p, q, turn * sin**2, -turn * sin * cos, turn * cos**2)


def _inside(areas: Areas, p: Column, q: Column) -> NDArray[np.bool_]:
    slack = 1e-9 * areas.apparent_va
    inside: NDArray[np.bool_] = (p >= areas.power_min_w - slack) & (p <= areas.power_max_w + slack)
    inside &= (q >= areas.reactive_min_var - slack) & (q <= areas.reactive_max_var + slack)
    return inside


def _leg(hypotenuse: Column, other: Column) -> Column:
    return np.sqrt(np.maximum(hypotenuse**2 - other**2, 0.0))
