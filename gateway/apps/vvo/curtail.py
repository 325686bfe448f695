"""Real power as the last resort: limiting a DER where nothing else mends a voltage."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.apps.vvo.config import Curtailment, Der, VvoConfig
from gateway.apps.vvo.problem import Control
from gateway.groups.der_points import LIMIT_BITES
from gateway.points.image import ProcessImage


def limit_w(image: ProcessImage, curtailment: Curtailment) -> float | None:
    """The limit in force, W; None where it is off or not readable."""
    limit_pct, rating_w = (
        image.good_value(curtailment.limit),
        image.good_value(curtailment.rating_w),
    )
    if limit_pct is None or rating_w is None or image.good_value(curtailment.enable) != 1.0:
        return None
    return limit_pct * rating_w / 100.0


def free_powers_w(
    config: VvoConfig, image: ProcessImage, before: Mapping[str, float]
) -> dict[str, float]:
    """What each DER gives if it is let, W: measured while no limit bites, else what was before."""
    free = dict(before)
    for der in config.ders:
        power_w = image.good_value(der.power)
        if der.curtailment is None or power_w is None:
            continue
        limit = limit_w(image, der.curtailment)
        held = limit is not None and power_w >= (1.0 - LIMIT_BITES) * limit
        free[der.element] = max(power_w, before.get(der.element, 0.0)) if held else power_w
    return free


def watt_control(der: Der, image: ProcessImage, free_w: Mapping[str, float]) -> Control | None:
    """A DER's real power as a control; None where it may not or cannot be limited now."""
    if der.curtailment is None or image.good_value(der.curtailment.rating_w) is None:
        return None
    most_w = free_w.get(der.element, 0.0)
    if most_w <= 0.0 or image.good_value(der.curtailment.enable) is None:
        return None
    limit = limit_w(image, der.curtailment)
    present_w = most_w if limit is None else min(limit, most_w)
    return Control(der.element, "watt", 0.0, most_w, present_w)
