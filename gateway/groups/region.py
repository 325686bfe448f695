"""What a group can do at its point of reference: the sum of its members' P-Q areas as a polygon.

Every corner is a sum of points that the members can really hold, so all of the polygon can be
held; between corners the true region reaches out a little further (under 0.2 % of a member's
apparent power with 64 corners).
"""

from __future__ import annotations

import math

import numpy as np

from gateway.groups.areas import Areas, nearest

#: A point so many radii away has its nearest point where the area reaches furthest that way.
_FAR = 1e6

#: Corners in W and var, counter-clockwise from the one of most real power.
Region = tuple[tuple[float, float], ...]


def region(areas: Areas, corners: int = 64) -> Region:
    """The Minkowski sum of the members' areas; empty where there are none.

    Args:
        areas: what each member can do now.
        corners: directions looked in; corners that fall together are given once.
    """
    if not len(areas):
        return ()
    fit = areas.fitted()
    far = _FAR * np.maximum(fit.apparent_va, 1.0)
    found: list[tuple[float, float]] = []
    for number in range(corners):
        angle = 2.0 * math.pi * number / corners
        # a hair off the axes: where a side faces the direction, one of its ends is meant
        reach = nearest(fit, far * math.cos(angle + 1e-9), far * math.sin(angle + 1e-9))
        corner = float(reach.power_w.sum()), float(reach.reactive_var.sum())
        if not found or math.dist(found[-1], corner) > 1e-6 * float(fit.apparent_va.sum()):
            found.append(corner)
    return tuple(found)


def holds(polygon: Region, power_w: float, reactive_var: float, slack: float = 0.0) -> bool:
    """Whether a point lies in a region, or no further outside than ``slack`` VA."""
    if not polygon:
        return False
    for (p, q), (next_p, next_q) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        side = math.hypot(next_p - p, next_q - q)
        across = (next_p - p) * (reactive_var - q) - (next_q - q) * (power_w - p)
        if across < -slack * side:
            return False
    if len(polygon) > 2:
        return True
    ends = np.array(polygon)
    low, high = ends.min(axis=0) - slack, ends.max(axis=0) + slack
    return bool((low <= (power_w, reactive_var)).all() and ((power_w, reactive_var) <= high).all())
