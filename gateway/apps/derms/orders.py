"""From a plan to what is sent: only what differs from what members were told, the largest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.apps.derms.config import DermsConfig
from gateway.apps.derms.plan import Fleet, Plan
from gateway.apps.derms.state import DermsState, Told
from gateway.groups import writes
from gateway.groups.der_points import DerView
from gateway.groups.messages import Address, DispatchRequest, GroupRequest, Quantity
from gateway.groups.standing import Kind, Standing
from gateway.groups.write import UnsupportedError
from gateway.model.command import Command
from gateway.points.image import ProcessImage

#: A set point this near to what was told is not sent again, of the member's apparent power.
_SAME = 2e-4
#: One that moves no further than this is not new to it.
_LEAP = 0.01
#: After this time a member must show its enable, or it is told anew; no oftener than that.
_SHOWN_MS = 5000
_QUANTITY = {Kind.POWER: Quantity.ACTIVE_POWER, Kind.REACTIVE: Quantity.REACTIVE_POWER}


@dataclass(frozen=True, slots=True)
class Sent:
    """What a cycle sends, and what is remembered of it."""

    commands: tuple[Command, ...]
    messages: tuple[GroupRequest, ...]
    told: Mapping[Kind, Told]
    remote_orders: Mapping[tuple[str, Kind], str]
    unable: tuple[tuple[str, str], ...]


class Sender:
    """Makes one cycle's commands and messages.

    Args:
        config: the fleet.
        image: the cycle's points.
        now_ms: UTC ms.
    """

    def __init__(self, config: DermsConfig, image: ProcessImage, now_ms: int) -> None:
        self._config = config
        self._image = image
        self._now_ms = now_ms

    def send(self, plan: Plan, fleet: Fleet, state: DermsState, orders: Sequence[Standing]) -> Sent:
        """What brings the members to the plan."""
        by_number = {order.sequence: order for order in orders}
        commands: list[Command] = []
        messages: list[GroupRequest] = []
        unable: list[tuple[str, str]] = []
        remote = {
            key: correlation
            for key, correlation in state.remote_orders.items()
            if key[0] in self._config.others
        }
        told = {}
        for kind in Kind:
            column, rows = self._due(kind, plan, fleet, state)
            for row in rows:
                order, value = by_number[int(plan.order[kind][row])], float(plan.value[kind][row])
                if row >= len(self._config.members):
                    name = fleet.names[row]
                    messages.append(self._message(name, kind, order.order.correlation, value))
                    remote[name, kind] = order.order.correlation
                    continue
                try:
                    commands += self._commands(row, order, value)
                except UnsupportedError as error:
                    unable.append((fleet.names[row], str(error)))
            told[kind] = column
        for (name, kind), correlation in tuple(remote.items()):
            row = fleet.names.index(name)
            if np.isfinite(plan.value[kind][row]):
                continue
            if fleet.seen.online[row] and name not in fleet.away:  # else it lets go by itself
                messages.append(self._message(name, kind, correlation, None))
            del remote[name, kind]
        return Sent(tuple(commands), tuple(messages), told, remote, tuple(unable))

    def _due(
        self, kind: Kind, plan: Plan, fleet: Fleet, state: DermsState
    ) -> tuple[Told, NDArray[np.intp]]:
        """What members have been told once this cycle is sent, and the rows to send to."""
        before, wanted = state.told[kind], plan.value[kind]
        moved = np.abs(wanted - before.value)
        new = np.isnan(moved) | (plan.order[kind] != before.sequence)
        due = np.isfinite(wanted) & (new | (moved > _SAME * fleet.seen.plate.apparent_va))
        late = self._now_ms - before.at_ms >= _SHOWN_MS
        again = late & self._forgotten(kind)
        renewed = self._now_ms - before.at_ms >= 500 * self._config.remote_hold_s
        renewed[: len(self._config.members)] = False
        again |= renewed
        due |= np.isfinite(wanted) & again
        rows = np.flatnonzero(due)
        if len(rows) > self._config.most_orders:
            first = np.argsort(-np.nan_to_num(moved[rows], nan=np.inf), kind="stable")
            rows = np.sort(rows[first[: self._config.most_orders]])
        value, at_ms, sequence = (
            np.where(np.isfinite(wanted), before.value, np.nan), before.at_ms.copy(),
            before.sequence.copy(),
        )  # fmt: skip
        # a set point that creeps starts no new time to settle
        leap = new | ~(moved <= _LEAP * fleet.seen.plate.apparent_va) | again
        value[rows] = wanted[rows]
        at_ms[rows] = np.where(leap[rows], self._now_ms, at_ms[rows])
        sequence[rows] = plan.order[kind][rows]
        return Told(value, at_ms, sequence), rows

    def _forgotten(self, kind: Kind) -> NDArray[np.bool_]:
        """Members whose enable shows off: they started anew, or somebody took it."""
        role = f"{kind}_enable"
        shown = [
            self._image.good_value(der.points[role]) == 0.0 if role in der.points else False
            for der in self._config.members
        ]
        return np.array([*shown, *(False for _ in self._config.others)], dtype=np.bool_)

    def _commands(self, row: int, order: Standing, value: float) -> Iterator[Command]:
        view = DerView(self._config.members[row], self._image)
        if order.kind is Kind.LIMIT:
            made = writes.limit(view, abs(value), order.direction)
        else:
            made = writes.dispatch(view, order.kind, value)
        given = order.order
        for write in made:
            yield Command(
                point=write.point,
                value=write.value,
                origin=given.asker.name,
                priority=given.asker.priority,
                expires_ms=given.expires_ms,
                correlation=f"{given.correlation}:{view.der.name}:{order.kind}",
                reason=given.reason,
            )

    def _message(
        self, name: str, kind: Kind, correlation: str, value: float | None
    ) -> GroupRequest:
        address = Address(
            message_id=f"{correlation}.{kind}.{name}.{self._now_ms:x}",
            dms_id=self._config.name,
            group_id=name,
            time_ms=self._now_ms,
        )
        schedule = () if value is None else ((self._config.remote_hold_s, value),)
        return DispatchRequest(address=address, quantity=_QUANTITY[kind], schedule=schedule)


def forget(told: Mapping[Kind, Told], rows: NDArray[np.bool_]) -> dict[Kind, Told]:
    """What members were told, without those that are to be told anew."""
    return {kind: replace(column.without(rows)) for kind, column in told.items()}
