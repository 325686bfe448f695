"""What clients answer to events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.links.sep2.elements import attribute, element
from gateway.links.sep2.leaves import (
    LFDI,
    DefaultDERControlType,
    DERControlType,
    DERControlType2,
    MRIDType,
    TimeType,
    UInt8,
    UInt32,
)
from gateway.links.sep2.resources.base import IdentifiedObject, List, ListLink, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Resource):
    """What a device did with an event."""

    created_date_time: Annotated[TimeType | None, element("createdDateTime")] = None
    end_device_lfdi: Annotated[LFDI, element("endDeviceLFDI")]
    status: Annotated[UInt8 | None, element("status")] = None
    subject: Annotated[MRIDType, element("subject")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DERControlResponse(Response):
    """What a DER did with a control."""

    modes_responded: Annotated[DERControlType | None, element("modesResponded", edition=2023)] = (
        None
    )
    modes_responded2: Annotated[
        DERControlType2 | None, element("modesResponded2", edition=2023)
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultDERControlResponse(Response):
    """What a DER took of a default control (2023)."""

    defaults_responded: Annotated[DefaultDERControlType, element("defaultsResponded")]
    modes_responded: Annotated[DERControlType, element("modesResponded")]
    modes_responded2: Annotated[DERControlType2, element("modesResponded2")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseList(List):
    """Responses of a set."""

    items: Annotated[tuple[Response, ...], element("Response")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSet(IdentifiedObject):
    """Where the responses to a program go."""

    response_list_link: Annotated[ListLink | None, element("ResponseListLink")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSetList(List):
    """The sets of responses."""

    poll_rate: Annotated[UInt32 | None, attribute("pollRate")] = None
    items: Annotated[tuple[ResponseSet, ...], element("ResponseSet")] = ()
