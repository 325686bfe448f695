"""Requests and replies in one line each, for tables, logs and the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.groups.events import GroupEvent
from gateway.groups.messages import (
    CapabilityRequest,
    ChangeGroupRequest,
    ConnectRequest,
    CreateGroupRequest,
    CurveRequest,
    DeleteGroupRequest,
    DispatchRequest,
    ForecastRequest,
    GroupReply,
    GroupRequest,
    Held,
    IslandRequest,
    LimitRequest,
    OperationSetRequest,
    PowerFactorRequest,
    Present,
    PriceRequest,
    Quantity,
    QueryGroupsRequest,
    RampRateRequest,
    StatusRequest,
    SynchroniseGroupRequest,
    VoltageRegulationRequest,
    WattCurve,
    WattCurveRequest,
)
from gateway.model.der import Range

_UNITS = {
    Quantity.ACTIVE_POWER: "W",
    Quantity.REACTIVE_POWER: "var",
    Quantity.APPARENT_POWER: "VA",
    Quantity.VOLTAGE: "V",
    Quantity.FREQUENCY: "Hz",
    Quantity.STATE_OF_CHARGE: "%",
}


def function_of(request: GroupRequest) -> str:
    """Name of a request's function."""
    if isinstance(request, DispatchRequest):
        return f"Dispatch{request.quantity.value}"
    if isinstance(request, WattCurveRequest):
        return f"{request.kind}Curve"
    return type(request).__name__.removesuffix("Request")


def message_line(message: GroupRequest | GroupReply | GroupEvent) -> str:
    """What a message says, whichever it is."""
    match message:
        case GroupReply():
            return reply_line(message)
        case GroupEvent():
            return f"{message.group_id} {message.kind} {message.sequence}: {message.reason}"
        case _:
            return request_line(message)


def request_line(request: GroupRequest) -> str:
    """What is asked."""
    return _LINES[type(request)](request)


def reply_line(reply: GroupReply) -> str:
    """What came of it."""
    parts = [_present(entry) for entry in reply.present]
    parts += [_held(entry) for entry in reply.held]
    if reply.forecast is not None:
        parts.append(f"{len(reply.forecast.intervals)} intervals")
    parts += [f"{d.group_id} version {d.version}" for d in reply.groups]
    parts += [reply_line(part) for part in reply.parts]
    parts += [error.reason for error in reply.errors]
    if not parts:
        parts = [f"{entry.quantity} {_range(entry.now)}" for entry in reply.ranges]
    return f"{reply.result}: {'; '.join(parts)}" if parts else str(reply.result)


def _present(entry: Present) -> str:
    if entry.value is None:
        return f"{entry.quantity} unknown"
    mark = "" if entry.good else " (not good)"
    return f"{entry.quantity} {_value(entry.value, _UNITS.get(entry.quantity, ''))}{mark}"


def _held(entry: Held) -> str:
    unit = _UNITS.get(entry.quantity, "")
    share = f" by {entry.members_ok}/{entry.members}" if entry.members > 1 else ""
    if entry.held is None:
        return f"{entry.quantity} taken{share}"
    return f"{entry.quantity} {_value(entry.held, unit)} held{share}"


def _range(interval: Range | None) -> str:
    return "unknown" if interval is None else f"{interval.minimum:g}..{interval.maximum:g}"


def _value(value: float, unit: str) -> str:
    if unit in ("W", "var", "VA"):
        return f"{value / 1e3:,.1f} k{unit}"
    return f"{value:g} {unit}".strip()


def _status(request: StatusRequest) -> str:
    return f"{'/'.join(request.quantities)} {request.timing}"


def _forecast(request: ForecastRequest) -> str:
    return f"{'/'.join(request.quantities)}, {request.intervals} x {request.interval_s:g} s"


def _limit(request: LimitRequest) -> str:
    limit_w = request.limit_w
    return f"{request.direction} " + ("lifted" if limit_w is None else _value(limit_w, "W"))


def _dispatch(request: DispatchRequest) -> str:
    unit = _UNITS[request.quantity]
    return ", ".join(_value(value, unit) for _, value in request.schedule) or "ended"


def _curve(request: CurveRequest) -> str:
    return " ".join(f"({v:g}%,{q:g}%)" for v, q in request.points) or "off"


def _watt_curve(request: WattCurveRequest) -> str:
    unit = "%" if request.kind is WattCurve.VOLT_WATT else "Hz"
    return " ".join(f"({x:g}{unit},{p:g}%)" for x, p in request.points) or "off"


def _power_factor(request: PowerFactorRequest) -> str:
    factor = request.power_factor
    return "ended" if factor is None else f"{factor:g} {request.excitation}"


def _regulation(request: VoltageRegulationRequest) -> str:
    voltage, deadband = request.voltage_pct, request.deadband_pct
    return "ended" if voltage is None else f"{voltage:g} %, deadband {deadband:g} %"


def _ramp(request: RampRateRequest) -> str:
    named = {"up": request.up_w_per_s, "down": request.down_w_per_s}.items()
    ramps = [f"{way} {_value(value, 'W')}/s" for way, value in named if value is not None]
    return ", ".join(ramps) or "ended"


def _price(request: PriceRequest) -> str:
    prices = ", ".join(f"{value:g}" for _, value in request.schedule)
    return f"{prices} {request.currency}/kWh" if prices else "ended"


def _island(request: IslandRequest) -> str:
    return f"{request.action} {request.reason}".strip()


def _creation(request: CreateGroupRequest) -> str:
    return f"of {', '.join(request.members)}"


def _change(request: ChangeGroupRequest) -> str:
    parts = [f"+{name}" for name in request.add] + [f"-{name}" for name in request.remove]
    if request.members is not None:
        parts.append(f"of {', '.join(request.members)}")
    if request.capability is not None:
        parts.append("capability")
    return f"version {request.version}: {' '.join(parts) or 'description'}"


def _query(request: QueryGroupsRequest) -> str:
    return f"with {request.member}" if request.member else "definitions"


def _operations(request: OperationSetRequest) -> str:
    how = "all or none: " if request.transactional else ""
    lines = [
        f"{function_of(one)} {one.address.group_id} {request_line(one)}"
        for one in request.operations
    ]
    return how + "; ".join(lines)


_LINES: dict[type[GroupRequest], Callable[[Any], str]] = {
    StatusRequest: _status,
    CapabilityRequest: lambda _: "now and nameplate",
    ForecastRequest: _forecast,
    LimitRequest: _limit,
    DispatchRequest: _dispatch,
    CurveRequest: _curve,
    WattCurveRequest: _watt_curve,
    PowerFactorRequest: _power_factor,
    VoltageRegulationRequest: _regulation,
    RampRateRequest: _ramp,
    PriceRequest: _price,
    ConnectRequest: lambda request: "connect" if request.connect else "disconnect",
    IslandRequest: _island,
    CreateGroupRequest: _creation,
    ChangeGroupRequest: _change,
    DeleteGroupRequest: lambda request: f"version {request.version}",
    QueryGroupsRequest: _query,
    SynchroniseGroupRequest: lambda request: f"version {request.version} known",
    OperationSetRequest: _operations,
}
