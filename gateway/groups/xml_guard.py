"""From bytes to a tree, for documents that may have been made to harm.

The checks are those of :mod:`gateway.model.xml_guard`, with the limits of these messages. Nothing
that passes has a DTD, an entity of its own, a comment, a processing instruction or an ``xsi``
attribute.
"""

from __future__ import annotations

import re

from lxml import etree

from gateway.groups.xml_faults import Identity, InvalidMessageError
from gateway.model import xml_guard
from gateway.model.xml_places import Fault, Places

#: Largest message, bytes.
MAX_BYTES = 256 * 1024
#: The schema's deepest element is 7, its largest valid message under 1,500, its most attributes
#: 7, and one namespace is needed.
LIMITS = xml_guard.XmlLimits(
    max_bytes=MAX_BYTES, max_depth=12, max_elements=2_000, max_attributes=12, max_namespaces=16
)

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_WITH_XSI = etree.XPath("(//*[@xsi:*])[1]", namespaces={"xsi": _XSI})
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@\-]{0,63}")


def parse(data: bytes) -> etree._Element:
    """The root of a harmless, well-formed document.

    Raises:
        InvalidMessageError: it is too large, not UTF-8, not well-formed, has a DTD, or is deeper
            or more numerous than any message.
    """
    try:
        root = xml_guard.parse(data, LIMITS)
    except xml_guard.HarmfulXmlError as error:
        fault = Fault(error.line, error.column, "", error.reason)
        raise InvalidMessageError([fault]) from None
    if with_xsi := _elements(_WITH_XSI(root)):
        reason = "xsi attributes (schemaLocation, type, nil) are not taken: leave them out"
        fault = Places(data, root).fault(with_xsi[0], reason)
        raise InvalidMessageError([fault], identity_of(root))
    return root


def identity_of(root: etree._Element) -> Identity:
    """Ids in a document that need not be valid."""

    def text(name: str) -> str:
        found = root.find(f".//{{*}}{name}")
        value = (found.text or "").strip() if found is not None else ""
        return value if _IDENTIFIER.fullmatch(value) else "unknown"

    return Identity(text("MessageID"), text("DMSId"), text("GroupId"))


def _elements(result: object) -> list[etree._Element]:
    if not isinstance(result, list):
        return []
    return [entry for entry in result if isinstance(entry, etree._Element)]
