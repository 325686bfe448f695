"""The MQTT link against mosquitto, its clients and the embedded broker."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from gateway.links.mqtt.broker import run_broker
from gateway.links.mqtt.client import MqttLink
from gateway.links.mqtt.codec import CommandMessage
from gateway.links.mqtt.config import MqttConfig
from gateway.model.command import Command, CommandResult, CommandStatus, Priority
from gateway.model.errors import ConfigError, LinkError
from gateway.model.point import PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from gateway.site.clock import SystemClock
from gateway.site.supervise import LinkState, keep_running

pytestmark = [
    pytest.mark.interop,
    pytest.mark.needs("mosquitto", "mosquitto_sub", "mosquitto_pub"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def mosquitto(port: int):
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    broker = await asyncio.create_subprocess_exec(
        program, "-p", str(port), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    await listening(port)
    try:
        yield broker
    finally:
        with suppress(ProcessLookupError):
            broker.kill()
        await broker.wait()


@asynccontextmanager
async def embedded(port: int):
    running = asyncio.create_task(run_broker("127.0.0.1", port))
    await listening(port)
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


class Subscriber:
    """mosquitto_sub: a client we did not write."""

    def __init__(self, port: int, topic: str) -> None:
        self._arguments = ("-d", "-p", str(port), "-t", topic, "-F", "MSG %t %r %p", "-q", "1")

    async def __aenter__(self):
        # line-buffered, though it is a pipe
        self._process = await asyncio.create_subprocess_exec(
            "stdbuf", "-oL", "mosquitto_sub", *self._arguments, stdout=subprocess.PIPE
        )
        await self._line("Subscribed", 10.0)
        return self

    async def next(self, within_s: float = 10.0):
        topic, retained, payload = (await self._line("MSG ", within_s))[4:].split(" ", 2)
        return topic, retained == "1", json.loads(payload)

    async def _line(self, beginning: str, within_s: float) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(within_s):
            while True:
                line = (await self._process.stdout.readline()).decode().strip()
                if line.startswith(beginning):
                    return line

    async def __aexit__(self, *_):
        self._process.kill()
        await self._process.communicate()


async def publish(port: int, topic: str, payload: str, *options: str) -> None:
    arguments = ("-p", str(port), "-t", topic, "-m", payload, "-q", "1", *options)
    process = await asyncio.create_subprocess_exec("mosquitto_pub", *arguments)
    assert await process.wait() == 0


class Site:
    """A link over the real store; the router's place is taken by a list."""

    def __init__(self, port: int) -> None:
        self.clock = SystemClock()
        specs = [PointSpec(f"{d}.{p}", PointKind.AO) for d in ("pv1", "pv2") for p in ("p", "q")]
        self.store = PointStore(specs, self.clock)
        self.commands: list[CommandMessage] = []
        config = MqttConfig(port=port, site="s1", period_s=0.1, commands=True)
        self.link = MqttLink(config, self.store.index, self.store, self.operate, self.clock)
        self.store.subscribe(self.link.note_changed)
        self.set(1.0)

    def set(self, value: float) -> None:
        time_ms = self.clock.utc_ms()
        ones = np.ones(4, dtype=np.uint8)
        self.store.update_block(np.arange(4), np.full(4, value), ones, time_ms)

    async def operate(self, message: CommandMessage) -> CommandResult:
        self.commands.append(message)
        command = Command(message.point, message.value, "mqtt", Priority.UTILITY_2030_5)
        return CommandResult(command, CommandStatus.SUCCESS, "", message.value)


@asynccontextmanager
async def running(site: Site):
    task = asyncio.create_task(site.link.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=[mosquitto, embedded], ids=["mosquitto", "embedded"])
async def broker_port(request):
    port = free_port()
    async with request.param(port):
        yield port


async def test_one_message_a_device_with_values_and_flags(broker_port):
    site = Site(broker_port)
    async with Subscriber(broker_port, "tieline/s1/+") as listener, running(site):
        first = {}
        while len(first) < 3:
            topic, _, payload = await listener.next()
            first[topic] = payload
        assert first["tieline/s1/online"] is True
        assert first["tieline/s1/pv1"]["v"] == {"p": 1.0, "q": 1.0}
        assert first["tieline/s1/pv1"]["q"] == {}
        site.store.mark_comm_lost(np.array([2]))
        topic, retained, payload = await listener.next()
        assert topic == "tieline/s1/pv2"
        assert payload["v"] == {"p": 1.0}  # only what changed, its value kept
        assert payload["q"] == {"p": int(Quality.ONLINE | Quality.COMM_LOST)}
        assert not retained  # a retained measurement would look live after we are gone


async def test_a_command_goes_through_and_is_acknowledged(broker_port):
    site = Site(broker_port)
    async with Subscriber(broker_port, "tieline/s1/+/ack/+") as listener, running(site):
        await asyncio.sleep(0.3)
        await publish(broker_port, "tieline/s1/pv1/set/p", '{"value": 5, "id": "a1"}')
        topic, _, payload = await listener.next()
    assert site.commands == [CommandMessage("pv1.p", 5.0, "a1")]
    assert topic == "tieline/s1/pv1/ack/p"
    assert (payload["id"], payload["status"], payload["value"]) == ("a1", "SUCCESS", 5.0)


async def test_retained_and_nonsensical_commands_are_refused_and_counted(broker_port):
    await publish(broker_port, "tieline/s1/pv1/set/p", "5", "-r")
    site = Site(broker_port)
    async with running(site):
        await asyncio.sleep(0.4)
        for payload in ("nonsense", '{"value": "5"}', '{"value": NaN}', '{"value":1,"x":2}'):
            await publish(broker_port, "tieline/s1/pv1/set/p", payload)
        async with asyncio.timeout(5):
            while site.link.statistics.refused < 5:
                await asyncio.sleep(0.02)
    assert site.commands == []


async def test_a_lost_broker_is_a_link_error_and_the_next_connection_has_everything():
    port = free_port()
    site = Site(port)
    async with mosquitto(port) as broker:
        task = asyncio.create_task(site.link.run())
        async with asyncio.timeout(5):
            while not site.link.statistics.published:
                await asyncio.sleep(0.02)
        broker.kill()
        with pytest.raises(LinkError):
            await asyncio.wait_for(task, 5)
    site.set(2.0)
    async with (
        mosquitto(port),
        Subscriber(port, "tieline/s1/pv1") as listener,
        running(site),
    ):
        _, _, payload = await listener.next()
    assert payload["v"] == {"p": 2.0, "q": 2.0}


async def test_the_last_will_says_offline():
    port = free_port()
    async with mosquitto(port):
        script = (
            "import asyncio\n"
            "from gateway.links.mqtt.client import MqttLink\n"
            "from gateway.links.mqtt.config import MqttConfig\n"
            "from gateway.site.clock import SystemClock\n"
            f"config = MqttConfig(port={port}, site='s1')\n"
            "asyncio.run(MqttLink(config, {}, {}, None, SystemClock()).run())\n"
        )
        async with Subscriber(port, "tieline/s1/online") as listener:
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
            try:
                _, _, online = await listener.next(10)
                assert online is True
            finally:
                child.kill()
                await child.wait()
            _, _, online = await listener.next(10)
            assert online is False


async def test_no_broker_is_a_link_error():
    with pytest.raises(LinkError):
        await asyncio.wait_for(Site(free_port()).link.run(), 10)


async def test_the_embedded_broker_refuses_to_listen_beyond_loopback():
    with pytest.raises(ConfigError):
        await run_broker("0.0.0.0", 1883)


def broker_pid(port: int) -> int | None:
    """The embedded broker's process, found as an operator would: by its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"gateway.links.mqtt.broker" in words and str(port).encode() in words:
                return int(path.parent.name)
    return None


async def test_a_killed_broker_comes_back_by_itself_and_so_does_the_link():
    port = free_port()
    site = Site(port)
    rng = random.Random(1)
    states = {name: LinkState(name) for name in ("broker", "mqtt")}
    tasks = [
        asyncio.create_task(
            keep_running(states["broker"], partial(run_broker, "127.0.0.1", port), rng)
        ),
        asyncio.create_task(keep_running(states["mqtt"], site.link.run, rng)),
    ]
    try:
        async with asyncio.timeout(30):
            while not site.link.statistics.published:
                await asyncio.sleep(0.05)
            connects = site.link.statistics.connects
            pid = broker_pid(port)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            while site.link.statistics.connects == connects:
                await asyncio.sleep(0.05)
            async with Subscriber(port, "tieline/s1/pv1") as listener:
                site.set(7.0)
                _, _, payload = await listener.next()
                assert set(payload["v"].values()) <= {1.0, 7.0}
        assert states["broker"].losses >= 1
        assert site.store["pv1.p"].is_good  # what is polled does not depend on the broker
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
