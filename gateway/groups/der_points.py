"""A DER or a microgrid controller seen through the roles its points play."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.model.der import Capability, Range
from gateway.model.reader import PointReader

#: A limit within this share of what is injected is what holds it.
LIMIT_BITES = 0.03


@dataclass(frozen=True, slots=True)
class DerPoints:
    """Which point plays which role; role names as in the device profile's ``[der]``.

    Attributes:
        name: the device.
        points: role to point id.
        units: role to engineering unit; set points in ``pct`` are of the rating.
        presets: role to (point id, value) pairs written before that role's point.
    """

    name: str
    points: Mapping[str, str]
    units: Mapping[str, str] = field(default_factory=dict)
    presets: Mapping[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)

    def has(self, *roles: str) -> bool:
        """Whether every role is played by some point."""
        return all(role in self.points for role in roles)


@dataclass(frozen=True, slots=True)
class DerView:
    """Present values of one DER by role. Only good values come out."""

    der: DerPoints
    reader: PointReader

    def value(self, role: str) -> float | None:
        """The value of a role where it may be used, else None."""
        point = self.der.points.get(role)
        if point is None or point not in self.reader:
            return None
        measurement = self.reader[point]
        return measurement.value if measurement.is_good else None

    def time_ms(self, role: str) -> int:
        """Source time of a role's value, UTC ms; 0 where there is none."""
        point = self.der.points.get(role)
        return 0 if point is None or point not in self.reader else self.reader[point].time_ms

    @property
    def online(self) -> bool:
        """Whether its power can be read now."""
        return self.value("p") is not None and self.value("q") is not None

    @property
    def islanded(self) -> bool:
        """Whether it is a microgrid whose POI is open (or not known to be closed)."""
        if self.der.has("islanded"):
            return self.value("islanded") == 1.0
        return self.der.has("disconnect") and self.value("connected") != 1.0

    @property
    def is_limited(self) -> bool:
        """Whether a limit or a set point of real power, rather than its source, holds it now."""
        if self.value("p_enable") == 1.0:
            return True
        power_w, limit = self.value("p"), self.value("limit")
        if power_w is None or limit is None or self.value("limit_enable") != 1.0:
            return False
        if self.der.units.get("limit") == "pct":
            rating_w = self.value("p_setting") or self.value("p_rated_max")
            limit = math.nan if rating_w is None else limit * rating_w / 100.0
        # below nothing it is a limit of import
        return limit >= 0.0 and power_w >= (1.0 - LIMIT_BITES) * limit

    def nameplate(self) -> Capability | None:
        """Installed capability; None while the ratings have not been read."""
        rating_va = self.value("s_rated")
        p_max = self.value("p_rated_max")
        q_max = self.value("q_rated_max")
        if rating_va is None or p_max is None or q_max is None:
            return None
        p_min = self.value("p_rated_min")
        if p_min is None:  # SunSpec states how much a storage charges as a positive rating
            p_min = -(self.value("p_charge_rated") or 0.0)
        q_min = self.value("q_rated_min")
        if q_min is None:
            absorbed = self.value("q_absorb_rated")
            q_min = -(q_max if absorbed is None else absorbed)
        return Capability(Range(p_min, p_max), Range(q_min, q_max), rating_va)

    def now(self) -> Capability | None:
        """Capability now: as the device says, else from ratings and present output."""
        plate = self.nameplate()
        power = self.value("p")
        if plate is None or power is None:
            return None
        told_p, told_q = self._told("p_now"), self._told("q_now")
        spare = math.sqrt(max(plate.apparent_power_va**2 - power**2, 0.0))
        reactive = Range(
            max(plate.reactive_power_var.minimum, -spare),
            min(plate.reactive_power_var.maximum, spare),
        )
        return Capability(
            told_p or self._power_now(plate, power), told_q or reactive, plate.apparent_power_va
        )

    def _told(self, stem: str) -> Range | None:
        low, high = self.value(f"{stem}_min"), self.value(f"{stem}_max")
        return None if low is None or high is None or low > high else Range(low, high)

    def _power_now(self, plate: Capability, power: float) -> Range:
        """A generator held by nobody already gives what its source has; storage has its rating."""
        if plate.power_w.minimum < 0:
            return plate.power_w
        held = self.value("p_enable") == 1.0 or self.value("limit_enable") == 1.0
        most = plate.power_w.maximum if held else min(max(power, 0.0), plate.power_w.maximum)
        return Range(plate.power_w.minimum, most)
