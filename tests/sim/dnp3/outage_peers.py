"""Two outstations for an outage in virtual time: ours and py1815's, both without I/O."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from py1815.events import EventBuffers, EventClass
from py1815.objects import AnalogPoint
from py1815.session import Session as Py1815Session

from gateway.links.dnp3.northbound.database import Database, PointSetup
from gateway.links.dnp3.northbound.session import Session
from gateway.links.dnp3.northbound.station import Station
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.outstation_config import MasterConfig, OutstationConfig
from gateway.model.command import CommandStatus
from tests.conftest import VirtualClock
from tests.interop.dnp3.peers_outstation import Py1815Points

ADDRESS = 10
ANALOG = PointType.ANALOG_INPUT


def class_of(index: int) -> int:
    """Event class of an analog: 1, 2, 3 by turns."""
    return index % 3 + 1


class Peer(Protocol):
    """An outstation with analogs 0 to n - 1."""

    def change(self, index: int, value: float, time_ms: int) -> None:
        """A new value: an event."""

    def exchange(self, octets: bytes) -> bytes:
        """Octets in, octets out; none in: what it says by itself."""

    def cut(self) -> None:
        """The connection is gone."""

    def join(self) -> None:
        """A connection begins."""

    def held(self) -> int:
        """Events not yet confirmed."""


class Ours:
    """Our outstation's session."""

    def __init__(self, clock: VirtualClock, count: int, per_class: int) -> None:
        self._clock = clock
        setups = [PointSetup(ANALOG, n, class_of(n), 5, 7) for n in range(count)]
        self._database = Database(setups)
        for index in range(count):
            self.change(index, float(index), clock.utc_ms())
        master = MasterConfig(name="dms", hosts=("127.0.0.1",))
        config = OutstationConfig(address=ADDRESS, masters=(master,), events_per_class=per_class)
        station = Station(config, self._database, lambda *_: CommandStatus.NOT_SUPPORTED)
        self._association = station.associations[1]
        self._session = Session(self._association)
        self.join()

    def change(self, index: int, value: float, time_ms: int) -> None:
        at, online = np.array([index], dtype=np.intp), np.ones(1, dtype=np.uint8)
        self._database.update(ANALOG, at, np.array([value]), online, time_ms)

    def exchange(self, octets: bytes) -> bytes:
        now_s, utc_ms = self._clock.monotonic_s(), self._clock.utc_ms()
        self._session.receive(octets, now_s, utc_ms)
        self._session.tick(now_s, utc_ms)
        return self._session.outgoing()

    def cut(self) -> None:
        self._session.disconnect()

    def join(self) -> None:
        self._session.connect()

    def held(self) -> int:
        return sum(self._association.events.counts())


class Py1815:
    """py1815's session."""

    def __init__(self, clock: VirtualClock, count: int, per_class: int) -> None:
        self._points = Py1815Points(count)
        self._events = EventBuffers(capacity=per_class)
        self._session = Py1815Session(
            self._points, events=self._events, outstation_address=ADDRESS,
            clock=clock.monotonic_s, unsolicited=True,
        )  # fmt: skip

    def change(self, index: int, value: float, time_ms: int) -> None:
        self._points.analogs[index] = value
        self._events.record_analog(
            index, AnalogPoint(value), event_class=EventClass(class_of(index)),
            timestamp_ms=time_ms,
        )  # fmt: skip

    def exchange(self, octets: bytes) -> bytes:
        answer = self._session.receive(octets) if octets else b""
        return answer + self._session.initiate()

    def cut(self) -> None:
        pass

    def join(self) -> None:
        self._session.connection_reset()

    def held(self) -> int:
        return self._events.total
