"""The set point a DER holds, in W or var, whatever it speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from hil.scenario import Scenario

#: Value of a point by id; None where it is not good.
Value = Callable[[str], float | None]


def asked(scenario: Scenario, name: str, quantity: Literal["p", "q"], value: Value) -> float | None:
    """P or Q asked of a DER and in force now; None where nothing is.

    A SunSpec inverter holds it in W or var; a DER of the DNP3 DER profile in % of its ratings, and
    says so at inputs beside its outputs; a 2030.5 inverter in % of its settings; the microgrid's
    controller shows what it holds.
    """
    der = scenario.ders[name]
    if der.kind == "microgrid":
        held, on, full = f"{name}.held_{quantity}", f"{name}.held_{quantity}_active", 1.0
    elif name in scenario.dnp3:
        held, on = f"{name}.{quantity}_set_held", f"{name}.{quantity}_set_on"
        full = (der.p_max_w if quantity == "p" else der.q_max_var) / 100
    else:
        held, on, full = f"{name}.{quantity}_set", f"{name}.{quantity}_set_ena", 1.0
        if name in scenario.csip:
            full = (der.p_max_w if quantity == "p" else der.q_max_var) / 100
    present = value(held)
    return present * full if value(on) and present is not None else None
