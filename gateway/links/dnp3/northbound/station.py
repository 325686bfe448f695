"""An outstation as its masters share it, and what it keeps of each of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.links.dnp3.codec import Fragment, Iin
from gateway.links.dnp3.frames import BROADCAST_CONFIRM
from gateway.links.dnp3.northbound.changes import ChangeDetector
from gateway.links.dnp3.northbound.database import Database
from gateway.links.dnp3.northbound.events import NO_EVENTS, EventBuffer, Rows
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.outstation_config import MasterConfig, OutstationConfig
from gateway.model.command import CommandStatus

#: May this output take this raw value from this master, were it operated now.
Check = Callable[[PointType, int, float, str], CommandStatus]


def _never() -> bool:
    return False


def _up_to_date() -> None:
    return


def _nothing_to_do(_master: str, _number: int) -> None:
    return


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an outstation asks its surroundings, and tells them; none of it may block.

    Attributes:
        local: whether the site is under local control: every control is refused LOCAL, IIN1.5.
        inhibited: whether controls are inhibited: every one is refused AUTOMATION_INHIBIT.
        trouble: whether the device has a fault (IIN1.6).
        time_written: told of the time a master wrote: its name, UTC ms.
        restart_asked: told that a master asked for a restart: its name, function code.
    """

    local: Callable[[], bool] = _never
    inhibited: Callable[[], bool] = _never
    trouble: Callable[[], bool] = _never
    time_written: Callable[[str, int], None] = _nothing_to_do
    restart_asked: Callable[[str, int], None] = _nothing_to_do


@dataclass(frozen=True, slots=True)
class Request:
    """A request being handled.

    Attributes:
        fragment, octets: parsed and as received.
        received_s: monotonic time of its arrival.
        now_s, utc_ms: present time.
        broadcast: the broadcast address it came under; None where it was sent to us.
    """

    fragment: Fragment
    octets: bytes
    received_s: float
    now_s: float
    utc_ms: int
    broadcast: int | None = None

    @property
    def body(self) -> bytes:
        """Octets behind the header."""
        return self.fragment.body


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request is answered with, apart from the indications that always hold."""

    body: bytes = b""
    iin: Iin = Iin.NONE


class Station:
    """One outstation.

    Args:
        config: its settings.
        database: its points.
        check: judges a control.
        surroundings: of the site.
        deadbands: each master's own, raw units, by master, type and index.
        refresh: brings the database up to date before static objects are read: a store that
            tells of changes beyond its own deadbands alone knows better.

    Attributes:
        associations: what it keeps of each master, by link address.
    """

    def __init__(
        self,
        config: OutstationConfig,
        database: Database,
        check: Check,
        surroundings: Surroundings | None = None,
        deadbands: Mapping[str, Mapping[tuple[PointType, int], float]] | None = None,
        refresh: Callable[[], None] = _up_to_date,
    ) -> None:
        self.refresh = refresh
        self.config = config
        self.database = database
        self.check = check
        self.surroundings = surroundings or Surroundings()
        own = deadbands or {}
        self.associations = {
            master.address: Association(self, master, own.get(master.name, {}))
            for master in config.masters
        }

    def restarted(self) -> None:
        """Stand towards every master as after a restart; events are kept."""
        for association in self.associations.values():
            association.restart()


class Association:
    """What an outstation keeps of one master, connected or not.

    Attributes:
        station, master: whose it is.
        events: what the master has not confirmed.
        changes: what makes events for it.
        restarted: whether IIN1.7 still stands.
        starts: restarts so far: sessions announce each.
        broadcast: the address a broadcast came under, until the master has been told.
        recorded_s: when the master said "record the current time"; None where it has not.
    """

    def __init__(
        self,
        station: Station,
        master: MasterConfig,
        deadbands: Mapping[tuple[PointType, int], float],
    ) -> None:
        self.station = station
        self.master = master
        self.events = EventBuffer(station.config.events_per_class)
        self.changes = ChangeDetector(station.database, self.events, deadbands)
        self.restarted = True
        self.starts = 1
        self.broadcast: int | None = None
        self.recorded_s: float | None = None
        self._time_due_s = -math.inf if master.time_sync_interval_s else math.inf

    def restart(self) -> None:
        """As after a restart."""
        self.restarted = True
        self.starts += 1
        self.broadcast = None
        self.recorded_s = None
        if self.master.time_sync_interval_s:
            self._time_due_s = -math.inf

    def set_time(self, utc_ms: int, now_s: float) -> None:
        """The master wrote the time."""
        self.station.surroundings.time_written(self.master.name, utc_ms)
        self._time_due_s = now_s + (self.master.time_sync_interval_s or math.inf)

    def indications(self, now_s: float, reporting: Rows = NO_EVENTS) -> Iin:
        """Internal indications of a response that carries the events ``reporting``."""
        around = self.station.surroundings
        found = 0  # plain numbers: this is asked for with every response
        for count, bit in zip(self.events.counts(reporting), _CLASS_BITS, strict=True):
            if count:
                found |= bit
        others = (
            (self.broadcast is not None, Iin.ALL_STATIONS),
            (now_s >= self._time_due_s, Iin.NEED_TIME),
            (around.local(), Iin.LOCAL_CONTROL),
            (around.trouble(), Iin.DEVICE_TROUBLE),
            (self.restarted, Iin.DEVICE_RESTART),
            (self.events.overflowed, Iin.EVENT_BUFFER_OVERFLOW),
        )
        for holds, indication in others:
            if holds:
                found |= int(indication)
        return Iin(found)

    def broadcast_wants_confirmation(self) -> bool:
        """Whether the next response must ask for confirmation to say a broadcast was heard."""
        return self.broadcast == BROADCAST_CONFIRM

    def broadcast_shown(self, *, confirmed: bool) -> None:
        """A response that told of a broadcast went out, or was confirmed."""
        if confirmed or self.broadcast != BROADCAST_CONFIRM:
            self.broadcast = None


_CLASS_BITS = (int(Iin.CLASS_1_EVENTS), int(Iin.CLASS_2_EVENTS), int(Iin.CLASS_3_EVENTS))
