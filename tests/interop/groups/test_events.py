"""Events on the wire: a subscriber that is away, two boxes, and what our own endpoint takes."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET

import pytest

from gateway.groups.events import EventKind, GroupEvent
from gateway.groups.messages import Quantity
from gateway.groups.xml import encode
from gateway.links.cim import sender
from gateway.site.pki import ensure_pki
from tests.interop.groups.conftest import free_port, running, site_folder
from tests.interop.groups.documents import Reply, payload, request
from tests.interop.groups.test_derg import create

pytestmark = pytest.mark.interop

REMOTE = """
[groups.theirs]
backend = "remote"
url = "https://127.0.0.1:{port}/groups"
group = "plant"
ca = "their/ca.crt"
certificate = "their/client-dms.crt"
key = "their/client-dms.key"
poll_s = 600
"""
SUBSCRIBER = """
[[https.subscriber]]
url = "https://127.0.0.1:{port}/events"
ca = "their/ca.crt"
certificate = "their/client-dms.crt"
key = "their/client-dms.key"
kinds = ["STATUS"]
"""


async def test_a_subscriber_that_is_away_gets_every_event_later_in_order(told, monkeypatch):
    monkeypatch.setattr(sender, "FIRST_PAUSE_S", 0.05)
    box, receiver = told
    receiver.away = 3
    for number in range(3):
        await box.ask(create(f"g{number}", "d3"), "admin")
    events = [await receiver.next("GROUP") for _ in range(3)]
    assert [event.text("GroupId") for event in events] == ["g0", "g1", "g2"]
    assert len(set(receiver.heard[:4])) == 1  # the same message, until it was taken
    (state,) = box.gateway.events.states.values()
    assert (state["retries"], state["dropped"]) == (3, 0)


async def test_a_remote_group_shows_a_change_at_once(tmp_path, judge):
    """The asking box polls every ten minutes; what it shows is seconds old all the same."""
    here, there = free_port(), free_port()
    near, far = tmp_path / "near", tmp_path / "far"
    site_folder(near, here, REMOTE.format(port=there))
    site_folder(far, there, SUBSCRIBER.format(port=here))
    names = ["dms", "admin", "operator"]
    for folder, other in ((near, far), (far, near)):
        ensure_pki(folder / "data" / "pki", "127.0.0.1", names)
        (other / "their").symlink_to(folder / "data" / "pki")
    async with running(far, there, judge) as teller, running(near, here, judge) as asker:
        group = asker.gateway.groups.groups["theirs"]

        async def shows(power_w: float) -> None:
            async with asyncio.timeout(20):
                while group.present(Quantity.ACTIVE_POWER).value != power_w:
                    await asyncio.sleep(0.05)

        await shows(80e3)
        await asyncio.sleep(1.5)
        teller.shown["d1"]["p"] = 95e3
        await shows(135e3)
        assert "STATUS" in group.last_event
        assert asker.gateway.sink.taken >= 1
        functions = [entry.function for entry in asker.gateway.messages]
        assert "EventStatus" in functions


def event(group: str, number: int = 1) -> bytes:
    return encode(
        GroupEvent(
            message_id=f"e{number}",
            source="far",
            group_id=group,
            time_ms=1,
            kind=EventKind.STATUS,
            sequence=number,
        )
    )


async def post(box, document: bytes) -> tuple[int, Reply]:
    box.open("dms")
    url, headers = f"https://127.0.0.1:{box.port}/events", {"Content-Type": "application/xml"}
    async with box.sessions["dms"].post(url, data=document, headers=headers) as response:
        answer = await response.read()
    assert box.judge.accepts(answer)
    return response.status, Reply(ET.fromstring(answer))  # noqa: S314 - our own box


async def test_an_event_delivered_twice_is_taken_once(tmp_path, judge):
    here = free_port()
    folder = site_folder(tmp_path, here, REMOTE.format(port=free_port()))
    pki = ensure_pki(folder / "data" / "pki", "127.0.0.1", ["dms", "admin", "operator"])
    (folder / "their").symlink_to(pki.ca.certificate.parent)
    async with running(folder, here, judge) as box:
        for _ in range(3):
            status, reply = await post(box, event("plant"))
            assert (status, reply.result) == (200, "OK")
        assert (box.gateway.sink.taken, box.gateway.sink.repeated) == (1, 2)
        _, reply = await post(box, event("plant", 2))
        assert box.gateway.sink.taken == 2


async def test_what_is_no_event_of_ours_is_refused(box):
    status, reply = await post(box, event("nobody"))
    assert (status, reply.result) == (200, "FAILED")
    assert "no group of another box" in reply.reasons
    status, reply = await post(box, request(payload("CapabilityQuery", "plant")))
    assert (status, reply.result) == (400, "FAILED")
    assert "EventMessage was expected" in reply.reasons
    status, _ = await box.post(event("plant"))
    assert status == 400
    status, reply = await post(box, event("plant").replace(b">STATUS<", b">NOISE<"))
    assert status == 400
