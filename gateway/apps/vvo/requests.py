"""Saying a wanted reactive power as a group function: dispatch, power factor or curve."""

from __future__ import annotations

import math
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

#: Half width of the curve's flat part and of its slopes, % of reference voltage.
_FLAT_PCT, _SLOPE_PCT = 1.0, 4.0
_LEAST_POWER_FACTOR = 0.8


def ask_reactive_power(
    ask: Literal["q", "pf", "curve"],
    address: Address,
    wanted_var: float,
    power_w: float,
    rating_va: float,
    voltage_pu: float,
) -> GroupRequest:
    """The group function that brings ``wanted_var`` at the present power and voltage.

    Args:
        ask: which function.
        address: who asks whom.
        wanted_var: reactive power at the POI, injection positive.
        power_w: present real power at the POI; a power factor is of its magnitude.
        rating_va: POI rating, the curve's 100 %.
        voltage_pu: voltage expected at the POI; the curve's middle.
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
    middle_pct = 100.0 * voltage_pu
    share_pct = 100.0 * wanted_var / rating_va
    return CurveRequest(
        address=address,
        points=(
            (round(middle_pct - _SLOPE_PCT, 1), round(min(share_pct + 50.0, 100.0), 1)),
            (round(middle_pct - _FLAT_PCT, 1), round(share_pct, 1)),
            (round(middle_pct + _FLAT_PCT, 1), round(share_pct, 1)),
            (round(middle_pct + _SLOPE_PCT, 1), round(max(share_pct - 50.0, -100.0), 1)),
        ),
        reference=CurveReference.MAX_APPARENT_POWER,
    )
