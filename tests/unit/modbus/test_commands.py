"""Commands: sent at most once, ahead of polls, and they end as an IEEE 1815 status."""

from __future__ import annotations

import asyncio
import dataclasses
import struct

import numpy as np
import pytest

from gateway.links.modbus.codec import Table
from gateway.links.modbus.exchange import ModbusExceptionError
from gateway.model.command import Command, CommandStatus, Priority
from gateway.model.errors import LinkError, RemoteProtocolError
from gateway.site.clock import SystemClock
from tests.unit.modbus.conftest import MakeRig, Rig, eventually, frame, honest


def command(point: str, value: float) -> Command:
    return Command(point, value, "operator:test", Priority.OPERATOR)


def writes(rig: Rig) -> list[bytes]:
    return [pdu for _, _, pdu in rig.server.requests if pdu[0] in (5, 6, 15, 16)]


async def ready(make_rig: MakeRig, **settings: object) -> Rig:
    rig = await make_rig(**settings)
    await eventually(lambda: rig.good("dev1"))
    return rig


async def test_register_scale_and_single_function(make_rig: MakeRig) -> None:
    rig = await ready(make_rig)
    result = await rig.poller.operate(command("dev1.setpoint", -12.3))
    assert result.status is CommandStatus.SUCCESS
    assert result.value_sent == -12.3
    assert writes(rig) == [struct.pack(">BHh", 6, 200, -123)]


async def test_wide_value_goes_in_one_write_multiple(make_rig: MakeRig) -> None:
    rig = await ready(make_rig)
    assert (await rig.poller.operate(command("dev1.energy", 70000))).ok
    assert writes(rig) == [struct.pack(">BHHBHH", 16, 210, 2, 4, 1, 4464)]


async def test_coil(make_rig: MakeRig) -> None:
    rig = await ready(make_rig)
    assert (await rig.poller.operate(command("dev1.switch", 1.0))).ok
    assert writes(rig) == [struct.pack(">BHH", 5, 10, 0xFF00)]


@pytest.mark.parametrize("value", [4000.0, float("nan"), float("inf")])
async def test_value_that_does_not_fit_is_never_sent(make_rig: MakeRig, value: float) -> None:
    rig = await ready(make_rig)
    result = await rig.poller.operate(command("dev1.setpoint", value))
    assert result.status is CommandStatus.OUT_OF_RANGE
    assert result.value_sent is None
    assert not writes(rig)


async def test_unknown_point(make_rig: MakeRig) -> None:
    rig = await ready(make_rig)
    result = await rig.poller.operate(command("dev1.nothing", 1.0))
    assert result.status is CommandStatus.NOT_SUPPORTED


STATUS_OF_CODE = {
    1: CommandStatus.NOT_SUPPORTED,
    2: CommandStatus.NOT_SUPPORTED,
    3: CommandStatus.OUT_OF_RANGE,
    4: CommandStatus.HARDWARE_ERROR,
    5: CommandStatus.UNDEFINED,
    6: CommandStatus.PROCESSING_LIMITED,
    7: CommandStatus.BLOCKED,
    8: CommandStatus.HARDWARE_ERROR,
    10: CommandStatus.DOWNSTREAM_FAIL,
    11: CommandStatus.DOWNSTREAM_FAIL,
    99: CommandStatus.UNDEFINED,
}


async def test_exception_codes_become_statuses(make_rig: MakeRig) -> None:
    rig = await ready(make_rig, unit_backoff_min_s=0.001, unit_backoff_max_s=0.001)
    for code, status in STATUS_OF_CODE.items():
        rig.server.answer = lambda t, u, pdu, code=code: (
            frame(t, u, bytes([pdu[0] | 0x80, code])) if pdu[0] == 6 else honest(t, u, pdu)
        )
        await asyncio.sleep(0.002)
        result = await rig.poller.operate(command("dev1.setpoint", 1.0))
        assert result.status is status, code
        assert f"exception {code}" in result.detail
    assert len(writes(rig)) == len(STATUS_OF_CODE)


async def test_silence_is_a_timeout_and_the_write_is_not_repeated(make_rig: MakeRig) -> None:
    rig = await ready(make_rig, unit_backoff_min_s=0.05, unit_backoff_max_s=0.05)
    rig.server.answer = lambda t, u, pdu: b"" if pdu[0] == 6 else honest(t, u, pdu)
    result = await rig.poller.operate(command("dev1.setpoint", 1.0))
    assert result.status is CommandStatus.TIMEOUT
    assert result.value_sent == 1.0
    polls = rig.unit(1).cycles
    await eventually(lambda: rig.unit(1).cycles > polls + 10)
    assert len(writes(rig)) == 1


async def test_reset_under_a_write_fails_at_once_and_is_not_repeated(make_rig: MakeRig) -> None:
    rig = await ready(make_rig, timeout_s=30.0)

    def die(transaction: int, unit: int, pdu: bytes) -> bytes:
        if pdu[0] == 6:
            raise ConnectionResetError
        return honest(transaction, unit, pdu)

    rig.server.answer = die
    result = await asyncio.wait_for(rig.poller.operate(command("dev1.setpoint", 1.0)), 1.0)
    assert result.status is CommandStatus.DOWNSTREAM_FAIL
    rig.server.answer = honest
    await eventually(lambda: rig.server.connections == 2 and rig.good("dev1"))
    assert len(writes(rig)) == 1


async def test_without_connection_a_write_fails_at_once(make_rig: MakeRig) -> None:
    rig = await ready(make_rig)
    await rig.server.stop()
    await eventually(lambda: rig.lost("dev1"))
    result = await rig.poller.operate(command("dev1.setpoint", 1.0))
    assert result.status is CommandStatus.DOWNSTREAM_FAIL
    assert result.value_sent is None


@pytest.mark.parametrize(
    "echo",
    [struct.pack(">BHH", 6, 200, 11), struct.pack(">BHH", 6, 201, 10), b"\x06\x00", b"\x10"],
    ids=["another value", "another address", "short", "another function"],
)
async def test_wrong_echo_is_no_success(make_rig: MakeRig, echo: bytes) -> None:
    rig = await ready(make_rig)
    rig.server.answer = lambda t, u, pdu: frame(t, u, echo) if pdu[0] == 6 else honest(t, u, pdu)
    result = await rig.poller.operate(command("dev1.setpoint", 1.0))
    assert result.status is CommandStatus.DOWNSTREAM_FAIL


async def test_writes_go_ahead_of_waiting_polls(make_rig: MakeRig) -> None:
    rig = await make_rig(units=tuple(range(1, 9)), period_s=0.01, timeout_s=5.0)
    await eventually(lambda: all(rig.good(f"dev{unit}") for unit in range(1, 9)))
    gate: list[tuple[int, int, bytes]] = []

    def hold_one(transaction: int, unit: int, pdu: bytes) -> bytes:
        if not gate:
            gate.append((transaction, unit, pdu))
            return b""
        return honest(transaction, unit, pdu)

    rig.server.answer = hold_one
    await eventually(lambda: bool(gate))
    waiting = asyncio.create_task(rig.poller.operate(command("dev3.setpoint", 1.0)))
    await asyncio.sleep(0.05)  # every poll is queued behind the held one by now
    rig.server.requests.clear()
    rig.server.send(honest(*gate[0]))
    assert (await waiting).ok
    assert rig.server.requests[0][2][0] == 6


async def test_full_queue_refuses(make_rig: MakeRig) -> None:
    rig = await ready(make_rig, max_pending_writes=2, timeout_s=0.3)
    rig.server.answer = lambda t, u, pdu: b""
    await asyncio.sleep(0.05)
    results = await asyncio.gather(
        *(rig.poller.operate(command("dev1.setpoint", 1.0)) for _ in range(5))
    )
    statuses = [result.status for result in results]
    assert statuses.count(CommandStatus.PROCESSING_LIMITED) == 3
    assert not any(result.ok for result in results)


async def test_write_that_waited_too_long_is_never_sent(make_rig: MakeRig) -> None:
    rig = await ready(make_rig, write_wait_s=0.05, timeout_s=0.3, unit_backoff_min_s=0.001,
                      unit_backoff_max_s=0.001)  # fmt: skip
    rig.server.answer = lambda t, u, pdu: b""
    await asyncio.sleep(0.05)
    result = await rig.poller.operate(command("dev1.setpoint", 1.0))
    assert result.status is CommandStatus.TIMEOUT
    assert result.value_sent is None
    assert not writes(rig)


async def test_command_that_expires_while_it_waits_is_never_sent(make_rig: MakeRig) -> None:
    rig = await ready(make_rig, timeout_s=0.3, unit_backoff_min_s=0.001, unit_backoff_max_s=0.001)
    rig.server.answer = lambda t, u, pdu: b""
    await asyncio.sleep(0.05)
    expires_ms = SystemClock().utc_ms() + 50
    soon = dataclasses.replace(command("dev1.setpoint", 1.0), expires_ms=expires_ms)
    result = await rig.poller.operate(soon)
    assert result.status is CommandStatus.TIMEOUT
    assert result.value_sent is None
    assert not writes(rig)


async def test_cancelled_write_that_waits_is_never_sent(make_rig: MakeRig) -> None:
    rig = await ready(make_rig, timeout_s=0.2)
    rig.server.answer = lambda t, u, pdu: b""
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(rig.poller.operate(command("dev1.setpoint", 1.0)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    rig.server.answer = honest
    await asyncio.sleep(0.3)
    assert not writes(rig)


async def test_read_back_compares(make_rig: MakeRig) -> None:
    rig = await ready(make_rig)
    result = await rig.poller.operate(command("dev1.checked", 220))
    assert result.ok  # the honest server's register 220 holds 220
    result = await rig.poller.operate(command("dev1.checked", 5))
    assert result.status is CommandStatus.DOWNSTREAM_FAIL
    assert "holds (220,)" in result.detail


async def test_single_reads(make_rig: MakeRig) -> None:
    rig = await ready(make_rig)
    caller = rig.poller.caller("plant")
    await caller.wait_open(1.0)
    registers = await caller.read(1, Table.INPUT, 40000, 125)
    assert registers.dtype == np.uint16
    assert registers.tolist() == list(range(40000, 40125))
    bits = await caller.read(1, Table.COIL, 0, 11)
    assert bits.tolist() == [1, 0] * 5 + [1]


async def test_single_reads_that_fail_say_how(make_rig: MakeRig) -> None:
    rig = await ready(make_rig, unit_backoff_min_s=0.001, unit_backoff_max_s=0.001)
    caller = rig.poller.caller("plant")
    rig.server.answer = lambda t, u, pdu: frame(t, u, bytes([pdu[0] | 0x80, 2]))
    with pytest.raises(ModbusExceptionError, match="illegal data address") as refusal:
        await caller.read(7, Table.HOLDING, 0, 1)
    assert refusal.value.code == 2
    rig.server.answer = lambda t, u, pdu: frame(t, u, b"\x03\x02\x00")
    with pytest.raises(RemoteProtocolError):
        await caller.read(8, Table.HOLDING, 0, 1)
    rig.server.answer = lambda t, u, pdu: b""
    with pytest.raises(LinkError, match="no answer"):
        await caller.read(9, Table.HOLDING, 0, 1)
    await rig.server.stop()
    await eventually(lambda: not caller.is_open)
    with pytest.raises(LinkError, match="not sent"):
        await caller.read(1, Table.HOLDING, 0, 1)
    with pytest.raises(LinkError, match="no connection"):
        await caller.wait_open(0.01)
