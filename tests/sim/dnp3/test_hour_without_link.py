"""An hour without the link at ten events a second, in virtual time, between sessions alone.

36,000 events in three classes of 12,000. Buffers of 36,000 lose none of them. Buffers of 10,000 a
class, as both stacks have unless told otherwise, keep the newest 10,000 of each and say so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from gateway.links.dnp3.codec import Iin
from gateway.links.dnp3.config import AssociationConfig
from gateway.links.dnp3.frame_reader import FrameReader
from gateway.links.dnp3.outstation_config import OutstationConfig
from gateway.links.dnp3.southbound.association import Association
from gateway.links.dnp3.southbound.delivery import Delivery
from gateway.links.dnp3.southbound.device import PolledPoint
from gateway.links.dnp3.southbound.exchange import Now
from gateway.links.dnp3.southbound.master_link import MasterLink
from gateway.model.point import PointKind, PointSpec
from gateway.points.store import PointStore
from tests.conftest import VirtualClock
from tests.sim.dnp3.outage_peers import ADDRESS, ANALOG, Ours, Peer, Py1815, class_of

HOUR_EVENTS, PERIOD_S, COUNT = 36_000, 0.1, 30
DEFAULT_PER_CLASS = OutstationConfig.model_fields["events_per_class"].default
PEERS = pytest.mark.parametrize(
    "make", [Ours, pytest.param(Py1815, marks=pytest.mark.interop)], ids=["ours", "py1815"]
)
REPORTS = pytest.mark.parametrize("unsolicited", [(), (1, 2, 3)], ids=["polled", "unsolicited"])


@dataclass(frozen=True)
class Change:
    index: int
    value: float
    time_ms: int


@dataclass
class Site:
    """Our master's session, its store and the outstation at the other end.

    Attributes:
        made: changes at the outstation since it was cut off.
        arrived: changes in the store since then, in the order the store told them.
    """

    clock: VirtualClock
    peer: Peer
    unsolicited: tuple[int, ...]
    made: list[Change] = field(default_factory=list)
    arrived: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        specs = [PointSpec(f"p{at}", PointKind.AI) for at in range(COUNT)]
        self.store = PointStore(specs, self.clock)
        config = AssociationConfig(
            name="d", channel="c", address=ADDRESS, unsolicited=self.unsolicited,
            scans=((1.0, (1, 2, 3)),), time_sync="none",
        )  # fmt: skip
        points = [PolledPoint(at, ANALOG, at) for at in range(COUNT)]
        self.association = Association(config, Delivery(points, self.store), lambda: 0.5)
        self._link = MasterLink(self.association, 1)

    @property
    def now(self) -> Now:
        return Now(self.clock.monotonic_s(), self.clock.utc_ms())

    def connect(self) -> None:
        self.peer.join()
        self._reader = FrameReader()
        self._link.connected(self.now)
        self.talk()

    def talk(self) -> None:
        """Carry octets both ways until nobody has anything to say."""
        self.association.tick(self.now)
        ours = self._link.poll(self.now)
        theirs = self.peer.exchange(ours)
        while ours or theirs:
            ours = b""
            for frame in self._reader.feed(theirs, self.now.s):
                ours += self._link.receive(frame, self.now)
            ours += self._link.poll(self.now)
            theirs = self.peer.exchange(ours)

    def outage(self) -> None:
        """An hour of changes that nobody hears of."""
        self.association.disconnected()
        self.peer.cut()
        assert not self.store["p3"].is_good
        self.store.subscribe(self._note)
        for number in range(HOUR_EVENTS):
            self.clock.advance(PERIOD_S)
            change = Change(number % COUNT, 1000.0 + number, self.clock.utc_ms())
            self.peer.change(change.index, change.value, change.time_ms)
            self.made.append(change)
        self.clock.advance(10.0)  # what a poll brings has the time of its arrival: later than all

    def recover(self) -> None:
        """The link is back; a minute at most until everything is here."""
        self.connect()
        for _ in range(60):
            self.clock.advance(1.0)
            self.talk()

    def events(self) -> list[Change]:
        """What arrived with a time of the outage, in order."""
        return [change for change in self.arrived if change.time_ms <= self.made[-1].time_ms]

    def _note(self, positions: np.ndarray) -> None:
        for at in positions.tolist():
            one = self.store.at(at)
            self.arrived.append(Change(at, one.value, one.time_ms))


def of_class(changes: list[Change], number: int) -> list[Change]:
    return [change for change in changes if class_of(change.index) == number]


@REPORTS
@PEERS
def test_every_event_of_the_hour_arrives_in_order_with_its_source_time(clock, make, unsolicited):
    site = Site(clock, make(clock, COUNT, HOUR_EVENTS), unsolicited)
    site.connect()
    site.outage()
    assert site.peer.held() == HOUR_EVENTS
    site.recover()
    assert len(site.events()) == HOUR_EVENTS
    for number in (1, 2, 3):
        assert of_class(site.events(), number) == of_class(site.made, number)
    if make is Ours:  # whose events keep their order across classes too
        assert site.events() == site.made
    assert site.peer.held() == 0
    assert site.association.state.overflows == 0
    assert site.store["p3"].is_good


@REPORTS
@PEERS
def test_default_buffers_keep_the_newest_and_the_loss_is_made_up_for(clock, make, unsolicited):
    site = Site(clock, make(clock, COUNT, DEFAULT_PER_CLASS), unsolicited)
    site.connect()
    site.outage()
    polls = site.association.state.integrity_polls
    assert site.peer.held() == 3 * DEFAULT_PER_CLASS == 30_000
    site.recover()
    for number in (1, 2, 3):
        made = of_class(site.made, number)
        assert len(made) == 12_000
        assert of_class(site.events(), number) == made[-DEFAULT_PER_CLASS:]
    state = site.association.state
    assert state.overflows == 1
    assert state.integrity_polls > polls  # after it was told of the loss
    assert not state.iin & Iin.EVENT_BUFFER_OVERFLOW
    last = {change.index: change.value for change in site.made}
    assert [site.store[f"p{at}"].value for at in range(COUNT)] == [last[at] for at in range(COUNT)]
