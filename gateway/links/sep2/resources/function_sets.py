"""Where a client starts: the entry point and the function sets assigned to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import attribute, element
from gateway.links.sep2.leaves import (
    MRIDType,
    String32,
    TimeOffsetType,
    TimeType,
    UInt8,
    UInt32,
    VersionType,
)
from gateway.links.sep2.resources.base import Link, ListLink, Resource, SubscribableList


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSetAssignmentsBase(Resource):
    """The function sets a device is to use."""

    customer_account_list_link: Annotated[ListLink | None, element("CustomerAccountListLink")] = (
        None
    )
    demand_response_program_list_link: Annotated[
        ListLink | None, element("DemandResponseProgramListLink")
    ] = None
    der_program_list_link: Annotated[ListLink | None, element("DERProgramListLink")] = None
    file_list_link: Annotated[ListLink | None, element("FileListLink")] = None
    messaging_program_list_link: Annotated[ListLink | None, element("MessagingProgramListLink")] = (
        None
    )
    prepayment_list_link: Annotated[ListLink | None, element("PrepaymentListLink")] = None
    response_set_list_link: Annotated[ListLink | None, element("ResponseSetListLink")] = None
    tariff_profile_list_link: Annotated[ListLink | None, element("TariffProfileListLink")] = None
    time_link: Annotated[Link | None, element("TimeLink")] = None
    usage_point_list_link: Annotated[ListLink | None, element("UsagePointListLink")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCapability(FunctionSetAssignmentsBase):
    """The entry point of a server, usually ``/dcap``; ``poll_rate`` in s."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    end_device_list_link: Annotated[ListLink | None, element("EndDeviceListLink")] = None
    mirror_usage_point_list_link: Annotated[
        ListLink | None, element("MirrorUsagePointListLink")
    ] = None
    self_device_link: Annotated[Link | None, element("SelfDeviceLink")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSetAssignments(FunctionSetAssignmentsBase):
    """One group of function sets assigned to a device."""

    subscribable: Annotated[UInt8 | None, attribute("subscribable")] = None
    mrid: Annotated[MRIDType, element("mRID")]
    description: Annotated[String32 | None, element("description")] = None
    version: Annotated[VersionType | None, element("version")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSetAssignmentsList(SubscribableList):
    """The groups of function sets assigned to a device."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    items: Annotated[tuple[FunctionSetAssignments, ...], element("FunctionSetAssignments")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Time(Resource):
    """The server's time, UTC s; offsets in s."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    current_time: Annotated[TimeType, element("currentTime")]
    dst_end_time: Annotated[TimeType, element("dstEndTime")]
    dst_offset: Annotated[TimeOffsetType, element("dstOffset")]
    dst_start_time: Annotated[TimeType, element("dstStartTime")]
    local_time: Annotated[TimeType | None, element("localTime")] = None
    quality: Annotated[UInt8, element("quality")]
    tz_offset: Annotated[TimeOffsetType, element("tzOffset")]
