"""Tap changers that do not follow: no plan may rest on a tap that is not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.apps.decision import Alarm
from gateway.apps.vvo.config import VvoConfig
from gateway.points.image import ProcessImage

#: A changer that has not moved for so long after a command does not follow; it is tried again
#: for a while every so often. Changers wait 15 to 60 s and take some seconds a step.
_STUCK_AFTER_MS, _TRY_EVERY_MS = 120_000, 900_000


@dataclass(frozen=True, slots=True)
class Standing:
    """A regulator's commanded and shown tap, and since when both are as they are, UTC ms."""

    commanded: float
    shown: float
    since_ms: int


def watch(
    config: VvoConfig, image: ProcessImage, before: Mapping[str, Standing], now_ms: int
) -> dict[str, Standing]:
    """Where every readable regulator stands; its time runs on while nothing changes."""
    standing: dict[str, Standing] = {}
    for regulator in config.regulators:
        commanded = image.good_value(regulator.command)
        shown = image.good_value(regulator.position)
        if commanded is None or shown is None:
            continue
        known = before.get(regulator.element)
        same = known is not None and (known.commanded, known.shown) == (commanded, shown)
        since_ms = known.since_ms if same and known is not None else now_ms
        standing[regulator.element] = Standing(commanded, shown, min(since_ms, now_ms))
    return standing


def stuck(standing: Mapping[str, Standing], now_ms: int) -> frozenset[str]:
    """Elements that have not followed and are not to be tried just now."""
    return frozenset(
        element
        for element, where in standing.items()
        if where.commanded != where.shown
        and (now_ms - where.since_ms) % _TRY_EVERY_MS >= _STUCK_AFTER_MS
    )


def alarms(standing: Mapping[str, Standing], still: frozenset[str]) -> tuple[Alarm, ...]:
    """One a regulator, active while it does not follow."""
    return tuple(
        Alarm(
            f"vvo:{element}",
            f"{element} stands at {where.shown:g}, commanded {where.commanded:g}",
            active=element in still,
        )
        for element, where in standing.items()
    )
