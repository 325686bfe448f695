"""The slot scheduler: where devices fall, what happens when the process is held up or wrong."""

from __future__ import annotations

import asyncio
import random
import struct
import time

import numpy as np
import pytest
from pydantic import ValidationError

from gateway.links.modbus.breaker import UnitBreaker, backoff_s
from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import DeviceConfig, EndpointConfig, PollerConfig
from gateway.links.modbus.device import ModbusDevice, PolledPoint, PollGroup
from gateway.links.modbus.exchange import Outcome
from gateway.links.modbus.poller import ModbusPoller
from gateway.profiles.registers import RegisterField, RegisterType
from gateway.site.clock import SystemClock
from tests.unit.modbus.conftest import HostileServer, MakeRig, eventually, frame, honest


class Recorder:
    """A sink that keeps what it is given, or fails as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.updates: list[tuple[float, list[int], list[float], list[int]]] = []
        self.lost: list[int] = []
        self.error = error

    def update_block(self, indices, values, flags, time_ms: int) -> None:
        if self.error is not None:
            raise self.error
        now_s = time.monotonic()
        self.updates.append((now_s, indices.tolist(), values.tolist(), flags.tolist()))

    def mark_comm_lost(self, indices) -> None:
        self.lost += indices.tolist()


def device(n: int, *fields: RegisterField, period_s: float = 1.0) -> ModbusDevice:
    points = tuple(PolledPoint(n + k, Table.HOLDING, f) for k, f in enumerate(fields))
    return ModbusDevice(
        DeviceConfig(name=f"d{n}", endpoint="e", unit=1), (PollGroup(period_s, points),)
    )


def endpoint(port: int, **settings: object) -> EndpointConfig:
    return EndpointConfig.model_validate(
        {"name": "e", "host": "127.0.0.1", "port": port, "timeout_s": 0.1, **settings}
    )


FIELD = RegisterField(5, RegisterType.INT16)


async def test_held_up_process_catches_up_a_little_and_counts_the_rest(make_rig: MakeRig) -> None:
    rig = await make_rig()
    await eventually(lambda: rig.good("dev1"))
    time.sleep(0.4)  # noqa: ASYNC251 - the point: 40 slots of 10 ms pass unrun
    await asyncio.sleep(0.05)
    assert rig.poller.statistics.overruns >= 15
    await eventually(lambda: rig.good("dev1"))
    assert rig.unit(1).missed > 0  # cycles that fell due while the last one had not ended


async def test_slots_fill_before_the_next_opens() -> None:
    """Twelve blocks of 1 s, three a slot: four slots of the twenty, a quarter of a second apart."""
    server = HostileServer()
    await server.start()
    sink = Recorder()
    devices = [device(n, FIELD) for n in range(12)]
    config = PollerConfig(slot_ms=50, blocks_per_slot=3, endpoints=(endpoint(server.port),))
    poller = ModbusPoller(config, devices, sink, SystemClock(), random.Random(1))
    task = asyncio.create_task(poller.run())
    await asyncio.sleep(2.2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await server.stop()
    assert {len(indices) for _, indices, _, _ in sink.updates[1:]} == {3}
    times = [at for at, *_ in sink.updates[1:]]
    assert 0.2 <= np.median(np.diff(times)) <= 0.3


async def test_a_bug_ends_the_poller() -> None:
    server = HostileServer()
    await server.start()
    sink = Recorder(ZeroDivisionError("a bug"))
    config = PollerConfig(slot_ms=10, endpoints=(endpoint(server.port),))
    poller = ModbusPoller(config, [device(0, FIELD, period_s=0.02)], sink, SystemClock())
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(poller.run(), 2.0)
    await server.stop()


async def test_flags_and_scale_factors_reach_the_sink() -> None:
    """A not-implemented value comes with flags 0, beside good ones."""
    server = HostileServer()
    await server.start()
    registers = struct.pack(">hhhH", 1234, -2, -0x8000, 0xFFFF)
    server.answer = lambda t, u, pdu: frame(t, u, bytes([3, 8]) + registers)
    fields = [
        RegisterField(40, RegisterType.INT16, scale_factor_at=41, sunspec=True),
        RegisterField(42, RegisterType.INT16, sunspec=True),
        RegisterField(43, RegisterType.UINT16),
    ]
    sink = Recorder()
    config = PollerConfig(slot_ms=10, endpoints=(endpoint(server.port),))
    poller = ModbusPoller(config, [device(0, *fields, period_s=0.02)], sink, SystemClock())
    task = asyncio.create_task(poller.run())
    await eventually(lambda: bool(sink.updates))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await server.stop()
    by_position = {
        index: (value, flags)
        for _, *columns in sink.updates
        for index, value, flags in zip(*columns, strict=True)
    }
    assert by_position[0] == (12.34, 1)
    assert np.isnan(by_position[1][0])
    assert by_position[1][1] == 0
    assert by_position[2] == (65535.0, 1)
    assert sorted(set(sink.lost)) == [0, 1, 2]  # stopped: everything is lost


async def test_pipelined_answers_out_of_order_find_their_requests(make_rig: MakeRig) -> None:
    rig = await make_rig(pipeline=4, timeout_s=1.0)
    await eventually(lambda: rig.good("dev1"))
    caller = rig.poller.caller("plant")
    held: list[bytes] = []

    def backwards(transaction: int, unit: int, pdu: bytes) -> bytes:
        if unit != 9:
            return honest(transaction, unit, pdu)
        held.append(honest(transaction, unit, pdu))
        return b"".join(reversed(held)) if len(held) == 3 else b""

    rig.server.answer = backwards
    reads = [caller.read(9, Table.HOLDING, address, 1) for address in (11, 22, 33)]
    assert [int(row[0]) for row in await asyncio.gather(*reads)] == [11, 22, 33]
    assert rig.unit(9).late == 0


async def test_device_added_and_removed_while_running(make_rig: MakeRig) -> None:
    rig = await make_rig(units=(1, 2))
    await eventually(lambda: rig.good("dev2"))
    rig.poller.remove_device("dev2")
    assert rig.lost("dev2")
    assert "dev2.setpoint" not in rig.poller.commandable
    points = tuple(
        PolledPoint(3 + n, Table.HOLDING, RegisterField(100 + n, RegisterType.UINT16))
        for n in range(3)
    )
    config = DeviceConfig(name="dev2", endpoint="plant", unit=2)
    rig.poller.add_device(ModbusDevice(config, (PollGroup(0.02, points),)))
    await eventually(lambda: rig.good("dev2"))
    rig.assert_nothing_wrong()
    with pytest.raises(ValueError, match="no endpoint"):
        rig.poller.add_device(device(0, FIELD))


async def test_host_that_does_not_exist_is_retried() -> None:
    config = EndpointConfig(
        name="e", host="." * 3, timeout_s=0.1, reconnect_min_s=0.01, reconnect_max_s=0.01
    )
    poller = ModbusPoller(
        PollerConfig(slot_ms=10, endpoints=(config,)), [device(0, FIELD)], Recorder(), SystemClock()
    )
    task = asyncio.create_task(poller.run())
    await eventually(lambda: poller.statistics.lines["e"].refused_connects >= 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


def test_backoff_doubles_within_its_jitter_and_cap() -> None:
    rng = random.Random(3)
    for failures, full in ((1, 2.0), (2, 4.0), (3, 8.0), (10, 60.0), (10_000, 60.0)):
        for _ in range(50):
            assert full / 2 <= backoff_s(failures, 2.0, 60.0, rng) <= full


def test_breaker_lets_one_probe_through() -> None:
    breaker = UnitBreaker(2.0, 60.0, random.Random(1))
    assert breaker.admit(0.0, 1.0)
    breaker.failed(0.0, Outcome.TIMEOUT)
    assert not breaker.admit(0.99, 1.0)
    assert breaker.admit(2.0, 1.0)
    assert not breaker.admit(2.0, 1.0)
    breaker.succeeded()
    assert breaker.admit(2.1, 1.0)


@pytest.mark.parametrize(
    "settings",
    [
        {"transport": "tcp"},
        {"transport": "rtu", "host": "h"},
        {"host": "h", "driver": "pymodbus", "pipeline": 2},
        {"host": "h", "timeout_s": 0},
        {"host": "h", "timeout_s": float("inf")},
        {"host": "h", "port": 0},
        {"host": "h", "reconnect_min_s": 5, "reconnect_max_s": 1},
        {"host": "h", "colour": "red"},
    ],
)
def test_impossible_endpoints_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EndpointConfig.model_validate({"name": "e", **settings})
