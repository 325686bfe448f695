"""A group's forecast from its members': values add, and bands as far as errors go together.

Each member's band is learnt from its own past, as for one source. Errors of members that stand
under one sky are neither independent nor the same. With a mean correlation r the bands d of n
members make one of sqrt((1 - r) * sum(d^2) + r * sum(d)^2): the root of squares where r is 0, the
plain sum where it is 1. How far members moved together in the past gives r; it is taken at the
upper end of what so short a past can tell, so that a band is too wide rather than too narrow.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gateway.apps.forecast.persistence import Interval

Column = NDArray[np.float64]
#: Fewest moves a band is learnt from, and fewest stretches that do not overlap.
_FEWEST_MOVES, _FEWEST_STRETCHES = 20, 4
#: Upper end of a correlation: this many of its standard errors above the estimate.
_SURE = 1.28
#: The same of the share of moves beyond an end of a band.
_ENDS = 0.67


def aggregate(
    past: Column, low: Column, high: Column, spacing_s: float, start_ms: int, ahead_s: float
) -> Interval | None:
    """One interval of the sum; None where a member's present is not known.

    Args:
        past: samples of every member, oldest first, shape (samples, members); not a number
            where nothing good was measured.
        low: what each can give at least, shape (members,).
        high: what each can give at most.
        spacing_s: between samples.
        start_ms: when the interval begins, UTC ms.
        ahead_s: how long from now that is.
    """
    if not past.size or np.isnan(past[-1]).any():
        return None
    last = np.clip(past[-1], low, high)
    nominal = math.fsum(last)
    lag = max(1, round(ahead_s / spacing_s))
    moves = past[lag:] - past[:-lag] if lag < len(past) else past[:0]
    moves = moves[~np.isnan(moves).any(axis=1)]
    if len(moves) < _FEWEST_MOVES:
        return Interval(start_ms, nominal, math.fsum(low), math.fsum(high))
    stretches = len(moves) / lag
    # moves that overlap tell less than their number: the ends are taken as far out as they may be
    level = min(0.9 + _ENDS * math.sqrt(0.9 * 0.1 / stretches), 1.0)
    down, up = np.quantile(moves, 1.0 - level, axis=0), np.quantile(moves, level, axis=0)
    together = dependence(moves, stretches)
    below = _joined(np.clip(-down, 0.0, last - low), together)
    above = _joined(np.clip(up, 0.0, high - last), together)
    return Interval(start_ms, nominal, nominal - below, nominal + above)


def dependence(moves: Column, stretches: float) -> float:
    """Mean correlation of members' moves, 0..1, at the upper end of what the past can tell.

    Args:
        moves: shape (moves, members).
        stretches: how many of them do not overlap.
    """
    if stretches < _FEWEST_STRETCHES:
        return 1.0
    spread = moves.std(axis=0)
    own, all_w = float((spread**2).sum()), float(spread.sum()) ** 2
    if all_w - own <= 1e-9 * max(all_w, 1e-30):  # one member, or none that moves
        return 1.0
    mean = (float(moves.sum(axis=1).var()) - own) / (all_w - own)
    # the variance of a sum is itself known to about sqrt(2 / n) of it
    upper = mean + _SURE * math.sqrt(2.0 / stretches) * (own + max(mean, 0.0) * (all_w - own)) / (
        all_w - own
    )
    return min(max(upper, 0.0), 1.0)


def _joined(widths: Column, together: float) -> float:
    squares, total = float((widths**2).sum()), float(widths.sum())
    return math.sqrt((1.0 - together) * squares + together * total**2)
