"""A vendor's register list as data: the emulated PLCs show what ``devices/<name>.csv`` says."""

from __future__ import annotations

import csv
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pymodbus.constants import ExcCodes

from hil.devices.modbus_server import Refusal

_FORMATS = {
    "uint16": ">H",
    "int16": ">h",
    "uint32": ">I",
    "int32": ">i",
    "uint64": ">Q",
    "float32": ">f",
}
_BOUNDS = {
    "uint16": (0, 0xFFFF),
    "int16": (-0x8000, 0x7FFF),
    "uint32": (0, 0xFFFF_FFFF),
    "int32": (-0x8000_0000, 0x7FFF_FFFF),
    "uint64": (0, 2**64 - 1),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One point of a register list; engineering value = raw x scale + offset."""

    point: str
    table: str
    register: int
    type: str
    scale: float
    offset: float
    minimum: float | None
    maximum: float | None

    @property
    def bit(self) -> int | None:
        """Bit number where the point is one bit of a register."""
        return int(self.type[3:]) if self.type.startswith("bit") else None

    @property
    def size(self) -> int:
        """Registers (or bits, in the bit tables) the point takes."""
        return 1 if self.bit is not None else struct.calcsize(_FORMATS[self.type]) // 2

    def encode(self, value: float) -> list[int]:
        """Registers of a value, held at the type's ends.

        Raises:
            ValueError: the value is NaN or infinite.
        """
        if self.type == "float32":
            packed = struct.pack(">f", value)
        else:
            low, high = _BOUNDS[self.type]
            raw = min(max(round((value - self.offset) / self.scale), low), high)
            packed = struct.pack(_FORMATS[self.type], raw)
        return list(struct.unpack(f">{len(packed) // 2}H", packed))

    def decode(self, registers: list[int]) -> float:
        """Engineering value of the point's registers."""
        packed = struct.pack(f">{len(registers)}H", *registers)
        return float(struct.unpack(_FORMATS[self.type], packed)[0]) * self.scale + self.offset

    def admits(self, value: float) -> bool:
        """Whether a written value is within the list's limits."""
        slack = abs(self.scale) / 2
        return not (
            (self.minimum is not None and value < self.minimum - slack)
            or (self.maximum is not None and value > self.maximum + slack)
        )


def load_rows(path: Path) -> tuple[Row, ...]:
    """Read a register list (``point,kind,unit,table,register,type,scale,offset,min,max,...``).

    Raises:
        OSError: it cannot be read.
        ValueError: a cell is no number.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(_row(cells) for cells in csv.DictReader(file))


def devices_dir() -> Path:
    """Where the device profiles are, in a checkout or in an installed package."""
    root = Path(__file__).parents[2]
    here = root / "devices"
    return here if here.is_dir() else root / "gateway" / "_data" / "devices"


def _row(cells: dict[str, str]) -> Row:
    default = "bit0" if cells["table"] in ("coil", "discrete") else "uint16"
    return Row(
        point=cells["point"],
        table=cells["table"],
        register=int(cells["register"]),
        type=cells["type"] or default,
        scale=float(cells["scale"] or 1),
        offset=float(cells["offset"] or 0),
        minimum=float(cells["min"]) if cells["min"] else None,
        maximum=float(cells["max"]) if cells["max"] else None,
    )


@dataclass(slots=True)
class RegisterBank:
    """Present contents of a register list, by point name and by address.

    Registers between two points of a table read 0; beyond its ends a request is refused.
    """

    rows: tuple[Row, ...]
    _words: dict[str, dict[int, int]] = field(init=False)
    _by_point: dict[str, Row] = field(init=False)

    def __post_init__(self) -> None:
        self._by_point = {row.point: row for row in self.rows}
        self._words = {}
        for row in self.rows:
            table = self._words.setdefault(row.table, {})
            for address in range(row.register, row.register + row.size):
                table[address] = 0
        for table in self._words.values():
            for address in range(min(table), max(table)):
                table.setdefault(address, 0)

    def put(self, point: str, value: float) -> None:
        """Show a value."""
        row = self._by_point[point]
        table = self._words[row.table]
        if row.bit is not None:
            mask = 1 << row.bit
            table[row.register] = table[row.register] & ~mask | (mask if value else 0)
            return
        for i, word in enumerate(row.encode(value)):
            table[row.register + i] = word

    def get(self, point: str) -> float:
        """The value shown now."""
        row = self._by_point[point]
        if row.bit is not None:
            return float(self._words[row.table][row.register] >> row.bit & 1)
        words = self._words[row.table]
        return row.decode([words[row.register + i] for i in range(row.size)])

    def read(self, table: str, address: int, count: int) -> list[int]:
        """Raw contents.

        Raises:
            Refusal: ILLEGAL_ADDRESS outside the table.
        """
        words = self._words.get(table, {})
        if not all(address + i in words for i in range(count)):
            raise Refusal(ExcCodes.ILLEGAL_ADDRESS, f"{table} {address}+{count}")
        return [words[address + i] for i in range(count)]

    def write(self, table: str, address: int, values: list[int]) -> tuple[str, ...]:
        """Take raw contents from a client, all or nothing.

        Returns:
            The points written.

        Raises:
            Refusal: ILLEGAL_ADDRESS outside the table or for part of a longer point,
                ILLEGAL_VALUE outside a point's limits.
        """
        self.read(table, address, len(values))
        written = tuple(self._written(table, address, values))
        for i, value in enumerate(values):
            self._words[table][address + i] = value
        return written

    def _written(self, table: str, address: int, values: list[int]) -> Iterator[str]:
        end = address + len(values)
        for row in self.rows:
            if row.table != table or row.register + row.size <= address or row.register >= end:
                continue
            if row.register < address or row.register + row.size > end:
                raise Refusal(ExcCodes.ILLEGAL_ADDRESS, f"half of {row.point}")
            raw = values[row.register - address : row.register - address + row.size]
            if row.bit is None and not row.admits(row.decode(raw)):
                raise Refusal(ExcCodes.ILLEGAL_VALUE, row.point)
            yield row.point
