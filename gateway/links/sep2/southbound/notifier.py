"""Sends Notifications: a short queue and a patient sender for each subscription."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import aiohttp

from gateway.links.sep2.codec import MEDIA_TYPE
from gateway.links.sep2.config import NotificationConfig
from gateway.links.sep2.serving.statistics import ServerStatistics
from gateway.links.sep2.southbound.subscriptions import Subscriber, Subscriptions

#: The Notification of what a subscriber would read now; None where it may no longer read it.
Compose = Callable[[Subscriber], bytes | None]
#: Ends a subscription for good.
End = Callable[[Subscriber], None]


@dataclass(slots=True)
class _Line:
    """What waits for one subscription."""

    subscriber: Subscriber
    waiting: deque[bytes] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Notifier:
    """Tells subscribers of changes.

    Args:
        config: queue, patience and retries.
        context: TLS for ``https``; names are not checked, certificates are.
        subscriptions: who wants to know what.
        compose: see :data:`Compose`.
        end: see :data:`End`.
        statistics: what is counted.
    """

    def __init__(
        self,
        config: NotificationConfig,
        context: ssl.SSLContext,
        subscriptions: Subscriptions,
        compose: Compose,
        end: End,
        statistics: ServerStatistics,
    ) -> None:
        self._config = config
        self._context = context
        self._subscriptions = subscriptions
        self._compose = compose
        self._end = end
        self._statistics = statistics
        self._lines: dict[str, _Line] = {}
        self._session: aiohttp.ClientSession | None = None
        self._gate = asyncio.Semaphore(config.max_open)

    def note_changed(self, path: str, readers: Collection[str] | None) -> None:
        """Queue a Notification for everyone who is to be told; without a server running, none."""
        if self._session is None:
            return
        for subscriber in self._subscriptions.of(path, readers):
            body = self._compose(subscriber)
            if body is None:
                continue
            line = self._lines.setdefault(subscriber.path, _Line(subscriber))
            if len(line.waiting) >= self._config.queue:
                line.waiting.popleft()
                self._statistics.dropped["Notification"] += 1
            line.waiting.append(body)
            if line.task is None:
                line.task = asyncio.get_running_loop().create_task(self._drain(line))

    async def run(self) -> None:
        """Send until cancelled."""
        connector = aiohttp.TCPConnector(ssl=self._context, limit=self._config.max_open)
        timeout = aiohttp.ClientTimeout(total=self._config.timeout_s)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            self._session = session
            try:
                await asyncio.Event().wait()
            finally:
                self._session = None
                tasks = [line.task for line in self._lines.values() if line.task is not None]
                self._lines.clear()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _drain(self, line: _Line) -> None:
        loop = asyncio.get_running_loop()
        failing_since: float | None = None
        pause_s = self._config.retry_min_s
        while line.waiting:
            if await self._sent(line.subscriber.subscription.notification_uri, line.waiting[0]):
                self._statistics.notifications_sent += 1
                line.waiting.popleft()
                failing_since, pause_s = None, self._config.retry_min_s
                continue
            self._statistics.notifications_failed += 1
            failing_since = loop.time() if failing_since is None else failing_since
            if loop.time() - failing_since >= self._config.dead_after_s:
                self._statistics.dropped["Notification"] += len(line.waiting)
                self._end(line.subscriber)
                break
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._config.retry_max_s)
        self._lines.pop(line.subscriber.path, None)

    async def _sent(self, uri: str, body: bytes) -> bool:
        if self._session is None:
            return False
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
            async with (
                self._gate,
                self._session.post(
                    uri,
                    data=body,
                    headers={"Content-Type": MEDIA_TYPE},
                    allow_redirects=False,
                ) as response,
            ):
                return response.status in (200, 201, 204)
        return False
