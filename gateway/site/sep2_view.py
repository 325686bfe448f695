"""What a group says of itself as the utility's IEEE 2030.5 EndDevice: only what is good now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from gateway.groups.backend import PointGroup
from gateway.groups.messages import Quantity
from gateway.links.sep2.client import Snapshot
from gateway.links.sep2.resources import (
    ActivePower,
    ApparentPower,
    DERCapability,
    DERSettings,
    ReactivePower,
)
from gateway.model.clock import Clock
from gateway.model.der import Range

#: ``DERType``: virtual or mixed DER.
_MIXED = 1
_CHARGE, _DISCHARGE = 1 << 0, 1 << 1
#: Roles a member needs, to the bits of ``DERControlType`` they stand for.
_MODE_BITS: Mapping[tuple[str, ...], int] = MappingProxyType(
    {
        ("connect",): 1 << 2 | 1 << 3,  # opModConnect, opModEnergize
        ("disconnect",): 1 << 2 | 1 << 3,
        ("pf_set", "pf_enable"): 1 << 5,  # opModFixedPFInjectW
        ("q_set", "q_enable"): 1 << 6 | 1 << 21,  # opModFixedVar, opModTargetVar
        ("p_set", "p_enable"): 1 << 7 | 1 << 22,  # opModFixedW, opModTargetW
        ("limit", "limit_enable"): 1 << 20,  # opModMaxLimW
        ("curve_enable", "curve_v1", "curve_q1"): 1 << 23,  # opModVoltVar
    }
)


@dataclass(slots=True)
class UtilityView:
    """The documents of one group.

    Args:
        group: its points.
        clock: says when settings changed.
    """

    group: PointGroup
    clock: Clock
    _settings: DERSettings | None = field(default=None)

    def snapshot(self) -> Snapshot:
        """What is known now; what is not good is not told."""
        values = {quantity: self._good(quantity) for quantity in _SHOWN}
        power = self.group.ranges(Quantity.ACTIVE_POWER)
        reactive = self.group.ranges(Quantity.REACTIVE_POWER)
        connected = values[Quantity.CONNECTED]
        known = values[Quantity.ACTIVE_POWER]
        rated_w = None if power is None else power.nameplate
        rated_var = None if reactive is None else reactive.nameplate
        return Snapshot(
            reachable=bool(self.group.look().online.any()),
            power_w=known,
            reactive_power_var=values[Quantity.REACTIVE_POWER],
            voltage_v=values[Quantity.VOLTAGE] if len(self.group.views) == 1 else None,
            frequency_hz=values[Quantity.FREQUENCY],
            available_w=None if power is None or power.now is None else power.now.maximum,
            available_var=None
            if reactive is None or reactive.now is None
            else reactive.now.maximum,
            soc_percent=values[Quantity.STATE_OF_CHARGE],
            connected=None if connected is None else bool(connected),
            operating=None if known is None else True,
            capability=self._capability(rated_w, rated_var),
            settings=self._set(rated_w, rated_var),
        )

    def _good(self, quantity: Quantity) -> float | None:
        present = self.group.present(quantity)
        return present.value if present.good else None

    def _rated_va(self) -> float | None:
        entry = self.group.ranges(Quantity.APPARENT_POWER)
        return None if entry is None or entry.nameplate is None else entry.nameplate.maximum

    def _capability(self, power: Range | None, reactive: Range | None) -> DERCapability | None:
        rated_va = self._rated_va()
        if power is None or reactive is None or rated_va is None:
            return None
        charges = power.minimum < 0
        return DERCapability(
            modes_supported=self._modes() | (_CHARGE | _DISCHARGE if charges else 0),
            rtg_max_charge_rate_w=ActivePower.of(-power.minimum) if charges else None,
            rtg_max_va=ApparentPower.of(rated_va),
            rtg_max_var=ReactivePower.of(reactive.maximum),
            rtg_max_var_neg=ReactivePower.of(reactive.minimum),
            rtg_max_w=ActivePower.of(power.maximum),
            type=_MIXED,
        )

    def _set(self, power: Range | None, reactive: Range | None) -> DERSettings | None:
        """Settings are the nameplates: what 100 % of a control means here."""
        rated_va = self._rated_va()
        if power is None or reactive is None or rated_va is None:
            return None
        charges = power.minimum < 0
        settings = DERSettings(
            set_grad_w=0,
            set_max_charge_rate_w=ActivePower.of(-power.minimum) if charges else None,
            set_max_va=ApparentPower.of(rated_va),
            set_max_var=ReactivePower.of(reactive.maximum),
            set_max_var_neg=ReactivePower.of(reactive.minimum),
            set_max_w=ActivePower.of(power.maximum),
            updated_time=self.clock.utc_ms() // 1000,
        )
        before = self._settings
        if before is None or replace(settings, updated_time=before.updated_time) != before:
            self._settings = settings
        return self._settings

    def _modes(self) -> int:
        """Modes that any member has: the group does its best with those."""
        bits = 0
        for view in self.group.views.values():
            for roles, own in _MODE_BITS.items():
                bits |= own if view.der.has(*roles) else 0
        return bits


_SHOWN = (
    Quantity.ACTIVE_POWER,
    Quantity.REACTIVE_POWER,
    Quantity.VOLTAGE,
    Quantity.FREQUENCY,
    Quantity.STATE_OF_CHARGE,
    Quantity.CONNECTED,
)
