"""DER group functions as typed messages: what is asked, and every message by its name.

Source of the fields: the paper's tables 3 and 4 for status; EPRI 3002008215 and IEC 61968-5 for
the rest as far as public (edition not verified). All values are SI (W, var, VA, V, Hz, pct) and
follow the sign convention of :mod:`gateway.model.der`; unit multipliers exist on the wire only.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.groups.reports import (
    Forecast,
    ForecastInterval,
    GroupReply,
    Held,
    Present,
    QuantityRange,
    ReplyError,
)
from gateway.groups.set_points import (
    ConnectRequest,
    CurveRequest,
    DispatchRequest,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    PriceRequest,
    RampRateRequest,
    SetPointRequest,
    VoltageRegulationRequest,
    WattCurveRequest,
)
from gateway.groups.terms import (
    NOW,
    POWER_QUANTITIES,
    Address,
    CurveReference,
    Direction,
    ErrorLevel,
    Interpolation,
    IslandAction,
    Quantity,
    Result,
    Timing,
    Validity,
    WattCurve,
)

__all__ = [
    "NOW",
    "POWER_QUANTITIES",
    "Address",
    "CapabilityRequest",
    "ConnectRequest",
    "CurveReference",
    "CurveRequest",
    "Direction",
    "DispatchRequest",
    "ErrorLevel",
    "Forecast",
    "ForecastInterval",
    "ForecastRequest",
    "GroupReply",
    "GroupRequest",
    "Held",
    "Interpolation",
    "IslandAction",
    "IslandRequest",
    "LimitRequest",
    "PowerFactorRequest",
    "Present",
    "PriceRequest",
    "Quantity",
    "QuantityRange",
    "RampRateRequest",
    "ReplyError",
    "Result",
    "SetPointRequest",
    "StatusRequest",
    "Timing",
    "Validity",
    "VoltageRegulationRequest",
    "WattCurve",
    "WattCurveRequest",
]


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


GroupRequest = StatusRequest | CapabilityRequest | ForecastRequest | SetPointRequest
