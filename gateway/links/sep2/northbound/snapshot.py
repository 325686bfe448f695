"""What a device tells of itself, as documents. Pure.

What is not known is not told: a value that is old or bad never goes out as a live one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.links.sep2.resources import (
    ActivePower,
    DERAvailability,
    DERCapability,
    DERSettings,
    DERStatus,
    DeviceInformation,
    ReactivePower,
)
from gateway.links.sep2.resources.der_status import (
    ConnectStatusType,
    InverterStatusType,
    OperationalModeStatusType,
    StateOfChargeStatusType,
)

#: Bits of ConnectStatusType.
_CONNECTED, _AVAILABLE, _OPERATING, _FAULT = 0x01, 0x02, 0x04, 0x10
#: InverterStatusType and OperationalModeStatusType.
_NOT_APPLICABLE, _OFF, _OPERATIONAL = 0, 1, 2
_WHOLE_PERCENT = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A device now; None is what is not known, or not good.

    Generation and injection are positive, seen from the DER.

    Attributes:
        reachable: whether the site has contact with it at all.
        power_w, reactive_power_var: at its terminals.
        voltage_v: RMS.
        frequency_hz: of the voltage.
        available_w, available_var: what it could give now.
        soc_percent: state of charge.
        connected: to the grid.
        operating: whether it runs.
        alarm_status: bit map of the standard's DERStatus.
        capability, settings, information: as they are; posted when they change.
    """

    reachable: bool = True
    power_w: float | None = None
    reactive_power_var: float | None = None
    voltage_v: float | None = None
    frequency_hz: float | None = None
    available_w: float | None = None
    available_var: float | None = None
    soc_percent: float | None = None
    connected: bool | None = None
    operating: bool | None = None
    alarm_status: int | None = None
    capability: DERCapability | None = None
    settings: DERSettings | None = None
    information: DeviceInformation | None = None


def known(value: float | None) -> float | None:
    """A value that can be told; None where it is no number."""
    return value if value is not None and math.isfinite(value) else None


def status_of(snapshot: Snapshot, now: int) -> DERStatus:
    """The DERStatus at ``now`` (UTC s).

    Of a device without contact nothing is known but that: its genConnectStatus has the fault bit
    and no other, its state is not applicable.
    """
    if not snapshot.reachable:
        return DERStatus(
            gen_connect_status=ConnectStatusType(date_time=now, value=_FAULT),
            inverter_status=InverterStatusType(date_time=now, value=_NOT_APPLICABLE),
            operational_mode_status=OperationalModeStatusType(date_time=now, value=_NOT_APPLICABLE),
            reading_time=now,
        )
    connect = None
    if snapshot.connected is not None:
        bits = _AVAILABLE | (_CONNECTED if snapshot.connected else 0)
        bits |= _OPERATING if snapshot.operating else 0
        connect = ConnectStatusType(date_time=now, value=bits)
    mode = None
    if snapshot.operating is not None:
        value = _OPERATIONAL if snapshot.operating else _OFF
        mode = OperationalModeStatusType(date_time=now, value=value)
    charge = None
    if (soc := known(snapshot.soc_percent)) is not None and 0 <= soc <= _WHOLE_PERCENT:
        charge = StateOfChargeStatusType(date_time=now, value=round(soc * 100))
    return DERStatus(
        alarm_status=snapshot.alarm_status,
        gen_connect_status=connect,
        operational_mode_status=mode,
        reading_time=now,
        state_of_charge_status=charge,
    )


def availability_of(snapshot: Snapshot, now: int) -> DERAvailability | None:
    """The DERAvailability at ``now`` (UTC s); None where nothing of it is known."""
    watts, vars_ = known(snapshot.available_w), known(snapshot.available_var)
    if not snapshot.reachable or (watts is None and vars_ is None):
        return None
    return DERAvailability(
        reading_time=now,
        stat_var_avail=None if vars_ is None else ReactivePower.of(vars_),
        stat_w_avail=None if watts is None else ActivePower.of(watts),
    )
