"""A running endpoint with a PKI of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from gateway.groups.messages import (
    Address,
    GroupReply,
    GroupRequest,
    Present,
    Result,
    StatusRequest,
)
from gateway.groups.replies import failed, reply
from gateway.groups.xml import decode_reply
from gateway.links.cim.client import GroupClient
from gateway.links.cim.config import ClientConfig, ServerConfig
from gateway.links.cim.server import GroupServer
from gateway.links.cim.tls import client_context, server_context
from gateway.site.clock import SystemClock
from gateway.site.pem_files import KeyPair
from gateway.site.pki import PkiPaths, ensure_pki

XML = {"Content-Type": "application/xml"}


class Endpoint:
    """A running server, whom it heard, and how to reach it."""

    def __init__(self, pki: PkiPaths) -> None:
        self.pki = pki
        self.heard: list[tuple[GroupRequest, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.server: GroupServer

    async def handle(self, request: GroupRequest, peer: str) -> GroupReply:
        self.heard.append((request, peer))
        await self.gate.wait()
        if request.address.group_id == "broken":
            raise ZeroDivisionError
        if request.address.group_id != "mg":
            return failed(request.address, 5, "no such group")
        present = tuple(
            Present(quantity=quantity, value=1.0, good=True, time_ms=5)
            for quantity in getattr(request, "quantities", ())
        )
        return replace(reply(request.address, 5, Result.OK), present=present)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}/groups"

    def tls(self, name: str = "dms") -> ssl.SSLContext:
        own = self.pki.clients[name]
        return client_context(own.certificate, own.key, self.pki.ca.certificate)

    def bare_tls(self, pair: KeyPair | None = None) -> ssl.SSLContext:
        """The standard library's own defaults, with or without a certificate."""
        context = ssl.create_default_context(cafile=str(self.pki.ca.certificate))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def client(self, name: str = "dms", **config: float) -> GroupClient:
        return GroupClient(self.url, self.tls(name), ClientConfig(**config))


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> PkiPaths:
    return ensure_pki(tmp_path_factory.mktemp("pki"), "127.0.0.1", ["dms", "operator"])


@contextlib.asynccontextmanager
async def serving(pki: PkiPaths, **config: object) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(pki)
    context = server_context(pki.server.certificate, pki.server.key, pki.ca.certificate)
    endpoint.server = GroupServer(
        ServerConfig.model_validate({"port": 0, **config}),
        context,
        endpoint.handle,
        SystemClock(),
        {"/status": lambda: {"points": 3}},
    )
    running = asyncio.ensure_future(endpoint.server.run())
    await asyncio.wait_for(endpoint.server.listening.wait(), 10)
    try:
        yield endpoint
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def endpoint(pki) -> AsyncIterator[Endpoint]:
    async with serving(pki) as found:
        yield found


def status(group: str = "mg", number: int = 1) -> StatusRequest:
    address = Address(message_id=f"m{number}", dms_id="dms", group_id=group, time_ms=1)
    return StatusRequest(address=address)


async def post(endpoint: Endpoint, body: bytes, headers: dict[str, str] = XML, **more):
    """What a bare aiohttp client gets: status, headers, body."""
    connector = aiohttp.TCPConnector(ssl=endpoint.tls())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(endpoint.url, data=body, headers=headers, **more) as response,
    ):
        return response.status, response.headers, await response.read()


def reasons(document: bytes) -> str:
    answer = decode_reply(document)
    assert answer.result is Result.FAILED
    return "; ".join(f"{error.code} {error.reason}" for error in answer.errors)
