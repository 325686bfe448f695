"""Subscriptions, and what is sent to subscribers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import attribute, element
from gateway.links.sep2.leaves import AnyURI, Int48, String16, TimeType, UInt8, UInt32
from gateway.links.sep2.resources.base import List, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionBase(Resource):
    """The resource it is about."""

    subscribed_resource: Annotated[AnyURI, element("subscribedResource")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Thresholds of an attribute: notify outside of them."""

    attribute_identifier: Annotated[UInt8, element("attributeIdentifier")]
    lower_threshold: Annotated[Int48, element("lowerThreshold")]
    upper_threshold: Annotated[Int48, element("upperThreshold")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription(SubscriptionBase):
    """A wish to be notified of changes; at most ``limit`` entries of a list."""

    condition: Annotated[Condition | None, element("Condition")] = None
    encoding: Annotated[UInt8, element("encoding")]
    level: Annotated[String16, element("level")]
    limit: Annotated[UInt32, element("limit")]
    notification_uri: Annotated[AnyURI, element("notificationURI")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionList(List):
    """The subscriptions of a device."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    items: Annotated[tuple[Subscription, ...], element("Subscription")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification(SubscriptionBase):
    """A resource that changed, or the end of a subscription (``status``)."""

    created_date_time: Annotated[TimeType | None, element("createdDateTime", edition=2023)] = None
    new_resource_uri: Annotated[AnyURI | None, element("newResourceURI")] = None
    resource: Annotated[Resource | None, element("Resource")] = None
    status: Annotated[UInt8, element("status")]
    subscription_uri: Annotated[AnyURI, element("subscriptionURI")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationList(List):
    """Notifications."""

    items: Annotated[tuple[Notification, ...], element("Notification")] = ()
