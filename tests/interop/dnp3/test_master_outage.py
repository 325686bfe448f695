"""An hour without the link at ten events a second, in virtual time, against py1815's session."""

from __future__ import annotations

import numpy as np
import pytest
from py1815.events import EventBuffers, EventClass
from py1815.objects import AnalogPoint
from py1815.session import Session

from gateway.links.dnp3.config import AssociationConfig
from gateway.links.dnp3.frame_reader import FrameReader
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.southbound.association import Association
from gateway.links.dnp3.southbound.delivery import Delivery
from gateway.links.dnp3.southbound.device import PolledPoint
from gateway.links.dnp3.southbound.exchange import Now
from gateway.links.dnp3.southbound.master_link import MasterLink
from gateway.model.point import PointKind, PointSpec
from gateway.points.store import PointStore
from tests.interop.dnp3.peers_outstation import Py1815Points

pytestmark = pytest.mark.interop

HOUR_EVENTS, STEP_MS, COUNT = 36_000, 100, 10


def talk(station: MasterLink, session: Session, clock) -> None:
    """Carry octets both ways until nobody has anything to say."""
    reader = FrameReader()
    now = Now(clock.monotonic_s(), clock.utc_ms())
    station.association.tick(now)
    ours = station.poll(now)
    theirs = session.initiate()
    while ours or theirs:
        heard, ours = theirs, (session.receive(ours) if ours else b"")
        heard, ours = heard + ours + session.initiate(), b""
        for frame in reader.feed(heard):
            ours += station.receive(frame, now)
        ours += station.poll(now)
        theirs = b""


@pytest.mark.parametrize("unsolicited", [(), (1, 2, 3)], ids=["polled", "unsolicited"])
def test_every_event_of_an_outage_arrives_in_order_with_its_source_time(clock, unsolicited):
    specs = [PointSpec(f"p{at}", PointKind.AI) for at in range(COUNT)]
    store = PointStore(specs, clock)
    arrived: list[tuple[int, float, int]] = []

    def note(positions: np.ndarray) -> None:
        for at in positions.tolist():
            one = store.at(at)
            arrived.append((at, one.value, one.time_ms))

    events = EventBuffers(capacity=50_000)
    session = Session(
        Py1815Points(COUNT), events=events, outstation_address=10,
        clock=clock.monotonic_s, unsolicited=bool(unsolicited),
    )  # fmt: skip
    config = AssociationConfig(
        name="d", channel="c", address=10, unsolicited=unsolicited, scans=((1.0, (1, 2, 3)),),
        time_sync="none",
    )  # fmt: skip
    points = [PolledPoint(at, PointType.ANALOG_INPUT, at) for at in range(COUNT)]
    association = Association(config, Delivery(points, store), lambda: 0.5)
    station = MasterLink(association, 1)
    station.connected(Now(clock.monotonic_s(), clock.utc_ms()))
    talk(station, session, clock)
    assert store["p3"].is_good
    association.disconnected()
    assert not store["p3"].is_good

    store.subscribe(note)
    made = []
    for number in range(HOUR_EVENTS):
        clock.now_s += STEP_MS / 1000
        value, stamp = float(1000 + number), clock.utc_ms()
        index = number % COUNT
        events.record_analog(
            index, AnalogPoint(value), event_class=EventClass.CLASS_2, timestamp_ms=stamp
        )
        made.append((index, value, stamp))

    clock.advance(10.0)  # static values have the time of their arrival, later than any event
    session.connection_reset()
    station.connected(Now(clock.monotonic_s(), clock.utc_ms()))
    for _ in range(20):
        talk(station, session, clock)
        clock.advance(1.0)
        if events.total == 0:
            break
    assert [entry for entry in arrived if entry[2] <= made[-1][2]] == made
    assert association.state.overflows == 0
    assert association.state.events == HOUR_EVENTS
