"""What 16-bit registers mean: types, word order, scale, and how a value becomes registers.

Registers are 16-bit words as Modbus carries them. The wide types and the values that mean "not
implemented" follow SunSpec's *Device Information Model Specification* (edition not verified;
the sentinels agree with pysunspec2 1.3.7). Decoding many at once is in :mod:`.decode_plan`.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class RegisterType(StrEnum):
    """How a value lies in registers."""

    UINT16 = "uint16"
    INT16 = "int16"
    UINT32 = "uint32"
    INT32 = "int32"
    UINT64 = "uint64"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    ACC16 = "acc16"
    ACC32 = "acc32"
    ACC64 = "acc64"
    ENUM16 = "enum16"
    ENUM32 = "enum32"
    BITFIELD16 = "bitfield16"
    BITFIELD32 = "bitfield32"
    BIT = "bit"
    SUNSSF = "sunssf"
    STRING = "string"


class WordOrder(StrEnum):
    """Which register of a wide value comes first; bytes inside a register are big-endian."""

    BIG = "big"
    LITTLE = "little"


@dataclass(frozen=True, slots=True)
class TypeFacts:
    """What a numeric type is made of.

    Attributes:
        words: registers it takes.
        code: its :mod:`struct` letter.
        absent: raw value that means "not implemented" in SunSpec, None where NaN says so or
            nothing does.
    """

    words: int
    code: str
    absent: int | None


#: Every numeric type. STRING has a length of its own and is not here.
TYPE_FACTS = {
    RegisterType.UINT16: TypeFacts(1, "H", 0xFFFF),
    RegisterType.INT16: TypeFacts(1, "h", -0x8000),
    RegisterType.UINT32: TypeFacts(2, "I", 0xFFFFFFFF),
    RegisterType.INT32: TypeFacts(2, "i", -0x80000000),
    RegisterType.UINT64: TypeFacts(4, "Q", 0xFFFFFFFFFFFFFFFF),
    RegisterType.INT64: TypeFacts(4, "q", -0x8000000000000000),
    RegisterType.FLOAT32: TypeFacts(2, "f", None),
    RegisterType.FLOAT64: TypeFacts(4, "d", None),
    RegisterType.ACC16: TypeFacts(1, "H", 0),
    RegisterType.ACC32: TypeFacts(2, "I", 0),
    RegisterType.ACC64: TypeFacts(4, "Q", 0),
    RegisterType.ENUM16: TypeFacts(1, "H", 0xFFFF),
    RegisterType.ENUM32: TypeFacts(2, "I", 0xFFFFFFFF),
    RegisterType.BITFIELD16: TypeFacts(1, "H", 0xFFFF),
    RegisterType.BITFIELD32: TypeFacts(2, "I", 0xFFFFFFFF),
    RegisterType.BIT: TypeFacts(1, "H", 0xFFFF),
    RegisterType.SUNSSF: TypeFacts(1, "h", -0x8000),
}

#: Scale-factor exponents SunSpec allows; anything outside is nonsense, not a scale.
SCALE_FACTOR_LIMIT = 10


@dataclass(frozen=True, slots=True)
class RegisterField:
    """One value in a row of registers.

    The engineering value is ``raw * 10**scale_factor * scale + offset``.

    Attributes:
        at: position of its first register in the row.
        type: how it lies there.
        bit: which bit, 0 the lowest, for BIT only.
        word_order: of the wide types.
        scale, offset: raw to engineering units.
        scale_factor_at: position of its SunSpec scale-factor register in the same row; None
            where it has none.
        sunspec: whether SunSpec's "not implemented" values count as such.
    """

    at: int
    type: RegisterType
    bit: int = 0
    word_order: WordOrder = WordOrder.BIG
    scale: float = 1.0
    offset: float = 0.0
    scale_factor_at: int | None = None
    sunspec: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be decoded to a number.

        Raises:
            ValueError: with the reason.
        """
        if self.type is RegisterType.STRING:
            raise ValueError("a string is not a number: read it with decode_string")
        if self.at < 0 or (self.scale_factor_at is not None and self.scale_factor_at < 0):
            raise ValueError("register positions count from 0")
        if not 0 <= self.bit <= 15:
            raise ValueError(f"bit {self.bit} is outside 0..15")
        _check_scale(self.scale, self.offset)

    @property
    def words(self) -> int:
        """Registers the value itself takes."""
        return TYPE_FACTS[self.type].words


def parse_type(text: str) -> tuple[RegisterType, int]:
    """Type and bit number of a profile's type column: ``int16``, ``bit3`` ...

    Raises:
        ValueError: no such type, or a bit outside 0..15.
    """
    name = text.strip().lower()
    if name.startswith("bit") and name[3:].isdecimal():
        bit = int(name[3:])
        if bit > 15:
            raise ValueError(f"{text!r}: a register has bits 0 to 15")
        return RegisterType.BIT, bit
    if name != RegisterType.BIT:
        try:
            return RegisterType(name), 0
        except ValueError:
            pass
    known = ", ".join(kind for kind in RegisterType if kind is not RegisterType.BIT)
    raise ValueError(f"{text!r} is not a register type; known are {known} and bit0 to bit15")


def encode(
    value: float,
    type_: RegisterType,
    *,
    scale: float = 1.0,
    offset: float = 0.0,
    word_order: WordOrder = WordOrder.BIG,
    sunspec: bool = False,
) -> tuple[int, ...]:
    """Registers that hold an engineering value, rounded to the nearest raw step.

    Args:
        value: engineering units.
        type_: how it is to lie in registers.
        scale: raw steps to engineering units: ``value = raw * scale + offset``.
        offset: engineering units.
        word_order: of the wide types.
        sunspec: refuse to write the value that means "not implemented".

    Raises:
        ValueError: not finite, outside the type's range, or a type that cannot be written.
    """
    if type_ in (RegisterType.BIT, RegisterType.STRING):
        raise ValueError(f"a {type_} cannot be written as a register of its own")
    _check_scale(scale, offset)
    raw = (value - offset) / scale
    if not math.isfinite(raw):
        raise ValueError(f"{value} is not a number a register can hold")
    facts = TYPE_FACTS[type_]
    number: float = raw if facts.code in "fd" else round(raw)
    try:
        data = struct.pack(f">{facts.code}", number)
    except (struct.error, OverflowError):
        raise ValueError(f"{value} (raw {number}) does not fit {type_}") from None
    if sunspec and number == facts.absent:
        raise ValueError(f"{value} (raw {number}) means 'not implemented' in SunSpec's {type_}")
    return _ordered(struct.unpack(f">{facts.words}H", data), word_order)


def absent_registers(type_: RegisterType, word_order: WordOrder = WordOrder.BIG) -> tuple[int, ...]:
    """Registers that say "not implemented" in SunSpec.

    Raises:
        ValueError: the type has no such value.
    """
    facts = TYPE_FACTS.get(type_)
    if facts is None or type_ is RegisterType.BIT:
        raise ValueError(f"{type_} has no value that means 'not implemented'")
    absent = math.nan if facts.absent is None else facts.absent
    words = struct.unpack(f">{facts.words}H", struct.pack(f">{facts.code}", absent))
    return _ordered(words, word_order)


def decode_string(registers: Sequence[int]) -> str:
    """Text of a string field: two characters a register, ends at the first NUL.

    Bytes that are not UTF-8 are replaced, so that a device's name never stops a scan.
    """
    data = struct.pack(f">{len(registers)}H", *(int(word) for word in registers))
    return data.split(b"\0", 1)[0].decode("utf-8", errors="replace").strip()


def encode_string(text: str, words: int) -> tuple[int, ...]:
    """Registers of a text, padded with NUL.

    Raises:
        ValueError: it does not fit.
    """
    data = text.encode("utf-8")
    if len(data) > 2 * words:
        raise ValueError(f"{text!r} does not fit {words} registers")
    return struct.unpack(f">{words}H", data.ljust(2 * words, b"\0"))


def _ordered(words: tuple[int, ...], order: WordOrder) -> tuple[int, ...]:
    return words if order is WordOrder.BIG else words[::-1]


def _check_scale(scale: float, offset: float) -> None:
    if scale == 0 or not math.isfinite(scale) or not math.isfinite(offset):
        raise ValueError(f"scale {scale} and offset {offset} must be finite, scale not 0")
