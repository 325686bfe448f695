"""A relay between our master and a peer whose connection a test can cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Relay:
    """Carries octets both ways.

    Attributes:
        port: where to connect.
        is_open: whether connections are taken.
        to_master, to_peer: octets carried.
    """

    def __init__(self, peer_port: int) -> None:
        self.port = 0
        self.is_open = True
        self.to_master, self.to_peer = bytearray(), bytearray()
        self._peer_port = peer_port
        self._writers: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Break every connection and take none."""
        self.is_open = False
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.is_open:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._peer_port)
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(
                self._carry(reader, far_writer, self.to_peer),
                self._carry(far_reader, writer, self.to_master),
            )
        finally:
            self._writers -= {writer, far_writer}

    async def _carry(self, reader, writer, kept) -> None:
        with suppress(OSError):
            while octets := await reader.read(65536):
                kept += octets
                writer.write(octets)
        writer.close()


@asynccontextmanager
async def relay(peer_port: int) -> AsyncIterator[Relay]:
    made = Relay(peer_port)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.cut()
        server.close()
