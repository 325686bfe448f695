"""The group service: takes a typed request, brings the typed reply.

Every effect goes through the router; every refusal is a reply. Set points with a start, a
duration or a schedule are kept here and sent when their time comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gateway.groups.administrator import Administrator
from gateway.groups.backend import Asker, Order, PointGroup
from gateway.groups.functions import FunctionRunner
from gateway.groups.held import HeldSetPoints
from gateway.groups.memory import MessageMemory, repeats
from gateway.groups.messages import (
    AdministrationRequest,
    CapabilityRequest,
    ConnectRequest,
    ErrorLevel,
    Forecast,
    ForecastRequest,
    GroupDefinition,
    GroupReply,
    GroupRequest,
    IslandRequest,
    OperationSetRequest,
    Quantity,
    QuantityRange,
    QueryGroupsRequest,
    Result,
    SetPointRequest,
    SingleRequest,
    StatusRequest,
    SynchroniseGroupRequest,
    Timing,
)
from gateway.groups.operations import Undo, carry_out
from gateway.groups.registry import GroupRegistry
from gateway.groups.remote import RemoteGroup
from gateway.groups.replies import failed, refusal, reply
from gateway.groups.schedule import Schedule, expiry_ms, key_of, timetable
from gateway.groups.settle import Settler
from gateway.groups.undo import faults_of, undo_set_point
from gateway.model.clock import Clock

#: How long a REFRESHED status may wait for devices to be read anew.
REFRESH_S = 5.0
_RANGED = (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.APPARENT_POWER)

#: Makes a group's forecast at a UTC ms; None while too little is known.
Forecaster = Callable[[ForecastRequest, int], Forecast | None]


class GroupService:
    """Answers group functions for the groups of a site.

    Args:
        groups: group id to group.
        settler: waits, bounded, for fresh values.
        forecaster: output forecasting.
        clock: stamps replies and times schedules.
        memory: of what was answered.
        runner: carries out set points; the plain one where it is None.

    Attributes:
        administrator: says what groups there are; None where no message may.
        held: set points being held.
        runner, schedule: what carries out set points, now and later.
    """

    def __init__(
        self,
        groups: Mapping[str, PointGroup | RemoteGroup],
        settler: Settler,
        forecaster: Forecaster,
        clock: Clock,
        memory: MessageMemory | None = None,
        runner: FunctionRunner | None = None,
    ) -> None:
        self._groups = dict(groups)
        self._memory = memory or MessageMemory()
        self.administrator: Administrator | None = None
        self.held = HeldSetPoints()
        self._settler = settler
        self._forecaster = forecaster
        self._clock = clock
        self.runner = runner or FunctionRunner(settler, clock)
        self.schedule = Schedule()

    @property
    def groups(self) -> dict[str, PointGroup | RemoteGroup]:
        """The groups by id, live."""
        return self._groups

    def administer(
        self, registry: GroupRegistry, build: Callable[[GroupDefinition], PointGroup]
    ) -> Administrator:
        """Let messages say what groups there are, beside those given."""
        self.administrator = Administrator(registry, self._groups, build, self._clock)
        return self.administrator

    async def handle(self, request: GroupRequest, asker: Asker) -> GroupReply:
        """Answer one request. Never raises for a refusal.

        A message id seen before gets its first reply again: a sender that lost our reply may
        repeat itself without a second effect. Another request under that id is refused: its
        sender would take the first one's success for its own.
        """
        address, now_ms = request.address, self._clock.utc_ms()
        if asker.remote and (fault := self._memory.age_fault(request, now_ms)):
            return failed(address, now_ms, f"{fault}: nothing was done")
        known = self._memory.find(asker.name, request, now_ms)
        if known is not None:
            first, answer = known
            if not repeats(request, first):
                used = "this message id was used for another request: nothing was done"
                return failed(address, now_ms, used)
            return await asyncio.shield(answer)
        if not self._memory.has_room(asker.name, request, now_ms):
            return failed(address, now_ms, "too many requests in a short time: nothing was done")
        answer = asyncio.ensure_future(self._answer(request, asker))
        self._memory.keep(asker.name, request, answer, now_ms)
        return await asyncio.shield(answer)

    async def tick(self) -> list[GroupReply]:
        """Carry out the steps whose time has come; call it about once a second."""
        replies = []
        for step in self.schedule.due(self._clock.utc_ms()):
            group = self._groups.get(step.request.address.group_id)
            if not isinstance(group, PointGroup):  # a remote one keeps its own schedules
                continue
            replies.append(await self._run(group, step.request, step.asker))
        return replies

    async def _answer(self, request: GroupRequest, asker: Asker) -> GroupReply:
        if isinstance(request, OperationSetRequest):
            return await carry_out(request, asker, self, self._clock)
        return await self.answer_one(request, asker)

    async def answer_one(  # noqa: PLR0911 - one return a kind of request
        self, request: SingleRequest, asker: Asker
    ) -> GroupReply:
        """Answer one request, whether it was seen before or not."""
        address, now_ms = request.address, self._clock.utc_ms()
        if isinstance(
            request, AdministrationRequest | QueryGroupsRequest | SynchroniseGroupRequest
        ):
            return self._administer(request, asker)
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

    def faults(self, requests: Sequence[SingleRequest], asker: Asker) -> list[str]:
        """Why these requests, one after the other, cannot all be carried out; changes nothing."""
        return faults_of(self, requests, asker)

    def undo_of(self, request: SingleRequest, asker: Asker) -> Undo | None:
        """What brings back what holds before ``request`` is carried out; None for a query."""
        if isinstance(request, AdministrationRequest) and self.administrator is not None:
            return self.administrator.undo()
        if isinstance(request, SetPointRequest):
            return undo_set_point(self, request, asker, self._clock.utc_ms())
        return None

    def refused(self, group: PointGroup, request: SetPointRequest) -> str:
        """Why the group as a whole takes no such request now; empty where it does.

        Set points are valid while connected only (IEEE 2030.7 SS1; edition not verified).
        """
        if group.islanded and not isinstance(request, IslandRequest | ConnectRequest):
            return "islanded"
        return ""

    def _administer(
        self,
        request: AdministrationRequest | QueryGroupsRequest | SynchroniseGroupRequest,
        asker: Asker,
    ) -> GroupReply:
        address, now_ms = request.address, self._clock.utc_ms()
        if self.administrator is None:
            return failed(address, now_ms, "groups are not administered by message here")
        match request:
            case QueryGroupsRequest():
                return self.administrator.query(request)
            case SynchroniseGroupRequest():
                return self.administrator.synchronise(request)
            case _:
                return self.administrator.change(request, asker, self.in_use(address.group_id))

    def in_use(self, group_id: str) -> list[str]:
        """Functions a group carries out, or is to carry out, each with who asked for it."""
        held = self.held.functions(group_id, self._clock.utc_ms())
        return sorted({*held, *self.schedule.functions(group_id)})

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
        if fault := self.refused(group, request):
            return failed(request.address, now_ms, fault)
        first, later = timetable(request, asker, now_ms)
        if not self.schedule.replace(key_of(request, asker), later):
            return failed(request.address, now_ms, "too many scheduled steps")
        if first is None:
            when = refusal(f"starts at {later[0].due_ms} ms UTC", ErrorLevel.INFORM)
            return replace(reply(request.address, now_ms, Result.OK), errors=(when,))
        return await self._run(group, first, asker)

    async def _run(self, group: PointGroup, request: SetPointRequest, asker: Asker) -> GroupReply:
        now_ms = self._clock.utc_ms()
        if fault := self.refused(group, request):
            return failed(request.address, now_ms, fault)
        function = type(request).__name__.removesuffix("Request")
        order = Order(
            asker=asker,
            correlation=request.address.message_id,
            reason=f"{function} asked by {request.address.dms_id}",
            expires_ms=expiry_ms(request, now_ms),
        )
        done = await self.runner.run(group, request, order)
        if done.result is not Result.FAILED:
            self.held.note(key_of(request, asker), request, now_ms)
        return done

    async def run_again(self, request: SetPointRequest, asker: Asker) -> GroupReply:
        """Carry out a set point that was held before, or end one, within a transaction."""
        group = self._groups.get(request.address.group_id)
        if not isinstance(group, PointGroup):
            return failed(request.address, self._clock.utc_ms(), "the group is no more")
        return await self._run(group, request, asker)


def _ranges(group: PointGroup, quantities: tuple[Quantity, ...]) -> tuple[QuantityRange, ...]:
    known = (group.ranges(quantity) for quantity in quantities)
    return tuple(entry for entry in known if entry is not None)
