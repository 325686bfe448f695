"""A small 2030.5 server made of documents, any of which a test replaces by an attack."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from gateway.links.sep2 import identity, tls
from gateway.links.sep2.codec import MEDIA_TYPE, encode
from gateway.links.sep2.resources import (
    DefaultDERControl,
    DERControlBase,
    DERControlList,
    DERProgram,
    DERProgramList,
    DeviceCapability,
    EndDevice,
    EndDeviceList,
    FunctionSetAssignments,
    FunctionSetAssignmentsList,
    Link,
    ListLink,
    Resource,
    Time,
)
from tests.unit.links.sep2.certificates import authority, device_certificate
from tests.unit.links.sep2.server_rig import HOST

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
LIMIT = 7000


def tree(lfdi: str) -> dict[str, Resource]:
    """What an honest server of one device, one program and no control says."""
    program = DERProgram(
        href="/derp/1",
        mrid=0xA1,
        primacy=1,
        default_der_control_link=Link("/derp/1/dderc"),
        der_control_list_link=ListLink("/derp/1/derc", 0),
    )
    sets = FunctionSetAssignments(
        href="/edev/1/fsa/1", mrid=0xF1, der_program_list_link=ListLink("/derp", 1)
    )
    device = EndDevice(
        href="/edev/1",
        lfdi=lfdi,
        sfdi=identity.sfdi(lfdi),
        changed_time=0,
        function_set_assignments_list_link=ListLink("/edev/1/fsa", 1),
    )
    base = DERControlBase(op_mod_max_lim_w=LIMIT)
    return {
        "/dcap": DeviceCapability(
            end_device_list_link=ListLink("/edev", 1), time_link=Link("/tm"), poll_rate=1
        ),
        "/tm": Time(
            current_time=1_700_000_000,
            dst_end_time=0,
            dst_offset=0,
            dst_start_time=0,
            quality=4,
            tz_offset=0,
            poll_rate=1,
        ),
        "/edev": EndDeviceList(all=1, results=1, items=(device,), poll_rate=1),
        "/edev/1": device,
        "/edev/1/fsa": FunctionSetAssignmentsList(all=1, results=1, items=(sets,), poll_rate=1),
        "/derp": DERProgramList(all=1, results=1, items=(program,), poll_rate=1),
        "/derp/1/dderc": DefaultDERControl(mrid=0xD1, der_control_base=base),
        "/derp/1/derc": DERControlList(all=0, results=0),
    }


@dataclass
class Hostile:
    """A running server.

    ``attacks``: path to what answers instead; ``asked``: requests by path.
    """

    documents: dict[str, Resource]
    port: int = 0
    attacks: dict[str, Handler] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}/dcap"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked[request.path] += 1
        if request.path in self.attacks:
            return await self.attacks[request.path](request)
        document = self.documents.get(request.path)
        if document is None:
            return web.Response(status=404)
        return web.Response(body=encode(document), content_type=MEDIA_TYPE)


@asynccontextmanager
async def hostile(folder: Path, lfdi: str) -> AsyncIterator[Hostile]:
    """A server for as long as the block lasts."""
    certificate, key = device_certificate().write(folder, "hostile")
    (folder / "ca.pem").write_bytes(authority().pem)
    server = Hostile(tree(lfdi))
    http = web.Server(server.handle, access_log=None)
    listening = await asyncio.get_running_loop().create_server(
        http, HOST, 0, ssl=tls.server_context(certificate, key, folder / "ca.pem")
    )
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await http.shutdown(0.1)
