"""Operation sets: in order, each with its part; or as one, undone where one fails."""

from __future__ import annotations

import pytest

from gateway.groups.messages import (
    ChangeGroupRequest,
    ConnectRequest,
    CreateGroupRequest,
    DeleteGroupRequest,
    DispatchRequest,
    IslandAction,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    PriceRequest,
    Quantity,
    RampRateRequest,
    Result,
    StatusRequest,
    operation_set,
)
from gateway.site.groups import administer
from tests.unit.groups.test_administration import ADMIN

P, Q = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER


@pytest.fixture
def admin(field):
    field.site.data_folder.mkdir()
    administer(field.site, field.service, field.forecaster, field.store, field.router)
    return field


def dispatch(field, value, group="mg", quantity=P, seconds=0.0):
    return DispatchRequest(
        address=field.address(group), quantity=quantity, schedule=((seconds, value),)
    )


def limit(field, limit_w, group="mg"):
    return LimitRequest(address=field.address(group), limit_w=limit_w)


async def ask(field, *operations, transactional=False, asker=ADMIN):
    request = operation_set(field.address("any"), operations, transactional=transactional)
    return await field.ask(request, asker)


async def test_each_operation_has_its_part_in_order(field):
    status = StatusRequest(address=field.address("pv"), quantities=(P,))
    reply = await ask(field, dispatch(field, 100e3), dispatch(field, 1, "nowhere"), status)
    assert reply.result is Result.PARTIAL
    assert [part.result for part in reply.parts] == [Result.OK, Result.FAILED, Result.OK]
    assert [part.group_id for part in reply.parts] == ["mg", "nowhere", "pv"]
    assert [part.correlation_id for part in reply.parts] == [
        f"{reply.correlation_id}:{number}" for number in (1, 2, 3)
    ]
    assert reply.parts[2].present[0].value == 250e3
    assert field.sent_to("mg")["req_p"] == 100e3


@pytest.mark.parametrize(("groups", "result"), [(("mg", "mg"), "OK"), (("x", "y"), "FAILED")])
async def test_a_set_is_ok_where_all_are_and_failed_where_none_is(field, groups, result):
    reply = await ask(field, *(dispatch(field, 1e3, group) for group in groups))
    assert reply.result.value == result


async def test_delivered_twice_it_has_its_effect_once(field):
    request = operation_set(field.address("any"), [dispatch(field, 100e3)])
    first = await field.ask(request)
    assert await field.ask(request) == first
    assert [value for point, value in field.sent if point == "mg.req_p"] == [100e3]


async def test_as_one_nothing_is_done_where_one_could_not_be(field):
    reply = await ask(field, dispatch(field, 100e3), limit(field, 1, "nowhere"), transactional=True)
    assert reply.result is Result.FAILED
    assert "nothing was done: operation 2: no group 'nowhere'" in reply.errors[0].reason
    assert reply.parts == ()
    assert field.sent == []


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda f: dispatch(f, 900e3), "330000 can be held"),
        (
            lambda f: RampRateRequest(address=f.address(), up_w_per_s=1.0, down_w_per_s=1.0),
            "has no ramp_up",
        ),
        (
            lambda f: IslandRequest(address=f.address(), action=IslandAction.PLANNED),
            "cannot be undone",
        ),
    ],
)
async def test_as_one_is_judged_by_what_members_can_do(field, make, said):
    reply = await ask(field, limit(field, 200e3), make(field), transactional=True)
    assert said in reply.errors[0].reason
    assert field.sent == []


async def test_as_one_while_islanded_does_nothing(field):
    field.show("mg.poi_closed", 0.0)
    reply = await ask(field, limit(field, 10e3, "pv"), limit(field, 10e3, "mg"), transactional=True)
    assert "islanded" in reply.errors[0].reason
    assert field.sent == []


async def test_what_was_done_is_undone_the_last_first_when_one_fails(field):
    field.dead.add("pv2")
    reply = await ask(
        field,
        limit(field, 200e3),
        dispatch(field, 100e3),
        limit(field, 100e3, "pv"),
        PriceRequest(address=field.address("wide"), currency="EUR", schedule=((0, 0.3),)),
        transactional=True,
    )
    assert reply.result is Result.FAILED
    assert len(reply.parts) == 3  # the fourth was never begun
    said = [error.reason for error in reply.errors]
    assert said[0].startswith("operation 3: pv2")
    undone = [f"operation {number} was undone" for number in (2, 1)]
    assert said[-2:] == undone
    assert field.sent_to("mg")["req_p_active"] == 0.0
    assert field.sent_to("mg")["req_limit_active"] == 0.0
    assert field.sent_to("pv1")["p_limit_ena"] == 0.0
    assert field.sent_to("wide") == {}
    held = {p.spec.id: field.router.holder(p.spec.id) for p in field.site.points}
    assert not [p for p, claim in held.items() if claim and claim.origin == ADMIN.name]


async def test_what_held_before_holds_again(field):
    await field.ask(dispatch(field, 100e3), ADMIN)
    await field.ask(PowerFactorRequest(address=field.address(), power_factor=0.95), ADMIN)
    field.dead.add("pv1")
    field.dead.add("pv2")
    reply = await ask(
        field,
        dispatch(field, 200e3),
        dispatch(field, 40e3, quantity=Q),
        limit(field, 100e3, "pv"),
        transactional=True,
    )
    assert reply.result is Result.FAILED
    mg = field.sent_to("mg")
    assert (mg["req_p"], mg["req_p_active"]) == (100e3, 1.0)
    assert (mg["req_pf"], mg["req_pf_active"], mg["req_q_active"]) == (0.95, 1.0, 0.0)
    assert field.router.holder("mg.req_p").value == 100e3


async def test_what_held_before_ends_when_it_would_have_ended(field, clock):
    await field.ask(dispatch(field, 100e3, seconds=60.0), ADMIN)
    end_ms = clock.utc_ms() + 60_000
    clock.advance(20)
    field.start()
    field.dead |= {"pv1", "pv2"}
    await ask(field, dispatch(field, 200e3), limit(field, 1e5, "pv"), transactional=True)
    assert field.router.holder("mg.req_p").expires_ms == end_ms
    assert field.router.holder("mg.req_p").value == 100e3


async def test_a_schedule_that_was_replaced_comes_back(field, clock):
    schedule = ((60.0, 100e3), (0.0, 150e3))
    old = DispatchRequest(address=field.address(), quantity=P, schedule=schedule)
    await field.ask(old, ADMIN)
    field.dead |= {"pv1", "pv2"}
    await ask(field, dispatch(field, 20e3), limit(field, 1e5, "pv"), transactional=True)
    clock.advance(60)
    field.start()
    await field.service.tick()
    assert field.sent_to("mg")["req_p"] == 150e3


async def test_a_disconnection_is_undone_by_connecting(field):
    field.dead |= {"mg"}
    disconnect = ConnectRequest(address=field.address("pv"), connect=False)
    reply = await ask(field, disconnect, limit(field, 1e5), transactional=True)
    assert reply.result is Result.FAILED
    assert [v for p, v in field.sent if p == "pv1.service_ena"] == [0.0, 1.0]


async def test_an_operation_that_cannot_be_undone_is_said_to_stand(field):
    await field.ask(limit(field, 300e3), ADMIN)
    original = field.operate

    async def operate(command):
        result = await original(command)
        if command.point == "mg.req_p_active":
            field.dead |= {"mg", "pv1", "pv2"}
        return result

    field.operate = operate
    reply = await ask(field, dispatch(field, 9e3), limit(field, 1e5, "pv"), transactional=True)
    assert "operation 1 could not be undone" in reply.errors[-1].reason


async def test_groups_are_made_and_used_and_taken_back_together(admin):
    create = CreateGroupRequest(address=admin.address("roofs"), members=("pv1", "pv2"))
    good = await ask(admin, create, dispatch(admin, 11e3, "roofs", Q), transactional=True)
    assert good.result is Result.OK
    assert [part.result for part in good.parts] == [Result.OK, Result.OK]
    again = CreateGroupRequest(address=admin.address("west"), members=("pv1",))
    admin.dead |= {"mg"}
    bad = await ask(admin, again, limit(admin, 1e3), transactional=True)
    assert bad.result is Result.FAILED
    assert "operation 1 was undone" in bad.errors[-1].reason
    assert "west" not in admin.service.groups
    created = await admin.ask(
        CreateGroupRequest(address=admin.address("west"), members=("pv1",)), ADMIN
    )
    assert created.groups[0].version == 2  # version 1 was seen and is not used again


async def test_a_change_taken_back_counts_on(admin):
    create = CreateGroupRequest(address=admin.address("roofs"), members=("pv1", "pv2"))
    await admin.ask(create, ADMIN)
    admin.dead |= {"mg"}
    change = ChangeGroupRequest(address=admin.address("roofs"), version=1, remove=("pv1",))
    await ask(admin, change, limit(admin, 1e3), transactional=True)
    present = admin.service.administrator.made.groups["roofs"]
    assert (present.version, present.members) == (3, ("pv1", "pv2"))


async def test_several_administrations_follow_each_other_in_one_judgement(admin):
    roofs = CreateGroupRequest(address=admin.address("roofs"), members=("pv1",))
    change = ChangeGroupRequest(address=admin.address("roofs"), version=1, add=("pv2",))
    delete = DeleteGroupRequest(address=admin.address("roofs"), version=2)
    reply = await ask(admin, roofs, change, delete, transactional=True)
    assert reply.result is Result.OK, reply
    stale = DeleteGroupRequest(address=admin.address("roofs"), version=1)
    reply = await ask(admin, roofs, stale, transactional=True)
    assert "operation 2" in reply.errors[0].reason
    assert "roofs" not in admin.service.groups
