"""Resources of the server as read last; each is asked for again when its pollRate says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gateway.links.sep2.northbound.addresses import paged
from gateway.links.sep2.northbound.ground import Ground, back_off_s
from gateway.links.sep2.northbound.transport import RefusedError, Transport
from gateway.links.sep2.resources import Link, Resource
from gateway.links.sep2.resources.base import List, SubscribableList
from gateway.model.errors import RemoteProtocolError

_R = TypeVar("_R", bound=Resource)
_L = TypeVar("_L", bound=List | SubscribableList)


class NotYetError(Exception):
    """A resource could not be read so far, and may well be readable later."""


@dataclass(slots=True)
class _Entry:
    """A resource.

    Attributes:
        value: as read last; None where the server has none.
        known: whether the server ever said.
        due_s: when it is asked for again, monotonic s.
        rate_s: how often.
        failures: in a row.
        used: whether the walk at hand needed it.
    """

    value: Resource | None = None
    known: bool = False
    due_s: float = 0.0
    rate_s: float = 0.0
    failures: int = 0
    used: bool = True


class Reader:
    """Reads, pages and remembers.

    What cannot be read keeps its last value and is tried again with back-off, so that a fault of
    the server's moves no device.

    Args:
        ground: settings and time.
        transport: asks.

    Attributes:
        subscribed: paths of which changes are told: they are polled more slowly.
    """

    def __init__(self, ground: Ground, transport: Transport) -> None:
        self._config = ground.config
        self._clock = ground.clock
        self._statistics = ground.statistics
        self._transport = transport
        self._entries: dict[str, _Entry] = {}
        self.subscribed: set[str] = set()

    def begin(self) -> None:
        """A walk begins: what it does not need is forgotten at its end."""
        for entry in self._entries.values():
            entry.used = False

    def end(self) -> None:
        """A walk ended."""
        self._entries = {path: entry for path, entry in self._entries.items() if entry.used}

    @property
    def next_due_s(self) -> float:
        """When the next resource is due, monotonic s."""
        return min((entry.due_s for entry in self._entries.values()), default=0.0)

    @property
    def last_contact_s(self) -> float | None:
        """The last whole answer, monotonic s."""
        return self._statistics.last_contact_s

    def path(self, link: Link | None, within: str) -> str:
        """Where a link in the document at ``within`` leads; empty where there is none to follow."""
        if link is None:
            return ""
        return self.path_of(link.href, within)

    def path_of(self, href: str | None, within: str) -> str:
        """The same of an href."""
        if not href:
            return ""
        try:
            return self._transport.origin.path(href, within)
        except RemoteProtocolError as error:
            self._statistics.refused["foreign-href"] += 1
            self._statistics.last_error = str(error)
            return ""

    async def one(
        self,
        path: str,
        kind: type[_R],
        rate_s: float | None = None,
        on_read: Callable[[_R, float, float], None] | None = None,
    ) -> _R | None:
        """A resource; None where the server has none.

        Args:
            path: where.
            kind: what.
            rate_s: how often it is read where it names no pollRate: its parent's.
            on_read: told of what was read, and when it was asked for and answered, monotonic s.

        Raises:
            NotYetError: it could not be read so far.
            LinkError: the server is lost.
        """

        async def fetch() -> _R:
            asked_s = self._clock.monotonic_s()
            found = await self._transport.get(path, kind)
            if on_read is not None:
                on_read(found, asked_s, self._clock.monotonic_s())
            return found

        return await self._cached(path, kind, rate_s, fetch)

    async def all(
        self, path: str, kind: type[_L], most: int, rate_s: float | None = None
    ) -> _L | None:
        """A list with all its entries, page after page; None where the server has none.

        Raises:
            NotYetError: it could not be read so far.
            LinkError: the server is lost.
        """

        async def fetch() -> _L:
            length = self._config.limits.page
            found = await self._transport.get(paged(path, 0, length), kind)
            items: list[Any] = [*_items(found)]
            page: Any = found
            while _items(page) and len(items) < min(page.all, most):
                page = await self._transport.get(paged(path, len(items), length), kind)
                items += _items(page)
            if len(items) > most or page.all > most:
                self._statistics.dropped[kind.__name__] += max(len(items), page.all) - most
            changes: Any = {"items": tuple(items[:most]), "results": min(len(items), most)}
            return replace(found, **changes)

        return await self._cached(path, kind, rate_s, fetch)

    def rate_s(self, path: str) -> float:
        """How often the resource at a path is read, s, before subscriptions slow that down."""
        entry = self._entries.get(path)
        return self._config.poll_default_s if entry is None else entry.rate_s

    def put(self, path: str, value: Resource) -> bool:
        """Take what a notification brought; whether it is what is read there."""
        entry = self._entries.get(path)
        whole = not isinstance(value, List | SubscribableList) or value.all == len(_items(value))
        if entry is None or not whole or type(value) is not type(entry.value):
            return False
        self._keep(path, entry, value, entry.rate_s)
        return True

    def expire(self, path: str) -> None:
        """Ask for this one again at once."""
        if path in self._entries:
            self._entries[path].due_s = 0.0

    async def _cached(
        self,
        path: str,
        kind: type[_R],
        rate_s: float | None,
        fetch: Callable[[], Awaitable[_R]],
    ) -> _R | None:
        entry = self._entries.setdefault(path, _Entry(rate_s=rate_s or self._config.poll_default_s))
        entry.used = True
        if entry.value is not None and not isinstance(entry.value, kind):
            entry.value, entry.due_s = None, 0.0  # the server gives two resources one place
        if entry.due_s <= self._clock.monotonic_s():
            await self._refresh(path, entry, rate_s, fetch)
        if not entry.known:
            raise NotYetError(path)
        return entry.value if isinstance(entry.value, kind) else None

    async def _refresh(
        self,
        path: str,
        entry: _Entry,
        rate_s: float | None,
        fetch: Callable[[], Awaitable[Resource]],
    ) -> None:
        try:
            value = await fetch()
        except RefusedError as refusal:
            self._failed(entry, refusal.retry_after_s)
            self._statistics.last_error = f"{path}: {refusal}"
            if refusal.gone:
                entry.value = None
            entry.known = entry.known or refusal.lasting
        except RemoteProtocolError as error:
            self._failed(entry, 0.0)
            self._statistics.last_error = f"{path}: {error}"
            entry.known = True  # there is nothing to wait for: what stands there is nonsense
        else:
            self._keep(path, entry, value, rate_s)

    def _keep(self, path: str, entry: _Entry, value: Resource, rate_s: float | None) -> None:
        own = getattr(value, "poll_rate", None)
        entry.rate_s = float(own or rate_s or self._config.poll_default_s)
        slower = 1.0
        if path in self.subscribed and self._config.listener is not None:
            slower = self._config.listener.poll_factor
        pause_s = max(self._config.poll_min_s, entry.rate_s * slower)
        entry.value, entry.known, entry.failures = value, True, 0
        entry.due_s = self._clock.monotonic_s() + pause_s

    def _failed(self, entry: _Entry, retry_after_s: float) -> None:
        entry.failures += 1
        pause_s = back_off_s(self._config, entry.failures)
        entry.due_s = self._clock.monotonic_s() + max(pause_s, retry_after_s)


def _items(listed: Any) -> tuple[Any, ...]:
    items: tuple[Any, ...] = listed.items
    return items
