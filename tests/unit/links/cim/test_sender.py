"""Delivery of events: at least once, in order, for as long as it takes; time is virtual."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from gateway.groups.events import EventKind, GroupEvent
from gateway.groups.messages import Address, Result
from gateway.groups.replies import failed, reply
from gateway.links.cim.sender import LAST_PAUSE_S, MAX_QUEUED, EventSender
from gateway.model.errors import LinkError, RemoteProtocolError


def event(number: int, group: str = "mg") -> GroupEvent:
    return GroupEvent(
        message_id=f"e{number}",
        source="box",
        group_id=group,
        time_ms=number,
        kind=EventKind.STATUS,
        sequence=number,
    )


class Receiver:
    """Takes events, or fails as told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.faults: list[Exception | Result] = []
        self.pauses: list[float] = []
        self.sender = EventSender(self.send, random.Random(1), self.sleep)

    async def send(self, told: GroupEvent):
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        self.heard.append(told.message_id)
        address = Address(message_id=told.message_id, dms_id="b", group_id="mg", time_ms=0)
        if fault is Result.FAILED:
            return failed(address, 0, "never heard of it")
        return reply(address, 0, Result.OK)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def settle(self, turns: int = 200) -> None:
        running = asyncio.ensure_future(self.sender.run())
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def receiver():
    return Receiver()


async def test_events_arrive_in_their_order(receiver):
    for number in range(20):
        receiver.sender.put(event(number, f"g{number % 3}"))
    await receiver.settle()
    assert receiver.heard == [f"e{number}" for number in range(20)]
    assert (receiver.sender.state.delivered, receiver.sender.state.queued) == (20, 0)


async def test_a_receiver_that_is_away_gets_all_of_them_later_in_order(receiver):
    receiver.faults = [LinkError("away")] * 12
    for number in range(5):
        receiver.sender.put(event(number))
    await receiver.settle()
    assert receiver.heard == [f"e{number}" for number in range(5)]
    assert receiver.sender.state.retries == 12
    assert receiver.sender.state.fault == ""
    # pauses of at least half of 1, 2, 4, ... s, up to a minute
    assert all(p >= min(2**n, LAST_PAUSE_S) / 2 for n, p in enumerate(receiver.pauses))
    assert max(receiver.pauses) <= LAST_PAUSE_S


async def test_after_a_delivery_the_next_trouble_begins_with_a_short_pause(receiver):
    receiver.faults = [LinkError("away")] * 5 + [None, LinkError("again")]  # type: ignore[list-item]
    for number in range(2):
        receiver.sender.put(event(number))
    await receiver.settle()
    assert receiver.heard == ["e0", "e1"]
    assert receiver.pauses[-1] <= 1.0
    assert all(a < b for a, b in pairwise(receiver.pauses[:3:2]))


async def test_an_answer_that_is_none_is_no_delivery(receiver):
    receiver.faults = [RemoteProtocolError("nonsense")]
    receiver.sender.put(event(1))
    await receiver.settle()
    assert receiver.heard == ["e1"]
    assert receiver.sender.state.delivered == 1


async def test_a_refused_event_does_not_hold_up_the_others(receiver):
    receiver.faults = [Result.FAILED]
    for number in range(3):
        receiver.sender.put(event(number))
    await receiver.settle()
    assert receiver.heard == ["e0", "e1", "e2"]
    assert (receiver.sender.state.refused, receiver.sender.state.delivered) == (1, 2)


async def test_the_queue_is_bounded_and_what_is_dropped_is_counted(receiver):
    for number in range(MAX_QUEUED + 7):
        receiver.sender.put(event(number))
    assert receiver.sender.state.queued == MAX_QUEUED
    assert receiver.sender.state.dropped == 7
    await receiver.settle(turns=3 * MAX_QUEUED)
    assert receiver.heard[0] == "e7"  # the oldest went
    assert len(receiver.heard) == MAX_QUEUED


async def test_what_was_dropped_while_it_was_on_its_way_takes_no_other_with_it(receiver):
    gate = asyncio.Event()

    async def slow(told: GroupEvent):
        await gate.wait()
        return await Receiver.send(receiver, told)

    receiver.sender = EventSender(slow, random.Random(1), receiver.sleep)
    for number in range(MAX_QUEUED):
        receiver.sender.put(event(number))
    running = asyncio.ensure_future(receiver.sender.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    receiver.sender.put(event(MAX_QUEUED))  # e0 is on its way, and goes for want of room
    gate.set()
    for _ in range(3 * MAX_QUEUED):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert receiver.heard == [f"e{number}" for number in range(MAX_QUEUED + 1)]
