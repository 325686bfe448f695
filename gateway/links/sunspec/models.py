"""SunSpec model definitions as data: pysunspec2's JSON files (Apache-2.0), none of its code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

from gateway.profiles.registers import RegisterType

#: SunSpec's names for types that lie in registers as another type does.
_ALIASES = {
    "count": RegisterType.UINT16,
    "pad": RegisterType.INT16,
    "raw16": RegisterType.UINT16,
    "bitfield64": RegisterType.UINT64,
    "enum64": RegisterType.UINT64,
}
#: Types that are no numbers: they are laid out, never decoded to a value.
_OPAQUE = frozenset({"string", "ipaddr", "ipv6addr", "eui48"})


@dataclass(frozen=True, slots=True)
class PointDefinition:
    """One point of a model.

    Attributes:
        words: registers it takes.
        type: how it lies there; None for text and addresses.
        scale_factor: name of its scale-factor point, a fixed exponent, or None.
        writable: whether the definition allows writing.
    """

    name: str
    words: int
    type: RegisterType | None
    scale_factor: str | int | None
    writable: bool


@dataclass(frozen=True, slots=True)
class GroupDefinition:
    """A group of points, repeated ``count`` times.

    Attributes:
        count: a number, the name of the point that holds it, or 0: as often as the model's
            length has room for.
    """

    name: str
    points: tuple[PointDefinition, ...]
    groups: tuple[GroupDefinition, ...] = ()
    count: str | int = 1


@dataclass(frozen=True, slots=True)
class ModelDefinition:
    """A model: its id and its top group, whose first two points are ID and L."""

    id: int
    top: GroupDefinition = field(repr=False)


@lru_cache(maxsize=256)
def model_definition(model_id: int) -> ModelDefinition | None:
    """The definition of a model; None where SunSpec has none of that id (a vendor's own)."""
    path = files("sunspec2") / "models" / "json" / f"model_{model_id}.json"
    if not path.is_file():
        return None
    return ModelDefinition(model_id, _group(json.loads(path.read_text(encoding="utf-8"))["group"]))


def _group(data: dict[str, Any]) -> GroupDefinition:
    return GroupDefinition(
        name=data["name"],
        points=tuple(_point(point) for point in data["points"]),
        groups=tuple(_group(group) for group in data.get("groups", ())),
        count=data.get("count", 1),
    )


def _point(data: dict[str, Any]) -> PointDefinition:
    name = data["type"]
    return PointDefinition(
        name=data["name"],
        words=int(data["size"]),
        type=None if name in _OPAQUE else _ALIASES.get(name) or RegisterType(name),
        scale_factor=data.get("sf"),
        writable=data.get("access") == "RW",
    )
