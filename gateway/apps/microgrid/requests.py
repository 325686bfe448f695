"""What is asked of the controller, as its own points stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from gateway.apps.microgrid.config import MicrogridConfig
from gateway.apps.microgrid.situation import Asked
from gateway.points.image import ProcessImage

_CURVE_POINTS = 4


@dataclass(frozen=True, slots=True)
class Requests:
    """Set points asked for at the POI; None where a function is off.

    Attributes:
        power_w, reactive_power_var: dispatch.
        limit_w: most export where 0 or more, most import where negative.
        power_factor: magnitude, positive over-excited and negative under-excited.
        curve: (voltage in % of nominal, Q in % of the rating), voltage rising.
        price_per_kwh: of the grid's energy now.
    """

    power_w: float | None = None
    reactive_power_var: float | None = None
    limit_w: float | None = None
    power_factor: float | None = None
    curve: tuple[tuple[float, float], ...] = ()
    price_per_kwh: float | None = None


def read_requests(config: MicrogridConfig, image: ProcessImage) -> tuple[Asked, Requests]:
    """Requests and set points; what is not known was not asked."""

    def value(role: str) -> float | None:
        return image.good_value(config.own.get(role, ""))

    def held(enable: str, role: str) -> float | None:
        return value(role) if value(enable) == 1.0 else None

    asked_out = value("disconnect") == 1.0
    emergency = value("island_mode") == 1.0
    asked = Asked(
        island_planned=asked_out and not emergency,
        island_emergency=asked_out and emergency,
        reconnect=value("reconnect") == 1.0,
        black_start=value("black_start") == 1.0,
    )
    return asked, Requests(
        power_w=held("p_enable", "p_set"),
        reactive_power_var=held("q_enable", "q_set"),
        limit_w=held("limit_enable", "limit"),
        power_factor=held("pf_enable", "pf_set"),
        curve=_curve(value) if value("curve_enable") == 1.0 else (),
        price_per_kwh=held("price_enable", "price"),
    )


def reactive_power_at(
    requests: Requests, rating_va: float, voltage_pu: float | None, power_w: float
) -> float | None:
    """Q asked for at the POI, var: by dispatch, else power factor, else curve; None without."""
    if requests.reactive_power_var is not None:
        return requests.reactive_power_var
    if requests.power_factor:
        factor = requests.power_factor
        share = math.sqrt(max(1.0 - factor**2, 0.0)) / abs(factor)
        return math.copysign(abs(power_w) * share, factor)
    if requests.curve and voltage_pu is not None:
        return rating_va * _interpolated(requests.curve, 100.0 * voltage_pu) / 100.0
    return None


def _curve(value: Callable[[str], float | None]) -> tuple[tuple[float, float], ...]:
    reference = value("curve_v_ref")
    points = []
    for number in range(1, _CURVE_POINTS + 1):
        volts_pct, var_pct = value(f"curve_v{number}"), value(f"curve_q{number}")
        if reference is None or volts_pct is None or var_pct is None:
            return ()
        points.append((volts_pct * reference / 100.0, var_pct))
    # a curve of fewer points comes with its last one repeated
    return tuple(dict.fromkeys(points))


def _interpolated(curve: tuple[tuple[float, float], ...], at: float) -> float:
    if at <= curve[0][0]:
        return curve[0][1]
    for (low, first), (high, second) in pairwise(curve):
        if at <= high:
            return first + (second - first) * (at - low) / (high - low) if high > low else second
    return curve[-1][1]


def over(asked: Asked) -> Mapping[str, float]:
    """Own points, by role, of requests that have been answered, with what they go back to."""
    points = {}
    if asked.island_planned or asked.island_emergency:
        points["disconnect"] = 0.0
    if asked.reconnect:
        points["reconnect"] = 0.0
    if asked.black_start:
        points["black_start"] = 0.0
    return points
