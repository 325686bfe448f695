"""The POI breaker's relay: trips on a bad grid, checks before it closes, two settings groups."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Grid-side trips of the connected settings: below this voltage or frequency for so long.
_UNDER_PU, _UNDER_HZ, _TRIP_S = 0.5, 57.0, 0.16
_CLOSE_S, _OPEN_S = 0.08, 0.05
_DEAD_PU, _LIVE_PU = 0.05, 0.9
#: Sync check up to 500 kVA (IEEE 1547; edition not verified).
SYNC_HZ, SYNC_PU, SYNC_DEG = 0.3, 0.10, 20.0
CONNECTED, ISLANDED = 1, 2


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of the breaker: pu, Hz; the bus's angle ahead of the grid, degrees."""

    grid_pu: float
    grid_hz: float
    bus_pu: float
    bus_hz: float
    angle_deg: float

    @property
    def in_sync(self) -> bool:
        """Whether the breaker may close: in step, or a live line onto a dead bus."""
        if self.grid_pu < _LIVE_PU:
            return False
        if self.bus_pu < _DEAD_PU:
            return True
        return (
            abs(self.bus_hz - self.grid_hz) <= SYNC_HZ
            and abs(self.bus_pu - self.grid_pu) <= SYNC_PU
            and abs(self.angle_deg) <= SYNC_DEG
        )


@dataclass(frozen=True, slots=True)
class Closing:
    """What a closing breaker met: differences bus less grid, and whether the bus was dead."""

    time_s: float
    hz: float
    voltage_pu: float
    angle_deg: float
    dead_bus: bool


@dataclass(slots=True)
class PoiRelay:
    """Breaker and relay.

    Attributes:
        closed: the contact.
        settings: active settings group.
        check: the sync check is in force; a bench may take it out to see what a controller does.
        closings: what each closing met, oldest first.
    """

    closed: bool = True
    tripped: bool = False
    settings: int = CONNECTED
    check: bool = True
    operations: int = 0
    refused: int = 0
    closings: list[Closing] = field(default_factory=list)
    _bad_s: float = 0.0
    _moving: float | None = None
    _aim: bool = True

    def command(self, *, close: bool, sides: Sides) -> bool:
        """Take an order; False where the sync check refuses it."""
        if close and not self.closed and self.check and not sides.in_sync:
            self.refused += 1
            return False
        if close != self.closed and self._moving is None:
            self._aim, self._moving = close, _CLOSE_S if close else _OPEN_S
        return True

    def step(self, sides: Sides, time_s: float, elapsed_s: float) -> None:
        """Protection and the breaker's own time."""
        if self.closed and self.settings == CONNECTED:
            bad = sides.grid_pu < _UNDER_PU or sides.grid_hz < _UNDER_HZ
            self._bad_s = self._bad_s + elapsed_s if bad else 0.0
            if self._bad_s >= _TRIP_S:
                self.tripped, self._moving = True, None
                self._operate(closed=False, sides=sides, time_s=time_s)
        if self._moving is not None:
            self._moving -= elapsed_s
            if self._moving <= 0:
                self._moving = None
                self._operate(closed=self._aim, sides=sides, time_s=time_s)

    def _operate(self, *, closed: bool, sides: Sides, time_s: float) -> None:
        self.closed, self._bad_s = closed, 0.0
        self.operations += 1
        if closed:
            self.tripped = False
            self.closings.append(
                Closing(
                    time_s=time_s,
                    hz=sides.bus_hz - sides.grid_hz,
                    voltage_pu=sides.bus_pu - sides.grid_pu,
                    angle_deg=sides.angle_deg,
                    dead_bus=sides.bus_pu < _DEAD_PU,
                )
            )
