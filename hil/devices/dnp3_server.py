"""A port with one DNP3 outstation behind it, or several on one line (multi-drop).

Without TLS: a field network of its own is what stands here for a serial line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from hil.devices.dnp3_station import Station

_CHUNK = 4096
_LOOK_S = 0.05
_BACKLOG = 262_144
_STOP_S = 2.0


class StationServer:
    """Every station hears every octet and answers what is meant for it, as on a shared line.

    Args:
        stations: with addresses of their own.
    """

    def __init__(self, stations: Sequence[Station]) -> None:
        self._stations = tuple(stations)
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._looking: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, host, port)
        self._looking = asyncio.ensure_future(self._look())
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the port and the connection."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()
        if self._serving:  # each ends by itself once its connection is closed
            await asyncio.wait(self._serving, timeout=_STOP_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One master at a time: a newcomer takes over, as with a serial line behind a port."""
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        for station in self._stations:
            station.session.connection_reset()
        with suppress(OSError):
            await self._answer(reader, writer)
        if self._writer is writer:
            self._writer = None
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(_CHUNK):
            if self._writer is not writer:
                return
            for station in self._stations:
                writer.write(station.session.receive(octets))
            await writer.drain()

    async def _look(self) -> None:
        """Report unasked what a master wants to hear unasked."""
        while True:
            for station in self._stations:
                station.look()
                self._report(station)
            await asyncio.sleep(_LOOK_S)

    def _report(self, station: Station) -> None:
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        if writer.transport.get_write_buffer_size() > _BACKLOG:
            writer.close()  # a master that does not read is no master
        else:
            writer.write(station.session.initiate())
