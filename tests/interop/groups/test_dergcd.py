"""DERGCD: connecting and disconnecting a group (1a-d). Numbers as in test_dergs."""

from __future__ import annotations

import pytest

from tests.interop.groups.documents import node, payload

pytestmark = pytest.mark.interop


def connection(group: str, *, connect: bool):
    return payload("Connection", group, node("Connect", "true" if connect else "false"))


async def test_1a_disconnect(box):
    await box.ask(connection("plant", connect=True))
    reply = await box.ask(connection("plant", connect=False))
    assert reply.result == "OK"
    assert (box.output("d1.service"), box.output("d2.service")) == (0.0, 0.0)


async def test_1b_connect(box):
    reply = await box.ask(connection("plant", connect=True))
    assert reply.result == "OK"
    assert (box.output("d1.service"), box.output("d2.service")) == (1.0, 1.0)
    assert box.output("d3.service") == 0.0  # no member


async def test_1c_with_a_member_lost_it_is_partial(box):
    box.lost.add("d2")
    box.show()
    reply = await box.ask(connection("plant", connect=True))
    assert reply.result == "PARTIAL"
    assert "d2" in reply.reasons
    held = reply.find("Payload/GroupReport/Held")
    assert (held.get("membersOk"), held.get("members")) == ("1", "2")


async def test_1d_of_a_group_that_is_not_there(box):
    reply = await box.ask(connection("nowhere", connect=True))
    assert reply.result == "FAILED"
    assert reply.codes == {"6.1"}
