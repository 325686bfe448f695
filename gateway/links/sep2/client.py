"""The IEEE 2030.5 client: a utility commands the site's groups and DERs, each as an EndDevice.

Two tasks make it: :meth:`Sep2Client.run` talks to the server and ends with LinkError when that is
lost; :meth:`Sep2Client.follow` keeps the schedule, through every loss of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from gateway.links.sep2 import tls
from gateway.links.sep2.client_config import Sep2ClientConfig
from gateway.links.sep2.northbound.addresses import Origin
from gateway.links.sep2.northbound.follower import Apply, Follower
from gateway.links.sep2.northbound.ground import Ground
from gateway.links.sep2.northbound.memory import Memory
from gateway.links.sep2.northbound.notifications import NotificationListener
from gateway.links.sep2.northbound.obedience import ModeOutcome, Outcome, Taken
from gateway.links.sep2.northbound.outbox import Outbox
from gateway.links.sep2.northbound.peer import ServerIdentity
from gateway.links.sep2.northbound.reader import Reader
from gateway.links.sep2.northbound.registration import Registrar
from gateway.links.sep2.northbound.reporter import Reporter, Telemetry
from gateway.links.sep2.northbound.responder import Responder
from gateway.links.sep2.northbound.schedule import Effective, ModeSetting
from gateway.links.sep2.northbound.server_time import ServerTime
from gateway.links.sep2.northbound.snapshot import Snapshot
from gateway.links.sep2.northbound.statistics import ClientStatistics, EndDeviceState
from gateway.links.sep2.northbound.subscriber import Subscriber
from gateway.links.sep2.northbound.transport import Transport, pause
from gateway.links.sep2.northbound.walk import Site, Walker
from gateway.links.sep2.resources import Notification
from gateway.model.clock import Clock

__all__ = [
    "Apply",
    "ClientStatistics",
    "Effective",
    "EndDeviceState",
    "ModeOutcome",
    "ModeSetting",
    "Outcome",
    "Sep2Client",
    "Snapshot",
    "Taken",
    "Telemetry",
]

#: Longest sleep of any of the loops: what an operator sees is never older.
_LONGEST_SLEEP_S = 60.0
#: How long taking back subscriptions may hold up the end.
_FAREWELL_S = 5.0


class Sep2Client:
    """One server's client with its state.

    Args:
        config: settings.
        apply: makes a device do what is in force; see :data:`Apply`.
        telemetry: what a device is and does now.
        clock: time.
        rng: draws random offsets.

    Attributes:
        states: what is known of each device, by LFDI, live.
        statistics: what is counted, live.

    Raises:
        ConfigError: a file cannot be used: certificate, key, CA or state.
    """

    def __init__(
        self,
        config: Sep2ClientConfig,
        apply: Apply,
        telemetry: Telemetry,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.config = config
        self._clock = clock
        self.statistics = ClientStatistics()
        states = {device.lfdi: EndDeviceState(device.lfdi) for device in config.devices}
        self.states: Mapping[str, EndDeviceState] = MappingProxyType(states)
        files = (config.certificate, config.key, config.ca)
        context = tls.client_context(*files, check_hostname=config.check_hostname)
        self._listener_context = None if config.listener is None else tls.server_context(*files)
        self._server = ServerIdentity(config.server_lfdi, check_rules=config.check_certificate)
        self._server.watch(context)
        self._transport = Transport(
            Origin.of(config.url), context, config.limits, clock, self.statistics
        )
        self._memory = Memory(config.state, rng)
        self._since_s = clock.monotonic_s()
        self._time = ServerTime(clock)
        self._outbox = Outbox(config.limits.responses, self._memory.posted, states, self.statistics)
        for noted in self._memory.waiting():
            self._outbox.add(noted)
        self._follower = Follower(config, self._memory, self._outbox, apply, states)
        ground = Ground(config, clock, self._time, self._memory, self.statistics, self.states)
        reader = self._reader = Reader(ground, self._transport)
        registrar = Registrar(ground, self._transport, reader)
        self._walker = Walker(ground, _path(config.url), reader, registrar)
        self._responder = Responder(ground, self._transport, self._outbox)
        self._reporter = Reporter(ground, self._transport, reader, telemetry)
        self._subscriber: Subscriber | None = None
        if config.listener is not None:
            self._subscriber = Subscriber(ground, config.listener, self._transport, reader)
        self._site: Site | None = None
        self._look = asyncio.Event()
        self._changed = asyncio.Event()
        self._noted = asyncio.Event()
        self._found = asyncio.Event()

    def close(self) -> None:
        """Write what is queued and close the state; the client is of no use any more."""
        self._memory.close()

    def report(self, lfdi: str, outcome: Outcome) -> None:
        """Tell that what became of a device's modes is another now: 4 or 5 may be due.

        Args:
            lfdi: of the device.
            outcome: of the modes in force.
        """
        self._follower.report(lfdi, outcome)
        self._changed.set()

    async def follow(self) -> None:
        """Keep the schedule until cancelled, whether or not the server is there.

        Raises:
            Exception: what ``apply`` raised, which is a bug.
        """
        while True:
            now, now_s = self._time.now(), self._time.now_s()
            await self._follower.step(now, self._silent_s())
            if len(self._outbox):
                self._noted.set()
            due = self._follower.next_due(now)
            wait_s = _LONGEST_SLEEP_S if due is None else due - now_s
            left_s = self.config.comm_loss_s - self._silent_s()
            if left_s > 0:
                wait_s = min(wait_s, left_s)
            await pause(self._changed, min(wait_s, _LONGEST_SLEEP_S))

    async def run(self) -> None:
        """Talk to the server until cancelled; what is known survives for the next time.

        Raises:
            LinkError: the server is lost, or the state cannot be written.
        """
        async with self._transport.opened():
            listener = self._listen()
            parts = [self._watch(listener), self._respond(), self._report()]
            if listener is not None:
                parts.append(listener.run())
            tasks = [asyncio.ensure_future(part) for part in parts]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
            finally:
                await self._farewell(tasks)

    async def _farewell(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._subscriber is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_S):
                    await self._subscriber.stop()
            self._subscriber.lost()

    def _listen(self) -> NotificationListener | None:
        config, context = self.config, self._listener_context
        if config.listener is None or context is None:
            return None
        return NotificationListener(
            config.listener,
            config.limits.max_body_bytes,
            context,
            self._server,
            self._notified,
            self.statistics,
        )

    def _notified(self, notification: Notification) -> bool:
        if self._subscriber is None or not self._subscriber.notified(notification):
            return False
        self._look.set()
        return True

    async def _watch(self, listener: NotificationListener | None) -> None:
        """Walk when something is due."""
        while True:
            site = self._site = await self._walker.walk()
            self._follower.take(site.programs, site.assigned, self._time.now())
            self.statistics.time_offset_s = self._time.offset_s
            self.statistics.time_quality = self._time.quality
            self._changed.set()
            self._found.set()
            due_s = self._reader.next_due_s
            if self._subscriber is not None and listener is not None:
                due_s = min(due_s, await self._subscriber.step(site, listener.uri))
            await self._sleep(self._look, due_s)

    async def _respond(self) -> None:
        """Post responses when there are any."""
        while True:
            wait_s = await self._responder.step()
            if wait_s is None:
                await pause(self._noted, _LONGEST_SLEEP_S)
            else:
                await asyncio.sleep(wait_s)

    async def _report(self) -> None:
        """Post what devices are and do."""
        while True:
            if self._site is None:
                await pause(self._found, _LONGEST_SLEEP_S)
                continue
            due_s = await self._reporter.step(self._site)
            await self._sleep(self._found, due_s)

    async def _sleep(self, wake: asyncio.Event, due_s: float) -> None:
        await pause(wake, min(_LONGEST_SLEEP_S, due_s - self._clock.monotonic_s()))

    def _silent_s(self) -> float:
        """How long the server has been silent, s."""
        since_s = self.statistics.last_contact_s
        return self._clock.monotonic_s() - (self._since_s if since_s is None else since_s)


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
