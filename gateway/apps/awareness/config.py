"""What awareness looks at: the feeder's controls, DERs and meters, bound to points."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.grid.observe import Bindings


@dataclass(frozen=True, slots=True)
class AwarenessConfig:
    """Bindings, band and bounds.

    Attributes:
        bindings: what measures the feeder.
        excluded_buses: buses whose voltage is not the feeder's to hold.
        headroom_per_cycle: buses whose headroom is found in one step, in turn.
    """

    bindings: Bindings = field(default_factory=Bindings)
    excluded_buses: tuple[str, ...] = ("sourcebus",)
    voltage_min_pu: float = 0.95
    voltage_max_pu: float = 1.05
    headroom_per_cycle: int = 4
