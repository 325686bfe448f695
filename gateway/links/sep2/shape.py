"""What codec and schema both read out of the resources: the shape of each class."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from gateway.links.sep2.elements import Attribute, Element, Leaf
from gateway.links.sep2.resources import ROOTS


@dataclass(frozen=True, slots=True)
class Part:
    """An element or attribute of a resource.

    Attributes:
        field: the dataclass's field.
        mark: the element or attribute.
        kind: its type: a leaf, or a dataclass for what has elements of its own.
        required: it must be there.
        many: the field is a tuple.
    """

    field: str
    mark: Element | Attribute
    kind: Leaf | type
    required: bool
    many: bool


@cache
def parts(cls: type) -> tuple[Part, ...]:
    """The parts of a resource, those it inherits first, in the order of the wire."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        _part(field.name, hints[field.name], required=field.default is MISSING)
        for field in fields(cls)
    )


@cache
def own_parts(cls: type) -> tuple[Part, ...]:
    """The parts of a resource that it does not inherit."""
    inherited = {part.field for part in parts(base)} if (base := base_of(cls)) else set()
    return tuple(part for part in parts(cls) if part.field not in inherited)


def base_of(cls: type) -> type | None:
    """The resource a class extends; None where it extends none."""
    return next((base for base in cls.__bases__ if is_dataclass(base)), None)


@cache
def classes() -> dict[str, type]:
    """Every class there is, by its name on the wire; what one needs comes before it."""
    found: dict[str, type] = {}
    for root in ROOTS:
        for cls in _needed(root, found):
            found[cls.__name__] = cls
    return found


def _needed(cls: type, known: dict[str, type]) -> Iterator[type]:
    if cls.__name__ in known:
        return
    if base := base_of(cls):
        yield from _needed(base, known)
    for part in own_parts(cls):
        if isinstance(part.kind, type):
            yield from _needed(part.kind, known)
    yield cls


@cache
def entries() -> dict[type, str]:
    """The element that each class of list entries is in its list."""
    roots: tuple[type, ...] = ROOTS
    return {
        part.kind: part.mark.name
        for root in roots
        for part in parts(root)
        if part.field == "items" and isinstance(part.kind, type)
    }


def _part(name: str, hint: Any, *, required: bool) -> Part:
    mark = next(item for item in hint.__metadata__ if isinstance(item, Element | Attribute))
    many = get_origin(hint.__origin__) is tuple
    kind = _kind(hint)
    return Part(name, mark, kind, required and not many, many)


def _kind(hint: Any) -> Leaf | type:
    for item in getattr(hint, "__metadata__", ()):
        if isinstance(item, Leaf):
            return item
    inner = getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint
    if get_origin(inner) in (Union, types.UnionType):
        return _kind(next(arm for arm in get_args(inner) if arm is not type(None)))
    if get_origin(inner) is tuple:
        return _kind(get_args(inner)[0])
    if not is_dataclass(inner) or not isinstance(inner, type):
        raise TypeError(f"{hint} is neither a leaf nor a resource")
    return inner
