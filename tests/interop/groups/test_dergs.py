"""DERGS: status of a group, asked for (1a-d) and told (event 2).

The cases bear the numbers of EPRI's test script as publicly listed; its text was not at hand, so
what each one checks is our reading of its title (edition not verified).
"""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.groups.documents import node, payload

pytestmark = pytest.mark.interop


def status(group: str, *quantities: str, timing: str = "LATEST"):
    return payload(
        "StatusQuery", group, node("Timing", timing), *(node("Quantity", q) for q in quantities)
    )


async def test_1a_status_of_a_group_is_the_sum_of_its_members(box):
    reply = await box.ask(status("plant", "P", "Q", "S"))
    assert reply.result == "OK"
    assert reply.value("P") == (80e3, True)
    assert reply.value("Q") == (10e3, True)
    assert reply.value("S")[0] == pytest.approx((80e3**2 + 10e3**2) ** 0.5)
    assert reply["Payload/GroupReport/GroupId"] == "plant"
    assert reply["Payload/GroupReport/DMSId"] == "dms"


async def test_1b_status_read_anew(box):
    box.shown["d1"]["p"] = 60e3
    reply = await box.ask(status("plant", "P", timing="REFRESHED"))
    assert reply.result == "OK"
    assert reply.value("P") == (100e3, True)


async def test_1c_status_with_a_member_lost_says_so(box):
    box.lost.add("d2")
    box.show()
    reply = await box.ask(status("plant", "P", "Connected"))
    assert reply.result == "FAILED"
    assert not reply.value("P")[1]
    assert reply.codes == {"6.1"}


async def test_1d_status_of_a_group_that_is_not_there(box):
    reply = await box.ask(status("nowhere", "P"))
    assert reply.result == "FAILED"
    assert "no group 'nowhere'" in reply.reasons


async def test_event_2_a_change_of_status_is_told(told):
    box, receiver = told
    await asyncio.sleep(1.5)
    box.shown["d1"]["p"] = 90e3
    event = await receiver.next("STATUS")
    assert event.text("GroupId") == "plant"
    assert "P from 80000 to 130000" in event.text("Reason")
    values = {entry.get("quantity"): entry for entry in event.all("PresentValue")}
    assert values["P"].get("good") == "true"
    box.lost.add("d2")
    event = await receiver.next("STATUS")
    assert "P is not good" in event.text("Reason")
