"""The gateway as a DNP3 outstation: its points to the utility's masters, their controls inward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gateway.links.dnp3.northbound.connection import Line, ServerStatistics
from gateway.links.dnp3.northbound.control_objects import ControlObject
from gateway.links.dnp3.northbound.database import Database, PointSetup
from gateway.links.dnp3.northbound.point_map import MappedPoint, PositionMap
from gateway.links.dnp3.northbound.server import OutstationServer, Served
from gateway.links.dnp3.northbound.station import Station, Surroundings
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.outstation_config import MasterConfig, OutstationConfig
from gateway.links.dnp3.values import Indices
from gateway.model.clock import Clock
from gateway.model.command import CommandMode, CommandStatus
from gateway.model.errors import LocalProtocolError
from gateway.points.store import PointStore

#: Ends of a command that leave open what the device did. On the wire TIMEOUT means that an
#: operate came too late and was not carried out, which would be untrue: UNDEFINED is not.
_MAX_STRING = 255
_OPEN_ENDS = (CommandStatus.TIMEOUT, CommandStatus.UNDEFINED)


class Controls(Protocol):
    """What judges and carries out masters' controls: the router, seen from here."""

    def check(self, point: str, value: float, master: str) -> CommandStatus:
        """Whether a control would be carried out now (SELECT); must not block."""

    async def operate(
        self, point: str, value: float, mode: CommandMode, master: str
    ) -> CommandStatus:
        """Carry out a control once; engineering units. Bounded in time by the router."""


@dataclass(frozen=True, slots=True)
class MasterState:
    """One master, for the status page.

    Attributes:
        name, address: who it is.
        peer: where it is connected from; empty where it is not.
        events: held for it, classes 1, 2 and 3.
        discarded: events lost to overflow, ever.
        unsolicited: classes it enabled.
        controls: how its controls ended, by status name.
        counts: requests and what went wrong, by name.
    """

    name: str
    address: int
    peer: str
    events: tuple[int, int, int]
    discarded: int
    unsolicited: tuple[int, ...]
    controls: Mapping[str, int]
    counts: Mapping[str, int]


class Dnp3Outstation:
    """One outstation over the point store.

    Args:
        config: its settings.
        points: its map; checked by whoever loads it (:func:`.database.faults`).
        store: present measurements; subscribe :meth:`note_changed` to it.
        controls: the one path for commands.
        clock: time.
        strings: octet strings by index (group 110), beside those of ``points``.
        surroundings: local control, inhibition, trouble, and who is told of written times.

    Attributes:
        database, station, server: its parts. Several outstations may share one server
            (:meth:`served`); such a one is run instead of theirs.

    Raises:
        LocalProtocolError: the map is wrong.
    """

    def __init__(
        self,
        config: OutstationConfig,
        points: Sequence[MappedPoint],
        store: PointStore,
        controls: Controls,
        clock: Clock,
        strings: Mapping[int, str] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        if any(point.scale == 0 for point in points):
            raise LocalProtocolError("a scale of 0 has no raw value; the loader must refuse that")
        self._store = store
        self._controls = controls
        self._clock = clock
        self._outputs = {(p.type, p.index): p for p in points if p.output}
        texts = strings or {}
        listed = {p.index for p in points if p.type is PointType.OCTET_STRING}
        setups = [p.setup() for p in points]
        setups += [PointSetup(PointType.OCTET_STRING, n) for n in texts if n not in listed]
        self.database = Database(setups)
        self._map = PositionMap(points, self.database, len(store))
        self._everything = list(self._map.find(self._map.positions))
        self.note_changed(self._map.positions)
        for index, text in texts.items():
            self.set_string(index, text)
        # masters come after the first values: what is so when we start is no event
        own = {master.name: _own_deadbands(master, points) for master in config.masters}
        self.station = Station(config, self.database, self._check, surroundings, own, self._refresh)
        self.server = OutstationServer(config, [self.served()], clock)

    def served(self) -> Served:
        """This outstation for a server of several."""
        return Served(self.station, self._operate)

    async def run(self) -> None:
        """Listen and answer until cancelled.

        Raises:
            LinkError: the port cannot be had.
            ConfigError: the TLS files cannot be used.
        """
        await self.server.run()

    @property
    def port(self) -> int:
        """The port listened on; 0 while it does not."""
        return self.server.port

    @property
    def statistics(self) -> ServerStatistics:
        """What the server counted."""
        return self.server.statistics

    def note_changed(self, positions: Indices) -> None:
        """Take what the store says of these positions at this moment (its change listener).

        The time of an event is the source's; that a source is lost happens here and now.
        """
        values, flags, times_ms, synchronised = self._store.columns(positions)
        lost = self._store.lost_here(positions)
        if lost.any():
            times_ms[lost] = self._clock.utc_ms()
            synchronised[lost] = True
        for kind, at, rows, scale, offset in self._map.find(positions):
            raw = (values[at] - offset) / scale
            self.database.update_rows(kind, rows, raw, flags[at], times_ms[at], synchronised[at])

    def set_string(self, index: int, text: str) -> None:
        """Set an octet string; what UTF-8 makes longer than 255 octets is cut.

        Raises:
            LocalProtocolError: there is no such string.
        """
        octets = text.encode()[:_MAX_STRING]
        self.database.set_string(index, octets, self._clock.utc_ms())

    def masters(self) -> tuple[MasterState, ...]:
        """How every master of the allow-list stands."""
        address = self.station.config.address
        return tuple(
            _state(lines[address]) for lines in self.server.lines.values() if address in lines
        )

    def _refresh(self) -> None:
        """Take what the store did not tell of, as no change beyond its own deadbands."""
        positions = self._map.positions
        values, flags, _, _ = self._store.columns(positions)
        for kind, at, rows, scale, offset in self._everything:
            columns = self.database.columns[kind]
            raw, held = (values[at] - offset) / scale, columns.values[rows] + columns.zero[rows]
            differs = (raw != held) | (flags[at] & columns.quality != columns.flags[rows])
            if differs.any():
                self.note_changed(np.unique(positions[at[differs]]))

    def _check(self, kind: PointType, index: int, value: float, master: str) -> CommandStatus:
        point = self._outputs.get((kind, index))
        if point is None:
            return CommandStatus.NOT_SUPPORTED
        return self._controls.check(point.point, _engineering(point, value), master)

    async def _operate(
        self, control: ControlObject, mode: CommandMode, master: str
    ) -> CommandStatus:
        point = self._outputs.get((control.type, control.index))
        if point is None:
            return CommandStatus.NOT_SUPPORTED
        value = _engineering(point, control.value)
        status = await self._controls.operate(point.point, value, mode, master)
        return CommandStatus.UNDEFINED if status in _OPEN_ENDS else status


def _engineering(point: MappedPoint, raw: float) -> float:
    return raw * point.scale + point.offset


def _own_deadbands(
    master: MasterConfig, points: Sequence[MappedPoint]
) -> dict[tuple[PointType, int], float]:
    """A master's own deadbands, in raw units."""
    return {
        (point.type, point.index): master.deadbands[point.point] / abs(point.scale)
        for point in points
        if point.point in master.deadbands
    }


def _state(line: Line) -> MasterState:
    session = line.session
    association = session.association
    return MasterState(
        name=association.master.name,
        address=association.master.address,
        peer=line.connection.peer if line.connection is not None else "",
        events=association.events.counts(),
        discarded=association.events.discarded,
        unsolicited=tuple(sorted(session.unsolicited.enabled)),
        controls={status.name: count for status, count in session.controls.done.items()},
        counts=dict(session.counts),
    )
