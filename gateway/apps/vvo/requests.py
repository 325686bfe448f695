"""Saying a wanted reactive power as a group function: dispatch, power factor or curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from gateway.groups.messages import (
    Address,
    CurveReference,
    CurveRequest,
    DispatchRequest,
    GroupRequest,
    PowerFactorRequest,
    Quantity,
)
from gateway.model.der import Excitation

#: Half width of the curve's flat part, and of the whole curve, % of reference voltage.
_FLAT_PCT, _REACH_PCT = 1.0, 8.0
#: What a volt of error moves the voltage back by, through the curve: below 1, or it swings.
_LOOP_GAIN = 0.5
_LEAST_POWER_FACTOR = 0.8


@dataclass(frozen=True, slots=True)
class Poi:
    """The point where a group is connected, as the model has it.

    Attributes:
        voltage_pu: expected there.
        sensitivity_pu_per_var: how far one var of the group moves it.
    """

    voltage_pu: float = 1.0
    sensitivity_pu_per_var: float = 0.0


def ask_reactive_power(
    ask: Literal["q", "pf", "curve"],
    address: Address,
    wanted_var: float,
    power_w: float,
    rating_va: float,
    poi: Poi,
) -> GroupRequest:
    """The group function that brings ``wanted_var`` at the present power and voltage.

    Args:
        ask: which function.
        address: who asks whom.
        wanted_var: reactive power at the POI, injection positive.
        power_w: present real power at the POI; a power factor is of its magnitude.
        rating_va: POI rating, the curve's 100 %.
        poi: its voltage is the curve's middle, its sensitivity says how steep the curve may be.
    """
    if ask == "q":
        schedule = ((0.0, wanted_var),)
        return DispatchRequest(address=address, quantity=Quantity.REACTIVE_POWER, schedule=schedule)
    if ask == "pf":
        apparent_va = math.hypot(power_w, wanted_var)
        excitation = Excitation.OVER_EXCITED if wanted_var >= 0 else Excitation.UNDER_EXCITED
        power_factor = 1.0 if apparent_va == 0 else abs(power_w) / apparent_va
        # at little power a factor near 0 would let Q run to its end as soon as power rises
        power_factor = max(power_factor, _LEAST_POWER_FACTOR)
        return PowerFactorRequest(
            address=address, power_factor=round(power_factor, 3), excitation=excitation
        )
    points = _curve(100.0 * wanted_var / rating_va, rating_va, poi)
    return CurveRequest(address=address, points=points, reference=CurveReference.MAX_APPARENT_POWER)


def _curve(share_pct: float, rating_va: float, poi: Poi) -> tuple[tuple[float, float], ...]:
    """Flat at the wanted share about the expected voltage, then as steep as the grid bears.

    With ``dV/dQ`` of the POI and a slope of ``dQ/dV`` their product is the gain of the loop that
    inverter and grid make; a strong grid bears a steep curve.
    """
    middle_pct = 100.0 * poi.voltage_pu
    per_rating_pu = abs(poi.sensitivity_pu_per_var) * rating_va
    up_pct, down_pct = 100.0 - share_pct, 100.0 + share_pct
    if per_rating_pu > 0.0:
        most_pct = (_REACH_PCT - _FLAT_PCT) * _LOOP_GAIN / per_rating_pu
        up_pct, down_pct = min(up_pct, most_pct), min(down_pct, most_pct)
    sides = [
        max(change_pct * per_rating_pu / _LOOP_GAIN, _FLAT_PCT) + _FLAT_PCT
        for change_pct in (up_pct, down_pct)
    ]
    return (
        (round(middle_pct - sides[0], 1), round(share_pct + up_pct, 1)),
        (round(middle_pct - _FLAT_PCT, 1), round(share_pct, 1)),
        (round(middle_pct + _FLAT_PCT, 1), round(share_pct, 1)),
        (round(middle_pct + sides[1], 1), round(share_pct - down_pct, 1)),
    )
