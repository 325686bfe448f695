"""What awareness looks at: the feeder's controls, DERs and meters, bound to points."""

from __future__ import annotations

from dataclasses import dataclass

#: An element of the model and the point that shows it.
Binding = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Injection:
    """A DER, or a group at its connection.

    Attributes:
        power, reactive_power: points whose sum is its injection, W and var.
    """

    element: str
    power: tuple[str, ...]
    reactive_power: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AwarenessConfig:
    """Bindings, band and bounds.

    Attributes:
        taps, capacitors, switches: element and the point with its position; 1 is closed.
        voltages: node of the model and the point with its voltage, pu.
        head_p, head_q: points of the head's flow by phase 1, 2, 3; empty where not metered.
        excluded_buses: buses whose voltage is not the feeder's to hold.
        headroom_per_cycle: buses whose headroom is found in one step, in turn.
    """

    taps: tuple[Binding, ...] = ()
    capacitors: tuple[Binding, ...] = ()
    switches: tuple[Binding, ...] = ()
    injections: tuple[Injection, ...] = ()
    voltages: tuple[Binding, ...] = ()
    head_p: tuple[str, ...] = ()
    head_q: tuple[str, ...] = ()
    excluded_buses: tuple[str, ...] = ("sourcebus",)
    voltage_min_pu: float = 0.95
    voltage_max_pu: float = 1.05
    headroom_per_cycle: int = 4
