"""What stands behind the microgrid's POI: PV, battery and load, and what they can do together.

Signs: PV and discharge positive, load positive as consumption, POI export positive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hil.scenario import Der, Microgrid

#: State of charge kept while connected, and while islanded.
SOC_CONNECTED, SOC_ISLANDED = 0.40, 0.10
SOC_FULL = 0.98
#: Slew of real and reactive power, VA a simulated second.
SLEW_VA_S = 100e3
EFFICIENCY = 0.95


@dataclass(frozen=True, slots=True)
class Bounds:
    """Capability at the POI: W and var."""

    p_min: float
    p_max: float
    q_min: float
    q_max: float


@dataclass(slots=True)
class Assets:
    """PV, battery and load.

    Attributes:
        soc: state of charge, 0..1.
        pv_available_w: what the sun gives.
        pv_w, battery_w: what is produced now.
        reactive_power_var: of the inverters together.
    """

    poi: Der
    behind: Microgrid
    soc: float = field(init=False)
    pv_available_w: float = 0.0
    pv_w: float = 0.0
    battery_w: float = 0.0
    reactive_power_var: float = 0.0
    _started: bool = False

    def __post_init__(self) -> None:
        self.soc = self.poi.soc_pct / 100

    def see_sun(self, share: float) -> None:
        """Take the irradiance, 0..1; at first sight PV is already producing."""
        self.pv_available_w = share * self.behind.pv_w
        if not self._started:
            self._started = True
            self.pv_w = self.pv_available_w

    @property
    def poi_w(self) -> float:
        """Real power at the POI while the breaker is closed."""
        return self.pv_w + self.battery_w - self.behind.load_w

    @property
    def poi_var(self) -> float:
        """Reactive power at the POI while the breaker is closed."""
        return self.reactive_power_var - self.behind.load_var

    def nameplate(self) -> Bounds:
        """Installed capability at the POI."""
        rating = self.poi.s_max_va
        top = self.behind.pv_w + self.behind.battery_w - self.behind.load_w
        bottom = -self.behind.battery_w - self.behind.load_w
        return Bounds(
            max(bottom, -rating), min(top, rating), -self.poi.q_max_var, self.poi.q_max_var
        )

    def battery_bounds_w(self, soc_floor: float) -> tuple[float, float]:
        """Charge and discharge the state of charge allows."""
        low = 0.0 if self.soc >= SOC_FULL else -self.behind.battery_w
        high = 0.0 if self.soc <= soc_floor else self.behind.battery_w
        return low, high

    def capability(self, soc_floor: float) -> Bounds:
        """Capability at the POI now: sun, state of charge and the inverters' headroom."""
        low, high = self.battery_bounds_w(soc_floor)
        rating = self.poi.s_max_va
        p_min = max(low - self.behind.load_w, -rating)
        p_max = min(self.pv_available_w + high - self.behind.load_w, rating)
        q_inverter = math.sqrt(
            max(self.behind.inverter_va**2 - (self.pv_w + self.battery_w) ** 2, 0.0)
        )
        q_poi = min(math.sqrt(max(rating**2 - self.poi_w**2, 0.0)), self.poi.q_max_var)
        return Bounds(
            p_min,
            p_max,
            max(-q_inverter - self.behind.load_var, -q_poi),
            min(q_inverter - self.behind.load_var, q_poi),
        )

    def follow(self, poi_w: float, poi_var: float, soc_floor: float, elapsed_s: float) -> None:
        """Move towards POI powers: battery first, PV curtailed for the rest; slewed.

        Args:
            poi_w: wanted at the POI.
            poi_var: wanted at the POI.
            soc_floor: below it the battery does not discharge.
            elapsed_s: simulated seconds.
        """
        low, high = self.battery_bounds_w(soc_floor)
        net_w = poi_w + self.behind.load_w
        battery_w = min(max(net_w - self.pv_available_w, low), high)
        pv_w = min(max(net_w - battery_w, 0.0), self.pv_available_w)
        reach = SLEW_VA_S * elapsed_s
        self.battery_w = min(max(_towards(self.battery_w, battery_w, reach), low), high)
        self.pv_w = min(_towards(self.pv_w, pv_w, reach), self.pv_available_w)
        wanted_var = poi_var + self.behind.load_var
        self.reactive_power_var = _towards(self.reactive_power_var, wanted_var, reach)
        self._charge(elapsed_s)

    def form_grid(self, elapsed_s: float) -> bool:
        """Islanded: the battery takes what PV and load leave, at once.

        Returns:
            Whether the load is carried.
        """
        low, high = self.battery_bounds_w(SOC_ISLANDED)
        load_w = self.behind.load_w
        self.pv_w = min(self.pv_available_w, load_w - low)
        self.battery_w = min(max(load_w - self.pv_w, low), high)
        self.reactive_power_var = self.behind.load_var
        self._charge(elapsed_s)
        return self.pv_w + self.battery_w >= load_w - 1.0

    def stop(self) -> None:
        """Nothing is produced: a fault inside, and the POI open."""
        self.pv_w = self.battery_w = self.reactive_power_var = 0.0

    def _charge(self, elapsed_s: float) -> None:
        factor = 1.0 if self.battery_w > 0 else EFFICIENCY
        used = self.battery_w * factor * elapsed_s / 3600 / self.poi.energy_wh
        self.soc = min(max(self.soc - used, 0.0), 1.0)


def _towards(present: float, wanted: float, reach: float) -> float:
    return present + min(max(wanted - present, -reach), reach)
