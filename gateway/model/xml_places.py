"""What is wrong with an XML document, and where: every fault has a line and a column."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from xml.parsers import expat

from lxml import etree

#: Faults told at most: enough to repair a message, too few to fill a memory.
MAX_FAULTS = 10
#: A reason or a name out of the peer's document is cut at this length.
MAX_REASON, MAX_NAME = 250, 40


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a message.

    Attributes:
        line, column: 1-based; of the start of the element it concerns.
        path: that element, from the root; empty where there is no tree to speak of.
        reason: what is wrong.
    """

    line: int
    column: int
    path: str
    reason: str

    def __str__(self) -> str:
        """``line 3, column 5: /RequestMessage/Header: reason``."""
        where = f"{self.path}: " if self.path else ""
        return f"line {self.line}, column {self.column}: {where}{self.reason}"


class Places:
    """Line and column of every element of a document that has been parsed already.

    lxml keeps lines but no columns, so the bytes are scanned once more; only a refusal needs it.

    Args:
        data: the document, which must be well-formed.
        root: the tree made of it.
    """

    def __init__(self, data: bytes, root: etree._Element) -> None:
        elements = root.iter(etree.Element)
        self._places = dict(zip(elements, _starts(data), strict=False))

    def fault(self, element: etree._Element | None, reason: str) -> Fault:
        """A fault of one element; of the document where the element is not known."""
        short = reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 3]}..."
        if element is None or element not in self._places:
            return Fault(1, 1, "", short)
        return Fault(*self._places[element], path_of(element), short)


def path_of(element: etree._Element) -> str:
    """Names from the root, with a number where siblings share a name: ``/Root/Item[2]/Value``."""
    steps = [_step(node) for node in (element, *element.iterancestors())]
    return "/" + "/".join(reversed(steps))


def at(root: etree._Element, path: str) -> etree._Element | None:
    """The element a schema's message points at with its own path."""
    try:
        found = root.xpath(path)
    except etree.XPathError:
        return None
    first = found[0] if isinstance(found, list) and found else None
    return first if isinstance(first, etree._Element) else None


def _step(element: etree._Element) -> str:
    name = etree.QName(element).localname[:MAX_NAME]
    before = sum(1 for _ in element.itersiblings(element.tag, preceding=True))
    after = next(element.itersiblings(element.tag), None)
    return f"{name}[{before + 1}]" if before or after is not None else name


def _starts(data: bytes) -> Iterator[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    parser = expat.ParserCreate("utf-8")

    def note(_name: str, _attributes: dict[str, str]) -> None:
        places.append((parser.CurrentLineNumber, parser.CurrentColumnNumber + 1))

    parser.StartElementHandler = note
    with contextlib.suppress(expat.ExpatError):  # it knows fewer letters for names than lxml
        parser.Parse(data, True)  # noqa: FBT003 - its signature
    yield from places
