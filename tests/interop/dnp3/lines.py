"""Several py1815 sessions behind one socket or one pseudo-terminal: a multi-drop line."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.interop.dnp3.peers_outstation import Py1815Peer


@dataclass
class Line:
    """What the sessions hear and say.

    Attributes:
        port: TCP port.
        path: device file of a serial line.
        deaf: addresses that hear nothing now.
        requests: octets heard, a chunk at a time.
    """

    peers: Sequence[Py1815Peer]
    port: int = 0
    path: str = ""
    deaf: set[int] = field(default_factory=set)
    requests: list[bytes] = field(default_factory=list)

    def hear(self, octets: bytes) -> bytes:
        """Every session hears everything; each answers what is meant for it."""
        self.requests.append(octets)
        said = b""
        for peer in self.peers:
            if peer.address not in self.deaf:
                said += peer.session.receive(octets) + peer.session.initiate()
        return said


@asynccontextmanager
async def tcp_line(peers: Sequence[Py1815Peer]) -> AsyncIterator[Line]:
    line = Line(peers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for peer in peers:
            peer.session.connection_reset()
        while octets := await reader.read(4096):
            writer.write(line.hear(octets))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()


@asynccontextmanager
async def serial_line(peers: Sequence[Py1815Peer]) -> AsyncIterator[Line]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    line = Line(peers, path=os.ttyname(theirs))
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, lambda: os.write(ours, line.hear(os.read(ours, 4096))))
    try:
        yield line
    finally:
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)
