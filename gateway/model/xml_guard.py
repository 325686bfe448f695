"""From bytes to a tree, for documents that may have been made to harm.

Each check stands before whatever the attack would cost: size and encoding before parsing, DTDs
before any entity can be declared, counts before anything else sees the tree. Nothing that passes
has a DTD, an entity of its own, a comment or a processing instruction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from lxml import etree

from gateway.model.errors import RemoteProtocolError

_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\bencoding\s*=\s*["']([^"']*)["']""")


@dataclass(frozen=True, slots=True)
class XmlLimits:
    """How large a document may be.

    Attributes:
        max_bytes: before anything is parsed.
        max_depth: of elements; libxml2 itself stops at 256.
        max_elements: in all.
        max_attributes: of one element. Unknown attributes cost a schema's processor more than the
            square of their number: 2,000 of them took one 17 s.
        max_namespaces: declarations in all.
    """

    max_bytes: int
    max_depth: int
    max_elements: int
    max_attributes: int
    max_namespaces: int


class HarmfulXmlError(RemoteProtocolError):
    """A document that is not well-formed, or could harm.

    Attributes:
        line, column: 1-based.
        reason: what is wrong.
    """

    def __init__(self, line: int, column: int, reason: str) -> None:
        self.line, self.column, self.reason = line, column, reason
        super().__init__(f"line {line}, column {column}: {reason}")


def parse(data: bytes, limits: XmlLimits) -> etree._Element:
    """The root of a harmless, well-formed document.

    Raises:
        HarmfulXmlError: it is too large, not UTF-8, not well-formed, has a DTD, or is deeper or
            more numerous than the limits.
    """
    if reason := _refused(data, limits):
        raise HarmfulXmlError(1, 1, reason)
    try:
        root = etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        line, column = error.position
        reason = f"not well-formed XML: {error.msg}"
        raise HarmfulXmlError(max(line, 1), max(column, 1), reason) from None
    if reason := _outsized(root, limits):
        raise HarmfulXmlError(1, 1, reason)
    return root


def _refused(data: bytes, limits: XmlLimits) -> str:
    """Why bytes are not parsed at all; empty where they may be."""
    if len(data) > limits.max_bytes:
        return f"larger than {limits.max_bytes // 1024} KiB"
    if reason := _not_utf8(data):
        return reason
    if b"<!DOCTYPE" in data:
        return "a DTD is not taken"
    if data.count(b"xmlns") > limits.max_namespaces:
        return f"more than {limits.max_namespaces} namespaces declared"
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


def _outsized(root: etree._Element, limits: XmlLimits) -> str:
    if root.getroottree().docinfo.internalDTD is not None:
        return "a DTD is not taken"
    # one question for all three: evaluating an XPath costs more than its answer
    if not _too_much(limits)(root):
        return ""
    if etree.XPath(_deeper(limits))(root):
        return f"deeper than {limits.max_depth} elements"
    if etree.XPath(_more(limits))(root):
        return f"more than {limits.max_elements} elements"
    return f"an element with more than {limits.max_attributes} attributes"


@cache
def _too_much(limits: XmlLimits) -> etree.XPath:
    wide = f"boolean(//*[count(@*) > {limits.max_attributes}])"
    return etree.XPath(f"{_deeper(limits)} or {_more(limits)} or {wide}")


def _deeper(limits: XmlLimits) -> str:
    return "boolean(" + "/*" * (limits.max_depth + 1) + ")"


def _more(limits: XmlLimits) -> str:
    return f"count(//*) > {limits.max_elements}"


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
