"""Tells the server of our devices: ratings, settings, status, availability, readings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.links.sep2.northbound.ground import Ground, back_off_s
from gateway.links.sep2.northbound.mirrored import readings, usage_point
from gateway.links.sep2.northbound.reader import Reader
from gateway.links.sep2.northbound.snapshot import Snapshot, availability_of, status_of
from gateway.links.sep2.northbound.transport import RefusedError, Transport
from gateway.links.sep2.northbound.walk import DevicePlace, Site
from gateway.links.sep2.resources import Link, MirrorUsagePoint, Resource
from gateway.model.errors import RemoteProtocolError

#: What a device (by LFDI) is and does now.
Telemetry = Callable[[str], Snapshot]


@dataclass(slots=True)
class _Told:
    """What the server has of one device.

    Attributes:
        documents: by path, as put last.
        status_due_s, readings_due_s: when the next are due, monotonic s.
        failures: in a row.
    """

    documents: dict[str, Resource] = field(default_factory=dict)
    status_due_s: float = 0.0
    readings_due_s: float = 0.0
    failures: int = 0


class Reporter:
    """Posts what is due.

    Args:
        ground: settings, time and memory.
        transport: posts.
        reader: finds addresses.
        telemetry: see :data:`Telemetry`.
    """

    def __init__(
        self, ground: Ground, transport: Transport, reader: Reader, telemetry: Telemetry
    ) -> None:
        self._config = ground.config
        self._clock = ground.clock
        self._time = ground.time
        self._memory = ground.memory
        self._statistics = ground.statistics
        self._transport = transport
        self._reader = reader
        self._telemetry = telemetry
        self._told: dict[str, _Told] = {}

    async def step(self, site: Site) -> float:
        """Post what is due.

        Returns:
            When the next is due, monotonic s.

        Raises:
            LinkError: the server is lost.
        """
        due = [self._clock.monotonic_s() + self._config.post_default_s]
        for lfdi, place in site.devices.items():
            if (left_s := self._transport.left_s()) > 0:  # the rest would only be refused
                return self._clock.monotonic_s() + left_s
            told = self._told.setdefault(lfdi, _Told())
            now_s = self._clock.monotonic_s()
            if now_s >= told.status_due_s:
                rate_s = float(place.end_device.post_rate or self._config.post_default_s)
                good = await self._documents(place, told, self._telemetry(lfdi))
                told.status_due_s = now_s + self._pause_s(told, rate_s, good=good)
            if site.mirror and now_s >= told.readings_due_s:
                rate_s = await self._readings(lfdi, site.mirror)
                told.readings_due_s = now_s + max(self._config.poll_min_s, rate_s)
            due += [told.status_due_s] + ([told.readings_due_s] if site.mirror else [])
        return min(due)

    def _pause_s(self, told: _Told, rate_s: float, *, good: bool) -> float:
        if good:
            told.failures = 0
            return max(self._config.poll_min_s, rate_s)
        told.failures += 1
        return back_off_s(self._config, told.failures)

    async def _documents(self, place: DevicePlace, told: _Told, snapshot: Snapshot) -> bool:
        """Put what changed; whether the server took all of it."""
        now, der = self._time.now(), place.der
        wanted: list[tuple[Link | None, str, Resource | None]] = [
            (place.end_device.device_information_link, place.path, snapshot.information)
        ]
        if der is not None:
            wanted += [
                (der.der_capability_link, place.der_path, snapshot.capability),
                (der.der_settings_link, place.der_path, snapshot.settings),
                (der.der_status_link, place.der_path, status_of(snapshot, now)),
                (der.der_availability_link, place.der_path, availability_of(snapshot, now)),
            ]
        good = True
        for link, within, document in wanted:
            path = self._reader.path(link, within)
            if not path or document is None or told.documents.get(path) == document:
                continue
            if await self._sent("PUT", path, document) is None:
                good = False
            else:
                told.documents[path] = document
        return good

    async def _readings(self, lfdi: str, mirror: str) -> float:
        """Post readings; gives the rate the server wants, s."""
        name = f"mirror {lfdi}"
        path = self._memory.place(name)
        rate_s = await self._rate_s(path) if path else None
        if rate_s is None:
            made = await self._sent("POST", mirror, usage_point(lfdi, self._config.pen))
            if not made:
                return self._config.retry_max_s
            self._memory.put_place(name, made)
            path, rate_s = made, await self._rate_s(made) or self._config.post_default_s
        now, snapshot = self._time.now(), self._telemetry(lfdi)
        for reading in readings(lfdi, self._config.pen, snapshot, now, round(rate_s)):
            await self._sent("POST", path, reading)
        return rate_s

    async def _rate_s(self, path: str) -> float | None:
        """How often a usage point wants readings, s; None where the server has it no more."""
        try:
            point = await self._transport.get(path, MirrorUsagePoint)
        except RefusedError as refusal:
            return None if refusal.gone else self._config.post_default_s
        except RemoteProtocolError as error:
            self._statistics.last_error = f"{path}: {error}"
            return self._config.post_default_s
        return float(point.post_rate or self._config.post_default_s)

    async def _sent(self, method: str, path: str, document: Resource) -> str | None:
        """Location of what the server took; None where it did not."""
        try:
            return await self._transport.send(method, path, document)
        except (RefusedError, RemoteProtocolError) as error:
            self._statistics.dropped[type(document).__name__] += 1
            self._statistics.last_error = f"{path}: {error}"
            return None
