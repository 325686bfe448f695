"""Northbound register map: which point stands at which address, in what form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gateway.links.modbus.codec import ExceptionCode, Table
from gateway.model.reader import PointReader
from gateway.profiles.decode_plan import DecodePlan
from gateway.profiles.registers import (
    RegisterField,
    RegisterType,
    WordOrder,
    absent_registers,
    encode,
)


@dataclass(frozen=True, slots=True)
class MapEntry:
    """One point in the map.

    Attributes:
        point: point id.
        table: address space; only COIL and HOLDING can be written.
        address: first address.
        type: form in registers; not looked at in the bit tables.
        word_order: of the wide types.
        scale: raw steps to engineering units: ``value = raw * scale + offset``.
        offset: engineering units.
        writable: whether a client may command the point.
    """

    point: str
    table: Table
    address: int
    type: RegisterType = RegisterType.INT16
    word_order: WordOrder = WordOrder.BIG
    scale: float = 1.0
    offset: float = 0.0
    writable: bool = False

    @property
    def field(self) -> RegisterField:
        """How its registers are read; raises ValueError where they cannot be."""
        return RegisterField(
            0,
            self.type,
            word_order=self.word_order,
            scale=self.scale,
            offset=self.offset,
        )

    @property
    def count(self) -> int:
        """Addresses it takes."""
        return 1 if self.table.is_bits else self.field.words


class ServeError(Exception):
    """A request that gets an exception answer.

    Attributes:
        code: which.
    """

    def __init__(self, code: ExceptionCode) -> None:
        super().__init__(code.name)
        self.code = code


class RegisterMap:
    """Serves reads from points and cuts writes into commands.

    Args:
        entries: the map.
        reader: present measurements.
        bad_quality: ``exception`` or ``sentinel``, as in
            :class:`~gateway.links.modbus.config.ServerConfig`.
        gaps: ``refuse`` or ``zero``, likewise.

    Raises:
        ValueError: two entries overlap, one is outside 0..65535, of a type that cannot be
            served, writable in a read-only table, or its point does not exist.
    """

    def __init__(
        self,
        entries: Sequence[MapEntry],
        reader: PointReader,
        bad_quality: Literal["exception", "sentinel"] = "exception",
        gaps: Literal["refuse", "zero"] = "refuse",
    ) -> None:
        self._reader = reader
        self._sentinels = bad_quality == "sentinel"
        self._zero_gaps = gaps == "zero"
        self._at: dict[tuple[Table, int], MapEntry] = {}
        for entry in entries:
            self._place(entry)

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        """Registers, or bits as 0 and 1.

        Raises:
            ServeError: ILLEGAL_DATA_ADDRESS for unmapped addresses and cut values,
                SERVER_DEVICE_FAILURE for a point without good quality or out of its form's
                range.
        """
        words: list[int] = []
        position, end = address, address + count
        while position < end:
            entry = self._at.get((table, position))
            if entry is None:
                if not self._zero_gaps:
                    raise ServeError(ExceptionCode.ILLEGAL_DATA_ADDRESS)
                words.append(0)
                position += 1
                continue
            if entry.address != position or position + entry.count > end:
                raise ServeError(ExceptionCode.ILLEGAL_DATA_ADDRESS)
            words += self._serve(entry)
            position += entry.count
        return tuple(words)

    def split_write(
        self, table: Table, address: int, values: Sequence[int]
    ) -> list[tuple[str, float]]:
        """Commands a write means: (point, engineering value), in address order.

        Raises:
            ServeError: ILLEGAL_DATA_ADDRESS where an address is unmapped, read-only or cuts a
                value; ILLEGAL_DATA_VALUE where the registers are no number.
        """
        commands: list[tuple[str, float]] = []
        position, end = address, address + len(values)
        while position < end:
            entry = self._at.get((table, position))
            if entry is None or not entry.writable or entry.address != position:
                raise ServeError(ExceptionCode.ILLEGAL_DATA_ADDRESS)
            if position + entry.count > end:
                raise ServeError(ExceptionCode.ILLEGAL_DATA_ADDRESS)
            start = position - address
            commands.append((entry.point, _value(entry, values[start : start + entry.count])))
            position += entry.count
        return commands

    def _place(self, entry: MapEntry) -> None:
        where = f"{entry.point} at {entry.table} {entry.address}"
        if entry.address < 0 or entry.address + entry.count > 0x10000:
            raise ValueError(f"{where}: addresses run from 0 to 65535")
        if entry.type is RegisterType.BIT and not entry.table.is_bits:
            raise ValueError(f"{where}: a register cannot have type bit")
        if entry.writable and not entry.table.is_writable:
            raise ValueError(f"{where}: table {entry.table} cannot be written")
        if entry.point not in self._reader:
            raise ValueError(f"{where}: no such point")
        for address in range(entry.address, entry.address + entry.count):
            other = self._at.setdefault((entry.table, address), entry)
            if other is not entry:
                raise ValueError(f"{where} overlaps {other.point} at {other.address}")

    def _serve(self, entry: MapEntry) -> tuple[int, ...]:
        measurement = self._reader[entry.point]
        if measurement.is_good:
            if entry.table.is_bits:
                return (int(measurement.value != 0.0),)
            try:
                return encode(
                    measurement.value,
                    entry.type,
                    scale=entry.scale,
                    offset=entry.offset,
                    word_order=entry.word_order,
                    sunspec=self._sentinels,
                )
            except ValueError:
                pass  # a value its form cannot hold is as useless to the client as a lost one
        if self._sentinels and not entry.table.is_bits:
            return absent_registers(entry.type, entry.word_order)
        raise ServeError(ExceptionCode.SERVER_DEVICE_FAILURE)


def _value(entry: MapEntry, words: Sequence[int]) -> float:
    if entry.table.is_bits:
        return float(words[0])
    values, flags = DecodePlan([entry.field]).decode(np.array(words, dtype=np.uint16))
    if not flags[0]:
        raise ServeError(ExceptionCode.ILLEGAL_DATA_VALUE)
    return float(values[0])
