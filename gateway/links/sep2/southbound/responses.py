"""/rsps: what DERs did with their controls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gateway.links.sep2.codec import decode, encode, encode_fragment
from gateway.links.sep2.resources import (
    DERControlResponse,
    ListLink,
    Response,
    ResponseList,
    ResponseSet,
    ResponseSetList,
)
from gateway.links.sep2.serving.access import Client
from gateway.links.sep2.serving.answers import NOT_FOUND, Answer, Ask, Post, forbidden, invalid
from gateway.links.sep2.serving.journal import Change, Drop, Record
from gateway.links.sep2.southbound.documents import document, listing
from gateway.links.sep2.southbound.ground import Ground, derived_mrid, number
from gateway.links.sep2.southbound.programs import Program, Programs
from gateway.links.sep2.southbound.registrations import Device, Registrations
from gateway.links.sep2.southbound.routing import Endpoint, Routes

#: Told of each response: LFDI of its EndDevice, and what it says.
OnResponse = Callable[[str, DERControlResponse], None]
_KIND = "response"


@dataclass(slots=True)
class _Kept:
    number: int
    program: int
    response: DERControlResponse


@dataclass(slots=True)
class _Device:
    kept: deque[_Kept] = field(default_factory=deque)
    paths: dict[tuple[int, int | None, int | None], str] = field(default_factory=dict)


class Responses:
    """The responses of all EndDevices; a program has one set.

    Args:
        ground: journal and limits.
        registrations: whose EndDevices are whose.
        programs: what is responded to.
        on_response: told of each response once it is on disk.
    """

    def __init__(
        self,
        ground: Ground,
        registrations: Registrations,
        programs: Programs,
        on_response: OnResponse,
    ) -> None:
        self._ground = ground
        self._registrations = registrations
        self._programs = programs
        self._on_response = on_response
        self._by_device: dict[str, _Device] = {}
        self._by_number: dict[int, _Kept] = {}
        self._last = 0

    def load(self) -> None:
        """Take what the journal holds."""
        for record in self._ground.journal.load(_KIND):
            response = decode(record.body, DERControlResponse)
            self._add(_Kept(record.number, int(record.key), response))

    def serve(self, routes: Routes) -> None:
        """Take the paths of responses."""
        routes.add("/rsps", Endpoint(self._sets))
        routes.add("/rsps/*", Endpoint(self._set))
        routes.add("/rsps/*/rsp", Endpoint(self._all, {"POST": self._post}))
        routes.add("/rsps/*/rsp/*", Endpoint(self._one))

    def forget(self, device: Device) -> list[Change]:
        """Forget the responses of an EndDevice; gives what the journal is to drop."""
        gone = self._by_device.pop(device.lfdi, _Device())
        for kept in gone.kept:
            del self._by_number[kept.number]
        return [Drop(_KIND, device.lfdi, kept.number) for kept in gone.kept]

    def _set_of(self, program: Program) -> ResponseSet:
        path = f"/rsps/{program.setup.number}"
        return ResponseSet(
            href=path,
            mrid=derived_mrid(f"rsps {program.setup.mrid}", self._ground.config.pen),
            response_list_link=ListLink(f"{path}/rsp"),
        )

    def _sets(self, ask: Ask) -> Answer:
        programs = self._programs.visible(ask.client)
        return listing(
            ask,
            ResponseSetList,
            programs,
            lambda program: encode_fragment(self._set_of(program)),
        )

    def _find(self, client: Client, segment: str) -> Program | None:
        return self._programs.find(client, number(segment))

    def _set(self, ask: Ask) -> Answer:
        program = self._find(ask.client, ask.free[0])
        return NOT_FOUND if program is None else document(ask.client, self._set_of(program))

    def _visible(self, client: Client, program: Program) -> list[_Kept]:
        devices = self._registrations.visible(client)
        mine = (self._by_device.get(device.lfdi) for device in devices)
        found = [kept for device in mine if device is not None for kept in device.kept]
        return sorted(
            (kept for kept in found if kept.program == program.setup.number), key=_newest_first
        )

    def _all(self, ask: Ask) -> Answer:
        program = self._find(ask.client, ask.free[0])
        if program is None:
            return NOT_FOUND
        return listing(
            ask,
            ResponseList,
            self._visible(ask.client, program),
            lambda kept: encode_fragment(kept.response),
            time=lambda kept: kept.response.created_date_time or 0,
        )

    def _one(self, ask: Ask) -> Answer:
        program = self._find(ask.client, ask.free[0])
        kept = self._by_number.get(number(ask.free[1]))
        if program is None or kept is None or kept.program != program.setup.number:
            return NOT_FOUND
        if self._registrations.of(ask.client, kept.response.end_device_lfdi) is None:
            return NOT_FOUND
        return document(ask.client, kept.response)

    async def _post(self, post: Post) -> Answer:
        program = self._find(post.client, post.free[0])
        if program is None:
            return NOT_FOUND
        posted = post.resource
        if not isinstance(posted, DERControlResponse):
            raise invalid("not-a-der-control-response")
        if self._registrations.of(post.client, posted.end_device_lfdi) is None:
            raise forbidden("not-its-device")
        if posted.subject not in program.controls.by_mrid:
            raise invalid("no-such-control")
        device = self._by_device.get(posted.end_device_lfdi)
        path = None if device is None else device.paths.get(_identity(posted))
        if path is not None:  # sent again: its answer may have been lost
            await self._ground.journal.write()  # what it repeats may not be on disk yet
            return Answer(201, location=path)
        path = f"{post.path}/{self._last + 1}"
        kept = _Kept(self._last + 1, program.setup.number, replace(posted, href=path))
        changes = self._add(kept)
        changes.append(
            Record(
                _KIND,
                posted.end_device_lfdi,
                kept.number,
                str(kept.program),
                body=encode(kept.response),
            )
        )
        await self._ground.journal.write(*changes)
        self._on_response(posted.end_device_lfdi, kept.response)
        return Answer(201, location=path)

    def _add(self, kept: _Kept) -> list[Change]:
        self._last = max(self._last, kept.number)
        lfdi = kept.response.end_device_lfdi
        device = self._by_device.setdefault(lfdi, _Device())
        device.kept.append(kept)
        self._by_number[kept.number] = kept
        device.paths[_identity(kept.response)] = kept.response.href or ""
        if len(device.kept) <= self._ground.config.storage.responses:
            return []
        oldest = device.kept.popleft()
        del self._by_number[oldest.number]
        device.paths.pop(_identity(oldest.response), None)
        self._ground.statistics.dropped["Response"] += 1
        return [Drop(_KIND, lfdi, oldest.number)]


def _identity(response: Response) -> tuple[int, int | None, int | None]:
    """What makes two posts of an EndDevice the same response."""
    return response.subject, response.status, response.created_date_time


def _newest_first(kept: _Kept) -> tuple[int, str, int]:
    response = kept.response
    return -(response.created_date_time or 0), response.end_device_lfdi, -kept.number
