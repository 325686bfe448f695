"""What a device says of itself: make, state, events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import attribute, element
from gateway.links.sep2.leaves import (
    LFDI,
    HexBinary32,
    HexBinary64,
    PENType,
    PowerSourceType,
    String32,
    TimeType,
    UInt8,
    UInt16,
    UInt32,
)
from gateway.links.sep2.resources.base import Link, ListLink, Resource, SubscribableList
from gateway.links.sep2.resources.quantities import ActivePower, RealEnergy, Temperature


@dataclass(frozen=True, slots=True, kw_only=True)
class GPSLocationType:
    """Degrees north and east, decimal."""

    lat: Annotated[String32, element("lat")]
    lon: Annotated[String32, element("lon")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DRLCCapabilities:
    """What a device can do for demand response."""

    average_energy: Annotated[RealEnergy, element("averageEnergy")]
    max_demand: Annotated[ActivePower, element("maxDemand")]
    options_implemented: Annotated[HexBinary32, element("optionsImplemented")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInformation(Resource):
    """Make and model of a device."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    connection_point_id: Annotated[String32 | None, element("connectionPointID", edition=2023)] = (
        None
    )
    drlc_capabilities: Annotated[DRLCCapabilities | None, element("DRLCCapabilities")] = None
    functions_implemented: Annotated[HexBinary64 | None, element("functionsImplemented")] = None
    gps_location: Annotated[GPSLocationType | None, element("gpsLocation")] = None
    lfdi: Annotated[LFDI, element("lFDI")]
    mf_date: Annotated[TimeType, element("mfDate")]
    mf_hw_ver: Annotated[String32, element("mfHwVer")]
    mf_id: Annotated[PENType, element("mfID")]
    mf_info: Annotated[String32 | None, element("mfInfo")] = None
    mf_model: Annotated[String32, element("mfModel")]
    mf_ser_num: Annotated[String32, element("mfSerNum")]
    primary_power: Annotated[PowerSourceType, element("primaryPower")]
    secondary_power: Annotated[PowerSourceType, element("secondaryPower")]
    supported_locale_list_link: Annotated[ListLink | None, element("SupportedLocaleListLink")] = (
        None
    )
    sw_act_time: Annotated[TimeType, element("swActTime")]
    sw_ver: Annotated[String32, element("swVer")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus(Resource):
    """State of a device; ``op_time`` in s."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    changed_time: Annotated[TimeType, element("changedTime")]
    on_count: Annotated[UInt16 | None, element("onCount")] = None
    op_state: Annotated[UInt8 | None, element("opState")] = None
    op_time: Annotated[UInt32 | None, element("opTime")] = None
    temperature: Annotated[tuple[Temperature, ...], element("Temperature")] = ()
    time_link: Annotated[Link | None, element("TimeLink")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent(Resource):
    """An entry of a device's log."""

    created_date_time: Annotated[TimeType, element("createdDateTime")]
    details: Annotated[String32 | None, element("details")] = None
    extended_data: Annotated[UInt32 | None, element("extendedData")] = None
    function_set: Annotated[UInt8, element("functionSet")]
    log_event_code: Annotated[UInt8, element("logEventCode")]
    log_event_id: Annotated[UInt16, element("logEventID")]
    log_event_pen: Annotated[PENType, element("logEventPEN")]
    profile_id: Annotated[UInt8, element("profileID")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEventList(SubscribableList):
    """A device's log."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    items: Annotated[tuple[LogEvent, ...], element("LogEvent")] = ()
