"""What the image and the groups' replies say of the feeder's controls, now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.apps.vvo.config import Der, Group, VvoConfig
from gateway.apps.vvo.problem import Control
from gateway.grid.powerflow import PowerFlow
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


def apply_present(
    model: PowerFlow, config: VvoConfig, image: ProcessImage, replies: Mapping[str, GroupReply]
) -> None:
    """Put measured taps, switches and injections on the model; what is unknown stays as it was."""
    for regulator in config.regulators:
        position = _last_value(image, regulator.position)
        if position is not None:
            model.set_tap(regulator.element, round(position))
    for capacitor in config.capacitors:
        closed = _last_value(image, capacitor.closed)
        if closed is not None:
            model.set_capacitor(capacitor.element, closed=closed >= 0.5)
    for der in config.ders:
        power, reactive = injection(image, der)
        model.set_injection(der.element, power, reactive)
    for group in config.groups:
        power, reactive = group_injection(replies.get(group.group_id))
        model.set_injection(group.element, power, reactive)


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
) -> tuple[Movable, ...]:
    """Every control that is online and allowed to VVO; groups that refused are let be."""
    found = [*_taps(config, image), *_switches(config, image), *_ders(config, image)]
    willing = {group: reply for group, reply in replies.items() if group not in refused}
    return tuple(found + _groups(config, willing))


def _taps(config: VvoConfig, image: ProcessImage) -> list[Movable]:
    found = []
    for position, regulator in enumerate(config.regulators):
        commanded = image.good_value(regulator.command)
        shown = image.good_value(regulator.position)
        if commanded is None or shown is None or not _allowed(config, act=regulator.act):
            continue
        low = max(regulator.tap_min, shown - config.max_taps_per_cycle)
        high = min(regulator.tap_max, shown + config.max_taps_per_cycle)
        wear_kw = config.tap_cost_kw
        control = Control(regulator.element, "tap", low, high, commanded, wear_kw)
        found.append(Movable(control, position, "regulator"))
    return found


def _switches(config: VvoConfig, image: ProcessImage) -> list[Movable]:
    found = []
    for position, capacitor in enumerate(config.capacitors):
        commanded = image.good_value(capacitor.command)
        if commanded is None or not _allowed(config, act=capacitor.act):
            continue
        wear_kw = config.capacitor_cost_kw
        control = Control(capacitor.element, "switch", 0, 1, commanded, wear_kw)
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
