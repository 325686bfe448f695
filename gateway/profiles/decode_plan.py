"""Many registers to many values in a few numpy passes.

Compiled once from :class:`~gateway.profiles.registers.RegisterField`; then each decoding costs a
few passes a *type*, not a Python step a point. Registers that lie in a row are taken as slices,
which costs a third of a gather.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_Places = slice | NDArray[np.intp]
_Factors = float | NDArray[np.float64]
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

    Arrays have one entry a field; a float or slice stands for all of them.

    Attributes:
        positions: where the results go.
        words: where each register of the value lies, highest first.
        risky: whether it can give anything but a number.
    """

    type: RegisterType
    positions: _Places
    words: tuple[_Places, ...]
    bits: NDArray[np.uint16] | None
    scales: _Factors | None
    offsets: _Factors | None
    scale_factors: _Places | None
    sunspec: bool
    risky: bool


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
        flags = np.full(shape, _ONLINE)
        values = np.empty(shape, dtype=np.float64)
        for group in self._groups:
            part = _decode_group(group, registers)
            if group.risky:
                good = np.isfinite(part)
                if not good.all():
                    part[~good] = np.nan
                    flags[..., group.positions] = good.view(np.uint8) * _ONLINE
            if len(self._groups) == 1:
                return part, flags
            values[..., group.positions] = part
        return values, flags


def _end(field: RegisterField) -> int:
    factor = -1 if field.scale_factor_at is None else field.scale_factor_at
    return max(field.at + field.words, factor + 1)


def _likeness(field: RegisterField) -> tuple[object, ...]:
    scaled = field.scale != 1.0 or field.offset != 0.0
    return field.type, scaled, field.scale_factor_at is not None, field.sunspec


def _compile(fields: Sequence[RegisterField], positions: list[int]) -> _Group:
    members = [fields[position] for position in positions]
    first = members[0]
    scales, offsets = [f.scale for f in members], [f.offset for f in members]
    factors = [field.scale_factor_at for field in members if field.scale_factor_at is not None]
    words = zip(*(_word_positions(field) for field in members), strict=True)
    is_bit = first.type is RegisterType.BIT
    return _Group(
        type=first.type,
        positions=_places(positions),
        words=tuple(_places(row) for row in words),
        bits=np.array([field.bit for field in members], dtype=np.uint16) if is_bit else None,
        scales=_factors(scales) if any(scale != 1.0 for scale in scales) else None,
        offsets=_factors(offsets) if any(offsets) else None,
        scale_factors=_places(factors) if factors else None,
        sunspec=first.sunspec,
        risky=(
            bool(factors)
            or first.sunspec
            or TYPE_FACTS[first.type].code in "fd"
            or any(max(abs(field.scale), abs(field.offset)) > _SAFE for field in members)
        ),
    )


def _places(numbers: Sequence[int]) -> _Places:
    """A slice where the numbers rise evenly, else an index array."""
    first, step = numbers[0], 1 if len(numbers) == 1 else numbers[1] - numbers[0]
    if step > 0 and list(numbers) == list(range(first, first + step * len(numbers), step)):
        return slice(first, numbers[-1] + 1, step)
    return np.array(numbers, dtype=np.intp)


def _factors(numbers: Sequence[float]) -> _Factors:
    """One number where all are the same, else an array."""
    return numbers[0] if len(set(numbers)) == 1 else np.array(numbers)


def _word_positions(field: RegisterField) -> list[int]:
    ahead = list(range(field.at, field.at + field.words))
    return ahead if field.word_order is WordOrder.BIG else ahead[::-1]


def _decode_group(group: _Group, registers: Registers) -> NDArray[np.float64]:
    facts = TYPE_FACTS[group.type]
    raw = _gather(group.words, registers).view(_NUMPY[facts.code])
    absent = raw == facts.absent if group.sunspec and facts.absent is not None else None
    if group.bits is not None:
        raw = raw >> group.bits & np.uint16(1)
    if not group.risky:
        return _scaled(group, raw.astype(np.float64))
    # a signalling NaN from the wire warns in the cast and a great number may overflow: both end
    # as no number, which decode() sees
    with np.errstate(invalid="ignore", over="ignore"):
        values: NDArray[np.float64] = raw.astype(np.float64)
        if group.scale_factors is not None:
            values *= _powers(_pick(registers, group.scale_factors).view(np.int16))
        values = _scaled(group, values)
    if absent is not None and absent.any():
        values[absent] = np.nan
    return values


def _scaled(group: _Group, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if group.scales is not None:
        values *= group.scales
    if group.offsets is not None:
        values += group.offsets
    return values


def _pick(registers: Registers, places: _Places) -> Registers:
    if isinstance(places, slice):
        return registers[..., places]
    # take() gathers twice as fast as indexing
    picked: Registers = registers.take(places, axis=-1)
    return picked


def _gather(words: tuple[_Places, ...], registers: Registers) -> NDArray[np.unsignedinteger]:
    """The raw values as unsigned integers of their width."""
    first = _pick(registers, words[0])
    if len(words) == 1:
        return first
    wide = _WIDE[len(words)]
    total: NDArray[np.unsignedinteger] = first.astype(wide, order="C")
    for row in words[1:]:
        total <<= wide(16)
        total |= _pick(registers, row)
    return total


def _powers(exponents: NDArray[np.int16]) -> NDArray[np.float64]:
    """Ten to the scale factor; NaN where the factor is absent (-32768) or nonsense."""
    sane = np.abs(exponents.astype(np.int32)) <= SCALE_FACTOR_LIMIT
    powers: NDArray[np.float64] = _POWERS.take(np.where(sane, exponents, 0) + SCALE_FACTOR_LIMIT)
    powers[~sane] = np.nan
    return powers


_POWERS = np.array(
    [float(f"1e{exponent}") for exponent in range(-SCALE_FACTOR_LIMIT, SCALE_FACTOR_LIMIT + 1)]
)
#: Scales and offsets up to this keep a 64-bit integer finite.
_SAFE = 1e200
