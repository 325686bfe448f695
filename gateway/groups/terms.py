"""The words group functions are made of: quantities, choices, ids, when something holds.

Source of the words: the paper's tables 3 and 4 for status; EPRI 3002008215, IEC 61968-5 and IEC
61968-100 for the rest as far as public (edition not verified).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Quantity(StrEnum):
    """Variables a status or forecast can ask for."""

    ACTIVE_POWER = "P"  # W
    REACTIVE_POWER = "Q"  # var
    APPARENT_POWER = "S"  # VA
    VOLTAGE = "V"  # V
    FREQUENCY = "F"  # Hz
    POWER_FACTOR = "PF"  # signed: positive over-excited
    STATE_OF_CHARGE = "SoC"  # pct
    STATE = "State"  # IEEE 2030.7 steady state or transition
    CONNECTED = "Connected"  # 1 while the POI (or every member) is connected


#: Quantities a volt-VAR optimisation needs.
POWER_QUANTITIES = (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.APPARENT_POWER)


class Timing(StrEnum):
    """Whether a status may come from the image or must be read anew (paper, table 3)."""

    LATEST = "LATEST"
    REFRESHED = "REFRESHED"


class Direction(StrEnum):
    """Which flow at the POI a maximum real power limit bounds."""

    EXPORT = "EXPORT"
    IMPORT = "IMPORT"


class Interpolation(StrEnum):
    """How a forecast goes from one interval's value to the next."""

    STEP = "STEP"
    LINEAR = "LINEAR"


class CurveReference(StrEnum):
    """What 100 % of a volt-VAR curve's reactive power means."""

    MAX_ACTIVE_POWER = "MAX_P"
    MAX_REACTIVE_POWER = "MAX_Q"
    AVAILABLE_REACTIVE_POWER = "AVAILABLE_Q"
    MAX_APPARENT_POWER = "MAX_S"


class WattCurve(StrEnum):
    """What a curve lets real power depend on (IEEE 1547-2018 names; edition not verified)."""

    VOLT_WATT = "VoltWatt"  # x in % of the reference voltage
    FREQUENCY_WATT = "FrequencyWatt"  # x in Hz


class IslandAction(StrEnum):
    """Transition asked of a microgrid (IEEE 2030.7 T1, T2 by request, T3; edition not verified)."""

    PLANNED = "PLANNED"
    EMERGENCY = "EMERGENCY"
    RECONNECT = "RECONNECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Who asks whom.

    Attributes:
        message_id: id of this message; a reply carries it as correlation id.
        dms_id: the asking DMS.
        group_id: the microgrid or DER group asked.
        time_ms: when it was made, UTC ms.
    """

    message_id: str
    dms_id: str
    group_id: str
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """When a set point holds.

    Attributes:
        start_ms: UTC ms; 0 is now.
        duration_s: seconds after which it reverts; 0 holds until replaced.
    """

    start_ms: int = 0
    duration_s: float = 0.0


NOW = Validity()


class Result(StrEnum):
    """Outcome in a reply (style of IEC 61968-100; edition not verified)."""

    OK = "OK"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


class ErrorLevel(StrEnum):
    """Weight of an error in a reply."""

    INFORM = "INFORM"
    WARNING = "WARNING"
    FATAL = "FATAL"
    CATASTROPHIC = "CATASTROPHIC"
