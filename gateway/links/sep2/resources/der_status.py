"""State of a DER, each part with the time (UTC s) it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import element
from gateway.links.sep2.leaves import HexBinary8, HexBinary32, PerCent, String6, TimeType, UInt8
from gateway.links.sep2.resources.base import SubscribableResource


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectStatusType:
    """Connection, a bit map: connected, available, operating, test, fault."""

    date_time: Annotated[TimeType, element("dateTime")]
    value: Annotated[HexBinary8, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectStatusType2:
    """Connection, the bit map of the 2023 edition."""

    date_time: Annotated[TimeType, element("dateTime")]
    value: Annotated[HexBinary8, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class InverterStatusType:
    """State of the inverter."""

    date_time: Annotated[TimeType, element("dateTime")]
    value: Annotated[UInt8, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalControlModeStatusType:
    """Local (0) or remote (1) control."""

    date_time: Annotated[TimeType, element("dateTime")]
    value: Annotated[UInt8, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManufacturerStatusType:
    """A word of the manufacturer's."""

    date_time: Annotated[TimeType, element("dateTime")]
    value: Annotated[String6, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationalModeStatusType:
    """Off (1), operational (2), test (3); 0 is not applicable."""

    date_time: Annotated[TimeType, element("dateTime")]
    value: Annotated[UInt8, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOfChargeStatusType:
    """State of charge, hundredths of a percent."""

    date_time: Annotated[TimeType, element("dateTime")]
    value: Annotated[PerCent, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageModeStatusType:
    """Charging (0), discharging (1), holding (2)."""

    date_time: Annotated[TimeType, element("dateTime")]
    value: Annotated[UInt8, element("value")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DERStatus(SubscribableResource):
    """State of a DER."""

    alarm_status: Annotated[HexBinary32 | None, element("alarmStatus")] = None
    connect_status: Annotated[ConnectStatusType2 | None, element("connectStatus", edition=2023)] = (
        None
    )
    gen_connect_status: Annotated[ConnectStatusType | None, element("genConnectStatus")] = None
    inverter_status: Annotated[InverterStatusType | None, element("inverterStatus")] = None
    local_control_mode_status: Annotated[
        LocalControlModeStatusType | None, element("localControlModeStatus")
    ] = None
    manufacturer_status: Annotated[ManufacturerStatusType | None, element("manufacturerStatus")] = (
        None
    )
    operational_mode_status: Annotated[
        OperationalModeStatusType | None, element("operationalModeStatus")
    ] = None
    reading_time: Annotated[TimeType, element("readingTime")]
    state_of_charge_status: Annotated[
        StateOfChargeStatusType | None, element("stateOfChargeStatus")
    ] = None
    storage_mode_status: Annotated[StorageModeStatusType | None, element("storageModeStatus")] = (
        None
    )
    stor_connect_status: Annotated[ConnectStatusType | None, element("storConnectStatus")] = None
