"""Group functions that change something, as typed messages.

All values are SI (W, var, VA, V, Hz, pct) and follow the sign convention of
:mod:`gateway.model.der`.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.groups.terms import (
    NOW,
    Address,
    CurveReference,
    Direction,
    IslandAction,
    Quantity,
    Validity,
    WattCurve,
)
from gateway.model.der import Excitation


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RampRateRequest:
    """How fast real power may change by the group's own doing.

    Attributes:
        up_w_per_s, down_w_per_s: of the whole group, more than 0; None leaves that direction as
            it is, and both None end the function.
    """

    address: Address
    up_w_per_s: float | None
    down_w_per_s: float | None
    validity: Validity = NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageRegulationRequest:
    """Hold the voltage at the point of reference by reactive power.

    Attributes:
        voltage_pct: set point in % of nominal; None ends it.
        deadband_pct: whole width around the set point in which nothing is done, % of nominal.
        droop_pct: voltage beyond the deadband, % of nominal, at which all reactive power is used.
    """

    address: Address
    voltage_pct: float | None
    deadband_pct: float = 1.0
    droop_pct: float = 4.0
    validity: Validity = NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class WattCurveRequest:
    """Volt-Watt or frequency-Watt curve.

    Attributes:
        kind: what real power depends on.
        points: 2 to 20 pairs (voltage in % of nominal or frequency in Hz, real power in % of the
            rating), the first of a pair not falling; empty switches the curve off.
        response_s: open-loop response time.
    """

    address: Address
    kind: WattCurve
    points: tuple[tuple[float, float], ...]
    response_s: float = 5.0
    validity: Validity = NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRequest:
    """Price of the grid's energy, for groups that dispatch themselves by it.

    Attributes:
        currency: ISO 4217 code; whoever takes the price must reckon in it.
        schedule: (seconds it holds, price a kWh) in order; the last may hold 0 s, meaning until
            replaced. An empty schedule ends it.
    """

    address: Address
    currency: str
    schedule: tuple[tuple[float, float], ...]
    start_ms: int = 0


#: Requests that change something at the group's points.
SetPointRequest = (
    LimitRequest
    | DispatchRequest
    | CurveRequest
    | PowerFactorRequest
    | ConnectRequest
    | IslandRequest
    | RampRateRequest
    | VoltageRegulationRequest
    | WattCurveRequest
    | PriceRequest
)
