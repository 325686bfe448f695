"""/edev/{n}/sub: which changes EndDevices want to be told of, and where."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from gateway.links.sep2.codec import decode, encode, encode_fragment
from gateway.links.sep2.resources import Subscription, SubscriptionList
from gateway.links.sep2.serving.access import Client
from gateway.links.sep2.serving.answers import (
    CONDITION_NOT_SUPPORTED,
    NO_CONTENT,
    NOT_FOUND,
    Answer,
    Ask,
    Post,
    RefusedError,
    full,
    invalid,
)
from gateway.links.sep2.serving.journal import Change, Drop, Record
from gateway.links.sep2.southbound.documents import document, listing
from gateway.links.sep2.southbound.ground import Ground, number
from gateway.links.sep2.southbound.registrations import Device, Registrations
from gateway.links.sep2.southbound.routing import Endpoint, Routes

_KIND = "subscription"
#: What can be subscribed to, by its first and last segment; whether a client may is the tree's.
_PATTERNS = frozenset(
    {
        ("edev", "edev"),
        ("edev", "fsa"),
        ("edev", "derp"),
        ("edev", "derg"),
        ("edev", "derst"),
        ("edev", "dera"),
        ("edev", "lel"),
        ("derp", "derp"),
        ("derp", "derc"),
        ("derp", "actderc"),
        ("derp", "dderc"),
    }
)
_XML = 0

#: Whether a client would get an answer to a GET of this path.
Readable = Callable[[Client, str], bool]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One subscription.

    Attributes:
        device: number of its EndDevice.
        number: in its path.
        lfdi: of the client that made it, whose rights it has.
        subscription: its document.
    """

    device: int
    number: int
    lfdi: str
    subscription: Subscription

    @property
    def path(self) -> str:
        """Its path."""
        return f"/edev/{self.device}/sub/{self.number}"


class Subscriptions:
    """All subscriptions, found by what they are about.

    Args:
        ground: journal and limits.
        registrations: whose EndDevices are whose.
        readable: see :data:`Readable`.
    """

    def __init__(self, ground: Ground, registrations: Registrations, readable: Readable) -> None:
        self._ground = ground
        self._registrations = registrations
        self._readable = readable
        self._by_device: dict[int, dict[int, Subscriber]] = {}
        self._by_resource: dict[str, dict[str, Subscriber]] = {}

    def load(self) -> None:
        """Take what the journal holds."""
        for record in self._ground.journal.load(_KIND):
            subscription = decode(record.body, Subscription)
            lfdi = json.loads(record.note)
            self._add(Subscriber(int(record.parent), record.number, lfdi, subscription))

    def serve(self, routes: Routes) -> None:
        """Take the paths of subscriptions."""
        routes.add("/edev/*/sub", Endpoint(self._all, {"POST": self._post}))
        routes.add("/edev/*/sub/*", Endpoint(self._one, {"DELETE": self._delete}))

    def of(self, path: str, readers: Collection[str] | None) -> Iterable[Subscriber]:
        """Who is to be told of a change at a path; None for all its subscribers."""
        found = tuple(self._by_resource.get(path, {}).values())
        return found if readers is None else [s for s in found if s.lfdi in readers]

    def remove(self, subscriber: Subscriber) -> Drop:
        """Forget one; gives what the journal is to drop."""
        mine = self._by_device.get(subscriber.device, {})
        mine.pop(subscriber.number, None)
        about = self._by_resource.get(subscriber.subscription.subscribed_resource, {})
        about.pop(subscriber.path, None)
        if not about:
            self._by_resource.pop(subscriber.subscription.subscribed_resource, None)
        return Drop(_KIND, str(subscriber.device), subscriber.number)

    def forget(self, device: Device) -> list[Change]:
        """Forget those of an EndDevice; gives what the journal is to drop."""
        return [self.remove(s) for s in tuple(self._by_device.get(device.number, {}).values())]

    def _all(self, ask: Ask) -> Answer:
        device = self._registrations.find(ask.client, ask.free[0])
        if device is None:
            return NOT_FOUND
        return listing(
            ask,
            SubscriptionList,
            list(self._by_device.get(device.number, {}).values()),
            lambda subscriber: encode_fragment(subscriber.subscription),
            poll_rate=self._ground.config.poll_rates.subscription_list,
        )

    def _find(self, client: Client, free: tuple[str, ...]) -> Subscriber | None:
        device = self._registrations.find(client, free[0])
        mine = {} if device is None else self._by_device.get(device.number, {})
        return mine.get(number(free[1]))

    def _one(self, ask: Ask) -> Answer:
        found = self._find(ask.client, ask.free)
        return NOT_FOUND if found is None else document(ask.client, found.subscription)

    async def _post(self, post: Post) -> Answer:
        device = self._registrations.find(post.client, post.free[0])
        if device is None:
            return NOT_FOUND
        posted = post.resource
        if not isinstance(posted, Subscription):
            raise invalid("not-a-subscription")
        posted = self._checked(post.client, posted)
        mine = self._by_device.get(device.number, {})
        known = next((s for s in mine.values() if _same(s.subscription, posted)), None)
        if known is None and len(mine) >= self._ground.config.storage.subscriptions:
            self._ground.statistics.dropped["Subscription"] += 1
            raise full("subscriptions")
        at = max(mine, default=0) + 1 if known is None else known.number
        placed = replace(posted, href=f"{post.path}/{at}")
        made = Subscriber(device.number, at, post.client.lfdi, placed)
        self._add(made)
        await self._ground.journal.write(
            Record(_KIND, str(device.number), at, note=json.dumps(made.lfdi), body=encode(placed))
        )
        return Answer(201, location=made.path)

    async def _delete(self, post: Post) -> Answer:
        found = self._find(post.client, post.free)
        if found is None:
            return NOT_FOUND
        await self._ground.journal.write(self.remove(found))
        return NO_CONTENT

    def _checked(self, client: Client, posted: Subscription) -> Subscription:
        """What is asked for, where it can be given; with our own path of the resource."""
        if posted.condition is not None:
            raise RefusedError(400, "condition", CONDITION_NOT_SUPPORTED)
        if posted.encoding != _XML:
            raise invalid("encoding")
        path = urlsplit(posted.subscribed_resource).path
        segments = path.strip("/").split("/")
        if (segments[0], segments[-1]) not in _PATTERNS or not self._readable(client, path):
            raise invalid("not-subscribable")
        self._check_destination(client, posted.notification_uri)
        return replace(posted, subscribed_resource=path)

    def _check_destination(self, client: Client, uri: str) -> None:
        """Let no client point us at someone else: its own address, or a listed host."""
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise invalid("notification-uri") from None
        plain = parts.username is None and parts.password is None and not parts.fragment
        if parts.scheme not in ("http", "https") or not host or port == 0 or not plain:
            raise invalid("notification-uri")
        if host in self._ground.config.notification.hosts:
            return
        try:
            same = ipaddress.ip_address(host) == ipaddress.ip_address(client.host)
        except ValueError:
            same = False
        if not same:
            raise invalid("notification-host")

    def _add(self, subscriber: Subscriber) -> None:
        self._by_device.setdefault(subscriber.device, {})[subscriber.number] = subscriber
        resource = subscriber.subscription.subscribed_resource
        self._by_resource.setdefault(resource, {})[subscriber.path] = subscriber


def _same(known: Subscription, posted: Subscription) -> bool:
    """Whether one takes the place of the other."""
    return (known.subscribed_resource, known.notification_uri) == (
        posted.subscribed_resource,
        posted.notification_uri,
    )
