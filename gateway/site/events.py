"""Events of the site's groups: seen, told to subscribers, and those of other boxes heard."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway.groups.administration import GroupDefinition
from gateway.groups.backend import PointGroup
from gateway.groups.events import EventKind, GroupEvent
from gateway.groups.messages import (
    Address,
    Forecast,
    ForecastRequest,
    GroupReply,
    Quantity,
    Result,
)
from gateway.groups.remote import RemoteGroup
from gateway.groups.replies import failed, reply
from gateway.groups.summary import reply_line
from gateway.groups.watch import GroupWatch
from gateway.history.audit import MessageEntry
from gateway.links.cim.client import GroupClient
from gateway.links.cim.sender import EventSender
from gateway.links.cim.tls import client_context
from gateway.model.clock import Clock
from gateway.site.https_tables import HttpsTable, SubscriberTable
from gateway.site.site import Site

#: How often groups are looked at, and how often their forecasts are.
LOOK_EVERY_S, FORECAST_EVERY_S = 1.0, 60.0
#: Ids of events remembered for each peer, so that one delivered twice is taken once.
_REMEMBERED = 2000
_AHEAD = {"intervals": 4, "interval_s": 900.0}

Groups = Mapping[str, PointGroup | RemoteGroup]


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One subscriber: what it wants, and the way to it."""

    table: SubscriberTable
    client: GroupClient
    sender: EventSender

    def wants(self, event: GroupEvent) -> bool:
        """Whether an event is for it."""
        groups, kinds = self.table.groups, self.table.kinds
        return (not groups or event.group_id in groups) and (not kinds or event.kind in kinds)


def subscribers(site: Site, table: HttpsTable, rng: random.Random) -> Iterator[Subscriber]:
    """The subscribers of a site.

    Raises:
        ConfigError: a certificate is missing or does not fit its key and CA.
    """
    for told in table.subscriber:
        paths = (site.folder / path for path in (told.certificate, told.key, told.ca))
        client = GroupClient(told.url, client_context(*paths))
        yield Subscriber(told, client, EventSender(client.notify, rng))


class EventSource:
    """Looks at the site's own groups and tells subscribers.

    Args:
        source: the site's name in messages.
        groups: the service's groups, live.
        forecast: makes a group's forecast at a UTC ms.
        told: subscribers.
        deadband_pct: see :class:`~gateway.groups.watch.GroupWatch`.
        clock: stamps events.
    """

    def __init__(
        self,
        source: str,
        groups: Groups,
        forecast: Callable[[ForecastRequest, int], Forecast | None],
        told: list[Subscriber],
        deadband_pct: float,
        clock: Clock,
    ) -> None:
        self._source = source
        self._groups = groups
        self._forecast = forecast
        self._subscribers = told
        self._deadband_pct = deadband_pct
        self._clock = clock
        self._watches: dict[str, GroupWatch] = {}
        self._sequences: dict[str, Iterator[int]] = {}
        # ids differ between starts, so that no receiver takes a new event for an old one
        self._run = f"{clock.utc_ms():x}"
        self._numbers = itertools.count(1)

    @property
    def states(self) -> dict[str, dict[str, Any]]:
        """What became of the events, by subscriber."""
        return {one.table.url: asdict(one.sender.state) for one in self._subscribers}

    async def run(self) -> None:
        """Look and tell until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for subscriber in self._subscribers:
                tasks.create_task(_deliver(subscriber))
            for number in itertools.count(1):
                await asyncio.sleep(LOOK_EVERY_S)
                self.look()
                if number % round(FORECAST_EVERY_S / LOOK_EVERY_S) == 0:
                    self.look_ahead()

    def look(self) -> None:
        """Tell of each group whose status has changed."""
        for group_id, group in self._own():
            reasons, now = self._watch(group_id).look(group)
            if reasons:
                self._tell(
                    group_id,
                    EventKind.STATUS,
                    "; ".join(reasons),
                    present=tuple(now.present.values()),
                    ranges=tuple(now.ranges.values()),
                )

    def look_ahead(self) -> None:
        """Tell of each group whose forecast has changed; times are those of a grid."""
        now_ms = self._clock.utc_ms()
        step_ms = round(1000 * _AHEAD["interval_s"])
        for group_id, group in self._own():
            address = Address(
                message_id="event", dms_id=self._source, group_id=group_id, time_ms=now_ms
            )
            request = ForecastRequest(
                address=address,
                start_ms=now_ms - now_ms % step_ms + step_ms,
                intervals=round(_AHEAD["intervals"]),
                interval_s=_AHEAD["interval_s"],
            )
            made = self._forecast(request, now_ms)
            known = group.ranges(Quantity.ACTIVE_POWER)
            plate = None if known is None else known.nameplate
            rating = 0.0 if plate is None else max(abs(plate.minimum), abs(plate.maximum))
            if made is not None and self._watch(group_id).forecast_changed(made, rating):
                self._tell(group_id, EventKind.FORECAST, "forecast updated", forecast=made)

    def changed(self, group_id: str, definition: GroupDefinition | None) -> None:
        """Tell that a group was made, changed or removed."""
        self._watches.pop(group_id, None)
        said = "removed" if definition is None else f"version {definition.version}"
        self._tell(group_id, EventKind.GROUP, said, definition=definition)

    def _own(self) -> list[tuple[str, PointGroup]]:
        return [(n, group) for n, group in self._groups.items() if isinstance(group, PointGroup)]

    def _watch(self, group_id: str) -> GroupWatch:
        return self._watches.setdefault(group_id, GroupWatch(self._deadband_pct))

    def _tell(self, group_id: str, kind: EventKind, reason: str, **content: Any) -> None:
        sequence = next(self._sequences.setdefault(group_id, itertools.count(1)))
        event = GroupEvent(
            message_id=f"ev-{self._run}-{next(self._numbers)}",
            source=self._source,
            group_id=group_id,
            time_ms=self._clock.utc_ms(),
            kind=kind,
            sequence=sequence,
            reason=reason,
            **content,
        )
        for subscriber in self._subscribers:
            if subscriber.wants(event):
                subscriber.sender.put(event)


def event_source(
    site: Site,
    groups: Groups,
    forecast: Callable[[ForecastRequest, int], Forecast | None],
    rng: random.Random,
    clock: Clock,
) -> EventSource | None:
    """What tells the site's subscribers; None where there are none.

    Raises:
        ConfigError: as :func:`subscribers`.
    """
    table = site.file.https
    if table is None or not table.subscriber:
        return None
    told = list(subscribers(site, table, rng))
    return EventSource(site.file.name, groups, forecast, told, table.event_deadband_pct, clock)


class EventSink:
    """Takes events of other boxes: each once; a remote group asks for its status at once.

    An event only makes us ask: what is shown of a group is what it answered, so that nothing
    that is late, out of order or of somebody else is ever taken for its status.

    Args:
        remote: groups of other boxes.
        record: puts a message on record.
        clock: stamps replies.

    Attributes:
        taken, repeated: counts.
    """

    def __init__(
        self, remote: list[RemoteGroup], record: Callable[[MessageEntry], None], clock: Clock
    ) -> None:
        self._remote = remote
        self._record = record
        self._clock = clock
        self._seen: dict[str, OrderedDict[str, None]] = {}
        self.taken = 0
        self.repeated = 0

    async def take(self, event: GroupEvent, peer: str) -> GroupReply:
        """Take an event; the reply acknowledges it."""
        answer = self._answer(event, peer)
        entry = MessageEntry(
            time_ms=self._clock.utc_ms(),
            direction="in",
            peer=peer,
            group_id=event.group_id,
            function=f"Event{event.kind.capitalize()}",
            correlation=event.message_id,
            result=answer.result,
            summary=f"{event.reason} -> {reply_line(answer)}",
        )
        self._record(entry)
        return answer

    def _answer(self, event: GroupEvent, peer: str) -> GroupReply:
        now_ms = self._clock.utc_ms()
        address = Address(
            message_id=event.message_id,
            dms_id=event.source,
            group_id=event.group_id,
            time_ms=event.time_ms,
        )
        seen = self._seen.setdefault(peer, OrderedDict())
        if event.message_id in seen:
            self.repeated += 1
            return reply(address, now_ms, Result.OK)
        meant = [group for group in self._remote if group.remote_id == event.group_id]
        if not meant:
            return failed(address, now_ms, f"no group of another box is called {event.group_id!r}")
        seen[event.message_id] = None
        if len(seen) > _REMEMBERED:
            seen.popitem(last=False)
        self.taken += 1
        for group in meant:
            group.wake(event)
        return reply(address, now_ms, Result.OK)


async def _deliver(subscriber: Subscriber) -> None:
    try:
        await subscriber.sender.run()
    finally:
        await subscriber.client.close()
