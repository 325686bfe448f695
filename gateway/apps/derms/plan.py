"""What each member is to give in this cycle, so that every order is held as far as can be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.apps.derms.config import DermsConfig
from gateway.apps.derms.fleet import Able, burden
from gateway.apps.derms.state import DermsState, HeldOrder
from gateway.groups.areas import Areas, Column
from gateway.groups.columns import Seen
from gateway.groups.messages import Direction
from gateway.groups.sharing import level, share
from gateway.groups.standing import Kind, Standing

Rows = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The cycle's members; columns have one row each.

    Attributes:
        names: of the rows.
        takes: who has the points for each kind.
        away: member to why it is not asked now.
        elapsed_s: since the last cycle.
    """

    names: tuple[str, ...]
    seen: Seen
    able: Able
    takes: Mapping[Kind, Rows]
    away: Mapping[str, str]
    elapsed_s: float


@dataclass(slots=True)
class Plan:
    """What members are to be told, by kind; not a number where nothing. Filled group by group.

    Attributes:
        value: W or var, by kind.
        order: the order that each row is told by, by kind.
        held: what becomes of each order.
    """

    value: dict[Kind, Column]
    order: dict[Kind, NDArray[np.int64]]
    held: list[HeldOrder]


class Planner:
    """Makes one cycle's plan.

    Args:
        config: reserves and pace.
        fleet: the members now.
        state: what they were told.
    """

    def __init__(self, config: DermsConfig, fleet: Fleet, state: DermsState) -> None:
        self._config = config
        self._fleet = fleet
        self._state = state
        count = len(fleet.names)
        self._row = {name: row for row, name in enumerate(fleet.names)}
        self._ready = fleet.seen.able & np.array(
            [name not in fleet.away for name in fleet.names], dtype=np.bool_
        )
        self.plan = Plan(
            {kind: np.full(count, np.nan) for kind in Kind},
            {kind: np.zeros(count, dtype=np.int64) for kind in Kind},
            [],
        )

    def make(self, orders: tuple[Standing, ...]) -> Plan:
        """Hold every order: those of highest rank first, so that they have their members.

        Limits come last: they follow what members are to give.
        """
        groups: dict[str, dict[Kind, Standing]] = {}
        for standing in orders:  # of one group and kind the first is the one of highest rank
            if standing.group_id in self._config.groups:
                groups.setdefault(standing.group_id, {}).setdefault(standing.kind, standing)
        dispatched = (one.group_id for one in orders if one.kind is not Kind.LIMIT)
        for group_id in dict.fromkeys(dispatched):
            if wanted := groups.get(group_id):
                power, reactive = wanted.get(Kind.POWER), wanted.get(Kind.REACTIVE)
                self._dispatch(self.rows(group_id), power, reactive, wanted.get(Kind.LIMIT))
        for group_id, wanted in groups.items():
            if (limit := wanted.get(Kind.LIMIT)) is not None:
                self._limit(self.rows(group_id), limit)
        return self.plan

    def rows(self, group_id: str) -> Rows:
        """The rows of a group's members."""
        rows = np.zeros(len(self._fleet.names), dtype=np.bool_)
        rows[[self._row[name] for name in self._config.groups[group_id]]] = True
        return rows

    def _mine(self, rows: Rows, kind: Kind) -> Rows:
        """Members that can be told now and were not told by an order of higher rank."""
        free: Rows = rows & self._ready & self._fleet.takes[kind]
        return free & np.isnan(self.plan.value[kind])

    def _dispatch(
        self,
        rows: Rows,
        power: Standing | None,
        reactive: Standing | None,
        limit: Standing | None,
    ) -> None:
        seen, none = self._fleet.seen, np.zeros_like(rows)
        mine_p = none if power is None else self._mine(rows, Kind.POWER)
        mine_q = none if reactive is None else self._mine(rows, Kind.REACTIVE)
        mine = mine_p | mine_q
        base_w, base_var = self._given(rows & ~mine_p), self._given_var(rows & ~mine_q)
        wanted_w = None if power is None else _limited(power.value, limit) - base_w
        wanted_var = None if reactive is None else reactive.value - base_var
        # what is not ours to move stays as it is, and circles know of it
        areas, now_w, now_var = self._fleet.able.areas, seen.power_w, seen.reactive_var
        areas = areas.with_power(
            np.where(mine_p, -np.inf, now_w), np.where(mine_p, np.inf, now_w)
        ).with_reactive(np.where(mine_q, -np.inf, now_var), np.where(mine_q, np.inf, now_var))
        fixed_w = math.fsum(now_w[mine_q & ~mine_p])
        fixed_var = math.fsum(now_var[mine_p & ~mine_q])
        if wanted_w is not None:
            wanted_w += fixed_w
        if wanted_var is not None:
            wanted_var += fixed_var
        cut_h = self._state.cut_h
        bears = None if cut_h is None else burden(cut_h, mine)
        fit = areas.at(mine)
        final = share(fit, wanted_w, wanted_var, bears)
        now = share(self._ramped(fit, mine), wanted_w, wanted_var, bears) if self._ramps else final
        if power is not None and now.power_w is not None and final.sum_w is not None:
            self._tell(power, mine, now.power_w, mine_p)
            self._note(power, rows, mine_p, final.sum_w + base_w - fixed_w)
        if reactive is not None and now.reactive_var is not None and final.sum_var is not None:
            self._tell(reactive, mine, now.reactive_var, mine_q)
            self._note(reactive, rows, mine_q, final.sum_var + base_var - fixed_var)

    def _limit(self, rows: Rows, limit: Standing) -> None:
        """Each member a limit of its own, and all of them together no more than the group's.

        Whoever is not heard may still give what it was last allowed, or all it has.
        """
        mine = self._mine(rows, Kind.LIMIT)
        plate, export = self._fleet.seen.plate, limit.direction is Direction.EXPORT
        rated = plate.power_max_w if export else -plate.power_min_w
        others_w = self._unbound_w(rows & ~mine, 1.0 if export else -1.0)
        left_w = max(limit.value - others_w, 0.0)
        ceiling = np.maximum(rated[mine], 0.0)
        possible = np.clip(self._expected_w(1.0 if export else -1.0)[mine], 0.0, ceiling)
        parts = level(np.zeros_like(possible), possible, left_w)
        # what nobody can use now is spread, so that whoever comes to more may give it
        parts = parts + level(np.zeros_like(ceiling), ceiling - parts, left_w - float(parts.sum()))
        self._tell(limit, mine, parts if export else -parts, mine)
        bound_w = math.fsum(parts) + others_w
        self._note(limit, rows, mine, max(limit.value, others_w) if mine.any() else bound_w)

    def _expected_w(self, sign: float) -> Column:
        """What members would give one way if nothing limited them, W."""
        seen, told = self._fleet.seen, self.plan.value[Kind.POWER]
        source = seen.plate.power_min_w >= 0
        alone = np.where(source, self._fleet.able.most_w, seen.power_w)
        expected: Column = sign * np.where(np.isfinite(told), told, alone)
        return expected

    def _unbound_w(self, rows: Rows, sign: float) -> float:
        """Most that members who are not told now may give one way, W."""
        told = self.plan.value[Kind.POWER]
        given = np.where(np.isfinite(told), told, self._fleet.seen.power_w)
        shown = np.maximum(np.nan_to_num(sign * given), 0.0)
        if sign < 0 or self._state.allowed_w is None:
            last = shown if self._state.power_w is None else sign * self._state.power_w
            return math.fsum(np.maximum(np.nan_to_num(last), shown)[rows])
        lost = ~self._fleet.seen.online
        allowed = np.maximum(np.nan_to_num(self._state.allowed_w), 0.0)
        return math.fsum(np.where(lost, allowed, shown)[rows])

    @property
    def _ramps(self) -> bool:
        return self._config.ramp_share_per_s > 0

    def _ramped(self, areas: Areas, mine: Rows) -> Areas:
        """What members can be moved to in one cycle."""
        reach = self._config.ramp_share_per_s * areas.apparent_va
        reach = reach * max(self._fleet.elapsed_s, 1e-3)
        told = self._state.told[Kind.POWER].value[mine] if self._state.told else np.nan
        start = np.where(np.isnan(told), self._fleet.seen.power_w[mine], told)
        low, high = start - reach, start + reach
        # one that stands outside its range goes towards it, no faster than the others
        return replace(
            areas,
            power_min_w=np.minimum(np.maximum(areas.power_min_w, low), high),
            power_max_w=np.maximum(np.minimum(areas.power_max_w, high), low),
        )

    def _tell(self, order: Standing, mine: Rows, values: Column, whom: Rows) -> None:
        column = np.full(len(mine), np.nan)
        column[mine] = values
        self.plan.value[order.kind][whom] = column[whom]
        self.plan.order[order.kind][whom] = order.sequence

    def _note(self, order: Standing, rows: Rows, mine: Rows, held: float) -> None:
        online, away = self._fleet.seen.online, self._fleet.away
        refusals = []
        for row in np.flatnonzero(rows & ~mine):
            name = self._fleet.names[row]
            why = away.get(name, "its capability is not known")
            if not online[row]:
                why = "is not online"
            elif not self._fleet.takes[order.kind][row]:
                why = f"has no {order.kind} set point"
            elif np.isfinite(self.plan.value[order.kind][row]):
                why = "held by an order of higher rank"
            refusals.append((name, why))
        self.plan.held.append(
            HeldOrder(
                group_id=order.group_id, kind=order.kind, sequence=order.sequence,
                requested=order.value, held=held, members_ok=int(mine.sum()),
                members=int(rows.sum()), refusals=tuple(refusals),
            )
        )  # fmt: skip

    def _given(self, rows: Rows) -> float:
        """Real power of members that are not told; of those not heard as the site takes it."""
        shown = self._fleet.seen.power_w
        if self._config.lost_holds and self._state.power_w is not None:
            shown = np.where(np.isnan(shown), self._state.power_w, shown)
        return math.fsum(np.nan_to_num(shown)[rows])

    def _given_var(self, rows: Rows) -> float:
        return math.fsum(np.nan_to_num(self._fleet.seen.reactive_var)[rows])


def _limited(value: float, limit: Standing | None) -> float:
    if limit is None:
        return value
    if limit.direction is Direction.EXPORT:
        return min(value, limit.value)
    return max(value, -limit.value)
