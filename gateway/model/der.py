"""DER terms and the sign convention, written once.

Sign: generation and injection are positive, seen from the DER. Charging and absorption are
negative. At a point of interconnection (POI) export is positive and import negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Excitation(StrEnum):
    """Sign of Q at a fixed power factor, as SunSpec 704 and IEEE 1547 use the words."""

    OVER_EXCITED = "over-excited"  # injects reactive power
    UNDER_EXCITED = "under-excited"  # absorbs reactive power


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval; ``minimum <= maximum``."""

    minimum: float
    maximum: float

    def clip(self, value: float) -> float:
        """Nearest value inside the interval."""
        return min(max(value, self.minimum), self.maximum)

    def __add__(self, other: Range) -> Range:
        """Interval of the sum of two independent quantities."""
        return Range(self.minimum + other.minimum, self.maximum + other.maximum)


@dataclass(frozen=True, slots=True)
class Capability:
    """What a DER or a group can do.

    Attributes:
        power_w: real power range, W.
        reactive_power_var: reactive power range, var.
        apparent_power_va: apparent power limit, VA.
    """

    power_w: Range
    reactive_power_var: Range
    apparent_power_va: float
