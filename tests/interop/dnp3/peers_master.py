"""Masters of three other stacks behind one face, on loopback.

dnp3py's master reads no statuses of controls: they are taken from its raw response here. Neither
it nor py1815's decodes octet strings, and py1815's loses what stands behind double bits.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

from dnp3.application.builder import build_cold_restart_request
from dnp3.application.fragment import RequestFragment
from dnp3.application.header import RequestHeader
from dnp3.core.enums import FunctionCode as Dnp3pyFunction
from dnp3.master import Master as Dnp3pyMaster
from dnp3.master.commands import CommandBuilder
from dnp3.master.config import MasterConfig
from dnp3.master.handler import DefaultSOEHandler, ResponseInfo
from dnp3.master.tcp_runner import MasterTcpRunner
from py1815.decode import PointType
from py1815.master.api import Outstation
from py1815.master.tasks import Tasks

from tests.interop.dnp3.lazily import lazily
from tests.interop.dnp3.master_face import OUTSTATION, PATIENCE_S, Event, Peer, Seen


class _Recorder(DefaultSOEHandler):
    """dnp3py's handler, with what comes as an event kept in order."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen

    def _take(self, kind: str, values: list[Any]) -> None:
        for value in values:
            self._seen.values[kind, value.index] = float(value.value)
            if value.timestamp is not None:
                moment = value.timestamp.replace(tzinfo=value.timestamp.tzinfo or UTC)
                since = moment - datetime(1970, 1, 1, tzinfo=UTC)
                time_ms = round(since.total_seconds() * 1000)
                self._seen.events.append(Event(kind, value.index, float(value.value), time_ms))

    def on_binary_input(self, values: list[Any], info: ResponseInfo) -> None:
        self._take("BI", values)

    def on_binary_output(self, values: list[Any], info: ResponseInfo) -> None:
        self._take("BO", values)

    def on_analog_input(self, values: list[Any], info: ResponseInfo) -> None:
        self._take("AI", values)

    def on_analog_output(self, values: list[Any], info: ResponseInfo) -> None:
        self._take("AO", values)

    def on_counter(self, values: list[Any], info: ResponseInfo) -> None:
        self._take("CTR", values)


class _Raw(Dnp3pyMaster):
    """dnp3py's master, keeping the last response as it came."""

    raw = b""

    def process_response(self, data: bytes) -> ResponseInfo | None:
        self.raw = data
        return super().process_response(data)


class Dnp3pyPeer:
    def __init__(self, runner: MasterTcpRunner, seen: Seen) -> None:
        self._runner = runner
        self.seen = seen

    async def integrity(self) -> None:
        self._note(await self._runner.integrity_poll())

    async def poll(self) -> None:
        self._note(await self._runner.class_poll())

    async def enable_unsolicited(self) -> None:
        self._note(await self._runner.enable_unsolicited())

    async def listen(self) -> None:
        await self._runner.listen_unsolicited(timeout=1.0)

    async def operate(self, kind: str, index: int, value: float, *, select: bool) -> int:
        builder = CommandBuilder()
        if kind == "AO":
            builder.add_analog(index, value)
        else:
            (builder.latch_on if value else builder.latch_off)(index)
        master = self._runner.master
        assert isinstance(master, _Raw)
        if not select:
            direct = builder.build_direct_operate()
            self._note(await self._runner.request(master.build_direct_operate(direct)))
            return master.raw[-1]
        await self._runner.request(master.build_select(builder.build_select()))
        if master.raw[-1] != 0:
            return master.raw[-1]
        self._note(await self._runner.request(master.build_operate(builder.build_operate())))
        return master.raw[-1]

    async def clear_restart(self) -> None:
        sequence = self._runner.master.next_request_sequence()
        header = RequestHeader.build(Dnp3pyFunction.WRITE, seq=sequence)
        self._note(await self._runner.request(_ClearRestart(header, ())))

    async def cold_restart(self) -> int:
        sequence = self._runner.master.next_request_sequence()
        self._note(await self._runner.request(build_cold_restart_request(sequence)))
        master = self._runner.master
        assert isinstance(master, _Raw)
        assert master.raw[4:8] == bytes.fromhex("34 02 07 01")  # g52v2, one of them
        return int.from_bytes(master.raw[8:10], "little")

    def _note(self, infos: list[ResponseInfo]) -> None:
        self.seen.iin = int(infos[-1].iin)


class _ClearRestart(RequestFragment):
    """A write of group 80 variation 1, index 7, to 0: dnp3py builds none."""

    def to_bytes(self) -> bytes:
        return self.header.to_bytes() + bytes.fromhex("50 01 00 07 07 00")


class Py1815Peer:
    _KIND: ClassVar[dict[PointType, str]] = {
        PointType.BINARY_INPUT: "BI", PointType.BINARY_OUTPUT: "BO", PointType.COUNTER: "CTR",
        PointType.FROZEN_COUNTER: "FCTR", PointType.ANALOG_INPUT: "AI",
        PointType.ANALOG_OUTPUT: "AO",
    }  # fmt: skip

    def __init__(self, outstation: Outstation, seen: Seen) -> None:
        self.outstation = outstation
        self.seen = seen

    def take(self, objects: tuple[Any, ...]) -> None:
        for one in objects:
            kind = self._KIND.get(one.point) if one.point is not None else None
            if kind is None or one.value is None:
                continue
            self.seen.values[kind, one.index] = float(one.value)
            if one.event:
                self.seen.events.append(Event(kind, one.index, float(one.value), one.time_ms))

    async def integrity(self) -> None:
        await self._done(self.outstation.integrity_poll())

    async def poll(self) -> None:
        await self._done(self.outstation.scan("events"))

    async def enable_unsolicited(self) -> None:
        await self._done(self.outstation.enable_unsolicited())

    async def listen(self) -> None:
        await asyncio.sleep(0)

    async def operate(self, kind: str, index: int, value: float, *, select: bool) -> int:
        outputs = {"binary_outputs": {index: bool(value)}}
        if kind == "AO":
            outputs = {"analog_outputs": {index: value}}
        done = await self.outstation.operate(mode="select" if select else "direct", **outputs)
        point = PointType.ANALOG_OUTPUT if kind == "AO" else PointType.BINARY_OUTPUT
        status = done.status(point, index)
        assert status is not None
        return int(status)

    async def clear_restart(self) -> None:
        await self._done(self.outstation.clear_restart())

    async def cold_restart(self) -> int:
        exchange = await self._done(self.outstation.restart("cold"))
        (delay,) = exchange.objects
        return int.from_bytes(delay.raw[-2:], "little")

    async def _done(self, asked: Awaitable[Any]) -> Any:
        exchange = await asked
        assert exchange.complete, exchange.outcome
        iin = exchange.iin
        self.seen.iin = int(iin.first) | int(iin.second) << 8
        return exchange


@asynccontextmanager
async def dnp3py_master(
    port: int, address: int = 1, outstation: int = OUTSTATION
) -> AsyncIterator[Dnp3pyPeer]:
    seen = Seen()
    config = MasterConfig(address=address, outstation_address=outstation)
    master = _Raw(config=config, handler=_Recorder(seen))
    runner = MasterTcpRunner(
        master=master, host="127.0.0.1", port=port, response_timeout=PATIENCE_S
    )
    async with runner:
        yield Dnp3pyPeer(runner, seen)


@asynccontextmanager
async def py1815_master(
    port: int,
    address: int = 1,
    tls: ssl.SSLContext | None = None,
    patience_s: float = PATIENCE_S,
) -> AsyncIterator[Py1815Peer]:
    seen = Seen()
    outstation = Outstation(
        "ours", host="127.0.0.1", port=port, outstation_address=OUTSTATION,
        master_address=address, response_timeout=patience_s, read_retries=0,
        tasks=Tasks.none(), tls=tls, reconnect=None,
    )  # fmt: skip
    peer = Py1815Peer(outstation, seen)
    outstation.on_exchange = lambda exchange: peer.take(exchange.objects)
    outstation.on_unsolicited = lambda response: peer.take(response.objects)
    await outstation.connect()
    try:
        yield peer
    finally:
        await outstation.close()


@asynccontextmanager
async def yadnp3_master(port: int, *args: Any, **settings: Any) -> AsyncIterator[Peer]:
    module = lazily("tests.interop.dnp3.peers_yadnp3_master")
    async with module.yadnp3_master(port, *args, **settings) as peer:
        yield peer


MASTERS: dict[str, Callable[[int], Any]] = {
    "dnp3py": dnp3py_master, "py1815": py1815_master, "yadnp3": yadnp3_master,
}  # fmt: skip
