"""A 2030.5 server over real mutual TLS on the loopback, with clients of several kinds."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from gateway.links.sep2 import identity, tls
from gateway.links.sep2.codec import MEDIA_TYPE, decode, encode
from gateway.links.sep2.config import ClientConfig, Sep2ServerConfig
from gateway.links.sep2.resources import DERControlBase, Resource
from gateway.links.sep2.server import Hooks, ProgramSetup, Sep2Server
from gateway.model.clock import Clock
from gateway.site.clock import SystemClock
from tests.unit.links.sep2.certificates import Made, authority, device_certificate

HOST = "127.0.0.1"
PROGRAM = ProgramSetup(number=1, mrid=0xA1 << 64, primacy=10, description="all")
CURTAIL = DERControlBase(op_mod_max_lim_w=5000)


@dataclass
class Peer:
    """A client's certificate, with what talks for it.

    ``lfdi`` is that of the certificate.
    """

    made: Made
    session: aiohttp.ClientSession | None = None
    base: str = ""

    @property
    def lfdi(self) -> str:
        return identity.lfdi(self.made.der)

    async def ask(
        self, method: str, path: str, body: Resource | bytes | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of an answer."""
        assert self.session is not None
        data = body if isinstance(body, bytes) or body is None else encode(body)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            given.setdefault("Content-Type", MEDIA_TYPE)
        async with self.session.request(
            method, self.base + path, data=data, headers=given, allow_redirects=False
        ) as answer:
            return answer.status, await answer.read(), dict(answer.headers)

    async def get(self, path: str) -> Any:
        """The resource at a path."""
        status, body, _ = await self.ask("GET", path)
        assert status == 200, (status, path)
        return decode(body)

    async def post(self, path: str, body: Resource) -> str:
        """The Location of what a POST made."""
        status, _, headers = await self.ask("POST", path, body)
        assert status == 201, (status, path)
        return headers["Location"]


def new_peer(**kwargs: Any) -> Peer:
    """A client that keeps every rule, of the tests' authority."""
    return Peer(device_certificate(**kwargs))


def settings(folder: Path, clients: Sequence[ClientConfig] = (), **more: Any) -> Sep2ServerConfig:
    """Settings of a server whose files are in a folder; they are made where they are not there."""
    certificate, key = folder / "server.crt", folder / "server.key"
    if not certificate.exists():
        device_certificate().write(folder, "server")
        (folder / "ca.pem").write_bytes(authority().pem)
    return Sep2ServerConfig(
        host=HOST,
        port=0,
        certificate=certificate,
        key=key,
        ca=folder / "ca.pem",
        database=folder / "state.sqlite",
        clients=tuple(clients),
        **more,
    )


def client_context(folder: Path, peer: Peer) -> ssl.SSLContext:
    """TLS of a client."""
    certificate, key = peer.made.write(folder, f"client-{peer.lfdi[:8]}")
    return tls.client_context(certificate, key, folder / "ca.pem", check_hostname=False)


@dataclass
class Rig:
    """A running server."""

    server: Sep2Server
    folder: Path
    told: list[tuple[Any, ...]]
    running: asyncio.Future[None]
    sessions: list[aiohttp.ClientSession] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"https://{HOST}:{self.server.port}"

    def connect(self, peer: Peer) -> Peer:
        """Let a client talk to this server."""
        connector = aiohttp.TCPConnector(ssl=client_context(self.folder, peer))
        peer.session = aiohttp.ClientSession(connector=connector)
        peer.base = self.base
        self.sessions.append(peer.session)
        return peer


@asynccontextmanager
async def serving(
    config: Sep2ServerConfig,
    programs: Sequence[ProgramSetup] = (PROGRAM,),
    clock: Clock | None = None,
) -> AsyncIterator[Rig]:
    """A server for as long as the block lasts."""
    told: list[tuple[Any, ...]] = []
    hooks = Hooks(
        on_response=lambda *what: told.append(("response", *what)),
        on_resource=lambda *what: told.append(("resource", *what)),
        on_reading=lambda *what: told.append(("reading", *what)),
    )
    server = Sep2Server(config, programs, clock or SystemClock(), hooks)
    running = asyncio.ensure_future(server.run())
    rig = Rig(server, config.database.parent, told, running)
    try:
        waiting = asyncio.ensure_future(server.listening.wait())
        await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if running.done():
            running.result()
        yield rig
        if running.done():
            running.result()
    finally:
        for session in rig.sessions:
            await session.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()
