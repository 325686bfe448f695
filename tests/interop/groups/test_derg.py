"""DERG: groups made (1a-e), changed (2a-b), several at once (3), removed (4), asked for (5a-c),
and told of (events 6-9). Numbers as in test_dergs.
"""

from __future__ import annotations

import pytest

from tests.interop.groups.conftest import free_port, running, site_folder
from tests.interop.groups.documents import node, payload

pytestmark = pytest.mark.interop


def create(group: str, *members: str, **capability: tuple[float, float]):
    bounds = [
        node(
            "Capability",
            [
                node("Minimum", f"{low:g}", unit="W" if quantity == "P" else "var"),
                node("Maximum", f"{high:g}", unit="W" if quantity == "P" else "var"),
            ],
            quantity=quantity,
        )
        for quantity, (low, high) in capability.items()
    ]
    return payload("GroupCreation", group, *(node("Member", m) for m in members), *bounds)


def change(group: str, version: int, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()):
    parts = [
        node(name, [node("Member", member) for member in members])
        for name, members in (("Add", add), ("Remove", remove))
        if members
    ]
    return payload("GroupChange", group, node("Version", str(version)), *parts)


def delete(group: str, version: int):
    return payload("GroupDeletion", group, node("Version", str(version)))


def query(group: str | None = None, member: str = ""):
    return payload("GroupQuery", group, *([node("Member", member)] if member else []))


def operations(*bodies, transactional: bool):
    return payload(
        "OperationSet",
        None,
        node("Transactional", "true" if transactional else "false"),
        *(node("Operation", [body]) for body in bodies),
    )


async def test_1a_create_a_group_of_one(box):
    reply = await box.ask(create("g1", "d1"), "admin")
    assert reply.result == "OK"
    assert reply.groups == {"g1": (1, ["d1"])}


async def test_1b_create_a_group_of_several_and_use_it(box):
    await box.ask(create("g1", "d3", "d4"), "admin")
    status = payload("StatusQuery", "g1", node("Timing", "LATEST"), node("Quantity", "P"))
    reply = await box.ask(status)
    assert reply.value("P") == (80e3, True)


async def test_1c_create_a_group_with_a_stated_capability(box):
    await box.ask(create("g1", "d3", "d4", Q=(-10e3, 20e3)), "admin")
    reply = await box.ask(payload("CapabilityQuery", "g1"))
    found = {entry.get("quantity"): entry for entry in reply.all("Payload/GroupReport/Capability")}
    assert found["Q"][1][1].text == "20000"


async def test_1d_create_one_that_is_there_or_of_what_is_not(box):
    await box.ask(create("g1", "d1"), "admin")
    for body, said in (
        (create("g1", "d2"), "there already"),
        (create("plant", "d1"), "read-only"),
        (create("g2", "d9"), "no device of this site"),
    ):
        reply = await box.ask(body, "admin")
        assert reply.result == "FAILED"
        assert reply.codes == {"6.1"}
        assert said in reply.reasons


async def test_1e_create_without_the_right_to(box):
    for name in ("dms", "operator"):
        reply = await box.ask(create("g1", "d1"), name)
        assert reply.result == "FAILED"
        assert "no administrator" in reply.reasons
    assert "g1" not in (await box.ask(query())).groups


async def test_2a_change_members(box):
    await box.ask(create("g1", "d1"), "admin")
    reply = await box.ask(change("g1", 1, add=("d3", "d4"), remove=("d1",)), "admin")
    assert reply.groups == {"g1": (2, ["d3", "d4"])}
    stale = await box.ask(change("g1", 1, add=("d1",)), "admin")
    assert stale.result == "FAILED"
    sync = payload("GroupSynchronisation", "g1", node("Version", "1"))
    assert (await box.ask(sync)).groups == {"g1": (2, ["d3", "d4"])}


async def test_2b_change_capability(box):
    await box.ask(create("g1", "d1"), "admin")
    stated = node(
        "StatedCapability",
        [
            node(
                "Capability",
                [node("Minimum", "0", unit="W"), node("Maximum", "25", unit="W", multiplier="k")],
                quantity="P",
            )
        ],
    )
    reply = await box.ask(payload("GroupChange", "g1", node("Version", "1"), stated), "admin")
    assert reply.groups["g1"][0] == 2
    dispatch = payload(
        "RealPowerDispatch",
        "g1",
        node("Schedule", [node("Interval", [node("Value", "40")])], unit="W", multiplier="k"),
    )
    reply = await box.ask(dispatch)
    assert reply.result == "PARTIAL"
    assert reply.held() == (40e3, 25e3)


async def test_3_operation_set_in_order(box):
    body = operations(
        create("g1", "d1"), change("g1", 1, add=("d2",)), delete("g2", 1), transactional=False
    )
    reply = await box.ask(body, "admin")
    assert reply.result == "PARTIAL"
    parts = [
        part.find("{*}Reply/{*}Result").text
        for part in reply.all("Payload/GroupReport/OperationReply")
    ]
    assert parts == ["OK", "OK", "FAILED"]
    assert (await box.ask(query("g1"))).groups == {"g1": (2, ["d1", "d2"])}


async def test_3_operation_set_all_or_nothing(box):
    body = operations(create("g1", "d1"), delete("g2", 1), transactional=True)
    reply = await box.ask(body, "admin")
    assert reply.result == "FAILED"
    assert "nothing was done: operation 2" in reply.reasons
    assert "g1" not in (await box.ask(query())).groups


async def test_4_delete(box):
    await box.ask(create("g1", "d1"), "admin")
    assert (await box.ask(delete("g1", 2), "admin")).result == "FAILED"
    assert (await box.ask(delete("g1", 1), "admin")).result == "OK"
    reply = await box.ask(query("g1"))
    assert "no group 'g1'" in reply.reasons


async def test_5a_query_one(box):
    reply = await box.ask(query("plant"))
    assert reply.groups == {"plant": (1, ["d1", "d2"])}
    assert reply.find("Payload/GroupReport/Group").get("configured") == "true"


async def test_5b_query_all(box):
    await box.ask(create("g1", "d3"), "admin")
    assert list((await box.ask(query())).groups) == ["plant", "g1"]


async def test_5c_query_by_member(box):
    await box.ask(create("g1", "d2", "d3"), "admin")
    assert list((await box.ask(query(member="d3"))).groups) == ["g1"]
    assert list((await box.ask(query(member="d2"))).groups) == ["plant", "g1"]
    assert (await box.ask(query(member="d4"))).result == "FAILED"


async def test_groups_are_there_after_a_restart(tmp_path, judge):
    port = free_port()
    folder = site_folder(tmp_path, port)
    async with running(folder, port, judge) as first:
        await first.ask(create("g1", "d3"), "admin")
    async with running(folder, port, judge) as second:
        assert (await second.ask(query("g1"))).groups == {"g1": (1, ["d3"])}


async def test_event_6_a_group_was_made(told):
    box, receiver = told
    await box.ask(create("g1", "d3"), "admin")
    event = await receiver.next("GROUP")
    assert event.text("GroupId") == "g1"
    assert event.find("Group").get("version") == "1"


async def test_event_7_members_were_changed(told):
    box, receiver = told
    await box.ask(create("g1", "d3"), "admin")
    await box.ask(change("g1", 1, add=("d4",)), "admin")
    await receiver.next("GROUP")
    event = await receiver.next("GROUP")
    assert [member.text for member in event.all("Group/Member")] == ["d3", "d4"]


async def test_event_8_the_capability_of_a_group_changed(told):
    import asyncio

    box, receiver = told
    await asyncio.sleep(1.5)
    box.shown["d1"]["p_rtg"] = 30e3
    event = await receiver.next("STATUS")
    assert "capability of P" in event.text("Reason")


async def test_event_9_a_group_was_removed(told):
    box, receiver = told
    await box.ask(create("g1", "d3"), "admin")
    await box.ask(delete("g1", 1), "admin")
    await receiver.next("GROUP")
    event = await receiver.next("GROUP")
    assert event.find("Group") is None
    assert event.text("Reason") == "removed"
