"""A group behind points: one controller, or members the gateway allocates to.

A microgrid controller is a group of one that states its capability and what it holds; a set of
inverters is a group of many. Both are the same code.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.groups.administration import StatedCapability
from gateway.groups.allocation import allocate, total
from gateway.groups.areas import Areas, Column
from gateway.groups.columns import Columns, Seen
from gateway.groups.der_points import DerPoints, DerView
from gateway.groups.group import Group
from gateway.groups.messages import Present, Quantity, QuantityRange
from gateway.groups.write import UnsupportedError, Write
from gateway.model.command import Command, CommandResult, Priority
from gateway.model.der import Range
from gateway.model.reader import ColumnReader


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose behalf points are written: the arbiter ranks by it.

    Attributes:
        administrator: may say what groups there are.
        remote: its requests came over a network: those too old are refused.
    """

    name: str
    priority: Priority
    administrator: bool = False
    remote: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What ties the commands of one request together."""

    asker: Asker
    correlation: str
    reason: str
    expires_ms: int = 0


@dataclass(frozen=True, slots=True)
class Applied:
    """How far a request was carried out.

    Attributes:
        taken: members that took every write.
        refusals: member to reason.
    """

    taken: tuple[str, ...]
    refusals: Mapping[str, str]


class Submitter:
    """The part of the router that groups use; kept narrow so that groups see no more of it."""

    def __init__(
        self,
        submit: Callable[[Command], Awaitable[CommandResult]],
        release: Callable[[str, str], Awaitable[CommandResult | None]],
        set_default: Callable[[str, float, str], None],
        withdraw: Callable[[str, str], None],
        holder: Callable[[str], Command | None],
    ) -> None:
        self.submit = submit
        self.release = release
        self.set_default = set_default
        self.withdraw = withdraw
        self.holder = holder


class PointGroup:
    """One group and its members' points.

    Args:
        group_id: the group's id in messages.
        members: its DERs, or its one controller.
        reader: present measurements.
        submitter: the way to the points.
        stated: bounds of the whole, whatever its members could do.
        others: groups of other boxes that are members as well.
    """

    def __init__(
        self,
        group_id: str,
        members: Sequence[DerPoints],
        reader: ColumnReader,
        submitter: Submitter,
        stated: StatedCapability | None = None,
        others: Sequence[Group] = (),
    ) -> None:
        self.group_id = group_id
        self._stated = stated or StatedCapability()
        self._views = {der.name: DerView(der, reader) for der in members}
        self._reader = reader
        self._columns = Columns(members, reader.index)
        self._microgrids = [v for v in self._views.values() if v.der.has("disconnect")]
        self._microgrids += [v for v in self._views.values() if v.der.has("islanded")]
        self._submitter = submitter
        self._others = tuple(others)

    @property
    def views(self) -> Mapping[str, DerView]:
        """Every member's present values."""
        return self._views

    @property
    def others(self) -> Sequence[Group]:
        """Members that are groups of other boxes."""
        return self._others

    @property
    def islanded(self) -> bool:
        """Whether this is a microgrid that is not connected."""
        return any(view.islanded for view in self._microgrids)

    def holders(self, roles: Sequence[str]) -> frozenset[str]:
        """Origins whose claims hold any of the points that play these roles now."""
        held = (
            self._submitter.holder(view.der.points[role])
            for view in self._views.values()
            for role in roles
            if role in view.der.points
        )
        return frozenset(command.origin for command in held if command is not None)

    def look(self) -> Seen:
        """What every member shows now, in the order of :attr:`views`."""
        return self._columns.look(self._reader)

    def present(self, quantity: Quantity) -> Present:
        """The group's present value of one quantity, with whether every member stands behind it."""
        if quantity in _DERIVED:
            power, reactive = (self.present(part) for part in _PARTS)
            return Present(
                quantity=quantity,
                value=_derived(quantity, power.value, reactive.value),
                good=power.good and reactive.good,
                time_ms=min(power.time_ms, reactive.time_ms),
            )
        _, positions = self._columns.rows(_ROLES[quantity])
        values = self._reader.good_values(positions)
        known: list[float] = values[~np.isnan(values)].tolist()
        others = [other.present(quantity) for other in self._others]
        if quantity not in _PARTS:  # a group that says nothing of it has no such thing
            others = [other for other in others if other.value is not None]
        known += [other.value for other in others if other.value is not None]
        asked = len(positions) + len(others)
        times_ms = [other.time_ms for other in others]
        if len(positions):
            times_ms.append(int(self._reader.source_times_ms(positions).min()))
        return Present(
            quantity=quantity,
            value=_JOIN.get(quantity, _mean)(known) if known else None,
            good=bool(asked) and len(known) == asked and all(other.good for other in others),
            time_ms=min(times_ms, default=0),
        )

    def ranges(self, quantity: Quantity) -> QuantityRange | None:
        """Capability now and nameplate of P, Q or S; None for other quantities."""
        if quantity not in _RANGED:
            return None
        seen = self.look()
        now, plates = _total(quantity, seen.now.at(seen.able)), _total(quantity, seen.plate)
        if not seen.able.any():
            now = None
        for other in self._others:
            entry = other.ranges(quantity)
            if entry is not None and entry.now is not None:
                now = entry.now if now is None else now + entry.now
            known = None if entry is None else entry.nameplate
            plates = None if plates is None or known is None else plates + known
        return QuantityRange(
            quantity=quantity,
            now=None if now is None else self._within(quantity, now),
            nameplate=None if plates is None else self._within(quantity, plates),
        )

    def share(self, wanted: float, quantity: Quantity) -> tuple[dict[str, float], float]:
        """Each online member's part of a set point, and the sum they will hold."""
        seen = self.look()
        stated = self._stated.of(quantity)
        wanted = wanted if stated is None else stated.clip(wanted)
        low, high = _RANGED[quantity](seen.now)
        rows = zip(self._views, low.tolist(), high.tolist(), seen.able.tolist(), strict=True)
        ranges = {name: Range(least, most) for name, least, most, able in rows if able}
        parts = allocate(wanted, ranges)
        return parts, total(ranges).clip(wanted) if ranges else math.nan

    def _within(self, quantity: Quantity, able: Range) -> Range:
        stated = self._stated.of(quantity)
        return able if stated is None else Range(*(stated.clip(v) for v in _ends(able)))

    async def apply(self, writes: Mapping[str, Sequence[Write] | str], order: Order) -> Applied:
        """Write to several members at once, each member's writes in order.

        Args:
            writes: member to its writes, or to the reason why it has none.
            order: on whose behalf, and until when.
        """
        names = list(writes)
        outcomes = await asyncio.gather(*(self._write(writes[name], order) for name in names))
        refusals = {name: text for name, text in zip(names, outcomes, strict=True) if text}
        taken = tuple(name for name in names if name not in refusals)
        return Applied(taken, refusals)

    async def end(
        self,
        enables: Sequence[str],
        set_points: Sequence[str],
        rivals: Sequence[str],
        order: Order,
    ) -> Applied:
        """End a function: hand each point to its next holder, or switch the enable off.

        Args:
            enables: points that go to 0 where nobody else holds them.
            set_points: points that stay as they are where nobody else holds them.
            rivals: enables that were off for this function's sake; theirs again once it is off.
            order: whose claims end.
        """
        origin = order.asker.name
        refusals: dict[str, str] = {}
        for point in set_points:
            await self._submitter.release(point, origin)
        for point in enables:
            other = self._submitter.holder(point)
            if other is not None and other.origin not in (origin, "default"):
                self._submitter.withdraw(point, origin)
                refusals[point.partition(".")[0]] = f"{point}: held by {other.origin}"
                continue
            result = await self._submitter.release(point, origin)
            if result is None:
                result = await self._submitter.submit(_command(Write(point, 0.0), order))
                await self._submitter.release(point, origin)
            if not result.ok:
                refusals[point.partition(".")[0]] = result.detail or result.status.name
        for point in rivals:
            await self._submitter.release(point, origin)
        taken = {point.partition(".")[0] for point in enables} - refusals.keys()
        return Applied(tuple(sorted(taken)), refusals)

    async def restore(self, settings: Sequence[str], order: Order) -> Applied:
        """End claims on settings, which have no enable: what stood there before comes back.

        Args:
            settings: their points.
            order: whose claims end.
        """
        refusals: dict[str, str] = {}
        for point in settings:
            result = await self._submitter.release(point, order.asker.name)
            if result is not None and not result.ok:
                refusals[point.partition(".")[0]] = result.detail or result.status.name
        taken = {point.partition(".")[0] for point in settings} - refusals.keys()
        return Applied(tuple(sorted(taken)), refusals)

    async def _write(self, writes: Sequence[Write] | str, order: Order) -> str:
        """Empty where every write was taken, else the first refusal; nothing follows it."""
        if isinstance(writes, str):
            return writes
        for write in writes:
            kept = write.setting and self._submitter.holder(write.point) is not None
            if write.resets_to is not None and not kept:
                self._submitter.set_default(write.point, write.resets_to, order.reason)
            result = await self._submitter.submit(_command(write, order))
            if not result.ok:
                return f"{write.point}: {result.detail or result.status.name}"
            if write.momentary:
                self._submitter.withdraw(write.point, order.asker.name)
        return ""


def _ends(able: Range) -> tuple[float, float]:
    return able.minimum, able.maximum


def attempt(make: Callable[[DerView], list[Write]], view: DerView) -> list[Write] | str:
    """A member's writes, or why it has none."""
    try:
        return make(view)
    except UnsupportedError as error:
        return str(error)


def _command(write: Write, order: Order) -> Command:
    return Command(
        point=write.point,
        value=write.value,
        origin=order.asker.name,
        priority=order.asker.priority,
        expires_ms=order.expires_ms,
        correlation=order.correlation,
        reason=order.reason,
    )


_ROLES = {
    Quantity.ACTIVE_POWER: "p",
    Quantity.REACTIVE_POWER: "q",
    Quantity.VOLTAGE: "v",
    Quantity.FREQUENCY: "hz",
    Quantity.STATE_OF_CHARGE: "soc",
    Quantity.STATE: "state",
    Quantity.CONNECTED: "connected",
}
_RANGED: dict[Quantity, Callable[[Areas], tuple[Column, Column]]] = {
    Quantity.ACTIVE_POWER: lambda areas: (areas.power_min_w, areas.power_max_w),
    Quantity.REACTIVE_POWER: lambda areas: (areas.reactive_min_var, areas.reactive_max_var),
    Quantity.APPARENT_POWER: lambda areas: (np.zeros(len(areas)), areas.apparent_va),
}
#: What follows from the group's P and Q.
_DERIVED = (Quantity.APPARENT_POWER, Quantity.POWER_FACTOR)
_PARTS = (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER)


def _derived(quantity: Quantity, power: float | None, reactive: float | None) -> float | None:
    if power is None or reactive is None:
        return None
    apparent = math.hypot(power, reactive)
    if quantity is Quantity.APPARENT_POWER:
        return apparent
    return math.copysign(abs(power) / apparent, reactive) if apparent else 1.0


def _total(quantity: Quantity, areas: Areas) -> Range | None:
    """The sum of members' ranges; None where one is not known."""
    low, high = (math.fsum(column.tolist()) for column in _RANGED[quantity](areas))
    return Range(low, high) if low <= high else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


#: How members' values make the group's; anything not here is averaged.
_JOIN: dict[Quantity, Callable[[Sequence[float]], float]] = {
    Quantity.ACTIVE_POWER: math.fsum,
    Quantity.REACTIVE_POWER: math.fsum,
    Quantity.CONNECTED: min,
    Quantity.STATE: max,
}
