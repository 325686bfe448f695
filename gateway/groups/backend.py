"""A group behind points: one controller, or members the gateway allocates to.

A microgrid controller is a group of one that states its capability and what it holds; a set of
inverters is a group of many. Both are the same code.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.groups.administration import StatedCapability
from gateway.groups.allocation import allocate, total
from gateway.groups.der_points import DerPoints, DerView
from gateway.groups.messages import Present, Quantity, QuantityRange
from gateway.groups.write import UnsupportedError, Write
from gateway.model.command import Command, CommandResult, Priority
from gateway.model.der import Capability, Range
from gateway.model.reader import PointReader


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
    """

    def __init__(
        self,
        group_id: str,
        members: Sequence[DerPoints],
        reader: PointReader,
        submitter: Submitter,
        stated: StatedCapability | None = None,
    ) -> None:
        self.group_id = group_id
        self._stated = stated or StatedCapability()
        self._views = {der.name: DerView(der, reader) for der in members}
        self._submitter = submitter

    @property
    def views(self) -> Mapping[str, DerView]:
        """Every member's present values."""
        return self._views

    @property
    def online(self) -> dict[str, DerView]:
        """Members that can be read now."""
        return {name: view for name, view in self._views.items() if view.online}

    @property
    def islanded(self) -> bool:
        """Whether this is a microgrid that is not connected."""
        return any(view.islanded for view in self._views.values())

    def holders(self, roles: Sequence[str]) -> frozenset[str]:
        """Origins whose claims hold any of the points that play these roles now."""
        held = (
            self._submitter.holder(view.der.points[role])
            for view in self._views.values()
            for role in roles
            if role in view.der.points
        )
        return frozenset(command.origin for command in held if command is not None)

    def capability_now(self) -> dict[str, Capability]:
        """What each online member can do now; those not known are absent."""
        known = ((name, view.now()) for name, view in self.online.items())
        return {name: now for name, now in known if now is not None}

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
        role = _ROLES[quantity]
        views = [view for view in self._views.values() if role in view.der.points]
        known = [value for view in views if (value := view.value(role)) is not None]
        return Present(
            quantity=quantity,
            value=_JOIN.get(quantity, _mean)(known) if known else None,
            good=bool(views) and len(known) == len(views),
            time_ms=min((view.time_ms(role) for view in views), default=0),
        )

    def ranges(self, quantity: Quantity) -> QuantityRange | None:
        """Capability now and nameplate of P, Q or S; None for other quantities."""
        if quantity not in _RANGED:
            return None
        now = [_RANGED[quantity](capability) for capability in self.capability_now().values()]
        plates = [view.nameplate() for view in self._views.values()]
        known = [_RANGED[quantity](plate) for plate in plates if plate is not None]
        return QuantityRange(
            quantity=quantity,
            now=self._within(quantity, sum(now[1:], start=now[0])) if now else None,
            nameplate=self._within(quantity, sum(known[1:], start=known[0]))
            if len(known) == len(plates) and known
            else None,
        )

    def share(self, wanted: float, quantity: Quantity) -> tuple[dict[str, float], float]:
        """Each online member's part of a set point, and the sum they will hold."""
        ranges = {n: _RANGED[quantity](c) for n, c in self.capability_now().items()}
        stated = self._stated.of(quantity)
        wanted = wanted if stated is None else stated.clip(wanted)
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
_RANGED: dict[Quantity, Callable[[Capability], Range]] = {
    Quantity.ACTIVE_POWER: lambda capability: capability.power_w,
    Quantity.REACTIVE_POWER: lambda capability: capability.reactive_power_var,
    Quantity.APPARENT_POWER: lambda capability: Range(0.0, capability.apparent_power_va),
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


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


#: How members' values make the group's; anything not here is averaged.
_JOIN: dict[Quantity, Callable[[Sequence[float]], float]] = {
    Quantity.ACTIVE_POWER: math.fsum,
    Quantity.REACTIVE_POWER: math.fsum,
    Quantity.CONNECTED: min,
    Quantity.STATE: max,
}
