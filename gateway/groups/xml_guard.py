"""From bytes to a tree, for documents that may have been made to harm.

Each check stands before whatever the attack would cost: size and encoding before parsing, DTDs
before any entity can be declared, counts before the schema sees the tree. Nothing that passes
has a DTD, an entity of its own, a comment, a processing instruction or an ``xsi`` attribute.
"""

from __future__ import annotations

import re

from lxml import etree

from gateway.groups.xml_faults import Fault, Identity, InvalidMessageError, Places

#: Largest message, bytes.
MAX_BYTES = 256 * 1024
#: Deepest element. The schema's deepest is 7; libxml2 itself stops at 256.
MAX_DEPTH = 12
#: Elements at most; the largest valid message has under 1,500.
MAX_ELEMENTS = 2_000
#: Attributes of one element at most; the schema's most is 7. Unknown attributes cost xmlschema
#: more than the square of their number: 2,000 of them took it 17 s.
MAX_ATTRIBUTES = 12
#: Namespaces declared at most; one is needed.
MAX_NAMESPACES = 16

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\bencoding\s*=\s*["']([^"']*)["']""")
_ELEMENTS = etree.XPath("count(//*)")
_TOO_MANY = etree.XPath(f"boolean(//*[count(@*) > {MAX_ATTRIBUTES}])")
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")
_WITH_XSI = etree.XPath("(//*[@xsi:*])[1]", namespaces={"xsi": _XSI})
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@\-]{0,63}")


def parse(data: bytes) -> etree._Element:
    """The root of a harmless, well-formed document.

    Raises:
        InvalidMessageError: it is too large, not UTF-8, not well-formed, has a DTD, or is deeper
            or more numerous than any message.
    """
    if reason := _refused(data):
        raise InvalidMessageError([Fault(1, 1, "", reason)])
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        line, column = error.position
        fault = Fault(max(line, 1), max(column, 1), "", f"not well-formed XML: {error.msg}")
        raise InvalidMessageError([fault]) from None
    if reason := _outsized(root):
        raise InvalidMessageError([Fault(1, 1, "", reason)])
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


def at(root: etree._Element, path: str) -> etree._Element | None:
    """The element a schema's message points at with its own path."""
    try:
        found = _elements(root.xpath(path))
    except etree.XPathError:
        return None
    return found[0] if found else None


def _refused(data: bytes) -> str:
    """Why bytes are not parsed at all; empty where they may be."""
    if len(data) > MAX_BYTES:
        return f"larger than {MAX_BYTES // 1024} KiB"
    if reason := _not_utf8(data):
        return reason
    if b"<!DOCTYPE" in data:
        return "a DTD is not taken"
    if data.count(b"xmlns") > MAX_NAMESPACES:
        return f"more than {MAX_NAMESPACES} namespaces declared"
    return ""


def _not_utf8(data: bytes) -> str:
    declared = _DECLARED.match(data)
    if declared is not None and declared[1].lower() not in (b"utf-8", b"utf8", b"us-ascii"):
        return "only UTF-8 is taken"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start}"
    return "not UTF-8 text: it has a NUL byte" if b"\x00" in data else ""


def _outsized(root: etree._Element) -> str:
    if root.getroottree().docinfo.internalDTD is not None:
        return "a DTD is not taken"
    if _TOO_DEEP(root):
        return f"deeper than {MAX_DEPTH} elements"
    elements = _ELEMENTS(root)
    if not isinstance(elements, float) or elements > MAX_ELEMENTS:
        return f"more than {MAX_ELEMENTS} elements"
    if _TOO_MANY(root):
        return f"an element with more than {MAX_ATTRIBUTES} attributes"
    return ""


def _parser() -> etree.XMLParser:
    # A parser each document: lxml's are stateful, and making one costs under 10 microseconds.
    # Comments and instructions are removed so that 9<!--x-->99 is 999 to every reader, not 9.
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


def _elements(result: object) -> list[etree._Element]:
    if not isinstance(result, list):
        return []
    return [entry for entry in result if isinstance(entry, etree._Element)]
