"""Requests and replies in one line each, for tables, logs and the audit trail."""

from __future__ import annotations

from gateway.groups.messages import (
    CapabilityRequest,
    ConnectRequest,
    CurveRequest,
    DispatchRequest,
    ForecastRequest,
    GroupReply,
    GroupRequest,
    Held,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    Present,
    Quantity,
    StatusRequest,
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
    return type(request).__name__.removesuffix("Request")


def request_line(request: GroupRequest) -> str:  # noqa: PLR0911 - one return a kind of message
    """What is asked."""
    match request:
        case StatusRequest(quantities=quantities, timing=timing):
            return f"{'/'.join(quantities)} {timing}"
        case CapabilityRequest():
            return "now and nameplate"
        case ForecastRequest(quantities=quantities, intervals=count, interval_s=seconds):
            return f"{'/'.join(quantities)}, {count} x {seconds:g} s"
        case LimitRequest(limit_w=limit_w, direction=direction):
            return f"{direction} " + ("lifted" if limit_w is None else _value(limit_w, "W"))
        case DispatchRequest(schedule=schedule, quantity=quantity):
            values = ", ".join(_value(value, _UNITS[quantity]) for _, value in schedule)
            return values or "ended"
        case CurveRequest(points=points):
            return " ".join(f"({v:g}%,{q:g}%)" for v, q in points) or "off"
        case PowerFactorRequest(power_factor=factor, excitation=excitation):
            return "ended" if factor is None else f"{factor:g} {excitation}"
        case ConnectRequest(connect=connect):
            return "connect" if connect else "disconnect"
        case IslandRequest(action=action, reason=reason):
            return f"{action} {reason}".strip()


def reply_line(reply: GroupReply) -> str:
    """What came of it."""
    parts = [_present(entry) for entry in reply.present]
    parts += [_held(entry) for entry in reply.held]
    if reply.forecast is not None:
        parts.append(f"{len(reply.forecast.intervals)} intervals")
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
