"""A SunSpec register map built from pysunspec2's model definitions, which are data.

Points are addressed by path: ``704.WMaxLimPct``, ``704.PFWInj.PF``, ``705.Crv.2.Pt.1.V`` with
repeating groups counted from 1. A point nobody has given a value holds the standard's
not-implemented value, and nobody can write it.
"""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pymodbus.constants import ExcCodes

from hil.devices.modbus_server import Refusal

BASE = 40_000
_MARK = [0x5375, 0x6E53]  # "SunS"
_END = [0xFFFF, 0]

#: Struct format and not-implemented raw value by SunSpec type.
_INTEGERS: dict[str, tuple[str, int]] = {
    "int16": (">h", -0x8000),
    "sunssf": (">h", -0x8000),
    "int32": (">i", -0x8000_0000),
    "int64": (">q", -(2**63)),
    "uint16": (">H", 0xFFFF),
    "enum16": (">H", 0xFFFF),
    "bitfield16": (">H", 0xFFFF),
    "raw16": (">H", 0),
    "count": (">H", 0),
    "acc16": (">H", 0),
    "uint32": (">I", 0xFFFF_FFFF),
    "enum32": (">I", 0xFFFF_FFFF),
    "bitfield32": (">I", 0xFFFF_FFFF),
    "acc32": (">I", 0),
    "uint64": (">Q", 2**64 - 1),
    "acc64": (">Q", 0),
    "pad": (">h", -0x8000),
}


@dataclass(frozen=True, slots=True)
class Point:
    """One point at its place.

    Attributes:
        path: ``model.group.index.name``.
        address: first register, 0-based.
        size: registers.
        scale: path of its scale factor, the scale factor itself, or None.
        writable: the model definition's access.
        symbols: values an enumeration admits; empty for other types.
    """

    path: str
    address: int
    size: int
    type: str
    scale: str | int | None
    writable: bool
    symbols: frozenset[int]


@cache
def _definition(model: int) -> dict[str, Any]:
    spec = importlib.util.find_spec("sunspec2")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("pysunspec2 is not installed: its model definitions are needed")
    path = Path(spec.origin).parent / "models" / "json" / f"model_{model}.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def _walk(
    group: Mapping[str, Any], prefix: str, counts: Mapping[str, int], scales: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, str]]]:
    own = {p["name"]: f"{prefix}.{p['name']}" for p in group["points"] if p["type"] == "sunssf"}
    here = {**scales, **own}
    for point in group["points"]:
        yield f"{prefix}.{point['name']}", point, here
    for sub in group.get("groups", ()):
        count = sub.get("count")
        if count is None:
            yield from _walk(sub, f"{prefix}.{sub['name']}", counts, here)
            continue
        repeats = count if isinstance(count, int) else counts[f"{prefix.partition('.')[0]}.{count}"]
        for i in range(1, repeats + 1):
            yield from _walk(sub, f"{prefix}.{sub['name']}.{i}", counts, here)


def _layout(models: tuple[int, ...], counts: Mapping[str, int]) -> Iterator[Point]:
    address = BASE + len(_MARK)
    for model in models:
        for path, point, scales in _walk(_definition(model)["group"], str(model), counts, {}):
            scale = point.get("sf")
            yield Point(
                path=path,
                address=address,
                size=int(point["size"]),
                type=point["type"],
                scale=scales.get(scale, scale) if isinstance(scale, str) else scale,
                writable=point.get("access") == "RW",
                symbols=frozenset(int(s["value"]) for s in point.get("symbols", ()))
                if point["type"].startswith("enum")
                else frozenset(),
            )
            address += int(point["size"])


@dataclass(slots=True)
class SunSpecMap:
    """Present contents of the models of one device.

    Args:
        models: ids in the order of the chain.
        counts: repeats of the counted groups (``705.NPt``, ``705.NCrv``).
        limits: engineering minimum and maximum of writable points, by path.
        locked: starts of paths nobody may write though their model allows it.
    """

    models: tuple[int, ...]
    counts: Mapping[str, int]
    limits: Mapping[str, tuple[float, float]]
    locked: tuple[str, ...] = ()
    points: dict[str, Point] = field(init=False)
    _raw: dict[str, int | str | None] = field(init=False)
    _owner: dict[int, Point] = field(init=False)

    def __post_init__(self) -> None:
        self.points = {p.path: p for p in _layout(self.models, self.counts)}
        self._raw = dict.fromkeys(self.points)
        self._owner = {p.address + i: p for p in self.points.values() for i in range(p.size)}
        for model in self.models:
            inside = [p for p in self.points.values() if p.path.startswith(f"{model}.")]
            length = inside[-1].address + inside[-1].size - inside[0].address - 2
            self._raw[f"{model}.ID"], self._raw[f"{model}.L"] = model, length

    @property
    def end(self) -> int:
        """First register after the end model."""
        return max(self._owner) + 1 + len(_END)

    def span(self, model: int) -> range:
        """Registers of a model's body, its ID and length left out."""
        first = self.points[f"{model}.ID"].address
        length = self._raw[f"{model}.L"]
        assert isinstance(length, int)  # noqa: S101 - set in __post_init__
        return range(first + 2, first + 2 + length)

    def put(self, path: str, value: float | str | None) -> None:
        """Show an engineering value; None is not implemented. Held at the type's ends."""
        point = self.points[path]
        if value is None or isinstance(value, str):
            self._raw[path] = value
            return
        raw = round(value / 10.0 ** self._exponent(point))
        low, high = _range(point.type)
        self._raw[path] = min(max(raw, low), high)

    def get(self, path: str) -> float | None:
        """The engineering value shown now; None if not implemented."""
        raw = self._raw[path]
        if raw is None or isinstance(raw, str):
            return None
        return raw * 10.0 ** self._exponent(self.points[path])

    def text(self, path: str) -> str | None:
        """The string shown now; None if not implemented."""
        raw = self._raw[path]
        return raw if isinstance(raw, str) else None

    def setting(self, path: str) -> float:
        """The value of a point this device implements.

        Raises:
            KeyError: it is not implemented.
        """
        value = self.get(path)
        if value is None:
            raise KeyError(path)
        return value

    def encode(self, path: str, value: float) -> list[int]:
        """Registers that a client would write for an engineering value."""
        point = self.points[path]
        form, _ = _INTEGERS[point.type]
        low, high = _range(point.type)
        raw = min(max(round(value / 10.0 ** self._exponent(point)), low), high)
        return list(struct.unpack(f">{point.size}H", struct.pack(form, raw)))

    def read(self, address: int, count: int) -> list[int]:
        """Raw registers.

        Raises:
            Refusal: ILLEGAL_ADDRESS outside the map.
        """
        if address < BASE or address + count > self.end:
            raise Refusal(ExcCodes.ILLEGAL_ADDRESS, f"{address}+{count}")
        return [self._word(a) for a in range(address, address + count)]

    def write(self, address: int, values: list[int]) -> tuple[str, ...]:
        """Take raw registers, all or nothing.

        Returns:
            Paths written.

        Raises:
            Refusal: ILLEGAL_ADDRESS on a read-only or not-implemented point or on part of one;
                ILLEGAL_VALUE outside its limits or symbols.
        """
        taken = self.admit(address, values)
        self._raw.update(taken)
        return tuple(taken)

    def admit(self, address: int, values: list[int]) -> dict[str, int]:
        """What a write would set, by path, without setting it.

        Raises:
            Refusal: as ``write`` does.
        """
        taken: dict[str, int] = {}
        at = address
        while at < address + len(values):
            point = self._owner.get(at)
            if point is None or point.address != at or at + point.size > address + len(values):
                raise Refusal(ExcCodes.ILLEGAL_ADDRESS, f"{at} is not the start of a whole point")
            raw = values[at - address : at - address + point.size]
            taken[point.path] = self._admit(point, raw)
            at += point.size
        return taken

    def _admit(self, point: Point, words: list[int]) -> int:
        open_ = point.writable and not point.path.startswith(self.locked)
        if not open_ or self._raw[point.path] is None or point.type not in _INTEGERS:
            raise Refusal(ExcCodes.ILLEGAL_ADDRESS, f"{point.path} takes no writes")
        form, absent = _INTEGERS[point.type]
        raw = int(struct.unpack(form, struct.pack(f">{len(words)}H", *words))[0])
        low, high = self.limits.get(point.path, _range(point.type))
        value = raw * 10.0 ** self._exponent(point)
        slack = 10.0 ** self._exponent(point) / 2
        if raw == absent or not low - slack <= value <= high + slack:
            raise Refusal(ExcCodes.ILLEGAL_VALUE, f"{point.path} = {value:g}")
        if point.symbols and raw not in point.symbols:
            raise Refusal(ExcCodes.ILLEGAL_VALUE, f"{point.path} = {raw}")
        return raw

    def _exponent(self, point: Point) -> int:
        if isinstance(point.scale, int):
            return point.scale
        raw = self._raw[point.scale] if point.scale else 0
        return raw if isinstance(raw, int) else 0

    def _word(self, address: int) -> int:
        if address < BASE + len(_MARK):
            return _MARK[address - BASE]
        point = self._owner.get(address)
        if point is None:
            return _END[address - self.end + len(_END)]
        return self._words(point)[address - point.address]

    def _words(self, point: Point) -> list[int]:
        raw = self._raw[point.path]
        if point.type == "string":
            text = raw if isinstance(raw, str) else ""
            packed = text.encode("ascii")[: 2 * point.size].ljust(2 * point.size, b"\0")
        else:
            form, absent = _INTEGERS[point.type]
            packed = struct.pack(form, raw if isinstance(raw, int) else absent)
        return list(struct.unpack(f">{point.size}H", packed))


def _range(type_: str) -> tuple[int, int]:
    """Raw values a type can hold besides its not-implemented one."""
    form, absent = _INTEGERS[type_]
    bits = 8 * struct.calcsize(form)
    if form[1].islower():
        return -(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1
    return 0, 2**bits - (2 if absent else 1)
