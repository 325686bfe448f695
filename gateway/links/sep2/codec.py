"""2030.5 on the wire: bytes to resources and back. Pure.

What comes in is guarded first (:mod:`gateway.model.xml_guard`), then judged by a schema where one
is given, then read. The 2018 edition is written; 2018, 2023 and the elements of CSIP-AUS are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from lxml import etree

from gateway.links.sep2.decoding import MisfitError, read_document
from gateway.links.sep2.encoding import encode, encode_fragment, encode_list, list_frame
from gateway.links.sep2.resources import Error, Resource
from gateway.model import xml_guard
from gateway.model.errors import RemoteProtocolError
from gateway.model.xml_places import Fault, Places

if TYPE_CHECKING:
    from gateway.links.sep2.schema import Sep2Schema

__all__ = [
    "LIMITS",
    "MEDIA_TYPE",
    "Sep2DecodeError",
    "decode",
    "encode",
    "encode_fragment",
    "encode_list",
    "list_frame",
]

MEDIA_TYPE = "application/sep+xml"
#: A list of 250 responses, each with its namespaces, or of 1,000 readings passes; the deepest
#: resource is 9 elements deep, the most attributes 8.
LIMITS = xml_guard.XmlLimits(
    max_bytes=1024 * 1024,
    max_depth=16,
    max_elements=40_000,
    max_attributes=16,
    max_namespaces=1_000,
)

_R = TypeVar("_R", bound=Resource | Error)


class Sep2DecodeError(RemoteProtocolError):
    """A body that is not what it should be.

    Attributes:
        fault: what is wrong, and where.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(str(fault))


@overload
def decode(
    body: bytes, *, schema: Sep2Schema | None = None, limits: xml_guard.XmlLimits = LIMITS
) -> Resource | Error: ...


@overload
def decode(
    body: bytes,
    *accepted: type[_R],
    schema: Sep2Schema | None = None,
    limits: xml_guard.XmlLimits = LIMITS,
) -> _R: ...


def decode(
    body: bytes,
    *accepted: type,
    schema: Sep2Schema | None = None,
    limits: xml_guard.XmlLimits = LIMITS,
) -> Any:
    """The resource a body is.

    Args:
        body: the document.
        accepted: the classes taken, and what derives from them; none means any.
        schema: what judges the document besides the codec's own rules.
        limits: how large a body may be.

    Raises:
        Sep2DecodeError: it is harmful, invalid, or another resource.
    """
    try:
        root = xml_guard.parse(body, limits)
    except xml_guard.HarmfulXmlError as error:
        raise Sep2DecodeError(Fault(error.line, error.column, "", error.reason)) from None
    try:
        return _judged(root, accepted, schema)
    except MisfitError as misfit:
        raise Sep2DecodeError(Places(body, root).fault(misfit.node, misfit.reason)) from None


def _judged(root: etree._Element, accepted: tuple[type, ...], schema: Sep2Schema | None) -> Any:
    if schema is not None and (found := schema.fault(root)) is not None:
        raise MisfitError(*found)
    resource = read_document(root)
    if accepted and not isinstance(resource, accepted):
        names = " or ".join(cls.__name__ for cls in accepted)
        raise MisfitError(root, f"{type(resource).__name__} where {names} is due")
    return resource
