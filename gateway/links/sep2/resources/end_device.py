"""Devices as a server knows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import CSIP_AUS, attribute, element
from gateway.links.sep2.leaves import (
    LFDI,
    AggregationDistributionType,
    Boolean,
    DeviceCategoryType,
    PhaseCode,
    PINType,
    SFDIType,
    TimeType,
    UInt32,
)
from gateway.links.sep2.resources.base import (
    Link,
    ListLink,
    Resource,
    SubscribableList,
    SubscribableResource,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbstractDevice(SubscribableResource):
    """What devices have in common."""

    aggregated_device_list_link: Annotated[
        ListLink | None, element("AggregatedDeviceListLink", edition=2023)
    ] = None
    aggregation_priority_link: Annotated[
        Link | None, element("AggregationPriorityLink", edition=2023)
    ] = None
    configuration_link: Annotated[Link | None, element("ConfigurationLink")] = None
    der_list_link: Annotated[ListLink | None, element("DERListLink")] = None
    device_category: Annotated[DeviceCategoryType | None, element("deviceCategory")] = None
    device_information_link: Annotated[Link | None, element("DeviceInformationLink")] = None
    device_status_link: Annotated[Link | None, element("DeviceStatusLink")] = None
    distribution: Annotated[
        AggregationDistributionType | None, element("distribution", edition=2023)
    ] = None
    file_status_link: Annotated[Link | None, element("FileStatusLink")] = None
    ip_interface_list_link: Annotated[ListLink | None, element("IPInterfaceListLink")] = None
    lfdi: Annotated[LFDI | None, element("lFDI")] = None
    load_shed_availability_list_link: Annotated[
        ListLink | None, element("LoadShedAvailabilityListLink")
    ] = None
    log_event_list_link: Annotated[ListLink | None, element("LogEventListLink")] = None
    phase: Annotated[PhaseCode | None, element("phase", edition=2023)] = None
    power_status_link: Annotated[Link | None, element("PowerStatusLink")] = None
    sfdi: Annotated[SFDIType, element("sFDI")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalDevice(AbstractDevice):
    """What devices other than the server have in common; ``post_rate`` in s."""

    changed_time: Annotated[TimeType, element("changedTime")]
    enabled: Annotated[Boolean | None, element("enabled")] = None
    flow_reservation_request_list_link: Annotated[
        ListLink | None, element("FlowReservationRequestListLink")
    ] = None
    flow_reservation_response_list_link: Annotated[
        ListLink | None, element("FlowReservationResponseListLink")
    ] = None
    function_set_assignments_list_link: Annotated[
        ListLink | None, element("FunctionSetAssignmentsListLink")
    ] = None
    post_rate: Annotated[UInt32 | None, element("postRate")] = None
    registration_link: Annotated[Link | None, element("RegistrationLink")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndDevice(ExternalDevice):
    """A client, or a device behind it."""

    proxied_device_list_link: Annotated[
        ListLink | None, element("ProxiedDeviceListLink", edition=2023)
    ] = None
    subscription_list_link: Annotated[ListLink | None, element("SubscriptionListLink")] = None
    connection_point_link: Annotated[
        Link | None, element("ConnectionPointLink", namespace=CSIP_AUS)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndDeviceList(SubscribableList):
    """The devices a client may see."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    items: Annotated[tuple[EndDevice, ...], element("EndDevice")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfDevice(AbstractDevice):
    """The server itself."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    proxied_device_list_link: Annotated[
        ListLink | None, element("ProxiedDeviceListLink", edition=2023)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration(Resource):
    """The PIN a device proves the right server by, and when it was registered."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    date_time_registered: Annotated[TimeType, element("dateTimeRegistered")]
    pin: Annotated[PINType, element("pIN")]
