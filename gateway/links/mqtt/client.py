"""The MQTT link: measurements out, one message a device and period; commands in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import aiomqtt
import numpy as np
from numpy.typing import NDArray

from gateway.links.mqtt.codec import (
    CommandMessage,
    decode_command,
    encode_acknowledgement,
    encode_measurements,
)
from gateway.links.mqtt.config import MqttConfig
from gateway.model.clock import Clock
from gateway.model.command import CommandResult
from gateway.model.errors import LinkError, RemoteProtocolError
from gateway.model.reader import PointReader

#: Without it a QoS 1 round trip waits some 40 ms for Nagle and the peer's delayed ACK.
_NO_DELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
_TIMEOUT_S, _CANCEL_AGAIN_S = 5.0, 0.5
_MAX_INCOMING = 1000
#: Commands carried out at once; the next ones wait in the client's bounded queue.
_MAX_AT_ONCE = 20


@dataclass
class MqttStatistics:
    """Counts of the link.

    Attributes:
        published: messages given to the broker.
        commands: commands taken.
        refused: messages on command topics that were none, retained ones among them.
        connects: connections made.
    """

    published: int = 0
    commands: int = 0
    refused: int = 0
    connects: int = 0


class MqttLink:
    """Publishes what changes and takes commands.

    Args:
        config: the broker and the topics.
        index: point id to position, in the store's order.
        reader: present measurements.
        operate: carries a command through the router.
        clock: stamps messages.

    Attributes:
        statistics: live counts.
    """

    def __init__(
        self,
        config: MqttConfig,
        index: Mapping[str, int],
        reader: PointReader,
        operate: Callable[[CommandMessage], Awaitable[CommandResult]],
        clock: Clock,
    ) -> None:
        self.config = config
        self.statistics = MqttStatistics()
        self._ids = tuple(index)
        self._reader = reader
        self._operate = operate
        self._clock = clock
        self._dirty = np.ones(len(self._ids), dtype=np.bool_)
        self._connected = False

    def note_changed(self, positions: NDArray[np.intp]) -> None:
        """Publish these points with the next period; the store's change listener."""
        self._dirty[positions] = True

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            LinkError: the broker is lost or refuses.
        """
        online = f"{self.config.topic}/online"
        try:
            async with self._client(online) as client:
                self.statistics.connects += 1
                self._dirty[:] = True  # whoever listens on the new connection gets everything
                await client.publish(online, b"true", qos=1, retain=True)
                jobs = [asyncio.ensure_future(self._publish(client))]
                if self.config.commands:
                    await client.subscribe(f"{self.config.topic}/+/set/+", qos=1)
                    jobs.append(asyncio.ensure_future(self._take_commands(client)))
                await _first_of(jobs)
        except* (aiomqtt.MqttError, OSError) as group:  # TLS failures are OSErrors
            reason = "; ".join(str(error) for error in group.exceptions)
            raise LinkError(f"MQTT {self.config.host}:{self.config.port}: {reason}") from None

    def _client(self, online: str) -> aiomqtt.Client:
        config = self.config
        return aiomqtt.Client(
            config.host,
            config.port,
            username=config.username,
            password=config.password,
            identifier=f"tieline-{config.site}",
            will=aiomqtt.Will(online, b"false", qos=1, retain=True),
            timeout=_TIMEOUT_S,
            keepalive=15,
            max_queued_incoming_messages=_MAX_INCOMING,
            max_queued_outgoing_messages=config.max_pending,
            tls_context=_tls(config),
            socket_options=_NO_DELAY,
        )

    async def _publish(self, client: aiomqtt.Client) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            for device, payload in self._messages():
                await client.publish(f"{self.config.topic}/{device}", payload, qos=0)
                self.statistics.published += 1
            due_s = max(due_s + self.config.period_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    def _messages(self) -> list[tuple[str, bytes]]:
        """One message for each device with a change since the last call."""
        changed = np.flatnonzero(self._dirty)
        self._dirty[changed] = False
        devices: dict[str, dict[str, str]] = {}
        for position in changed:
            device, _, name = self._ids[position].partition(".")
            devices.setdefault(device, {})[name] = self._ids[position]
        now_ms = self._clock.utc_ms()
        return [
            (device, encode_measurements({n: self._reader[i] for n, i in names.items()}, now_ms))
            for device, names in devices.items()
        ]

    async def _take_commands(self, client: aiomqtt.Client) -> None:
        room = asyncio.Semaphore(_MAX_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            async for message in client.messages:
                command = self._command(message)
                if command is None:
                    continue
                await room.acquire()
                task = tasks.create_task(self._carry_out(client, command))
                task.add_done_callback(lambda _: room.release())

    def _command(self, message: aiomqtt.Message) -> CommandMessage | None:
        """The command of a message; None (counted) for a retained or a nonsensical one.

        A retained command is of unknown age: a broker would repeat it at every reconnect.
        """
        payload = message.payload
        if not message.retain and isinstance(payload, bytes | bytearray):
            try:
                return decode_command(str(message.topic), bytes(payload), self.config.topic)
            except RemoteProtocolError:
                pass
        self.statistics.refused += 1
        return None

    async def _carry_out(self, client: aiomqtt.Client, command: CommandMessage) -> None:
        self.statistics.commands += 1
        result = await self._operate(command)
        device, _, name = command.point.partition(".")
        topic = f"{self.config.topic}/{device}/ack/{name}"
        await client.publish(topic, encode_acknowledgement(command.id, result), qos=1)


async def _first_of(jobs: Sequence[asyncio.Future[None]]) -> None:
    """Wait until one job ends, then end them all; what it raised goes on.

    A job is cancelled until it is done: on Python 3.11 a ``wait_for`` inside the client can
    swallow a cancellation that meets its answer, and the job would go on for ever.
    """
    try:
        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        for job in done:
            job.result()
    finally:
        while left := [job for job in jobs if not job.done()]:
            for job in left:
                job.cancel()
            await asyncio.wait(left, timeout=_CANCEL_AGAIN_S)
        await asyncio.gather(*jobs, return_exceptions=True)


def _tls(config: MqttConfig) -> ssl.SSLContext | None:
    if not config.tls:
        return None
    context = ssl.create_default_context(cafile=config.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.certificate is not None:
        context.load_cert_chain(config.certificate, config.key)
    return context
