"""DER group functions as typed messages.

Source of the fields: the paper's tables 3 and 4 for status; EPRI 3002008215 and IEC 61968-5 for
the rest as far as public (edition not verified). All values are SI (W, var, VA, V, Hz, pct) and
follow the sign convention of :mod:`gateway.model.der`; unit multipliers exist on the wire only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.der import Excitation, Range


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """Status monitoring (paper, table 3)."""

    address: Address
    quantities: tuple[Quantity, ...] = POWER_QUANTITIES
    timing: Timing = Timing.LATEST


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityRequest:
    """What the group can do now and by its nameplates."""

    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastRequest:
    """Output forecasting: ``intervals`` values ``interval_s`` apart from ``start_ms`` (0: now)."""

    address: Address
    quantities: tuple[Quantity, ...] = (Quantity.ACTIVE_POWER,)
    start_ms: int = 0
    interval_s: float = 900.0
    intervals: int = 4
    interpolation: Interpolation = Interpolation.STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRequest:
    """Maximum real power limiting: ``limit_w >= 0`` in the given direction; None lifts it."""

    address: Address
    limit_w: float | None
    direction: Direction = Direction.EXPORT
    validity: Validity = NOW
    ramp_w_per_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRequest:
    """Real or reactive power dispatch.

    Attributes:
        quantity: ACTIVE_POWER (values in W) or REACTIVE_POWER (values in var).
        schedule: (seconds it holds, value) in order; the last may hold 0 s, meaning until
            replaced. An empty schedule ends the dispatch.
    """

    address: Address
    quantity: Quantity
    schedule: tuple[tuple[float, float], ...]
    start_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveRequest:
    """Volt-VAR curve.

    Attributes:
        points: 2 to 20 pairs (voltage in % of reference voltage, reactive power in % of
            ``reference``), voltage not falling; empty switches the curve off.
        voltage_reference_pct: reference voltage in % of nominal.
        response_s: open-loop response time.
    """

    address: Address
    points: tuple[tuple[float, float], ...]
    reference: CurveReference = CurveReference.MAX_APPARENT_POWER
    voltage_reference_pct: float = 100.0
    response_s: float = 5.0
    validity: Validity = NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFactorRequest:
    """Constant power factor: magnitude 0..1 and excitation; None ends it."""

    address: Address
    power_factor: float | None
    excitation: Excitation = Excitation.OVER_EXCITED
    validity: Validity = NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRequest:
    """Connect or disconnect (cease to energise) the group's DERs."""

    address: Address
    connect: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IslandRequest:
    """Transition of a microgrid to or from island, not before ``not_before_ms`` (0: now)."""

    address: Address
    action: IslandAction
    not_before_ms: int = 0
    reason: str = ""


#: Requests that change something.
SetPointRequest = (
    LimitRequest
    | DispatchRequest
    | CurveRequest
    | PowerFactorRequest
    | ConnectRequest
    | IslandRequest
)
GroupRequest = StatusRequest | CapabilityRequest | ForecastRequest | SetPointRequest


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyError:
    """One error of a reply. Known codes: ``0.0`` OK, ``6.1`` refused by a business rule."""

    code: str
    level: ErrorLevel
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Present value of one quantity.

    Attributes:
        value: SI; None where it is not known.
        good: False where control logic must not use it.
        time_ms: the source's time of it.
    """

    quantity: Quantity
    value: float | None
    good: bool
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityRange:
    """Capability of one quantity: what is possible now, and what is installed."""

    quantity: Quantity
    now: Range | None
    nameplate: Range | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastInterval:
    """One interval: nominal with the band its confidence speaks of."""

    start_ms: int
    quantity: Quantity
    nominal: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Payload of a forecast reply; ``confidence_pct`` that a value falls inside its band."""

    created_ms: int
    confidence_pct: float
    interpolation: Interpolation
    interval_s: float
    intervals: tuple[ForecastInterval, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """To what extent a request succeeded: what was asked and what will be held.

    Attributes:
        requested, held: SI; None where the request ended a function.
        members_ok, members: how many of the group's members took it.
    """

    quantity: Quantity
    requested: float | None
    held: float | None
    members_ok: int = 1
    members: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupReply:
    """Reply to any group function (paper, table 4).

    Attributes:
        message_id: id of this reply.
        correlation_id: message id of the request.
        dms_id, group_id: as in the request.
        time_ms: UTC ms.
        result: OK, PARTIAL (with ``held``) or FAILED (with ``errors``).
    """

    message_id: str
    correlation_id: str
    dms_id: str
    group_id: str
    time_ms: int
    result: Result
    errors: tuple[ReplyError, ...] = ()
    present: tuple[Present, ...] = ()
    ranges: tuple[QuantityRange, ...] = ()
    forecast: Forecast | None = None
    held: tuple[Held, ...] = ()
