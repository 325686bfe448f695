"""Our northbound server, judged by pymodbus's client and by raw bytes."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.client.mixin import ModbusClientMixin

from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import ServerConfig
from gateway.links.modbus.register_map import MapEntry, RegisterMap
from gateway.links.modbus.server import ModbusServer
from gateway.model.command import Command, CommandResult, CommandStatus, Priority
from gateway.model.errors import LinkError
from gateway.model.point import Measurement
from gateway.model.quality import Quality
from gateway.profiles.registers import RegisterType, WordOrder

pytestmark = pytest.mark.interop

H, I, C, D = Table.HOLDING, Table.INPUT, Table.COIL, Table.DISCRETE  # noqa: E741
ENTRIES = (
    MapEntry("pcc.w", H, 0, RegisterType.INT32),
    MapEntry("pcc.v", H, 2, RegisterType.UINT16, scale=0.1),
    MapEntry("pcc.hz", H, 3, RegisterType.FLOAT32, WordOrder.LITTLE),
    MapEntry("set.w", H, 10, RegisterType.INT16, scale=100.0, writable=True),
    MapEntry("set.f", H, 11, RegisterType.FLOAT32, writable=True),
    MapEntry("pcc.v", I, 0, RegisterType.UINT16, scale=0.1),
    MapEntry("brk.cmd", C, 0, writable=True),
    MapEntry("brk.cmd2", C, 1, writable=True),
    MapEntry("brk.st", D, 0),
    MapEntry("brk.st2", D, 1),
)
GOOD = {
    "pcc.w": -123456.0,
    "pcc.v": 240.1,
    "pcc.hz": 60.015625,
    "set.w": 500.0,
    "set.f": 0.5,
    "brk.cmd": 0.0,
    "brk.cmd2": 1.0,
    "brk.st": 1.0,
    "brk.st2": 0.0,
}


@dataclass
class Site:
    """Points and a router that says what it is told to."""

    points: dict[str, Measurement]
    commands: list[tuple[str, float]] = field(default_factory=list)
    status: CommandStatus = CommandStatus.SUCCESS
    server: ModbusServer | None = None

    async def operate(self, point: str, value: float) -> CommandResult:
        self.commands.append((point, value))
        command = Command(point, value, "modbus", Priority.DMS_VVO)
        return CommandResult(command, self.status)

    def spoil(self, point: str, quality: Quality = Quality.ONLINE | Quality.COMM_LOST) -> None:
        self.points[point] = Measurement(self.points[point].value, quality, 0)


@asynccontextmanager
async def serving(**settings: object) -> AsyncIterator[Site]:
    site = Site({point: Measurement(value, Quality.ONLINE, 0) for point, value in GOOD.items()})
    config = ServerConfig.model_validate({"port": 0, **settings})
    registers = RegisterMap(ENTRIES, site.points, config.bad_quality, config.gaps)
    server = site.server = ModbusServer(config, registers, site.operate)
    task = asyncio.create_task(server.run())
    try:
        async with asyncio.timeout(2.0):
            await server.listening.wait()
        yield site
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task.exception()


Serve = Callable[..., Awaitable[tuple[Site, AsyncModbusTcpClient]]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def start(**settings: object) -> tuple[Site, AsyncModbusTcpClient]:
            site = await stack.enter_async_context(serving(**settings))
            client = AsyncModbusTcpClient(
                "127.0.0.1", port=site.server.port, retries=0, reconnect_delay=0, timeout=2
            )
            assert await client.connect()
            stack.callback(client.close)
            return site, client

        yield start


async def test_pymodbus_reads_every_table(serve: Serve) -> None:
    _, client = await serve()
    answer = await client.read_holding_registers(0, count=5)
    kinds = ModbusClientMixin.DATATYPE
    convert = ModbusClientMixin.convert_from_registers
    assert convert(answer.registers[0:2], kinds.INT32) == -123456
    assert answer.registers[2] == 2401
    assert convert(answer.registers[3:5], kinds.FLOAT32, word_order="little") == 60.015625
    answer = await client.read_input_registers(0, count=1)
    assert answer.registers == [2401]
    answer = await client.read_coils(0, count=2)
    assert answer.bits[:2] == [False, True]
    answer = await client.read_discrete_inputs(0, count=2)
    assert answer.bits[:2] == [True, False]


async def test_pymodbus_writes_become_commands(serve: Serve) -> None:
    site, client = await serve()
    assert not (await client.write_register(10, 0x10000 - 25)).isError()
    assert site.commands.pop() == ("set.w", -2500.0)
    half = struct.unpack(">HH", struct.pack(">f", 0.25))
    assert not (await client.write_registers(10, [7, *half])).isError()
    assert site.commands == [("set.w", 700.0), ("set.f", 0.25)]
    site.commands.clear()
    assert not (await client.write_coil(0, value=True)).isError()
    assert not (await client.write_coils(0, [False, True])).isError()
    assert site.commands == [("brk.cmd", 1.0), ("brk.cmd", 0.0), ("brk.cmd2", 1.0)]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (CommandStatus.OUT_OF_RANGE, 3),
        (CommandStatus.FORMAT_ERROR, 3),
        (CommandStatus.NOT_SUPPORTED, 2),
        (CommandStatus.NOT_AUTHORIZED, 4),
        (CommandStatus.BLOCKED, 4),
        (CommandStatus.LOCAL, 4),
        (CommandStatus.UNDEFINED, 4),
        (CommandStatus.PROCESSING_LIMITED, 6),
        (CommandStatus.TIMEOUT, 11),
        (CommandStatus.DOWNSTREAM_FAIL, 11),
    ],
)
async def test_refused_commands_become_exceptions(
    serve: Serve, status: CommandStatus, code: int
) -> None:
    site, client = await serve()
    site.status = status
    answer = await client.write_registers(10, [7, 0, 0])
    assert answer.exception_code == code
    assert len(site.commands) == 1  # what comes after the first refusal is not tried


async def test_bad_quality_is_exception_4_for_the_block(serve: Serve) -> None:
    site, client = await serve()
    for quality in (
        Quality.ONLINE | Quality.COMM_LOST,
        Quality.RESTART | Quality.COMM_LOST,
        Quality.OFFLINE,
        Quality.ONLINE | Quality.OVER_RANGE,
    ):
        site.spoil("pcc.v", quality)
        assert (await client.read_holding_registers(0, count=5)).exception_code == 4
        assert (await client.read_input_registers(0, count=1)).exception_code == 4
        assert not (await client.read_holding_registers(0, count=2)).isError()
    site.spoil("brk.st")
    assert (await client.read_discrete_inputs(0, count=2)).exception_code == 4


async def test_bad_quality_as_sentinel(serve: Serve) -> None:
    site, client = await serve(bad_quality="sentinel")
    for point in ("pcc.w", "pcc.v", "pcc.hz", "brk.st"):
        site.spoil(point)
    answer = await client.read_holding_registers(0, count=5)
    assert answer.registers[:3] == [0x8000, 0, 0xFFFF]
    low, high = answer.registers[3:5]
    assert math.isnan(struct.unpack(">f", struct.pack(">HH", high, low))[0])
    assert (await client.read_discrete_inputs(0, count=1)).exception_code == 4


async def test_value_its_form_cannot_hold_is_not_served(serve: Serve) -> None:
    site, client = await serve()
    site.points["pcc.v"] = Measurement(9000.0, Quality.ONLINE, 0)
    assert (await client.read_input_registers(0, count=1)).exception_code == 4


@pytest.mark.parametrize(
    ("address", "count"), [(1, 1), (0, 1), (4, 1), (2, 4), (5, 1), (9, 2), (12, 1), (65535, 1)]
)
async def test_unmapped_and_cut_values_are_exception_2(
    serve: Serve, address: int, count: int
) -> None:
    _, client = await serve()
    assert (await client.read_holding_registers(address, count=count)).exception_code == 2


async def test_gaps_as_zero(serve: Serve) -> None:
    _, client = await serve(gaps="zero")
    answer = await client.read_holding_registers(2, count=9)
    assert answer.registers[3:9] == [0, 0, 0, 0, 0, 5]
    assert (await client.read_holding_registers(1, count=2)).exception_code == 2


@pytest.mark.parametrize(("address", "values"), [(2, [1]), (11, [1]), (12, [1]), (50, [1])])
async def test_writes_beside_a_writable_value_are_exception_2(
    serve: Serve, address: int, values: list[int]
) -> None:
    site, client = await serve()
    assert (await client.write_registers(address, values)).exception_code == 2
    assert not site.commands


async def test_nothing_is_commanded_where_one_address_is_wrong(serve: Serve) -> None:
    site, client = await serve()
    assert (await client.write_registers(10, [1, 0, 0, 9])).exception_code == 2
    nan = struct.unpack(">HH", struct.pack(">f", math.nan))
    assert (await client.write_registers(10, [1, *nan])).exception_code == 3
    assert not site.commands


async def test_units(serve: Serve) -> None:
    _, client = await serve(units=[5])
    assert (await client.read_coils(0, count=1, device_id=6)).exception_code == 10
    assert not (await client.read_coils(0, count=1, device_id=5)).isError()


RAW = [
    ("unknown function", b"\x2b\x0e\x01\x00", b"\xab\x01"),
    ("function 0", b"\x00", b"\x80\x01"),
    ("short read", b"\x03\x00", b"\x83\x03"),
    ("count 0", struct.pack(">BHH", 3, 0, 0), b"\x83\x03"),
    ("count 126", struct.pack(">BHH", 3, 0, 126), b"\x83\x03"),
    ("past the end", struct.pack(">BHH", 3, 65535, 2), b"\x83\x02"),
    ("coil neither on nor off", struct.pack(">BHH", 5, 0, 1), b"\x85\x03"),
    ("byte count lies", struct.pack(">BHHBH", 16, 10, 1, 4, 7), b"\x90\x03"),
]


@pytest.mark.parametrize(("pdu", "answer"), [row[1:] for row in RAW], ids=[row[0] for row in RAW])
async def test_malformed_requests_get_the_exception_of_the_specification(
    pdu: bytes, answer: bytes
) -> None:
    async with serving() as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
        frame = struct.pack(">HHHB", 77, 0, len(pdu) + 1, 3) + pdu
        for byte in frame:  # in one-byte chunks
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        expected = struct.pack(">HHHB", 77, 0, 3, 3) + answer
        assert await asyncio.wait_for(reader.readexactly(len(expected)), 1.0) == expected
        writer.close()
        assert not site.commands


async def test_garbage_closes_the_connection() -> None:
    async with serving() as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 1.0)
        writer.close()
        assert site.server.statistics.protocol_errors == 1


async def _is_closed(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await asyncio.wait_for(reader.read(1), 1.0) == b""
    except ConnectionError:
        return True
    finally:
        writer.close()


async def test_only_allowed_addresses_are_served() -> None:
    async with serving(allow=["192.0.2.0/24"]) as site:
        assert await _is_closed(site.server.port)
        assert site.server.statistics.refused == 1


async def test_connection_cap(serve: Serve) -> None:
    site, client = await serve(max_connections=1)
    assert await _is_closed(site.server.port)
    assert not (await client.read_coils(0, count=1)).isError()


async def test_a_byte_now_and_then_does_not_keep_a_connection() -> None:
    async with serving(idle_timeout_s=0.1) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
        began_s = asyncio.get_running_loop().time()
        closed = asyncio.create_task(reader.read(1))
        for byte in bytes(20):
            if closed.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
        await asyncio.gather(closed, return_exceptions=True)
        assert asyncio.get_running_loop().time() - began_s < 0.3
        assert site.server.statistics.idle_closed == 1
        writer.close()


async def test_client_that_takes_no_answers_is_closed() -> None:
    async with serving(write_timeout_s=0.1, gaps="zero") as site:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            deaf.connect(("127.0.0.1", site.server.port))
            deaf.setblocking(False)
            request = struct.pack(">HHHB", 1, 0, 6, 1) + struct.pack(">BHH", 3, 13, 125)
            loop = asyncio.get_running_loop()
            flood = asyncio.create_task(loop.sock_sendall(deaf, request * 100_000))
            async with asyncio.timeout(20.0):
                while not site.server.statistics.idle_closed:
                    await asyncio.sleep(0.01)
            flood.cancel()
            await asyncio.gather(flood, return_exceptions=True)
            assert site.server.statistics.requests < 100_000


async def test_address_in_use_is_a_link_error() -> None:
    async with serving() as site:
        config = ServerConfig(port=site.server.port)
        second = ModbusServer(config, RegisterMap((), site.points), site.operate)
        with pytest.raises(LinkError, match="cannot listen"):
            await second.run()


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([MapEntry("pcc.w", H, 0, RegisterType.INT32), MapEntry("pcc.v", H, 1)], "overlaps"),
        ([MapEntry("pcc.w", H, 65535, RegisterType.INT32)], "65535"),
        ([MapEntry("pcc.w", I, 0, writable=True)], "cannot be written"),
        ([MapEntry("pcc.w", H, 0, RegisterType.BIT)], "type bit"),
        ([MapEntry("pcc.x", H, 0)], "no such point"),
        ([MapEntry("pcc.w", H, 0, RegisterType.STRING)], "string"),
    ],
)
def test_impossible_maps_are_refused(entries: list[MapEntry], text: str) -> None:
    points = {point: Measurement(value, Quality.ONLINE, 0) for point, value in GOOD.items()}
    with pytest.raises(ValueError, match=text):
        RegisterMap(entries, points)
