"""The group service: takes a typed request, brings the typed reply.

Every effect goes through the router; every refusal is a reply. Set points with a start, a
duration or a schedule are kept here and sent when their time comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from gateway.groups.backend import Asker, Order, PointGroup
from gateway.groups.functions import FunctionRunner
from gateway.groups.messages import (
    CapabilityRequest,
    ConnectRequest,
    ErrorLevel,
    Forecast,
    ForecastRequest,
    GroupReply,
    GroupRequest,
    IslandRequest,
    Quantity,
    QuantityRange,
    Result,
    SetPointRequest,
    StatusRequest,
    Timing,
)
from gateway.groups.remote import RemoteGroup
from gateway.groups.replies import failed, refusal, reply
from gateway.groups.schedule import Schedule, expiry_ms, key_of, timetable
from gateway.groups.settle import Settler
from gateway.model.clock import Clock

#: How long a REFRESHED status may wait for devices to be read anew.
REFRESH_S = 5.0
_RANGED = (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.APPARENT_POWER)
#: Ids remembered so that a request delivered twice has its effect once.
_REMEMBERED = 1000

#: Makes a group's forecast at a UTC ms; None while too little is known.
Forecaster = Callable[[ForecastRequest, int], Forecast | None]


class GroupService:
    """Answers group functions for the groups of a site.

    Args:
        groups: group id to group.
        settler: waits, bounded, for fresh values.
        forecaster: output forecasting.
        clock: stamps replies and times schedules.
        runner: carries out set points; the plain one where it is None.
    """

    def __init__(
        self,
        groups: Mapping[str, PointGroup | RemoteGroup],
        settler: Settler,
        forecaster: Forecaster,
        clock: Clock,
        runner: FunctionRunner | None = None,
    ) -> None:
        self._groups = dict(groups)
        self._settler = settler
        self._forecaster = forecaster
        self._clock = clock
        self._runner = runner or FunctionRunner(settler, clock)
        self._schedule = Schedule()
        self._answers: dict[str, tuple[GroupRequest, asyncio.Future[GroupReply]]] = {}

    @property
    def groups(self) -> Mapping[str, PointGroup | RemoteGroup]:
        """The groups by id."""
        return self._groups

    async def handle(self, request: GroupRequest, asker: Asker) -> GroupReply:
        """Answer one request. Never raises for a refusal.

        A message id seen before gets its first reply again: a sender that lost our reply may
        repeat itself without a second effect. Another request under that id is refused: its
        sender would take the first one's success for its own.
        """
        key = f"{asker.name} {request.address.message_id}"
        first, answer = self._answers.get(key, (request, None))
        if not _repeats(request, first):
            used = "this message id was used for another request: nothing was done"
            return failed(request.address, self._clock.utc_ms(), used)
        if answer is None:
            answer = asyncio.ensure_future(self._answer(request, asker))
            self._answers[key] = request, answer
            while len(self._answers) > _REMEMBERED:
                del self._answers[next(iter(self._answers))]
        return await asyncio.shield(answer)

    async def tick(self) -> list[GroupReply]:
        """Carry out the steps whose time has come; call it about once a second."""
        replies = []
        for step in self._schedule.due(self._clock.utc_ms()):
            group = self._groups[step.request.address.group_id]
            if isinstance(group, RemoteGroup):  # keeps its own schedules
                continue
            replies.append(await self._run(group, step.request, step.asker))
        return replies

    async def _answer(self, request: GroupRequest, asker: Asker) -> GroupReply:
        address, now_ms = request.address, self._clock.utc_ms()
        group = self._groups.get(address.group_id)
        if group is None:
            known = ", ".join(self._groups) or "none"
            return failed(address, now_ms, f"no group {address.group_id!r}; known: {known}")
        if isinstance(group, RemoteGroup):
            return await group.ask(request, asker)
        match request:
            case StatusRequest():
                return await self._status(group, request)
            case CapabilityRequest():
                return self._capability(group, request)
            case ForecastRequest():
                return self._forecast(request)
            case _:
                return await self._set(group, request, asker)

    async def _status(self, group: PointGroup, request: StatusRequest) -> GroupReply:
        errors = []
        if request.timing is Timing.REFRESHED:
            points = [view.der.points[r] for view in group.views.values() for r in ("p", "q")]
            stale = await self._settler.refreshed(points, REFRESH_S)
            errors += [refusal(f"{point} was not read anew") for point in stale]
        present = tuple(group.present(quantity) for quantity in request.quantities)
        errors += [
            refusal(f"{p.quantity} is not known for every member") for p in present if not p.good
        ]
        good = sum(p.good for p in present)
        result = Result.OK if not errors else Result.PARTIAL if good else Result.FAILED
        return replace(
            reply(request.address, self._clock.utc_ms(), result),
            errors=tuple(errors),
            present=present,
            ranges=_ranges(group, request.quantities),
        )

    def _capability(self, group: PointGroup, request: CapabilityRequest) -> GroupReply:
        ranges = _ranges(group, _RANGED)
        unknown = [r for r in ranges if r.now is None or r.nameplate is None]
        errors = tuple(refusal(f"{r.quantity}: not every rating is known") for r in unknown)
        result = Result.OK if not errors else Result.PARTIAL
        if all(r.now is None and r.nameplate is None for r in ranges):
            result = Result.FAILED
        bare = reply(request.address, self._clock.utc_ms(), result)
        return replace(bare, ranges=ranges, errors=errors)

    def _forecast(self, request: ForecastRequest) -> GroupReply:
        now_ms = self._clock.utc_ms()
        forecast = self._forecaster(request, now_ms)
        if forecast is None:
            return failed(request.address, now_ms, "no good measurement to forecast from")
        return replace(reply(request.address, now_ms, Result.OK), forecast=forecast)

    async def _set(self, group: PointGroup, request: SetPointRequest, asker: Asker) -> GroupReply:
        now_ms = self._clock.utc_ms()
        if refused := _refused(group, request, now_ms):
            return refused
        first, later = timetable(request, asker, now_ms)
        if not self._schedule.replace(key_of(request, asker), later):
            return failed(request.address, now_ms, "too many scheduled steps")
        if first is None:
            when = refusal(f"starts at {later[0].due_ms} ms UTC", ErrorLevel.INFORM)
            return replace(reply(request.address, now_ms, Result.OK), errors=(when,))
        return await self._run(group, first, asker)

    async def _run(self, group: PointGroup, request: SetPointRequest, asker: Asker) -> GroupReply:
        now_ms = self._clock.utc_ms()
        if refused := _refused(group, request, now_ms):
            return refused
        function = type(request).__name__.removesuffix("Request")
        order = Order(
            asker=asker,
            correlation=request.address.message_id,
            reason=f"{function} asked by {request.address.dms_id}",
            expires_ms=expiry_ms(request, now_ms),
        )
        return await self._runner.run(group, request, order)


def _repeats(request: GroupRequest, first: GroupRequest) -> bool:
    """Whether a request says what the first one said; a repetition may be stamped anew."""
    stamped = replace(request.address, time_ms=first.address.time_ms)
    return replace(request, address=stamped) == first


def _refused(group: PointGroup, request: SetPointRequest, now_ms: int) -> GroupReply | None:
    """Set points are valid while connected only (IEEE 2030.7 SS1; edition not verified)."""
    if group.islanded and not isinstance(request, IslandRequest | ConnectRequest):
        return failed(request.address, now_ms, "islanded")
    return None


def _ranges(group: PointGroup, quantities: tuple[Quantity, ...]) -> tuple[QuantityRange, ...]:
    known = (group.ranges(quantity) for quantity in quantities)
    return tuple(entry for entry in known if entry is not None)
