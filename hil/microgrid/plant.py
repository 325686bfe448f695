"""The microgrid's bus: who holds it, what flows through the POI, frequency, voltage and angle.

Quasi-static in power, dynamic in what an operator would see: droop, the set's speed, ramps,
overloads, state of charge, and the angle between both sides of an open POI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hil.microgrid.relay import PoiRelay, Sides
from hil.microgrid.sources import NOMINAL_HZ, Battery, Diesel

#: Longest step the dynamics are good for, simulated seconds.
STEP_S = 0.02
#: How long an inverter stays on a bus without voltage.
_RIDE_THROUGH_S = 0.5


@dataclass(slots=True)
class Load:
    """A feeder of loads; power at nominal voltage."""

    name: str
    p_w: float
    q_var: float
    closed: bool = True


@dataclass(frozen=True, slots=True)
class Grid:
    """The utility's side of the POI."""

    voltage_pu: float = 1.0
    hz: float = NOMINAL_HZ


@dataclass(frozen=True, slots=True)
class Injection:
    """What a device beside battery and set injects, W and var: PV, a DER group."""

    power_w: float = 0.0
    reactive_power_var: float = 0.0


@dataclass(slots=True)
class MicrogridPlant:
    """A microgrid, stepped.

    Attributes:
        battery, diesel: sources that can hold a bus; None without one.
        loads: by name.
        relay: POI breaker.
        bus_pu, bus_hz, angle_deg: the bus; 0 where it is dead.
        poi_w, poi_var: through the POI; export positive.
        energised: times a dead bus was energised; live_energised: times a source was put onto a
            live bus as if it were dead.
    """

    battery: Battery | None
    diesel: Diesel | None
    loads: dict[str, Load]
    relay: PoiRelay = field(default_factory=PoiRelay)
    time_s: float = 0.0
    bus_pu: float = 1.0
    bus_hz: float = NOMINAL_HZ
    angle_deg: float = 0.0
    poi_w: float = 0.0
    poi_var: float = 0.0
    energised: int = 0
    live_energised: int = 0
    _live_at_s: float = 0.0

    @property
    def _lately_live(self) -> bool:
        """Whether the bus was alive lately: an inverter rides through a sag, not an outage."""
        return self.time_s - self._live_at_s < _RIDE_THROUGH_S

    def sides(self, grid: Grid) -> Sides:
        """Both sides of the POI breaker."""
        return Sides(grid.voltage_pu, grid.hz, self.bus_pu, self.bus_hz, self.angle_deg)

    def form(self, *, wanted: bool) -> bool:
        """The battery's order to form the grid, or to follow; False where it refuses.

        It energises a dead bus only; a live one it does not form, it cannot.
        """
        battery = self.battery
        if battery is None or not battery.able:
            return False
        if not wanted:
            if battery.forming and not self.relay.closed:
                self._black()
            battery.forming = False
            return True
        if battery.forming:
            return True
        if self.bus_pu > 0.05:
            self.live_energised += 1
            return False
        battery.forming = True
        self.energised += 1
        return True

    def step(self, grid: Grid, others: Mapping[str, Injection], elapsed_s: float) -> None:
        """Advance; ``others`` inject only into a live bus."""
        left_s = elapsed_s
        while left_s > 1e-9:
            step_s = min(left_s, STEP_S)
            self._step(grid, others, step_s)
            left_s -= step_s

    def _step(self, grid: Grid, others: Mapping[str, Injection], elapsed_s: float) -> None:
        was_closed = self.relay.closed
        if self.bus_pu > 0.5:
            self._live_at_s = self.time_s
        self.time_s += elapsed_s
        self.relay.step(self.sides(grid), self.time_s, elapsed_s)
        if self.diesel is not None:
            ran = self.diesel.running
            self.diesel.step(elapsed_s)
            if self.diesel.running and not ran and self.bus_pu < 0.05:
                self.energised += 1
                self.bus_pu, self.bus_hz = 1.0, self.diesel.hz
        if self.relay.closed:
            self._connected(grid, others, elapsed_s)
        else:
            if was_closed and self.battery is not None and self.battery.able and self._lately_live:
                self.battery.forming = True  # its own contact of the POI tells it at once
            self._islanded(grid, others, elapsed_s)

    def _connected(self, grid: Grid, others: Mapping[str, Injection], elapsed_s: float) -> None:
        self.bus_pu, self.bus_hz, self.angle_deg = grid.voltage_pu, grid.hz, 0.0
        if self.battery is not None:
            self.battery.forming = False
            self.battery.follow(elapsed_s)
        if self.diesel is not None and self.diesel.running:
            self.diesel.follow(self.bus_hz, elapsed_s)
        live = grid.voltage_pu > 0.5
        given_w, given_var = self._given(others) if live else (0.0, 0.0)
        load_w, load_var = self.load()
        self.poi_w, self.poi_var = given_w - load_w, given_var - load_var

    def _islanded(self, grid: Grid, others: Mapping[str, Injection], elapsed_s: float) -> None:
        self.poi_w = self.poi_var = 0.0
        if not self._hold(others, elapsed_s):
            self._black()
            return
        slip_deg = 360.0 * (self.bus_hz - grid.hz) * elapsed_s
        self.angle_deg = (self.angle_deg + slip_deg + 180.0) % 360.0 - 180.0

    def _hold(self, others: Mapping[str, Injection], elapsed_s: float) -> bool:
        """Whether someone holds the bus through this step."""
        battery, diesel = self.battery, self.diesel
        other_w = sum(one.power_w for one in others.values()) if self.bus_pu > 0.5 else 0.0
        other_var = sum(one.reactive_power_var for one in others.values())
        if battery is not None and battery.forming:
            self.bus_pu, self.bus_hz = battery.voltage_pu, battery.hz
            if diesel is not None and diesel.running:
                diesel.follow(self.bus_hz, elapsed_s)
                other_w += diesel.power_w
            load_w, load_var = self.load()
            if battery.form(load_w - other_w, load_var - other_var, elapsed_s):
                return True
            if diesel is not None and diesel.running:
                other_w -= diesel.power_w
        if diesel is not None and diesel.running:
            self.bus_pu, self.bus_hz = 1.0, diesel.hz
            if battery is not None and battery.running:
                battery.forming = False
                battery.follow(elapsed_s)
                other_w += battery.power_w
                other_var += battery.reactive_power_var
            load_w, load_var = self.load()
            return diesel.form(load_w - other_w, load_var - other_var, elapsed_s)
        return False

    def load(self) -> tuple[float, float]:
        """Load that is supplied, W and var; impedances at the bus voltage."""
        share = self.bus_pu**2
        served = [load for load in self.loads.values() if load.closed]
        return share * sum(x.p_w for x in served), share * sum(x.q_var for x in served)

    def _given(self, others: Mapping[str, Injection]) -> tuple[float, float]:
        power_w = sum(one.power_w for one in others.values())
        reactive_var = sum(one.reactive_power_var for one in others.values())
        for source in (self.battery, self.diesel):
            if source is not None and source.running:
                power_w += source.power_w
                reactive_var += source.reactive_power_var
        return power_w, reactive_var

    def _black(self) -> None:
        """Nobody holds the bus."""
        self.bus_pu = self.bus_hz = self.angle_deg = 0.0
        if self.battery is not None:
            self.battery.forming = False
            self.battery.power_w = self.battery.reactive_power_var = 0.0
        if self.diesel is not None and self.diesel.running:
            self.diesel.stop()
            self.diesel.wanted = False
