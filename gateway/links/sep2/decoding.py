"""XML to resources, by a plan compiled once a class.

What the standard's schema refuses in a document is refused here, too, with two reliefs: the
syntax of a URI is not looked at, and elements of other namespaces may stand anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from lxml import etree

from gateway.links.sep2.elements import NAMESPACE, Attribute, Element, Leaf
from gateway.links.sep2.resources import ROOTS
from gateway.links.sep2.shape import base_of, classes, own_parts, parts

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_BLANKS = " \t\r\n"
_OURS = f"{{{NAMESPACE}}}"
_TEXT = "text where elements are due"
_MIXED = etree.XPath("(//*[*]/text()[normalize-space()])[1]/..")


class MisfitError(Exception):
    """An element that does not fit; becomes a Sep2DecodeError with its place."""

    def __init__(self, node: etree._Element, reason: str) -> None:
        self.node, self.reason = node, reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class _Slot:
    """How one element is read.

    ``position`` in the sequence; None where it may stand anywhere.
    """

    field: str
    position: int | None
    kind: Leaf | type
    many: bool
    control: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    attributes: dict[str | bytes, tuple[str, Leaf]]
    elements: dict[str, _Slot]
    required: tuple[tuple[str, str], ...]
    counted: tuple[tuple[str, Element], ...]


def read_document(root: etree._Element) -> Any:
    """The resource a tree is.

    Raises:
        MisfitError: it is none.
    """
    if not root.tag.startswith(_OURS):
        raise MisfitError(root, f"not in the namespace {NAMESPACE}")
    if isinstance(mixed := _MIXED(root), list) and mixed:
        node = mixed[0]
        assert isinstance(node, etree._Element)  # noqa: S101 - what the path selects
        raise MisfitError(node, _TEXT)
    name = root.tag[len(_OURS) :]
    declared = _roots().get(name)
    if declared is None:
        raise MisfitError(root, f"{name[:40]} is not a resource known here")
    return _read(root, _actual(root, declared))


def _read(node: etree._Element, cls: type) -> Any:
    plan = _plan(cls)
    values: dict[str, Any] = {}
    for key in node.keys():  # noqa: SIM118 - an element's iterator gives its children
        if (found := plan.attributes.get(key)) is not None:
            values[found[0]] = _parsed(found[1], node.get(key, ""), node)
    position = -1
    for child in node:
        slot = plan.elements.get(child.tag)
        if slot is None:
            if not _extends(child.tag):
                raise MisfitError(child, f"not an element of {cls.__name__}")
            continue
        if slot.position is None:
            misplaced = slot.field in values
        else:
            misplaced = slot.position < position or (slot.position == position and not slot.many)
            position = slot.position
        if misplaced:
            raise MisfitError(child, "out of order, or once too often")
        _store(values, slot, child)
    if position < 0 and (node.text or "").strip(_BLANKS) and not len(node):
        raise MisfitError(node, _TEXT)
    return _made(cls, plan, values, node)


def _extends(tag: str) -> bool:
    """Whether an unknown element is where a document may be extended: 2023 names such places."""
    return tag[0] == "{" and (not tag.startswith(_OURS) or tag.endswith("_r2_3"))


def _store(values: dict[str, Any], slot: _Slot, child: etree._Element) -> None:
    kind = slot.kind
    if isinstance(kind, Leaf):
        if len(child):
            raise MisfitError(child, "has elements where a value is due")
        value = _parsed(kind, child.text or "", child)
    else:
        value = _read(child, _actual(child, kind))
    if slot.many:
        values.setdefault(slot.field, []).append(value)
    elif not (slot.control and child.get("disabled", "").strip(_BLANKS) in ("true", "1")):
        values[slot.field] = value


def _made(cls: type, plan: _Plan, values: dict[str, Any], node: etree._Element) -> Any:
    for field, name in plan.required:
        if field not in values:
            raise MisfitError(node, f"{name} is missing")
    for field, mark in plan.counted:
        found = values.get(field, ())
        if len(found) < mark.least or (mark.most is not None and len(found) > mark.most):
            raise MisfitError(node, f"{len(found)} times {mark.name}")
        values[field] = tuple(found)
    return cls(**values)


def _parsed(leaf: Leaf, text: str, node: etree._Element) -> Any:
    try:
        return leaf.parse(text)
    except ValueError as error:
        raise MisfitError(node, str(error)) from None


def _actual(node: etree._Element, declared: type) -> type:
    """The class an element is of: the declared one unless ``xsi:type`` says which kind of it."""
    said = node.get(_XSI_TYPE)
    if said is None:
        return declared
    prefix, _, name = said.strip(_BLANKS).rpartition(":")
    if node.nsmap.get(prefix or None) == NAMESPACE:
        if name == etree.QName(node).localname and name.endswith("Link"):
            return declared
        cls = classes().get(name)
        if cls is not None and issubclass(cls, declared):
            return cls
    raise MisfitError(node, f"type {name[:40]} is not a {declared.__name__} known here")


@cache
def _roots() -> dict[str, type]:
    return {cls.__name__: cls for cls in ROOTS}


@cache
def _plan(cls: type) -> _Plan:
    attributes: dict[str | bytes, tuple[str, Leaf]] = {}
    elements: dict[str, _Slot] = {}
    position = 0
    for level in _lineage(cls):
        for part in own_parts(level):
            position += 1
            if isinstance(part.mark, Attribute):
                assert isinstance(part.kind, Leaf)  # noqa: S101 - an attribute has no elements
                attributes[part.mark.name] = (part.field, part.kind)
                continue
            ours = part.mark.namespace == NAMESPACE
            elements[f"{{{part.mark.namespace}}}{part.mark.name}"] = _Slot(
                part.field, position if ours else None, part.kind, part.many, part.mark.control
            )
    every = parts(cls)
    return _Plan(
        attributes=attributes,
        elements=elements,
        required=tuple((part.field, part.mark.name) for part in every if part.required),
        counted=tuple(
            (part.field, part.mark)
            for part in every
            if part.many and isinstance(part.mark, Element)
        ),
    )


def _lineage(cls: type) -> list[type]:
    base = base_of(cls)
    return [*(_lineage(base) if base else ()), cls]
