"""What a group was asked to do later: steps of a schedule, starts, ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.groups.backend import Asker
from gateway.groups.messages import (
    NOW,
    ConnectRequest,
    CurveRequest,
    DispatchRequest,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    PriceRequest,
    Quantity,
    RampRateRequest,
    SetPointRequest,
    VoltageRegulationRequest,
    WattCurveRequest,
)

#: Steps kept for all groups; a request whose steps do not fit is refused as a whole.
MAX_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """One set point whose time comes.

    Attributes:
        due_ms: when, UTC ms.
        key: group and function; a new request of the same key replaces the old one's steps.
        request: the request to carry out then, its own start reached.
        asker: on whose behalf.
    """

    due_ms: int
    key: tuple[str, str, str]
    request: SetPointRequest
    asker: Asker


class Schedule:
    """Steps by time. Pure: the time is an argument."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def __len__(self) -> int:
        return len(self._steps)

    def replace(self, key: tuple[str, str, str], steps: list[Step]) -> bool:
        """Put ``steps`` in place of the key's present ones; False where they do not fit."""
        others = [step for step in self._steps if step.key != key]
        if len(others) + len(steps) > MAX_STEPS:
            return False
        self._steps = sorted([*others, *steps], key=lambda step: step.due_ms)
        return True

    def steps(self, key: tuple[str, str, str]) -> list[Step]:
        """The key's steps to come."""
        return [step for step in self._steps if step.key == key]

    def functions(self, group_id: str) -> list[str]:
        """Each function a group is to carry out later, with who asked for it."""
        return [
            f"{step.key[1]} by {step.key[2]}" for step in self._steps if step.key[0] == group_id
        ]

    def due(self, now_ms: int) -> list[Step]:
        """Take out the steps whose time has come; of one key only the latest still matters."""
        ready = [step for step in self._steps if step.due_ms <= now_ms]
        self._steps = [step for step in self._steps if step.due_ms > now_ms]
        return list({step.key: step for step in ready}.values())


def key_of(request: SetPointRequest, asker: Asker) -> tuple[str, str, str]:
    """What a request replaces: reactive functions replace each other, the rest their own kind."""
    match request:
        case DispatchRequest(quantity=Quantity.ACTIVE_POWER):
            function = "power"
        case WattCurveRequest(kind=kind):
            function = kind
        case (
            LimitRequest() | ConnectRequest() | IslandRequest() | RampRateRequest() | PriceRequest()
        ):
            function = type(request).__name__
        case _:
            function = "reactive"
    return request.address.group_id, function, asker.name


def timetable(
    request: SetPointRequest, asker: Asker, now_ms: int
) -> tuple[SetPointRequest | None, list[Step]]:
    """What to carry out now, and the steps to come."""
    key = key_of(request, asker)
    steps = [Step(at_ms, key, part, asker) for at_ms, part in _parts(request, now_ms)]
    current = [step for step in steps if step.due_ms <= now_ms]
    later = [step for step in steps if step.due_ms > now_ms]
    return (current[-1].request if current else None), later


def _parts(request: SetPointRequest, now_ms: int) -> Iterator[tuple[int, SetPointRequest]]:
    """Each part of a request with its time; a part's own start is reached when it is due."""
    match request:
        case DispatchRequest(schedule=(_, *_)) | PriceRequest(schedule=(_, *_)):
            schedule, start_ms = request.schedule, request.start_ms
            at_ms = start_ms or now_ms
            open_end = schedule[-1][0] == 0
            end_ms = at_ms + round(1000 * sum(seconds for seconds, _ in schedule))
            for seconds, value in schedule:
                left_s = 0.0 if open_end else max((end_ms - at_ms) / 1000, 0.001)
                yield at_ms, replace(request, schedule=((left_s, value),), start_ms=at_ms)
                at_ms += round(1000 * seconds)
        case (
            DispatchRequest(start_ms=start_ms) | PriceRequest(start_ms=start_ms)
        ):  # no schedule: the dispatch ends then
            yield start_ms, request
        case IslandRequest(not_before_ms=not_before_ms):
            yield max(not_before_ms, 0), request
        case _:
            yield getattr(request, "validity", NOW).start_ms, request


def is_end(request: SetPointRequest) -> bool:
    """Whether a request ends a function instead of starting one."""
    match request:
        case (
            DispatchRequest(schedule=())
            | LimitRequest(limit_w=None)
            | PowerFactorRequest(power_factor=None)
            | CurveRequest(points=())
            | PriceRequest(schedule=())
            | VoltageRegulationRequest(voltage_pct=None)
            | WattCurveRequest(points=())
            | RampRateRequest(up_w_per_s=None, down_w_per_s=None)
        ):
            return True
        case _:
            return False


def ends_ms(request: SetPointRequest, now_ms: int) -> int | None:
    """When the whole of a request is over, UTC ms; 0 never, None where it ends a function."""
    if is_end(request):
        return None
    match request:
        case ConnectRequest() | IslandRequest():
            return None  # over once it is done
        case DispatchRequest() | PriceRequest():
            schedule, start_ms = request.schedule, request.start_ms
            if not schedule[-1][0]:
                return 0
            return (start_ms or now_ms) + round(1000 * sum(seconds for seconds, _ in schedule))
        case _:
            return expiry_ms(request, now_ms)


def expiry_ms(request: SetPointRequest, now_ms: int) -> int:
    """When the claims of a request end, UTC ms; 0 never."""
    match request:
        case DispatchRequest(schedule=((seconds, _),)) | PriceRequest(schedule=((seconds, _),)):
            duration_s, start_ms = seconds, request.start_ms
        case _:
            validity = getattr(request, "validity", NOW)
            duration_s, start_ms = validity.duration_s, validity.start_ms
    return (start_ms or now_ms) + round(duration_s * 1000) if duration_s else 0
