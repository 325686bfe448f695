"""From a found setting to commands for the router and requests for the group service."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from gateway.apps.vvo.config import Der, VvoConfig
from gateway.apps.vvo.objective import is_whole, worth_sending
from gateway.apps.vvo.plant import Injections, Movable, rating_va
from gateway.apps.vvo.requests import Poi, ask_reactive_power
from gateway.groups.messages import Address, GroupReply, GroupRequest, LimitRequest
from gateway.model.command import Command, Priority
from gateway.points.image import ProcessImage


def commands(
    config: VvoConfig,
    moved: Iterable[tuple[Movable, float]],
    image: ProcessImage,
    now_ms: int,
) -> Iterator[Command]:
    """Commands that bring taps, capacitors and DERs to a setting; what stands already is not sent.

    They come in the order of ``moved``. A DER's set point goes before its enable, so that nothing
    is switched on at an old value.
    """
    for movable, value in moved:
        if movable.kind == "regulator":
            if worth_sending(movable.control, value):
                point = config.regulators[movable.position].command
                yield _command(config, movable, point, value, now_ms)
        elif movable.kind == "capacitor":
            if worth_sending(movable.control, value):
                point = config.capacitors[movable.position].command
                yield _command(config, movable, point, value, now_ms)
        elif movable.kind == "der":
            yield from _der(config, movable, value, image, now_ms)
        elif movable.kind == "watt":
            yield from _limit(config, movable, value, image, now_ms)


def requests(
    config: VvoConfig,
    moved: Iterable[tuple[Movable, float]],
    replies: Mapping[str, GroupReply],
    injections: Injections,
    address: Callable[[str], Address],
    pois: Mapping[str, Poi],
) -> Iterator[GroupRequest]:
    """Group functions that bring groups to a setting.

    Args:
        config: bindings.
        moved: what moves where to, in this order.
        replies: last status a group.
        injections: present W and var of every group.
        address: makes a fresh address of a group id.
        pois: where each group's element is connected.
    """
    for movable, value in moved:
        if movable.kind == "group watt":
            group = config.groups[movable.position]
            whole_kw = 1e3 * math.floor(value / 1e3)  # up would be out of band again
            wanted_w = None if is_whole(movable.control, value) else whole_kw
            yield LimitRequest(address=address(group.group_id), limit_w=wanted_w)
        elif movable.kind == "group" and worth_sending(movable.control, value):
            group = config.groups[movable.position]
            yield ask_reactive_power(
                group.ask,
                address(group.group_id),
                round(value, -2),
                injections.get(group.element, (0.0, 0.0))[0],
                rating_va(group, replies),
                pois.get(group.element, Poi()),
            )


def _der(
    config: VvoConfig, movable: Movable, value: float, image: ProcessImage, now_ms: int
) -> Iterator[Command]:
    der: Der = config.ders[movable.position]
    enabled = image.good_value(der.enable) == 1.0
    moved = worth_sending(movable.control, value)
    rating = image.good_value(der.reactive_rating_var)
    if not moved or not rating:
        return
    set_point = round(100.0 * value / rating, 1) if der.in_percent else round(value, -2)
    if not enabled:
        for point, preset in der.presets:
            if image.good_value(point) != preset:
                yield _command(config, movable, point, preset, now_ms)
    yield _command(config, movable, der.set_point, set_point, now_ms)
    if not enabled:
        yield _command(config, movable, der.enable, 1.0, now_ms)


def _limit(
    config: VvoConfig, movable: Movable, value: float, image: ProcessImage, now_ms: int
) -> Iterator[Command]:
    """Limit a DER's real power, or let it go where it may give all it can."""
    curtailment, control = config.ders[movable.position].curtailment, movable.control
    rating = None if curtailment is None else image.good_value(curtailment.rating_w)
    if curtailment is None or not rating:
        return
    enabled = image.good_value(curtailment.enable) == 1.0
    if is_whole(control, value):
        if enabled:
            yield _command(config, movable, curtailment.enable, 0.0, now_ms)
        return
    if not enabled:
        for point, preset in curtailment.presets:
            if image.good_value(point) != preset:
                yield _command(config, movable, point, preset, now_ms)
    limit_pct = math.floor(1000.0 * value / rating) / 10.0  # up would be out of band again
    yield _command(config, movable, curtailment.limit, limit_pct, now_ms)
    if not enabled:
        yield _command(config, movable, curtailment.enable, 1.0, now_ms)


def _command(config: VvoConfig, movable: Movable, point: str, value: float, now_ms: int) -> Command:
    element = movable.control.element
    return Command(
        point=point,
        value=value,
        origin=f"{config.dms_id}:vvo",
        priority=Priority.DMS_VVO,
        expires_ms=now_ms + round(config.hold_s * 1000),
        correlation=f"vvo-{now_ms:x}-{element}-{movable.kind}",
        reason=f"VVO: {element} from {movable.control.present:g}",
    )
