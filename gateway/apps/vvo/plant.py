"""What the image and the groups' replies say of the feeder's controls, now."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from gateway.apps.vvo.config import Der, Group, VvoConfig
from gateway.apps.vvo.curtail import watt_control
from gateway.apps.vvo.problem import Control
from gateway.apps.vvo.usage import Usage, left, price_kw
from gateway.grid.estimate import Measured
from gateway.groups.messages import GroupReply, Quantity
from gateway.points.image import ProcessImage


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


def measured(config: VvoConfig, image: ProcessImage, replies: Mapping[str, GroupReply]) -> Measured:
    """What the image and the groups' last statuses say of the feeder; what is lost, as last seen.

    Head flows and voltages are of good meters only.
    """
    taps = {own.element: _last_value(image, own.position) for own in config.regulators}
    closed = {own.element: _last_value(image, own.closed) for own in config.capacitors}
    switches = {branch: _last_value(image, point) for branch, point in config.switches}
    injections = {der.element: injection(image, der) for der in config.ders}
    for group in config.groups:
        injections[group.element] = group_injection(replies.get(group.group_id))
    volts = {node: image.good_value(point) for node, point in config.voltages}
    return Measured(
        taps={element: round(tap) for element, tap in taps.items() if tap is not None},
        capacitors={name: state >= 0.5 for name, state in closed.items() if state is not None},
        switches={name: state >= 0.5 for name, state in switches.items() if state is not None},
        injections=injections,
        head_p_w=[image.good_value(point) for point in config.head_p],
        head_q_var=[image.good_value(point) for point in config.head_q],
        voltages_pu={node: volt for node, volt in volts.items() if volt is not None},
    )


def injection(image: ProcessImage, der: Der) -> tuple[float, float]:
    """Present injection of a DER, W and var; the last known where it is lost, else nothing."""
    power = _last_value(image, der.power)
    reactive = _last_value(image, der.reactive_power)
    return power or 0.0, reactive or 0.0


def group_injection(reply: GroupReply | None) -> tuple[float, float]:
    """Injection of a group as its last status said, W and var."""
    values = {} if reply is None else {p.quantity: p.value for p in reply.present}
    return values.get(Quantity.ACTIVE_POWER) or 0.0, values.get(Quantity.REACTIVE_POWER) or 0.0


def movables(
    config: VvoConfig,
    image: ProcessImage,
    replies: Mapping[str, GroupReply],
    refused: frozenset[str] = frozenset(),
    usage: Mapping[str, Usage] = MappingProxyType({}),
    free_w: Mapping[str, float] = MappingProxyType({}),
    now_ms: int = 0,
) -> tuple[Movable, ...]:
    """Every control that is online and allowed to VVO.

    Groups that refused are let be; an operation has its price by the day's ``usage``; ``free_w``
    is what DERs give if they are let.
    """
    found = [*_taps(config, image, usage, now_ms), *_switches(config, image, usage, now_ms)]
    found += [*_ders(config, image), *_watts(config, image, free_w)]
    willing = {group: reply for group, reply in replies.items() if group not in refused}
    return tuple(found + _groups(config, willing))


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


def _taps(
    config: VvoConfig, image: ProcessImage, usage: Mapping[str, Usage], now_ms: int
) -> list[Movable]:
    found = []
    for position, own in enumerate(config.regulators):
        commanded, stands = image.good_value(own.command), image.good_value(own.position)
        if commanded is None or stands is None or not _allowed(config, act=own.act):
            continue
        bounds = own.tap_min, own.tap_max
        control = tap_control(config, own.element, bounds, commanded, stands)
        control = priced(config, control, usage.get(own.element), now_ms)
        found.append(Movable(control, position, "regulator"))
    return found


def _switches(
    config: VvoConfig, image: ProcessImage, usage: Mapping[str, Usage], now_ms: int
) -> list[Movable]:
    found = []
    for position, own in enumerate(config.capacitors):
        commanded = image.good_value(own.command)
        if commanded is None or not _allowed(config, act=own.act):
            continue
        stands, cost_kw = image.good_value(own.closed), config.capacitor_cost_kw
        control = Control(own.element, "switch", 0, 1, commanded, cost_kw, stands)
        control = priced(config, control, usage.get(own.element), now_ms)
        found.append(Movable(control, position, "capacitor"))
    return found


def _ders(config: VvoConfig, image: ProcessImage) -> list[Movable]:
    found = []
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
        present = injection(image, der)[1]
        if enabled and commanded is not None:
            present = commanded * reactive_rating / 100.0 if der.in_percent else commanded
        wear_kw = config.set_point_cost_kw
        control = Control(der.element, "var", -most, most, present, wear_kw)
        found.append(Movable(control, position, "der"))
    return found


def _watts(
    config: VvoConfig, image: ProcessImage, free_w: Mapping[str, float]
) -> Iterator[Movable]:
    for position, der in enumerate(config.ders):
        control = watt_control(der, image, free_w)
        if control is not None and _allowed(config, act=der.act):
            yield Movable(control, position, "watt")


def _groups(config: VvoConfig, replies: Mapping[str, GroupReply]) -> list[Movable]:
    found = []
    for position, group in enumerate(config.groups):
        reply = replies.get(group.group_id)
        now = reactive_range(reply)
        if reply is None or now is None or not connected(reply) or not _measured(reply):
            continue
        if not _allowed(config, act=group.act):
            continue
        present, wear_kw = group_injection(reply)[1], config.set_point_cost_kw
        control = Control(group.element, "var", *now, present, wear_kw)
        found.append(Movable(control, position, "group"))
    return found


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
    return {Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER} <= good


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


def _last_value(image: ProcessImage, point: str) -> float | None:
    if point not in image:
        return None
    value = image[point].value
    return value if math.isfinite(value) else None
