"""What every resource stands on: addresses, lists, links, identities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import attribute, element
from gateway.links.sep2.leaves import (
    AnyURI,
    HexBinary8,
    MRIDType,
    String32,
    TimeType,
    UInt8,
    UInt16,
    UInt32,
    VersionType,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Anything that has an address."""

    href: Annotated[AnyURI | None, attribute("href")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribableResource(Resource):
    """A resource that may be subscribed to.

    Bit 0 of ``subscribable``: without a condition; bit 1: with one.
    """

    subscribable: Annotated[UInt8 | None, attribute("subscribable")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RespondableResource(Resource):
    """A resource whose receiver may have to respond: which responses (bit map), and where."""

    reply_to: Annotated[AnyURI | None, attribute("replyTo")] = None
    response_required: Annotated[HexBinary8 | None, attribute("responseRequired")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedObject(Resource):
    """A resource with an identity of its own."""

    mrid: Annotated[MRIDType, element("mRID")]
    description: Annotated[String32 | None, element("description")] = None
    version: Annotated[VersionType | None, element("version")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribableIdentifiedObject(SubscribableResource):
    """A subscribable resource with an identity of its own."""

    mrid: Annotated[MRIDType, element("mRID")]
    description: Annotated[String32 | None, element("description")] = None
    version: Annotated[VersionType | None, element("version")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RespondableSubscribableIdentifiedObject(RespondableResource):
    """A respondable, subscribable resource with an identity of its own."""

    subscribable: Annotated[UInt8 | None, attribute("subscribable")] = None
    mrid: Annotated[MRIDType, element("mRID")]
    description: Annotated[String32 | None, element("description")] = None
    version: Annotated[VersionType | None, element("version")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class List(Resource):
    """A list: ``all`` entries there are, ``results`` of them here."""

    all: Annotated[UInt32, attribute("all")]
    results: Annotated[UInt32, attribute("results")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribableList(SubscribableResource):
    """A subscribable list: ``all`` entries there are, ``results`` of them here."""

    all: Annotated[UInt32, attribute("all")]
    results: Annotated[UInt32, attribute("results")]


@dataclass(frozen=True, slots=True)
class Link:
    """Where another resource is; the element says which."""

    href: Annotated[AnyURI, attribute("href")]


@dataclass(frozen=True, slots=True)
class ListLink(Link):
    """Where a list is, and how many entries it has."""

    all: Annotated[UInt32 | None, attribute("all")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DateTimeInterval:
    """From ``start`` (UTC s) for ``duration`` s."""

    duration: Annotated[UInt32, element("duration")]
    start: Annotated[TimeType, element("start")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """Why a request was refused; ``max_retry_duration`` in s."""

    max_retry_duration: Annotated[UInt16 | None, element("maxRetryDuration")] = None
    reason_code: Annotated[UInt16, element("reasonCode")]
