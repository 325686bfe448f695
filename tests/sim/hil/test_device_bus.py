"""The device bus and a device's link to it: what is refused, what is dropped, what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.devices import plantlink
from hil.devices.plantlink import Freshness, PlantLink
from hil.plant import bus as bus_module
from hil.plant.bus import DeviceBus
from hil.plant.world import Injection
from hil.wire import MAX_LINE, Message, WireError, decode, encode, number


@asynccontextmanager
async def running(*devices: str) -> AsyncIterator[tuple[DeviceBus, int]]:
    bus = DeviceBus(frozenset(devices))
    port = await bus.start("127.0.0.1", 0)
    try:
        yield bus, port
    finally:
        await bus.stop()


async def until(condition, timeout_s: float = 2.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_device_says_hello_hears_and_answers() -> None:
    async with running("pv1") as (bus, port):
        heard: list[Message] = []

        def on_step(message: Message) -> Message:
            heard.append(message)
            return {"p_w": 5e3, "q_var": -1e3}

        freshness = Freshness(now)
        link = PlantLink("pv1", "127.0.0.1", port, on_step, freshness)
        task = asyncio.create_task(link.run())
        await until(lambda: "pv1" in bus.connected)
        assert bus.injections(now()) == {"pv1": Injection()}
        assert not freshness()
        bus.send([("pv1", {"seq": 1, "time_s": 0.0}), ("other", {"seq": 1})])
        await until(lambda: bus.injections(now())["pv1"].power_w == 5e3)
        assert freshness()
        assert heard == [{"seq": 1, "time_s": 0.0}]
        task.cancel()
        await until(lambda: not bus.connected)
        assert bus.injections(now()) == {}, "a device that is gone injects nothing"


async def test_a_link_finds_a_plant_that_came_back(monkeypatch) -> None:
    monkeypatch.setattr(plantlink, "STALE_S", 0.2)
    freshness = Freshness(now)
    async with running("pv1") as (bus, port):
        link = PlantLink("pv1", "127.0.0.1", port, lambda _: {"p_w": 0, "q_var": 0}, freshness)
        task = asyncio.create_task(link.run())
        await until(lambda: "pv1" in bus.connected)
        bus.send([("pv1", {"seq": 1})])
        await until(freshness)
    await until(lambda: not freshness())
    again = DeviceBus(frozenset({"pv1"}))
    await again.start("127.0.0.1", port)
    await until(lambda: "pv1" in again.connected, 4.0)
    again.send([("pv1", {"seq": 1})])
    await until(freshness)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await again.stop()


async def test_a_silent_device_counts_as_gone(monkeypatch) -> None:
    monkeypatch.setattr(bus_module, "SILENT_S", 0.05)
    async with running("pv1") as (bus, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(encode({"hello": "pv1"}) + encode({"p_w": 1e3, "q_var": 0}))
        await until(lambda: bus.injections(now()).get("pv1") == Injection(1e3, 0.0))
        await until(lambda: not bus.injections(now()))
        assert "pv1" in bus.connected
        writer.close()


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"hello": "nobody"}\n',
        b'{"hello": 7}\n',
        b'{"hello": "pv1"}\n[1]\n',
        b'{"hello": "pv1"}\n{"p_w": NaN, "q_var": 0}\n',
        b'{"hello": "pv1"}\n{"p_w": "x", "q_var": 0}\n',
        b'{"hello": "pv1"}\n{"p_w": true, "q_var": 0}\n',
        b'{"hello": "pv1"}\n{"q_var": 0}\n',
        b'{"hello": "feeder_plc"}\n{"taps": 3, "caps": {}}\n',
        b'{"hello": "feeder_plc"}\n{"taps": {"a": 1e400}, "caps": {}}\n',
        b'{"hello": "feeder_plc"}\n{"caps": {}}\n',
        b"x" * (2 * MAX_LINE),
        b'{"hello": "pv1"}\n' + b"[" * (MAX_LINE - 10) + b"\n",
    ],
)
async def test_nonsense_is_refused_counted_and_harmless(words: bytes) -> None:
    async with running("pv1", "feeder_plc") as (bus, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(words)
        assert await asyncio.wait_for(reader.read(), 2.0) == b"", "closed without an answer"
        writer.close()
        await until(lambda: not bus.connected)
        assert sum(bus.faults.values()) == 1
        assert bus.taps == {}


async def test_the_newest_connection_has_the_seat() -> None:
    async with running("pv1") as (bus, port):
        first_reader, first = await asyncio.open_connection("127.0.0.1", port)
        first.write(encode({"hello": "pv1"}))
        await until(lambda: "pv1" in bus.connected)
        _, second = await asyncio.open_connection("127.0.0.1", port)
        second.write(encode({"hello": "pv1"}) + encode({"p_w": 2e3, "q_var": 0}))
        assert await asyncio.wait_for(first_reader.read(), 2.0) == b""
        await until(lambda: bus.injections(now()).get("pv1") == Injection(2e3, 0.0))
        first.close()
        second.close()


async def test_a_device_that_does_not_read_loses_steps_not_the_plant() -> None:
    async with running("pv1") as (bus, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(encode({"hello": "pv1"}))
        await until(lambda: "pv1" in bus.connected)
        big = {"seq": 1, "text": "x" * 10_000}
        before = now()
        for _ in range(2_000):
            bus.send([("pv1", big)])
        assert now() - before < 2.0
        assert bus.faults["dropped: device does not read"] > 0
        writer.transport.abort()


@given(st.binary(max_size=200))
def test_any_line_is_a_message_or_a_wire_error(line: bytes) -> None:
    try:
        message = decode(line)
    except WireError:
        return
    assert isinstance(message, dict)


@given(st.dictionaries(st.text(max_size=8), st.floats(allow_nan=False, allow_infinity=False)))
def test_messages_round_trip(message: Message) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == json.loads(line)
    for key, value in message.items():
        assert number(decode(line), key) == value
