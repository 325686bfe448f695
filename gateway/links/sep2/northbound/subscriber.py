"""Subscriptions on the server: made where they are offered, renewed, and taken back."""

from __future__ import annotations

import contextlib

from gateway.links.sep2.client_config import NotificationListenerConfig
from gateway.links.sep2.northbound.ground import Ground, back_off_s
from gateway.links.sep2.northbound.reader import Reader
from gateway.links.sep2.northbound.transport import RefusedError, Transport
from gateway.links.sep2.northbound.walk import Site
from gateway.links.sep2.resources import Notification, Subscription
from gateway.model.errors import LinkError, RemoteProtocolError

_XML, _LEVEL = 0, "+S1"
#: ``Notification.status``: the resource changed; anything else ends the subscription.
_CHANGED = 0


class Subscriber:
    """Keeps the server subscribed to what a walk found.

    Args:
        ground: settings and time.
        listener: settings of the listener.
        transport: posts.
        reader: takes what notifications bring.
    """

    def __init__(
        self,
        ground: Ground,
        listener: NotificationListenerConfig,
        transport: Transport,
        reader: Reader,
    ) -> None:
        self._config = ground.config
        self._clock = ground.clock
        self._statistics = ground.statistics
        self._listener = listener
        self._transport = transport
        self._reader = reader
        self._made: dict[str, str] = {}
        self._due_s: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    async def step(self, site: Site, uri: str) -> float:
        """Subscribe to what is new, renew what is due, let go of what is no longer there.

        Args:
            site: what the walk found.
            uri: where notifications are taken.

        Returns:
            When the next is due, monotonic s.

        Raises:
            LinkError: the server is lost.
        """
        for path in [path for path in self._made if path not in site.subscribable]:
            await self._remove(path)
        self._due_s = {p: due_s for p, due_s in self._due_s.items() if p in site.subscribable}
        for path, where in site.subscribable.items():
            if self._due_s.get(path, 0.0) <= self._clock.monotonic_s():
                await self._subscribe(path, where, uri)
        renew_at_s = self._clock.monotonic_s() + self._listener.renew_s
        return min(self._due_s.values(), default=renew_at_s)

    async def stop(self) -> None:
        """Take every subscription back, as far as the server lets us."""
        for path in list(self._made):
            with contextlib.suppress(LinkError):
                await self._remove(path)

    def lost(self) -> None:
        """The server may have forgotten them: make them anew."""
        self._due_s.clear()
        self._reader.subscribed.clear()

    def notified(self, notification: Notification) -> bool:
        """Take a notification; whether it is about something of ours."""
        path = self._reader.path_of(notification.subscribed_resource, "/")
        if path not in self._made:
            return False
        if notification.status != _CHANGED:
            self._made.pop(path)
            self._due_s.pop(path, None)
            self._reader.subscribed.discard(path)
            self._reader.expire(path)
            return True
        resource = notification.resource
        if resource is None or not self._reader.put(path, resource):
            self._reader.expire(path)
        return True

    async def _subscribe(self, path: str, where: str, uri: str) -> None:
        wanted = Subscription(
            subscribed_resource=path,
            encoding=_XML,
            level=_LEVEL,
            limit=self._config.limits.list_entries,
            notification_uri=uri,
        )
        now_s = self._clock.monotonic_s()
        try:
            made = await self._transport.send("POST", where, wanted)
        except (RefusedError, RemoteProtocolError) as error:
            self._statistics.last_error = f"{where}: {error}"
            failures = self._failures[path] = self._failures.get(path, 0) + 1
            lasting = isinstance(error, RefusedError) and error.lasting
            pause_s = self._listener.renew_s if lasting else back_off_s(self._config, failures)
            self._due_s[path] = now_s + pause_s
            return
        self._failures.pop(path, None)
        self._made[path] = made
        self._reader.subscribed.add(path)
        self._due_s[path] = now_s + self._listener.renew_s

    async def _remove(self, path: str) -> None:
        where = self._made.pop(path)
        self._due_s.pop(path, None)
        self._reader.subscribed.discard(path)
        if not where:
            return
        try:
            await self._transport.send("DELETE", where)
        except (RefusedError, RemoteProtocolError) as error:
            self._statistics.last_error = f"{where}: {error}"
