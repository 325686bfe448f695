"""Transactions over set points: whether they can be carried out, and how they are taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from gateway.groups.administrator import Administrator
from gateway.groups.backend import Asker, PointGroup
from gateway.groups.functions import FunctionRunner
from gateway.groups.held import HeldSetPoints, ending
from gateway.groups.messages import (
    AdministrationRequest,
    ConnectRequest,
    Direction,
    GroupReply,
    IslandRequest,
    LimitRequest,
    Quantity,
    RampRateRequest,
    Result,
    SetPointRequest,
    SingleRequest,
)
from gateway.groups.operations import Undo
from gateway.groups.registry import RefusedChangeError
from gateway.groups.remote import RemoteGroup
from gateway.groups.schedule import Schedule, key_of


class Service(Protocol):
    """The part of the group service a transaction looks at."""

    administrator: Administrator | None
    held: HeldSetPoints
    runner: FunctionRunner
    schedule: Schedule

    @property
    def groups(self) -> dict[str, PointGroup | RemoteGroup]:
        """The groups by id."""

    def refused(self, group: PointGroup, request: SetPointRequest) -> str:
        """Why the group as a whole takes no such request now."""

    def in_use(self, group_id: str) -> list[str]:
        """Functions a group carries out, or is to."""

    async def run_again(self, request: SetPointRequest, asker: Asker) -> GroupReply:
        """Carry out a set point within a transaction."""


def faults_of(service: Service, requests: Sequence[SingleRequest], asker: Asker) -> list[str]:
    """Why these requests, one after the other, cannot all be carried out; changes nothing.

    A group made by an operation before is there for those behind it; what its members could do
    is seen when its turn comes.
    """
    faults: list[str] = []
    draft = None if service.administrator is None else service.administrator.made
    used: dict[str, list[str]] = {}
    for number, request in enumerate(requests, 1):
        group_id = request.address.group_id
        group = service.groups.get(group_id)
        found: list[str] = []
        if isinstance(request, AdministrationRequest):
            try:
                if service.administrator is None or draft is None:
                    raise RefusedChangeError("groups are not administered by message here")  # noqa: TRY301
                held = [*service.in_use(group_id), *used.get(group_id, [])]
                draft = service.administrator.judge(request, asker, held, draft)
            except RefusedChangeError as error:
                found = [str(error)]
        elif isinstance(request, SetPointRequest):
            used.setdefault(group_id, []).append(key_of(request, asker)[1])
            if group is not None:
                found = _set_point_faults(service, group, request)
            elif draft is None or group_id not in draft.groups:
                found = [f"no group {group_id!r}"]
        faults += [f"operation {number}: {fault}" for fault in found]
    return faults


def _set_point_faults(
    service: Service, group: PointGroup | RemoteGroup, request: SetPointRequest
) -> list[str]:
    if isinstance(group, RemoteGroup):
        return ["a group of another box takes no part in a transaction"]
    if fault := service.refused(group, request):
        return [fault]
    if isinstance(request, IslandRequest):
        return ["a transition to or from island cannot be undone"]
    known = group.present(Quantity.CONNECTED)
    if isinstance(request, ConnectRequest) and not known.good:
        return ["whether the group is connected is not known, so it could not be undone"]
    return service.runner.faults(group, request)


def undo_set_point(service: Service, request: SetPointRequest, asker: Asker, now_ms: int) -> Undo:
    """What brings back what a group held before a set point: the old one again, or none."""
    key = key_of(request, asker)
    old, later = service.held.before(key, now_ms), service.schedule.steps(key)
    group = service.groups.get(request.address.group_id)
    was = None if group is None else group.present(Quantity.CONNECTED).value

    async def bring_back() -> str:
        service.schedule.replace(key, later)
        steps = [_ending_of(request, was)]
        if old is not None:
            steps = [old] if _takes_over(old, request) else [*steps, old]
        for step in steps:
            if step is None:
                continue
            own = replace(step.address, message_id=f"{request.address.message_id}-undo")
            done = await service.run_again(replace(step, address=own), asker)
            if done.result is Result.FAILED:
                return "; ".join(error.reason for error in done.errors)
        return ""

    return bring_back


def _ending_of(request: SetPointRequest, was: float | None) -> SetPointRequest | None:
    if isinstance(request, ConnectRequest):
        return replace(request, connect=was != 0.0)
    return ending(request)


def _takes_over(old: SetPointRequest, new: SetPointRequest) -> bool:
    """Whether the old one writes all the points of the new one, so that it need not end first."""
    if isinstance(old, RampRateRequest):
        return False
    return type(old) is type(new) and _direction(old) is _direction(new)


def _direction(request: SetPointRequest) -> Direction | None:
    return request.direction if isinstance(request, LimitRequest) else None
