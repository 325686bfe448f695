"""What the image and the groups' replies say of the feeder's controls, now."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from gateway.apps.vvo.config import Group, VvoConfig
from gateway.apps.vvo.curtail import GroupLimit, Potential, watt_control
from gateway.apps.vvo.problem import Control
from gateway.apps.vvo.usage import Usage, left, price_kw
from gateway.groups.messages import GroupReply, Quantity
from gateway.model.der import Range
from gateway.points.image import ProcessImage

_POWERS = (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER)


@dataclass(frozen=True, slots=True)
class Movable:
    """A control that may be moved this cycle.

    Attributes:
        control: its range this cycle, and its present setting: what was last commanded and is
            shown as held.
        position: its index among the config's entries of its kind.
        kind: which list of the config that is.
    """

    control: Control
    position: int
    kind: str


#: W and var by element.
Injections = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What controls are made of.

    Attributes:
        image: the frozen points.
        injections: present W and var of every DER and group.
        replies: last status a group.
        refused: groups that are let be.
        usage: operations of the day, by which an operation has its price.
        free: what DERs and groups give if they are let, those left out that are not to be
            limited now.
        now_ms: UTC ms.
    """

    image: ProcessImage
    injections: Injections
    replies: Mapping[str, GroupReply] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    usage: Mapping[str, Usage] = field(default_factory=dict)
    free: Mapping[str, Potential] = field(default_factory=dict)
    now_ms: int = 0


def told(
    config: VvoConfig, replies: Mapping[str, GroupReply], limits: Mapping[str, GroupLimit]
) -> dict[str, tuple[float, float]]:
    """W and var of groups as their last statuses said, where every member stood behind them.

    A limit that a group took after its status bounds the power it had then.
    """
    found = {}
    for group in config.groups:
        reply, limit = replies.get(group.group_id), limits.get(group.group_id)
        if reply is None or not _measured(reply):
            continue
        values = {present.quantity: present.value for present in reply.present}
        power_w, reactive_var = (values.get(quantity) or 0.0 for quantity in _POWERS)
        if limit is not None:
            power_w = limit.bounded(power_w, reply.time_ms)
        found[group.element] = power_w, reactive_var
    return found


def movables(config: VvoConfig, seen: Seen) -> tuple[Movable, ...]:
    """Every control that is online and allowed to VVO."""
    return (
        *_taps(config, seen),
        *_switches(config, seen),
        *_ders(config, seen),
        *_watts(config, seen),
        *_groups(config, seen),
        *_group_watts(config, seen),
    )


def shown(config: VvoConfig, image: ProcessImage) -> dict[str, float]:
    """Positions of tap changers and switches that are readable, by element."""
    points = {own.element: own.position for own in config.regulators}
    points |= {own.element: own.closed for own in config.capacitors}
    values = {element: image.good_value(point) for element, point in points.items()}
    return {element: value for element, value in values.items() if value is not None}


def tap_control(
    config: VvoConfig, element: str, bounds: tuple[int, int], commanded: float, shown: float
) -> Control:
    """A regulator's control, at its plain price."""
    low = max(bounds[0], shown - config.max_taps_per_cycle)
    high = min(bounds[1], shown + config.max_taps_per_cycle)
    return Control(element, "tap", low, high, commanded, config.tap_cost_kw, shown)


def priced(config: VvoConfig, control: Control, known: Usage | None, now_ms: int) -> Control:
    """A tap changer or switch at the price of the hour, no further than its budget goes.

    A spent budget leaves the whole range: a voltage out of band may still be worth the price.
    """
    budget = config.budget
    most = budget.taps if control.kind == "tap" else budget.switchings
    wear_kw = price_kw(control.wear_kw, most, known, budget, now_ms)
    remaining = left(most, known)
    if control.kind != "tap" or remaining < 1.0:
        return replace(control, wear_kw=wear_kw)
    return replace(
        control,
        wear_kw=wear_kw,
        minimum=max(control.minimum, control.standing - remaining),
        maximum=min(control.maximum, control.standing + remaining),
    )


def _taps(config: VvoConfig, seen: Seen) -> Iterator[Movable]:
    image = seen.image
    for position, own in enumerate(config.regulators):
        commanded, stands = image.good_value(own.command), image.good_value(own.position)
        if commanded is None or stands is None or not _allowed(config, act=own.act):
            continue
        bounds = own.tap_min, own.tap_max
        control = tap_control(config, own.element, bounds, commanded, stands)
        control = priced(config, control, seen.usage.get(own.element), seen.now_ms)
        yield Movable(control, position, "regulator")


def _switches(config: VvoConfig, seen: Seen) -> Iterator[Movable]:
    image = seen.image
    for position, own in enumerate(config.capacitors):
        commanded = image.good_value(own.command)
        if commanded is None or not _allowed(config, act=own.act):
            continue
        stands, cost_kw = image.good_value(own.closed), config.capacitor_cost_kw
        control = Control(own.element, "switch", 0, 1, commanded, cost_kw, stands)
        control = priced(config, control, seen.usage.get(own.element), seen.now_ms)
        yield Movable(control, position, "capacitor")


def _ders(config: VvoConfig, seen: Seen) -> Iterator[Movable]:
    image = seen.image
    for position, der in enumerate(config.ders):
        power = image.good_value(der.power)
        rating = image.good_value(der.rating_va)
        reactive_rating = image.good_value(der.reactive_rating_var)
        enabled = image.good_value(der.enable)
        commanded = image.good_value(der.set_point)
        if power is None or rating is None or reactive_rating is None:
            continue
        if not _allowed(config, act=der.act):
            continue
        most = min(reactive_rating, math.sqrt(max(rating**2 - power**2, 0.0)))
        _, present = seen.injections.get(der.element, (0.0, 0.0))
        if enabled and commanded is not None:
            present = commanded * reactive_rating / 100.0 if der.in_percent else commanded
        wear_kw = config.set_point_cost_kw
        control = Control(der.element, "var", -most, most, present, wear_kw)
        yield Movable(control, position, "der")


def _watts(config: VvoConfig, seen: Seen) -> Iterator[Movable]:
    for position, der in enumerate(config.ders):
        limit = der.curtailment
        if limit is None or None in (
            seen.image.good_value(p) for p in (limit.rating_w, limit.enable)
        ):
            continue
        control = watt_control(der.element, seen.free.get(der.element), None)
        if control is not None and _allowed(config, act=der.act):
            yield Movable(control, position, "watt")


def _groups(config: VvoConfig, seen: Seen) -> Iterator[Movable]:
    for position, group in enumerate(config.groups):
        reply = seen.replies.get(group.group_id)
        now = reactive_range(reply)
        if reply is None or now is None or not connected(reply) or not _measured(reply):
            continue
        if group.group_id in seen.refused or not _allowed(config, act=group.act):
            continue
        _, present = seen.injections.get(group.element, (0.0, 0.0))
        control = Control(group.element, "var", *now, present, config.set_point_cost_kw)
        yield Movable(control, position, "group")


def _group_watts(config: VvoConfig, seen: Seen) -> Iterator[Movable]:
    for position, group in enumerate(config.groups):
        reply = seen.replies.get(group.group_id)
        possible = _real_range(reply)
        if not group.curtail or possible is None or reply is None or not connected(reply):
            continue
        control = watt_control(group.element, seen.free.get(group.element), possible)
        if control is not None and _allowed(config, act=group.act):
            yield Movable(control, position, "group watt")


def _real_range(reply: GroupReply | None) -> Range | None:
    """Real power a group can give now, W, where its status said so."""
    ranges = () if reply is None else reply.ranges
    return next((r.now for r in ranges if r.quantity is Quantity.ACTIVE_POWER), None)


def reactive_range(reply: GroupReply | None) -> tuple[float, float] | None:
    """Reactive power a group can give now, var, where its status said so."""
    for known in () if reply is None else reply.ranges:
        if known.quantity is Quantity.REACTIVE_POWER and known.now is not None:
            return known.now.minimum, known.now.maximum
    return None


def connected(reply: GroupReply) -> bool:
    """Whether a group's POI is closed, as its status said; a group that is silent is not."""
    for present in reply.present:
        if present.quantity is Quantity.CONNECTED:
            return present.good and present.value == 1.0
    return False


def _measured(reply: GroupReply) -> bool:
    """Whether every member stands behind the group's P and Q: a part of a sum is no present."""
    good = {present.quantity for present in reply.present if present.good}
    return good.issuperset(_POWERS)


def rating_va(group: Group, replies: Mapping[str, GroupReply]) -> float:
    """Nameplate apparent power of a group, VA; its largest reactive power where that is all."""
    reply = replies.get(group.group_id)
    for known in () if reply is None else reply.ranges:
        if known.quantity is Quantity.APPARENT_POWER and known.nameplate is not None:
            return known.nameplate.maximum
    now = reactive_range(reply)
    return 1.0 if now is None else max(abs(now[0]), abs(now[1]), 1.0)


def _allowed(config: VvoConfig, *, act: bool) -> bool:
    return act or config.mode == "advise"
