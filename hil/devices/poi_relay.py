"""The relay at a microgrid's POI: fault current into it, and whether its breaker opens for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hil.devices.protection import Indicators


@dataclass(slots=True)
class PoiRelay:
    """Overcurrent with direction; currents and powers are positive into the microgrid.

    Faster than any relay of the feeder: it opens at the first step that shows the fault. It stays
    locked out until the fault is out of the microgrid.

    Attributes:
        pickup_a: phase current from which it sees a fault.
        in_service: whether it trips; its indicators and the controller's status work anyway.
        internal: the fault seen lies in the microgrid, and is not mended yet.
        tripped: the breaker was opened for it.
    """

    pickup_a: float = 200.0
    in_service: bool = True
    internal: bool = False
    tripped: bool = False
    indicators: Indicators = field(default_factory=Indicators)

    def step(self, amps: Mapping[str, float], va: Mapping[str, complex], *, faulted: bool) -> bool:
        """Look at a step.

        Args:
            amps: by phase number.
            va: P + jQ into the microgrid by phase number.
            faulted: whether the fault inside is still there, as its crew reports.

        Returns:
            Whether the breaker has to open now.
        """
        if not faulted:
            self.internal = self.tripped = False
        seen = {phase for phase, current in amps.items() if current > self.pickup_a}
        if not seen:
            return False
        self.indicators.note(seen, sum((va[phase] for phase in seen), 0j))
        self.internal = faulted and not self.indicators.reverse
        if self.internal and self.in_service:
            self.tripped = True
        return self.internal and self.in_service
