"""Resources to XML, by a plan compiled once a class."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway.links.sep2.elements import CSIP_AUS, NAMESPACE, Attribute, Element, Leaf
from gateway.links.sep2.resources import ROOTS, Error, Resource
from gateway.links.sep2.shape import Part, entries, parts
from gateway.model.errors import LocalProtocolError

XSI = "http://www.w3.org/2001/XMLSchema-instance"

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile('[&<>"\r\n\t]')
_ESCAPED = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\r": "&#13;",
    "\n": "&#10;",
    "\t": "&#9;",
}


@dataclass(frozen=True, slots=True)
class _Slot:
    """How one part is written: ``form`` for a leaf's text, else ``declared`` is its class."""

    field: str
    opening: str
    closing: str
    form: Callable[[Any], str] | None
    declared: type | None
    many: bool
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class _Plan:
    attributes: tuple[_Slot, ...]
    elements: tuple[_Slot, ...]


def encode(resource: Resource | Error, *, csip_aus: bool = False) -> bytes:
    """A document: UTF-8, the 2018 form, without XML declaration.

    Args:
        resource: what may stand alone.
        csip_aus: with the elements of CSIP-AUS, which not every peer takes.

    Raises:
        LocalProtocolError: it may not stand alone, or a value does not fit its type.
    """
    name = type(resource).__name__
    if type(resource) not in ROOTS:
        raise LocalProtocolError(f"{name} is no document")
    out: list[str] = []
    _put(out, f'<{name} xmlns="{NAMESPACE}"', f"</{name}>", resource, csip_aus=csip_aus)
    return _bytes(out)


def encode_fragment(resource: Resource, *, csip_aus: bool = False) -> bytes:
    """An entry of a list, for :func:`encode_list`.

    Args:
        resource: the entry; what derives from an entry (DERControlResponse) is written as that
            entry with its ``xsi:type``.
        csip_aus: with the elements of CSIP-AUS.

    Raises:
        LocalProtocolError: no list has such entries, or a value does not fit its type.
    """
    cls = type(resource)
    name = next((entries()[base] for base in cls.__mro__ if base in entries()), None)
    if name is None:
        raise LocalProtocolError(f"no list has {cls.__name__} for entries")
    typed = "" if name == cls.__name__ else _typed(cls)
    out: list[str] = []
    _put(out, f"<{name}{typed}", f"</{name}>", resource, csip_aus=csip_aus)
    return _bytes(out)


def encode_list(header: Resource, fragments: Iterable[bytes]) -> bytes:
    """A list out of entries encoded before.

    Args:
        header: the list, ``all`` and ``results`` set, without entries.
        fragments: of its entries, in their order.

    Raises:
        LocalProtocolError: the header has entries of its own.
    """
    opening, closing = list_frame(header)
    joined = b"".join(fragments)
    return opening + joined + closing if joined else encode(header)


def list_frame(header: Resource) -> tuple[bytes, bytes]:
    """What stands before and after the entries of a list.

    Args:
        header: the list, ``all`` and ``results`` set, without entries.

    Raises:
        LocalProtocolError: the header has entries of its own.
    """
    if getattr(header, "items", None) != ():
        raise LocalProtocolError(f"{type(header).__name__} is no list without entries")
    name = type(header).__name__.encode("ascii")
    return encode(header).removesuffix(b"/>") + b">", b"</" + name + b">"


def _put(out: list[str], opening: str, closing: str, value: Any, *, csip_aus: bool) -> None:
    cls: type = type(value)
    plan = _plan(cls, csip_aus)
    out.append(opening)
    out.extend(
        f"{slot.opening}{_text(slot, value, item)}{slot.closing}"
        for slot in plan.attributes
        if (item := getattr(value, slot.field)) is not None
    )
    start = len(out)
    out.append(">")
    for slot in plan.elements:
        item = getattr(value, slot.field)
        if item is None:
            continue
        if slot.form is not None:
            out.append(f"{slot.opening}>{_text(slot, value, item)}{slot.closing}")
        elif slot.many:
            _check_count(slot, value, item)
            for entry in item:
                _put_typed(out, slot, entry, csip_aus=csip_aus)
        else:
            _put_typed(out, slot, item, csip_aus=csip_aus)
    if len(out) == start + 1:
        out[start] = "/>"
    else:
        out.append(closing)


def _put_typed(out: list[str], slot: _Slot, value: Any, *, csip_aus: bool) -> None:
    cls = type(value)
    if cls is slot.declared:
        _put(out, slot.opening, slot.closing, value, csip_aus=csip_aus)
    elif slot.declared is not None and issubclass(cls, slot.declared):
        _put(out, slot.opening + _typed(cls), slot.closing, value, csip_aus=csip_aus)
    else:
        raise LocalProtocolError(f"{slot.field} cannot be {cls.__name__}")


def _text(slot: _Slot, owner: Any, item: Any) -> str:
    assert slot.form is not None  # noqa: S101 - by the plan: only leaves get here
    try:
        return slot.form(item)
    except (TypeError, ValueError) as error:
        place = f"{type(owner).__name__}.{slot.field}"
        raise LocalProtocolError(f"{place}: {error}") from error


def _check_count(slot: _Slot, owner: Any, items: tuple[Any, ...]) -> None:
    if len(items) < slot.least or (slot.most is not None and len(items) > slot.most):
        place = f"{type(owner).__name__}.{slot.field}"
        raise LocalProtocolError(f"{place}: {len(items)} entries are not taken")


def _typed(cls: type) -> str:
    return f' xmlns:xsi="{XSI}" xsi:type="{cls.__name__}"'


def _bytes(out: list[str]) -> bytes:
    text = "".join(out)
    if _NOT_XML.search(text):
        raise LocalProtocolError("a text has a character that XML cannot carry")
    return text.encode("utf-8")


@cache
def _plan(cls: type, csip_aus: bool) -> _Plan:
    slots = [
        (part.mark, _slot(part))
        for part in parts(cls)
        if csip_aus or isinstance(part.mark, Attribute) or part.mark.namespace != CSIP_AUS
    ]
    return _Plan(
        attributes=tuple(slot for mark, slot in slots if isinstance(mark, Attribute)),
        elements=tuple(slot for mark, slot in slots if isinstance(mark, Element)),
    )


def _slot(part: Part) -> _Slot:
    mark, kind = part.mark, part.kind
    form = _form(kind) if isinstance(kind, Leaf) else None
    declared = None if isinstance(kind, Leaf) else kind
    if isinstance(mark, Attribute):
        return _Slot(part.field, f' {mark.name}="', '"', form, None, part.many, 0, None)
    opening, closing = f"<{mark.name}", f"</{mark.name}>"
    if mark.namespace == CSIP_AUS:
        opening = f'<csipaus:{mark.name} xmlns:csipaus="{CSIP_AUS}"'
        closing = f"</csipaus:{mark.name}>"
    return _Slot(part.field, opening, closing, form, declared, part.many, mark.least, mark.most)


def _form(leaf: Leaf) -> Callable[[Any], str]:
    if not leaf.is_text:
        return leaf.format
    return lambda value: _SPECIAL.sub(lambda found: _ESCAPED[found[0]], leaf.format(value))
