"""A message has its effect once: by id while it is young, by age from then on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.groups.backend import Asker
from gateway.groups.memory import MessageMemory
from gateway.groups.messages import DispatchRequest, Quantity, Result, StatusRequest
from gateway.groups.service import GroupService
from gateway.groups.settle import Settler
from gateway.model.command import Priority

PEER = Asker("cim:dms", Priority.GROUP_FUNCTION, remote=True)
P = Quantity.ACTIVE_POWER


def dispatch(field, value=1e3):
    return DispatchRequest(address=field.address(), quantity=P, schedule=((0.0, value),))


def aged(field, seconds, make=dispatch):
    request = make(field)
    made_ms = field.clock.utc_ms() - round(1000 * seconds)
    return replace(request, address=replace(request.address, time_ms=made_ms))


def status(field):
    return StatusRequest(address=field.address())


@pytest.mark.parametrize("make", [dispatch, status])
@pytest.mark.parametrize(("age_s", "said"), [(300.001, "too old"), (-60.001, "from the future")])
async def test_a_request_outside_the_window_is_refused_whatever_it_asks(field, make, age_s, said):
    reply = await field.ask(aged(field, age_s, make), PEER)
    assert reply.result is Result.FAILED
    assert reply.errors[0].code == "6.1"
    assert said in reply.errors[0].reason
    assert field.sent == []


@pytest.mark.parametrize("age_s", [300, 0, -60])
async def test_inside_the_window_it_is_taken(field, age_s):
    assert (await field.ask(aged(field, age_s), PEER)).result is Result.OK


@pytest.mark.parametrize("ahead_s", [0, 30, 60])
async def test_a_recorded_request_never_has_its_effect_again(field, clock, ahead_s):
    """Replayed every ten seconds until long after the window, whatever the sender's clock."""
    recorded = aged(field, -ahead_s)
    await field.ask(recorded, PEER)
    sent = len(field.sent)
    for _ in range(60):
        clock.advance(10)
        field.start()
        await field.ask(recorded, PEER)
        await field.ask(dispatch(field, 2e3), PEER)  # makes the memory tidy up
        assert len([v for p, v in field.sent[sent:] if (p, v) == ("mg.req_p", 1e3)]) == 0


async def test_a_repetition_stamped_anew_cannot_be_replayed_either(field, clock):
    first = dispatch(field)
    await field.ask(first, PEER)
    clock.advance(200)
    field.start()
    again = replace(first, address=replace(first.address, time_ms=clock.utc_ms()))
    await field.ask(again, PEER)
    clock.advance(200)  # the first is too old by now and would be forgotten
    field.start()
    for _ in range(3):
        await field.ask(dispatch(field, 2e3), PEER)
    field.sent.clear()
    assert (await field.ask(again, PEER)).result is Result.OK
    assert field.sent == []


async def test_without_room_a_change_is_refused_and_nothing_is_forgotten(field, clock):
    memory = MessageMemory(window_s=300.0, max_changes=3)
    settler = Settler(field.store, clock, field.sleep)
    service = GroupService(field.groups, settler, field.forecaster, clock, memory)
    first = dispatch(field)
    for request in (first, dispatch(field), dispatch(field)):
        assert (await service.handle(request, PEER)).result is Result.OK
    refused = await service.handle(dispatch(field), PEER)
    assert "too many requests" in refused.errors[0].reason
    assert (await service.handle(status(field), PEER)).result is Result.OK
    other = Asker("cim:other", Priority.GROUP_FUNCTION, remote=True)
    assert (await service.handle(dispatch(field), other)).result is Result.OK
    field.sent.clear()
    await service.handle(first, PEER)
    assert field.sent == []
    clock.advance(301)
    field.start()
    assert (await service.handle(dispatch(field), PEER)).result is Result.OK


async def test_requests_made_in_this_process_have_no_age(field):
    assert (await field.ask(aged(field, 1e6))).result is Result.OK
