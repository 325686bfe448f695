"""Masters of three makers at an emulated outstation, behind one face."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from py1815.control import CommandStatus
from py1815.decode import PointType
from py1815.master.api import Outstation
from py1815.master.tasks import Tasks

from hil.demo.dnp3master import Dnp3Master, Reading, Seen
from hil.devices.dnp3_server import StationServer
from hil.devices.dnp3_station import Station
from tests.interop.dnp3.lazily import lazily

PATIENCE_S = 3.0
_KINDS = {
    PointType.BINARY_INPUT: "BI",
    PointType.BINARY_OUTPUT: "BO",
    PointType.COUNTER: "CTR",
    PointType.ANALOG_INPUT: "AI",
    PointType.ANALOG_OUTPUT: "AO",
}


class Peer(Protocol):
    """A master connected to one outstation."""

    seen: Seen

    async def integrity(self) -> None: ...

    async def poll(self) -> None: ...

    async def operate(
        self, kind: str, index: int, value: float | str, *, select: bool = True
    ) -> str: ...


Connect = Callable[[int, int], AbstractAsyncContextManager[Peer]]


@asynccontextmanager
async def serving(stations: Sequence[Station]) -> AsyncIterator[int]:
    """Serves a device's stations on a free port."""
    server = StationServer(stations)
    try:
        yield await server.start("127.0.0.1", 0)
    finally:
        await server.stop()


async def until(holds: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        await asyncio.sleep(0.005)


def by_dnp3py(port: int, outstation: int) -> AbstractAsyncContextManager[Peer]:
    return Dnp3Master(port, outstation)


class Py1815Peer:
    def __init__(self, port: int, outstation: int) -> None:
        self.seen = Seen()
        self.outstation = Outstation(
            "peer", host="127.0.0.1", port=port, outstation_address=outstation,
            response_timeout=PATIENCE_S, tasks=Tasks.none(), confirm=True, reconnect=None,
            on_exchange=lambda exchange: self._take(exchange.objects),
            on_unsolicited=lambda response: self._take(response.objects),
        )  # fmt: skip

    def _take(self, objects: Sequence[Any]) -> None:
        for one in objects:
            kind = _KINDS.get(one.point)
            if kind is not None and one.value is not None and one.index is not None:
                reading = Reading(kind, one.index, float(one.value), one.flags or 0, one.time_ms)
                self.seen.readings[kind, one.index] = reading
                if one.event:
                    self.seen.events.append(reading)

    async def integrity(self) -> None:
        assert (await self.outstation.integrity_poll()).complete

    async def poll(self) -> None:
        assert (await self.outstation.scan("events")).complete

    async def operate(
        self, kind: str, index: int, value: float | str, *, select: bool = True
    ) -> str:
        outputs = "analog_outputs" if kind == "AO" else "binary_outputs"
        mode = "select" if select else "direct"
        done = await self.outstation.operate(mode=mode, **{outputs: {index: value}})
        point = PointType.ANALOG_OUTPUT if kind == "AO" else PointType.BINARY_OUTPUT
        status = done.status(point, index)
        assert status is not None
        return CommandStatus(status).name


@asynccontextmanager
async def by_py1815(port: int, outstation: int) -> AsyncIterator[Py1815Peer]:
    peer = Py1815Peer(port, outstation)
    await peer.outstation.connect()
    try:
        yield peer
    finally:
        await peer.outstation.close()


@asynccontextmanager
async def on_one_channel(port: int, outstations: Sequence[int]) -> AsyncIterator[list[Peer]]:
    """opendnp3's masters of several outstations behind one connection."""
    module = lazily("tests.sim.hil.masters_yadnp3")
    async with module.on_one_channel(port, outstations) as masters:
        yield masters


@asynccontextmanager
async def by_yadnp3(port: int, outstation: int) -> AsyncIterator[Peer]:
    """opendnp3's master."""
    async with on_one_channel(port, [outstation]) as (master,):
        yield master


MASTERS: dict[str, Connect] = {"dnp3py": by_dnp3py, "py1815": by_py1815, "yadnp3": by_yadnp3}
