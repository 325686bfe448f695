"""Numbers as the standard writes them: a whole number times a power of ten."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal
from typing import ClassVar, Self

#: Powers of ten the standard gives a meaning: nano to giga.
LEAST_POWER, MOST_POWER = -9, 9


def scale(number: float, lowest: int, highest: int) -> tuple[int, int]:
    """The whole number and the power of ten nearest to a number.

    Exact where the range allows; else rounded to the power of ten that loses least. Of several
    exact pairs the one whose power is nearest to none.

    Raises:
        ValueError: not finite, or out of the range whatever the power.
    """
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    if number < 0 <= lowest:
        raise ValueError(f"{number:g} is negative")
    exact = Decimal(repr(float(number))).normalize()
    exponent = exact.as_tuple().exponent
    start = max(LEAST_POWER, min(0, exponent if isinstance(exponent, int) else 0))
    for power in range(start, MOST_POWER + 1):
        value = int(exact.scaleb(-power).to_integral_value(ROUND_HALF_EVEN))
        if lowest <= value <= highest:
            return value, power
    raise ValueError(f"{number:g} is out of range")


class Quantity:
    """What has a ``multiplier`` and a ``value``."""

    __slots__ = ()
    limits: ClassVar[tuple[int, int]]
    multiplier: int
    value: int

    @property
    def number(self) -> float:
        """The value in units."""
        return _number(self.value, self.multiplier)

    @classmethod
    def of(cls, number: float) -> Self:
        """The nearest there is to a number of units.

        Raises:
            ValueError: not finite, or out of range.
        """
        value, multiplier = scale(number, *cls.limits)
        return cls(multiplier=multiplier, value=value)  # type: ignore[call-arg]


class SignedQuantity(Quantity):
    """A quantity of 16 bits, signed."""

    __slots__ = ()
    limits = (-(2**15), 2**15 - 1)


class UnsignedQuantity(Quantity):
    """A quantity of 16 bits, never negative."""

    __slots__ = ()
    limits = (0, 2**16 - 1)


class Displacement:
    """What has a ``displacement``, a power factor from 0 to 1."""

    __slots__ = ()
    multiplier: int
    displacement: int

    @property
    def number(self) -> float:
        """The power factor."""
        return _number(self.displacement, self.multiplier)


def displaced(power_factor: float) -> tuple[int, int]:
    """Displacement and multiplier of a power factor.

    Raises:
        ValueError: it is not from 0 to 1.
    """
    if not 0 <= power_factor <= 1:
        raise ValueError("not from 0 to 1")
    return scale(power_factor, 0, 2**16 - 1)


def _number(value: int, power: int) -> float:
    # dividing keeps 950 and -3 at 0.95, which multiplying by 0.001 does not
    return float(value * 10**power) if power >= 0 else value / 10**-power
