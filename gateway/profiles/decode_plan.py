"""Many registers to many values in a few numpy passes.

Compiled once from :class:`~gateway.profiles.registers.RegisterField`; then each decoding costs a
few passes a *type*, not a Python step a point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model.quality import Quality
from gateway.profiles.registers import (
    SCALE_FACTOR_LIMIT,
    TYPE_FACTS,
    RegisterField,
    RegisterType,
    WordOrder,
)

Registers = NDArray[np.uint16]
_ONLINE = np.uint8(Quality.ONLINE)
_WIDE: dict[int, type[np.uint32 | np.uint64]] = {2: np.uint32, 4: np.uint64}
_NUMPY: dict[str, np.dtype[Any]] = {
    "H": np.dtype(np.uint16),
    "h": np.dtype(np.int16),
    "I": np.dtype(np.uint32),
    "i": np.dtype(np.int32),
    "Q": np.dtype(np.uint64),
    "q": np.dtype(np.int64),
    "f": np.dtype(np.float32),
    "d": np.dtype(np.float64),
}


@dataclass(frozen=True, slots=True)
class _Group:
    """Fields that decode alike: one type, and the same extras or none.

    Arrays have one entry a field; ``words`` one row a register of the value, highest first.
    """

    type: RegisterType
    positions: NDArray[np.intp]
    words: NDArray[np.intp]
    bits: NDArray[np.uint16] | None
    scales: NDArray[np.float64] | None
    offsets: NDArray[np.float64] | None
    scale_factors: NDArray[np.intp] | None
    sunspec: bool


class DecodePlan:
    """Turns rows of registers into values and flags.

    Args:
        fields: what to decode, in the order of the results.

    Attributes:
        count: number of fields.
        width: registers a row must have at least.
    """

    def __init__(self, fields: Sequence[RegisterField]) -> None:
        self.count = len(fields)
        self.width = max((_end(field) for field in fields), default=0)
        alike: dict[tuple[object, ...], list[int]] = {}
        for position, field in enumerate(fields):
            alike.setdefault(_likeness(field), []).append(position)
        self._groups = tuple(_compile(fields, positions) for positions in alike.values())

    def decode(self, registers: Registers) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Engineering values and flags.

        Args:
            registers: uint16 in the machine's byte order, shape (..., width or more); bits of
                the bit tables stand as 0 or 1.

        Returns:
            Values, float64, shape (..., count), NaN where there is none; flags, uint8, same
            shape: ONLINE, or 0 where the device says "not implemented", where the scale
            factor is absent or nonsense, and where the number is not finite.

        Raises:
            ValueError: the rows are too short.
        """
        if registers.shape[-1] < self.width:
            raise ValueError(f"{registers.shape[-1]} registers where {self.width} are needed")
        shape = (*registers.shape[:-1], self.count)
        values = np.empty(shape, dtype=np.float64)
        for group in self._groups:
            values[..., group.positions] = _decode_group(group, registers)
        good = np.isfinite(values)
        if not good.all():
            values[~good] = np.nan
        return values, good.view(np.uint8) * _ONLINE


def _end(field: RegisterField) -> int:
    factor = -1 if field.scale_factor_at is None else field.scale_factor_at
    return max(field.at + field.words, factor + 1)


def _likeness(field: RegisterField) -> tuple[object, ...]:
    scaled = field.scale != 1.0 or field.offset != 0.0
    return field.type, scaled, field.scale_factor_at is not None, field.sunspec


def _compile(fields: Sequence[RegisterField], positions: list[int]) -> _Group:
    members = [fields[position] for position in positions]
    first = members[0]
    scaled = any(field.scale != 1.0 or field.offset != 0.0 for field in members)
    factors = [field.scale_factor_at for field in members if field.scale_factor_at is not None]
    return _Group(
        type=first.type,
        positions=np.array(positions, dtype=np.intp),
        words=np.array([_word_positions(field) for field in members], dtype=np.intp).T.copy(),
        bits=(
            np.array([field.bit for field in members], dtype=np.uint16)
            if first.type is RegisterType.BIT
            else None
        ),
        scales=_column(field.scale for field in members) if scaled else None,
        offsets=_column(field.offset for field in members) if scaled else None,
        scale_factors=np.array(factors, dtype=np.intp) if factors else None,
        sunspec=first.sunspec,
    )


def _column(numbers: Iterable[float]) -> NDArray[np.float64]:
    return np.array(list(numbers), dtype=np.float64)


def _word_positions(field: RegisterField) -> list[int]:
    ahead = list(range(field.at, field.at + field.words))
    return ahead if field.word_order is WordOrder.BIG else ahead[::-1]


def _decode_group(group: _Group, registers: Registers) -> NDArray[np.float64]:
    facts = TYPE_FACTS[group.type]
    raw = _gather(group.words, registers).view(_NUMPY[facts.code])
    absent = raw == facts.absent if group.sunspec and facts.absent is not None else None
    if group.bits is not None:
        raw = raw >> group.bits & np.uint16(1)
    # a signalling NaN from the wire raises a warning in the cast; it ends as NaN all the same
    with np.errstate(invalid="ignore", over="ignore"):
        values: NDArray[np.float64] = raw.astype(np.float64)
        if group.scale_factors is not None:
            values *= _powers(registers, group.scale_factors)
        if group.scales is not None and group.offsets is not None:
            values *= group.scales
            values += group.offsets
    if absent is not None and absent.any():
        values[absent] = np.nan
    return values


def _gather(words: NDArray[np.intp], registers: Registers) -> NDArray[np.unsignedinteger]:
    """The raw values as unsigned integers of their width."""
    first: NDArray[np.uint16] = registers.take(words[0], axis=-1)
    if len(words) == 1:
        return first
    wide = _WIDE[len(words)]
    total: NDArray[np.unsignedinteger] = first.astype(wide)
    for row in words[1:]:
        total <<= wide(16)
        total |= registers.take(row, axis=-1)
    return total


def _powers(registers: Registers, positions: NDArray[np.intp]) -> NDArray[np.float64]:
    """Ten to the scale factor; NaN where the factor is absent (-32768) or nonsense."""
    exponents = registers.take(positions, axis=-1).view(np.int16)
    sane = np.abs(exponents.astype(np.int32)) <= SCALE_FACTOR_LIMIT
    powers: NDArray[np.float64] = _POWERS.take(np.where(sane, exponents, 0) + SCALE_FACTOR_LIMIT)
    powers[~sane] = np.nan
    return powers


_POWERS = np.array(
    [float(f"1e{exponent}") for exponent in range(-SCALE_FACTOR_LIMIT, SCALE_FACTOR_LIMIT + 1)]
)
