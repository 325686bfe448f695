"""Sources of a microgrid: what a battery inverter and a diesel set do in one short step.

Injection is positive, W and var; simulated seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

NOMINAL_HZ = 60.0
#: Frequency droop of a source that forms the grid, Hz at its rating.
DROOP_HZ = 0.3
#: Overload an inverter rides through, as share of its rating and for how long; above at once.
_OVERLOAD, _OVERLOAD_S, _OVERLOAD_MOST = 1.05, 2.0, 1.6
#: Time constant of an inverter's set points.
_FOLLOW_S = 0.15
_EFFICIENCY = 0.96


@dataclass(slots=True)
class Battery:
    """A battery inverter that follows a live bus or forms its own.

    Attributes:
        p_max_w, s_max_va, energy_wh: ratings.
        soc_pct: state of charge.
        running: False after a trip, and while someone has switched it off.
        forming: it holds the bus.
        p_set_w, q_set_var: set points; None where not active.
        hz_set, v_set_pu: while it forms.
        power_w, reactive_power_var: present output.
    """

    p_max_w: float
    s_max_va: float
    energy_wh: float
    soc_pct: float
    running: bool = True
    forming: bool = False
    p_set_w: float | None = None
    q_set_var: float | None = None
    hz_set: float = NOMINAL_HZ
    v_set_pu: float = 1.0
    power_w: float = 0.0
    reactive_power_var: float = 0.0
    _overload_s: float = 0.0

    @property
    def able(self) -> bool:
        """Whether it can give anything."""
        return self.running and self.soc_pct > 0.5

    def follow(self, elapsed_s: float) -> None:
        """One step on a live bus: set points within rating and charge."""
        wanted_w = self.p_set_w or 0.0
        wanted_w = min(max(wanted_w, -self.p_max_w), self.p_max_w)
        if (wanted_w > 0 and self.soc_pct <= 0.5) or (wanted_w < 0 and self.soc_pct >= 99.5):
            wanted_w = 0.0
        wanted_var = self.q_set_var or 0.0
        spare_var = math.sqrt(max(self.s_max_va**2 - wanted_w**2, 0.0))
        wanted_var = min(max(wanted_var, -spare_var), spare_var)
        share = min(elapsed_s / _FOLLOW_S, 1.0)
        if not self.running:
            wanted_w = wanted_var = 0.0
            share = 1.0
        self.power_w += share * (wanted_w - self.power_w)
        self.reactive_power_var += share * (wanted_var - self.reactive_power_var)
        self._charge(elapsed_s)

    def form(self, power_w: float, reactive_power_var: float, elapsed_s: float) -> bool:
        """One step as the source of an island; False where it trips over what it has to give."""
        self.power_w, self.reactive_power_var = power_w, reactive_power_var
        self._charge(elapsed_s)
        load = max(
            math.hypot(power_w, reactive_power_var) / self.s_max_va, abs(power_w) / self.p_max_w
        )
        self._overload_s = self._overload_s + elapsed_s if load > _OVERLOAD else 0.0
        full = power_w < 0 and self.soc_pct >= 99.9
        if load > _OVERLOAD_MOST or self._overload_s > _OVERLOAD_S or full or not self.able:
            self.trip()
            return False
        return True

    def trip(self) -> None:
        """Out of service until someone resets it."""
        self.running = self.forming = False
        self.power_w = self.reactive_power_var = 0.0
        self._overload_s = 0.0

    @property
    def hz(self) -> float:
        """Frequency of the bus it forms."""
        return self.hz_set - DROOP_HZ * self.power_w / self.p_max_w

    @property
    def voltage_pu(self) -> float:
        """Voltage of the bus it forms; what is beyond its rating sags."""
        load = math.hypot(self.power_w, self.reactive_power_var) / self.s_max_va
        return (
            self.v_set_pu
            - 0.01 * self.reactive_power_var / self.s_max_va
            - 0.1 * max(load - 1.0, 0.0)
        )

    def _charge(self, elapsed_s: float) -> None:
        loss = 1.0 / _EFFICIENCY if self.power_w > 0 else _EFFICIENCY
        taken_wh = self.power_w * loss * elapsed_s / 3600.0
        self.soc_pct = min(max(self.soc_pct - 100.0 * taken_wh / self.energy_wh, 0.0), 100.0)


@dataclass(slots=True)
class Diesel:
    """A diesel set: started and synchronised by its own controls.

    Attributes:
        p_max_w, p_min_w, s_max_va: ratings.
        ready: it could be started.
        wanted: it has been told to run.
        running: it runs and its breaker is closed.
        p_set_w: with others; None leaves it to its droop.
        hz_set: where it forms the grid alone.
        start_s: from its order to a closed breaker.
        litres: fuel.
    """

    p_max_w: float
    p_min_w: float
    s_max_va: float
    start_s: float = 5.0
    ready: bool = True
    wanted: bool = False
    running: bool = False
    p_set_w: float | None = None
    hz_set: float = NOMINAL_HZ
    power_w: float = 0.0
    reactive_power_var: float = 0.0
    hz: float = NOMINAL_HZ
    litres: float = 500.0
    capacity_l: float = 500.0
    _starting_s: float = 0.0
    _overload_s: float = 0.0

    def step(self, elapsed_s: float) -> None:
        """Start, run on, or stop."""
        if not self.wanted or not self.ready:
            self.stop()
            return
        if not self.running:
            self._starting_s += elapsed_s
            if self._starting_s >= self.start_s:
                self.running, self.hz = True, self.hz_set
        self.litres = max(self.litres - self.power_w * elapsed_s / 3600.0 / 3500.0, 0.0)
        if self.litres <= 0.0:
            self.fail()

    def follow(self, hz: float, elapsed_s: float) -> None:
        """One step beside a source that holds the bus: set point, or droop without one."""
        droop_w = self.p_max_w * (NOMINAL_HZ - hz) / 3.0
        wanted_w = droop_w if self.p_set_w is None else self.p_set_w
        wanted_w = min(max(wanted_w, 0.0), self.p_max_w)
        self.power_w += min(elapsed_s / 0.8, 1.0) * (wanted_w - self.power_w)
        self.reactive_power_var, self.hz = 0.0, hz

    def form(self, power_w: float, reactive_power_var: float, elapsed_s: float) -> bool:
        """One step alone on the bus: speed swings, the governor follows; False where it trips."""
        aim = self.hz_set - DROOP_HZ * power_w / self.p_max_w
        short = max(power_w - self.p_max_w, 0.0) / self.p_max_w
        self.hz += min(elapsed_s / 0.6, 1.0) * (aim - self.hz) - 2.0 * short * elapsed_s
        self.power_w, self.reactive_power_var = power_w, reactive_power_var
        load = math.hypot(power_w, reactive_power_var) / self.s_max_va
        self._overload_s = self._overload_s + elapsed_s if load > _OVERLOAD else 0.0
        if self.hz < 57.0 or self._overload_s > 5.0 or power_w < -0.05 * self.p_max_w:
            self.stop()
            self.wanted = False
            return False
        return True

    def stop(self) -> None:
        """Breaker open, engine off."""
        self.running = False
        self.power_w = self.reactive_power_var = 0.0
        self._starting_s = self._overload_s = 0.0

    def fail(self) -> None:
        """Out of order."""
        self.ready = False
        self.stop()
