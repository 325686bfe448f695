"""DER group functions as typed messages: what is asked, and every message by its name.

Source of the fields: the paper's tables 3 and 4 for status; EPRI 3002008215 and IEC 61968-5 for
the rest as far as public (edition not verified). All values are SI (W, var, VA, V, Hz, pct) and
follow the sign convention of :mod:`gateway.model.der`; unit multipliers exist on the wire only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.groups.administration import (
    ANY_GROUP,
    AdministrationRequest,
    ChangeGroupRequest,
    CreateGroupRequest,
    DeleteGroupRequest,
    GroupDefinition,
    QueryGroupsRequest,
    StatedCapability,
    SynchroniseGroupRequest,
)
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
    "ANY_GROUP",
    "NOW",
    "POWER_QUANTITIES",
    "Address",
    "AdministrationRequest",
    "CapabilityRequest",
    "ChangeGroupRequest",
    "ConnectRequest",
    "CreateGroupRequest",
    "CurveReference",
    "CurveRequest",
    "DeleteGroupRequest",
    "Direction",
    "DispatchRequest",
    "ErrorLevel",
    "Forecast",
    "ForecastInterval",
    "ForecastRequest",
    "GroupDefinition",
    "GroupReply",
    "GroupRequest",
    "Held",
    "Interpolation",
    "IslandAction",
    "IslandRequest",
    "LimitRequest",
    "OperationSetRequest",
    "PowerFactorRequest",
    "Present",
    "PriceRequest",
    "Quantity",
    "QuantityRange",
    "QueryGroupsRequest",
    "RampRateRequest",
    "ReplyError",
    "Result",
    "SetPointRequest",
    "SingleRequest",
    "StatedCapability",
    "StatusRequest",
    "SynchroniseGroupRequest",
    "Timing",
    "Validity",
    "VoltageRegulationRequest",
    "WattCurve",
    "WattCurveRequest",
    "operation_set",
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


#: One request to one group, or about groups.
SingleRequest = (
    StatusRequest
    | CapabilityRequest
    | ForecastRequest
    | SetPointRequest
    | AdministrationRequest
    | QueryGroupsRequest
    | SynchroniseGroupRequest
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSetRequest:
    """Several requests in one message, carried out in order; made by :func:`operation_set`.

    Attributes:
        address: of the whole; its group is ``ANY_GROUP``.
        operations: each with its own group, and the set's message id with its number behind it.
        transactional: all of them or none: what was done is undone where one fails.
    """

    address: Address
    operations: tuple[SingleRequest, ...]
    transactional: bool = False


GroupRequest = SingleRequest | OperationSetRequest


def operation_set(
    address: Address, operations: Iterable[SingleRequest], *, transactional: bool = False
) -> OperationSetRequest:
    """An operation set; each operation keeps its DMS and its group, the rest is the set's."""
    numbered = tuple(
        replace(
            operation,
            address=replace(
                operation.address,
                message_id=f"{address.message_id}:{number}",
                time_ms=address.time_ms,
            ),
        )
        for number, operation in enumerate(operations, 1)
    )
    whole = replace(address, group_id=ANY_GROUP)
    return OperationSetRequest(address=whole, operations=numbered, transactional=transactional)
