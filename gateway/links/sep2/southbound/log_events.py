"""/edev/{n}/lel: the logs of EndDevices."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from gateway.links.sep2.codec import decode, encode, encode_fragment
from gateway.links.sep2.resources import LogEvent, LogEventList
from gateway.links.sep2.serving.answers import NOT_FOUND, Answer, Ask, Post, invalid
from gateway.links.sep2.serving.journal import Change, Drop, Record
from gateway.links.sep2.southbound.documents import SUBSCRIBABLE, document, listing
from gateway.links.sep2.southbound.ground import Ground, number
from gateway.links.sep2.southbound.registrations import Device, Registrations
from gateway.links.sep2.southbound.routing import Endpoint, Routes

_KIND = "log"


class LogEvents:
    """The latest log events of every EndDevice.

    Args:
        ground: journal and limits.
        registrations: whose EndDevices are whose.
    """

    def __init__(self, ground: Ground, registrations: Registrations) -> None:
        self._ground = ground
        self._registrations = registrations
        self._by_device: dict[int, deque[tuple[int, LogEvent]]] = {}

    def load(self) -> None:
        """Take what the journal holds."""
        for record in self._ground.journal.load(_KIND):
            kept = self._by_device.setdefault(int(record.parent), deque())
            kept.append((record.number, decode(record.body, LogEvent)))

    def serve(self, routes: Routes) -> None:
        """Take the paths of logs."""
        routes.add("/edev/*/lel", Endpoint(self._all, {"POST": self._post}))
        routes.add("/edev/*/lel/*", Endpoint(self._one))

    def forget(self, device: Device) -> list[Change]:
        """Forget the log of an EndDevice; gives what the journal is to drop."""
        gone = self._by_device.pop(device.number, deque())
        return [Drop(_KIND, str(device.number), at) for at, _ in gone]

    def _kept(self, ask: Ask) -> list[tuple[int, LogEvent]] | None:
        """The log, newest first; None where it is not the client's."""
        device = self._registrations.find(ask.client, ask.free[0])
        if device is None:
            return None
        kept = self._by_device.get(device.number, ())
        return sorted(kept, key=lambda entry: (-entry[1].created_date_time, -entry[0]))

    def _all(self, ask: Ask) -> Answer:
        kept = self._kept(ask)
        if kept is None:
            return NOT_FOUND
        return listing(
            ask,
            LogEventList,
            kept,
            lambda entry: encode_fragment(entry[1]),
            time=lambda entry: entry[1].created_date_time,
            poll_rate=self._ground.config.poll_rates.log_event_list,
            subscribable=SUBSCRIBABLE,
        )

    def _one(self, ask: Ask) -> Answer:
        device, wanted = self._registrations.find(ask.client, ask.free[0]), number(ask.free[1])
        kept = () if device is None else self._by_device.get(device.number, ())
        event = next((event for at, event in kept if at == wanted), None)
        return NOT_FOUND if event is None else document(ask.client, event)

    async def _post(self, post: Post) -> Answer:
        device = self._registrations.find(post.client, post.free[0])
        if device is None:
            return NOT_FOUND
        if not isinstance(post.resource, LogEvent):
            raise invalid("not-a-log-event")
        kept = self._by_device.setdefault(device.number, deque())
        at = kept[-1][0] + 1 if kept else 1
        event = replace(post.resource, href=f"{post.path}/{at}")
        kept.append((at, event))
        changes: list[Change] = [Record(_KIND, str(device.number), at, body=encode(event))]
        if len(kept) > self._ground.config.storage.log_events:
            changes.append(Drop(_KIND, str(device.number), kept.popleft()[0]))
            self._ground.statistics.dropped["LogEvent"] += 1
        written = self._ground.journal.write(*changes)
        self._ground.changed(post.path, device.readers)
        await written
        return Answer(201, location=event.href or "")
