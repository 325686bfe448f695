"""What each group was last asked to hold: what a transaction returns to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.groups.messages import (
    CurveRequest,
    DispatchRequest,
    LimitRequest,
    PowerFactorRequest,
    PriceRequest,
    RampRateRequest,
    SetPointRequest,
    Validity,
    VoltageRegulationRequest,
    WattCurveRequest,
)
from gateway.groups.schedule import ends_ms, is_end

#: Group, function and asker: what a request replaces.
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Entry:
    request: SetPointRequest
    until_ms: int  # 0: until it is ended


class HeldSetPoints:
    """The set points being held. Pure: the time is an argument."""

    def __init__(self) -> None:
        self._entries: dict[Key, _Entry] = {}

    def note(self, key: Key, request: SetPointRequest, now_ms: int) -> None:
        """Take note of a request that was carried out, in whole or in part."""
        until_ms = ends_ms(request, now_ms)
        if until_ms is None:
            self._entries.pop(key, None)
        else:
            self._entries[key] = _Entry(_anchored(request, now_ms), until_ms)

    def before(self, key: Key, now_ms: int) -> SetPointRequest | None:
        """What is held; None for nothing."""
        entry = self._entries.get(key)
        if entry is not None and entry.until_ms and entry.until_ms <= now_ms:
            del self._entries[key]
            return None
        return None if entry is None else entry.request

    def functions(self, group_id: str, now_ms: int) -> list[str]:
        """Each function a group holds, with who asked for it."""
        held = [key for key in list(self._entries) if self.before(key, now_ms) is not None]
        return [f"{function} by {asker}" for group, function, asker in held if group == group_id]


def ending(  # noqa: PLR0911 - one return a function
    request: SetPointRequest,
) -> SetPointRequest | None:
    """The request that ends what ``request`` starts; None where nothing does."""
    if is_end(request):
        return None
    match request:
        case LimitRequest():
            return replace(request, limit_w=None, validity=Validity())
        case DispatchRequest() | PriceRequest():
            return replace(request, schedule=(), start_ms=0)
        case PowerFactorRequest():
            return replace(request, power_factor=None, validity=Validity())
        case CurveRequest() | WattCurveRequest():
            return replace(request, points=(), validity=Validity())
        case VoltageRegulationRequest():
            return replace(request, voltage_pct=None, validity=Validity())
        case RampRateRequest():
            return replace(request, up_w_per_s=None, down_w_per_s=None, validity=Validity())
        case _:
            return None


def _anchored(request: SetPointRequest, now_ms: int) -> SetPointRequest:
    """The same with its start as a time, so that it ends when it would have ended."""
    match request:
        case DispatchRequest(start_ms=0) | PriceRequest(start_ms=0):
            return replace(request, start_ms=now_ms)
        case (
            LimitRequest(validity=Validity(start_ms=0) as validity)
            | PowerFactorRequest(validity=Validity(start_ms=0) as validity)
            | CurveRequest(validity=Validity(start_ms=0) as validity)
            | WattCurveRequest(validity=Validity(start_ms=0) as validity)
            | VoltageRegulationRequest(validity=Validity(start_ms=0) as validity)
            | RampRateRequest(validity=Validity(start_ms=0) as validity)
        ):
            return replace(request, validity=replace(validity, start_ms=now_ms))
        case _:
            return request
