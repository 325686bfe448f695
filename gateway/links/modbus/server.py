"""Northbound Modbus TCP server: points as registers, writes as commands.

Every write goes through the ``operate`` callback, the router's one path; nothing here touches
a device. A connection's requests are served one after another, so a client that sends faster
than it is served only fills its own socket.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.links.modbus.codec import (
    READ_TABLE,
    AddressSpanError,
    Answer,
    ExceptionAnswer,
    ExceptionCode,
    Function,
    ReadAnswer,
    ReadRequest,
    Request,
    Table,
    WriteMultiple,
    WriteMultipleAnswer,
    WriteSingle,
    encode_answer,
    is_bit_function,
    pack_bits,
    parse_request,
)
from gateway.links.modbus.config import ServerConfig
from gateway.links.modbus.framing import Frame, FrameSplitter, encode_frame
from gateway.links.modbus.register_map import RegisterMap, ServeError
from gateway.model.command import CommandResult, CommandStatus
from gateway.model.errors import LinkError, RemoteProtocolError

#: Carries one command: point id and engineering value.
Operate = Callable[[str, float], Awaitable[CommandResult]]

_EXCEPTION_OF_STATUS = {
    CommandStatus.FORMAT_ERROR: ExceptionCode.ILLEGAL_DATA_VALUE,
    CommandStatus.OUT_OF_RANGE: ExceptionCode.ILLEGAL_DATA_VALUE,
    CommandStatus.NOT_SUPPORTED: ExceptionCode.ILLEGAL_DATA_ADDRESS,
    CommandStatus.ALREADY_ACTIVE: ExceptionCode.SERVER_DEVICE_BUSY,
    CommandStatus.PROCESSING_LIMITED: ExceptionCode.SERVER_DEVICE_BUSY,
    CommandStatus.TOO_MANY_OBJS: ExceptionCode.SERVER_DEVICE_BUSY,
    CommandStatus.TIMEOUT: ExceptionCode.GATEWAY_TARGET_FAILED,
    CommandStatus.DOWNSTREAM_FAIL: ExceptionCode.GATEWAY_TARGET_FAILED,
    CommandStatus.DOWNSTREAM_LOCAL: ExceptionCode.GATEWAY_TARGET_FAILED,
}


@dataclass(slots=True)
class ServerStatistics:
    """Counts of the server.

    Attributes:
        connections: connections now.
        refused: connections closed at once, not allowed or too many.
        requests: requests answered, refusals too.
        exceptions: exception answers among them.
        protocol_errors: connections closed because their bytes were not Modbus.
        idle_closed: connections closed for silence or for not taking their answer.
    """

    connections: int = 0
    refused: int = 0
    requests: int = 0
    exceptions: int = 0
    protocol_errors: int = 0
    idle_closed: int = 0


class ModbusServer:
    """Serves a register map.

    Args:
        config: where to listen, whom to serve, limits.
        registers: the map.
        operate: carries a command.

    Attributes:
        statistics: counts, live.
        port: port in use once :meth:`run` listens; 0 before.
        listening: set while the server listens.
    """

    def __init__(self, config: ServerConfig, registers: RegisterMap, operate: Operate) -> None:
        self.config = config
        self.statistics = ServerStatistics()
        self.port = 0
        self.listening = asyncio.Event()
        self._map = registers
        self._operate = operate
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            LinkError: the address cannot be listened on.
        """
        config = self.config
        try:
            server = await asyncio.start_server(self._accept, config.host, config.port, limit=4096)
        except OSError as error:
            raise LinkError(f"cannot listen on {config.host}:{config.port}: {error}") from error
        self.port = server.sockets[0].getsockname()[1]
        self.listening.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.listening.clear()
            server.close()
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or not self._may_connect(writer):
            self.statistics.refused += 1
            writer.transport.abort()
            return
        self._tasks.add(task)
        self.statistics.connections += 1
        try:
            await self._serve(reader, writer)
        except TimeoutError:
            self.statistics.idle_closed += 1
        except RemoteProtocolError:
            self.statistics.protocol_errors += 1
        except ConnectionError:
            pass  # the client is gone; nothing is owed to it
        except asyncio.CancelledError:
            # asyncio logs a cancelled connection task as an error; run() cancels on purpose
            pass
        finally:
            self.statistics.connections -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    def _may_connect(self, writer: asyncio.StreamWriter) -> bool:
        peer = writer.get_extra_info("peername")
        if not peer or self.statistics.connections >= self.config.max_connections:
            return False
        address = ipaddress.ip_address(peer[0].partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.config.allow)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = FrameSplitter()
        while True:
            # for a whole request: a byte now and then does not keep a connection
            async with asyncio.timeout(self.config.idle_timeout_s):
                frame = await _next_frame(reader, splitter)
            if frame is None:
                return
            answer = await self._answer(frame.unit, bytes(frame.pdu))
            writer.write(encode_frame(frame.transaction, frame.unit, encode_answer(answer)))
            async with asyncio.timeout(self.config.write_timeout_s):
                await writer.drain()

    async def _answer(self, unit: int, pdu: bytes) -> Answer:
        self.statistics.requests += 1
        try:
            self._check_unit(unit)
            return await self._perform(_parse(pdu))
        except ServeError as refusal:
            self.statistics.exceptions += 1
            return ExceptionAnswer(pdu[0] & 0x7F, refusal.code)

    def _check_unit(self, unit: int) -> None:
        if self.config.units and unit not in self.config.units:
            raise ServeError(ExceptionCode.GATEWAY_PATH_UNAVAILABLE)

    async def _perform(self, request: Request) -> Answer:
        match request:
            case ReadRequest(function, address, count):
                values = self._map.read(READ_TABLE[function], address, count)
                return ReadAnswer(function, _pack(function, values))
            case WriteSingle(function, address, value):
                await self._write(_write_table(function), address, (value,))
                return request
            case WriteMultiple(function, address, values):
                await self._write(_write_table(function), address, values)
                return WriteMultipleAnswer(function, address, len(values))

    async def _write(self, table: Table, address: int, values: tuple[int, ...]) -> None:
        """Command one point after another; the first refusal ends it and is the answer."""
        for point, value in self._map.split_write(table, address, values):
            result = await self._operate(point, value)
            if not result.ok:
                default = ExceptionCode.SERVER_DEVICE_FAILURE
                raise ServeError(_EXCEPTION_OF_STATUS.get(result.status, default))


async def _next_frame(reader: asyncio.StreamReader, splitter: FrameSplitter) -> Frame | None:
    """The next request; None where the client has closed."""
    while (frame := splitter.next_frame()) is None:
        room = splitter.writable()
        data = await reader.read(len(room))
        if not data:
            return None
        room[: len(data)] = data
        splitter.received(len(data))
    return frame


def _parse(pdu: bytes) -> Request:
    """The request, or the exception the specification wants for one we cannot read."""
    try:
        return parse_request(pdu)
    except AddressSpanError:
        raise ServeError(ExceptionCode.ILLEGAL_DATA_ADDRESS) from None
    except RemoteProtocolError:
        known = pdu[0] in Function.__members__.values()
        code = ExceptionCode.ILLEGAL_DATA_VALUE if known else ExceptionCode.ILLEGAL_FUNCTION
        raise ServeError(code) from None


def _pack(function: Function, values: tuple[int, ...]) -> bytes:
    if is_bit_function(function):
        return pack_bits(values)
    return b"".join(value.to_bytes(2, "big") for value in values)


def _write_table(function: Function) -> Table:
    return Table.COIL if is_bit_function(function) else Table.HOLDING
