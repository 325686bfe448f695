"""The fleet of one cycle: what every member shows, and what it is found to be able to give."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.apps.derms.config import DermsConfig
from gateway.apps.derms.state import DermsState, RemoteSeen
from gateway.groups.areas import Areas, Column
from gateway.groups.columns import Seen
from gateway.groups.standing import Kind

#: A member follows where it is this near to what it was told, of its apparent power.
_FOLLOWS = 0.01
#: One that still moves so fast a cycle has not settled.
_MOVES = 0.005


def with_remotes(seen: Seen, others: list[RemoteSeen | None]) -> Seen:
    """The members' columns with a row for each group of another box below them."""
    rows = np.array([_row(other) for other in others], dtype=np.float64).reshape(-1, 7)
    p, q, p_low, p_high, q_low, q_high, s = rows.T
    areas = Areas(p_low, p_high, q_low, q_high, s)
    return Seen(
        power_w=np.concatenate([seen.power_w, p]),
        reactive_var=np.concatenate([seen.reactive_var, q]),
        soc_pct=np.concatenate([seen.soc_pct, np.full(len(rows), np.nan)]),
        now=_joined(seen.now, areas),
        free=_joined(seen.free, areas),
        plate=_joined(seen.plate, areas),
        held=np.concatenate([seen.held, np.ones(len(rows), dtype=np.bool_)]),
    )


@dataclass(frozen=True, slots=True)
class Able:
    """What members can give in this cycle.

    Attributes:
        most_w, least_w: learnt ends of real power.
        areas: now, inside those and the reserves; reactive power were real power moved for it.
    """

    most_w: Column
    least_w: Column
    areas: Areas


def able(config: DermsConfig, seen: Seen, state: DermsState, now_ms: int) -> Able:
    """Learn from what members give of what they were told, and keep reserves.

    A generator that is held back does not show what its source has: one that gives less than it
    was told gives what it can, and is asked for a little more as time goes by.
    """
    size, power = seen.plate.apparent_va, seen.power_w
    low, high = seen.now.power_min_w, seen.now.power_max_w
    generator = seen.plate.power_min_w >= 0
    told = np.zeros(len(size), dtype=np.bool_)
    elapsed_s = (now_ms - state.last_ms) / 1000.0 if state.last_ms else 0.0
    probe = config.probe_share_per_s * size * elapsed_s
    most = _known(state.most_w, seen.plate.power_max_w) + probe
    least = _known(state.least_w, seen.plate.power_min_w) - probe
    if state.power_w is not None:
        still = np.abs(power - state.power_w) < _MOVES * size
        set_to, limit = state.told[Kind.POWER], state.told[Kind.LIMIT]
        told = np.isfinite(set_to.value) | np.isfinite(limit.value)
        settled_ms = now_ms - np.maximum(set_to.at_ms, limit.at_ms)
        settled = still & (settled_ms >= 1000 * config.settle_s)
        upper = np.fmin(set_to.value, limit.value)
        most = np.where(settled & (upper - power > _FOLLOWS * size), power, most)
        least = np.where(settled & (power - set_to.value > _FOLLOWS * size), power, least)
    most = np.where(generator & ~seen.held & ~told, high, most)  # held by nobody: gives all it can
    # told, but its enable has not been read back yet: what it gives now is not all it can
    high = np.where(generator & told & ~seen.held, seen.plate.power_max_w, high)
    most = np.clip(most, low, seen.plate.power_max_w)
    least = np.clip(least, low, np.maximum(low, 0.0))
    top = np.minimum(most, high)
    areas = replace(seen.free, power_min_w=np.minimum(least, top), power_max_w=top)
    return Able(most, least, _reserved(config, seen, areas))


def _reserved(config: DermsConfig, seen: Seen, areas: Areas) -> Areas:
    top = areas.power_max_w - config.spinning_share * np.maximum(areas.power_max_w, 0.0)
    storage = seen.plate.power_min_w < 0
    empty, full = seen.soc_pct <= config.reserve_pct, seen.soc_pct >= config.full_pct
    top = np.where(storage & empty, np.minimum(top, 0.0), top)
    bottom = np.where(storage & full, np.maximum(areas.power_min_w, 0.0), areas.power_min_w)
    return replace(areas, power_min_w=np.minimum(bottom, top), power_max_w=top)


def burden(cut_h: Column, rows: NDArray[np.bool_]) -> Column:
    """Who was cut more than the others of late bears less of the next cut, and the other way."""
    own = cut_h[rows]
    return np.clip(1.0 - (own - own.mean()), 0.5, 2.0) if own.size else own


def _known(column: Column | None, other: Column) -> Column:
    return other.copy() if column is None else np.where(np.isnan(column), other, column)


def _joined(above: Areas, below: Areas) -> Areas:
    names = ("power_min_w", "power_max_w", "reactive_min_var", "reactive_max_var", "apparent_va")
    return Areas(*(np.concatenate([getattr(above, n), getattr(below, n)]) for n in names))


def _row(other: RemoteSeen | None) -> tuple[float, ...]:
    if other is None:
        return (math.nan,) * 7
    power, reactive = other.power_now_w, other.reactive_now_var
    ends = (power.minimum, power.maximum, reactive.minimum, reactive.maximum)
    return (other.power_w, other.reactive_var, *ends, other.apparent_va)
