"""Groups made, changed and removed by message; what is kept, and what is refused."""

from __future__ import annotations

import json

import pytest

from gateway.groups.backend import Asker
from gateway.groups.messages import (
    ANY_GROUP,
    CapabilityRequest,
    ChangeGroupRequest,
    CreateGroupRequest,
    DeleteGroupRequest,
    DispatchRequest,
    ForecastRequest,
    Quantity,
    QueryGroupsRequest,
    Result,
    StatedCapability,
    SynchroniseGroupRequest,
)
from gateway.model.command import Priority
from gateway.model.der import Range
from gateway.model.errors import ConfigError
from gateway.site.groups import administer, group_registry

P, Q = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER
ADMIN = Asker("cim:admin", Priority.GROUP_FUNCTION, administrator=True)


@pytest.fixture
def admin(field):
    field.site.data_folder.mkdir()
    administer(field.site, field.service, field.forecaster, field.store, field.router)
    return field


def create(field, name="roofs", members=("pv1", "pv2"), **more):
    return CreateGroupRequest(address=field.address(name), members=members, **more)


async def made(field, **more):
    reply = await field.ask(create(field, **more), ADMIN)
    assert reply.result is Result.OK, reply
    return reply.groups[0]


async def refused(field, request, asker=ADMIN) -> str:
    reply = await field.ask(request, asker)
    assert reply.result is Result.FAILED
    assert reply.errors[0].code == "6.1"
    return reply.errors[0].reason


async def test_a_made_group_answers_every_function(admin):
    definition = await made(admin)
    assert (definition.version, definition.members) == (1, ("pv1", "pv2"))
    reply = await admin.ask(CapabilityRequest(address=admin.address("roofs")))
    assert {entry.quantity: entry.nameplate for entry in reply.ranges}[P] == Range(0, 500e3)
    for _ in range(60):
        admin.forecaster.sample()
    reply = await admin.ask(ForecastRequest(address=admin.address("roofs")))
    assert reply.result is Result.OK
    dispatch = DispatchRequest(address=admin.address("roofs"), quantity=Q, schedule=((0, 11e3),))
    assert (await admin.ask(dispatch)).result is Result.OK


async def test_only_an_administrator_may(admin):
    assert "no administrator" in await refused(admin, create(admin), Asker("x", ADMIN.priority))
    assert "roofs" not in admin.service.groups
    reply = await admin.ask(QueryGroupsRequest(address=admin.address(ANY_GROUP)))
    assert reply.result is Result.OK  # asking is everybody's


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (("pv1", "pv1"), "named twice"),
        (("pv1", "nobody"), "nobody: no device of this site"),
        ((), "needs a member"),
    ],
)
async def test_members_are_devices_of_the_site(admin, members, said):
    assert said in await refused(admin, create(admin, members=members))


async def test_a_device_without_the_roles_cannot_be_a_member(admin):
    registry = group_registry(admin.site)
    assert registry._candidates["pv1"] == ""
    registry._candidates["pv1"] = "its profile has no s_rated"
    admin.service.administer(registry, lambda definition: None)
    assert "pv1: its profile has no s_rated" in await refused(admin, create(admin))


async def test_configured_groups_are_read_only(admin):
    for request in (
        create(admin, "mg"),
        ChangeGroupRequest(address=admin.address("mg"), version=1, add=("pv1",)),
        DeleteGroupRequest(address=admin.address("mg"), version=1),
    ):
        assert "read-only" in await refused(admin, request)


async def test_a_group_cannot_be_made_twice_nor_have_the_name_of_all(admin):
    await made(admin)
    assert "there already" in await refused(admin, create(admin))
    assert "cannot name" in await refused(admin, create(admin, ANY_GROUP))


async def test_a_change_of_members_counts_the_version_and_is_seen_at_once(admin):
    await made(admin)
    change = ChangeGroupRequest(
        address=admin.address("roofs"), version=1, add=("wide",), remove=("pv1",)
    )
    reply = await admin.ask(change, ADMIN)
    assert reply.groups[0].version == 2
    assert reply.groups[0].members == ("pv2", "wide")
    reply = await admin.ask(CapabilityRequest(address=admin.address("roofs")))
    assert {entry.quantity: entry.nameplate for entry in reply.ranges}[P] == Range(0, 150e3)


@pytest.mark.parametrize(
    ("delta", "said"),
    [
        ({"add": ("pv1",)}, "a member already"),
        ({"remove": ("wide",)}, "no member"),
        ({"add": ("wide",), "remove": ("wide",)}, "added and removed"),
        ({"remove": ("pv1", "pv2")}, "needs a member"),
        ({"add": ("nobody",)}, "no device"),
        ({"add": ("wide",), "members": ("pv1",)}, "not both"),
        ({"members": ("pv1", "pv1")}, "named twice"),
    ],
)
async def test_a_change_that_makes_no_sense_changes_nothing(admin, delta, said):
    before = await made(admin)
    change = ChangeGroupRequest(address=admin.address("roofs"), version=1, **delta)
    assert said in await refused(admin, change)
    reply = await admin.ask(SynchroniseGroupRequest(address=admin.address("roofs"), version=1))
    assert reply.groups == (before,)


async def test_a_stated_capability_bounds_what_is_offered_and_what_is_held(admin):
    await made(admin, capability=StatedCapability(reactive_power_var=Range(-50e3, 20e3)))
    reply = await admin.ask(CapabilityRequest(address=admin.address("roofs")))
    ranges = {entry.quantity: entry for entry in reply.ranges}
    assert ranges[Q].nameplate == Range(-50e3, 20e3)
    assert ranges[Q].now == Range(-50e3, 20e3)
    dispatch = DispatchRequest(address=admin.address("roofs"), quantity=Q, schedule=((0, 100e3),))
    reply = await admin.ask(dispatch)
    assert reply.result is Result.PARTIAL
    assert (reply.held[0].requested, reply.held[0].held) == (100e3, pytest.approx(20e3))
    lifted = ChangeGroupRequest(
        address=admin.address("roofs"), version=1, capability=StatedCapability()
    )
    assert (await admin.ask(lifted, ADMIN)).groups[0].version == 2
    reply = await admin.ask(CapabilityRequest(address=admin.address("roofs")))
    assert {entry.quantity: entry.nameplate for entry in reply.ranges}[Q] == Range(-220e3, 220e3)


@pytest.mark.parametrize("version", [0, 2])
async def test_a_stale_version_is_refused_and_synchronisation_tells_the_present_one(admin, version):
    definition = await made(admin)
    address = admin.address("roofs")
    stale = ChangeGroupRequest(address=address, version=version, remove=("pv1",))
    assert "synchronise" in await refused(admin, stale)
    address = admin.address("roofs")
    assert "stale" in await refused(admin, DeleteGroupRequest(address=address, version=version))
    reply = await admin.ask(
        SynchroniseGroupRequest(address=admin.address("roofs"), version=version)
    )
    assert reply.groups == (definition,)
    assert f"1 here, {version} there" in reply.errors[0].reason


async def test_members_stay_while_set_points_are_held(admin, clock):
    await made(admin)
    schedule = ((60.0, 10e3),)
    dispatch = DispatchRequest(address=admin.address("roofs"), quantity=Q, schedule=schedule)
    await admin.ask(dispatch)
    for request in (
        DeleteGroupRequest(address=admin.address("roofs"), version=1),
        ChangeGroupRequest(address=admin.address("roofs"), version=1, remove=("pv1",)),
    ):
        assert "reactive by dms" in await refused(admin, request)
    clock.advance(61)
    later = DispatchRequest(
        address=admin.address("roofs"),
        quantity=Q,
        schedule=((60, 1e3),),
        start_ms=clock.utc_ms() + 60_000,
    )
    await admin.ask(later)
    deletion = DeleteGroupRequest(address=admin.address("roofs"), version=1)
    assert "held" in await refused(admin, deletion)
    ended = DispatchRequest(address=admin.address("roofs"), quantity=Q, schedule=())
    await admin.ask(ended)
    deletion = DeleteGroupRequest(address=admin.address("roofs"), version=1)
    assert (await admin.ask(deletion, ADMIN)).result is Result.OK
    assert "no group" in await refused(admin, CapabilityRequest(address=admin.address("roofs")))


async def test_a_group_made_again_counts_on(admin):
    await made(admin)
    await admin.ask(DeleteGroupRequest(address=admin.address("roofs"), version=1), ADMIN)
    assert (await made(admin)).version == 2


async def test_query_of_one_of_all_and_by_member(admin):
    await made(admin)
    reply = await admin.ask(QueryGroupsRequest(address=admin.address("roofs")))
    assert [d.group_id for d in reply.groups] == ["roofs"]
    reply = await admin.ask(QueryGroupsRequest(address=admin.address(ANY_GROUP)))
    assert [d.group_id for d in reply.groups] == ["mg", "pv", "wide", "mixed", "roofs"]
    assert [d.configured for d in reply.groups] == [True, True, True, True, False]
    reply = await admin.ask(QueryGroupsRequest(address=admin.address(ANY_GROUP), member="pv2"))
    assert [d.group_id for d in reply.groups] == ["pv", "mixed", "roofs"]
    nobody = QueryGroupsRequest(address=admin.address(ANY_GROUP), member="nobody")
    assert "no group has the member" in await refused(admin, nobody)
    assert "no group" in await refused(admin, QueryGroupsRequest(address=admin.address("nowhere")))


async def test_groups_are_there_again_after_a_restart(admin):
    first = await made(
        admin, capability=StatedCapability(power_w=Range(-1.0, 2.5)), description="Dächer"
    )
    await made(admin, name="gone")
    await admin.ask(DeleteGroupRequest(address=admin.address("gone"), version=1), ADMIN)
    registry = group_registry(admin.site)
    assert registry.made.groups == {"roofs": first}
    assert registry.made.retired == {"gone": 1}


async def test_what_cannot_be_kept_does_not_happen(admin):
    await made(admin)
    path = admin.site.data_folder / "groups.json"
    before = path.read_bytes()
    path.with_suffix(".tmp").mkdir()  # the draft cannot be written
    change = ChangeGroupRequest(address=admin.address("roofs"), version=1, remove=("pv1",))
    assert "cannot be kept" in await refused(admin, change)
    assert path.read_bytes() == before
    reply = await admin.ask(QueryGroupsRequest(address=admin.address("roofs")))
    assert reply.groups[0].version == 1
    assert list(admin.service.groups["roofs"].views) == ["pv1", "pv2"]


GOOD = {"id": "roofs", "version": 1, "members": ["pv1"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", ":1:2: not JSON"),
        ("[]", "valid dictionary"),
        (json.dumps({"format": 2, "groups": [], "retired": {}}), "format"),
        (json.dumps({"format": 1, "groups": [GOOD | {"version": 0}], "retired": {}}), "version"),
        (json.dumps({"format": 1, "groups": [GOOD | {"more": 0}], "retired": {}}), "more"),
        (json.dumps({"format": 1, "groups": [GOOD, GOOD], "retired": {}}), "twice"),
        (
            json.dumps({"format": 1, "groups": [GOOD | {"members": ["x"]}], "retired": {}}),
            "member 'x' of 'roofs': no device",
        ),
        (json.dumps({"format": 1, "groups": [GOOD | {"id": "mg"}], "retired": {}}), "the name of"),
        (
            json.dumps({"format": 1, "groups": [GOOD | {"power_w": [2, 1]}], "retired": {}}),
            "minimum above",
        ),
    ],
)
def test_a_damaged_file_is_refused_with_what_to_do_and_left_alone(field, content, said):
    field.site.data_folder.mkdir()
    path = field.site.data_folder / "groups.json"
    path.write_text(content)
    with pytest.raises(ConfigError) as error:
        group_registry(field.site)
    assert said in str(error.value)
    assert "What to do:" in str(error.value)
    assert path.read_text() == content


async def test_a_box_without_administration_says_so(field):
    assert "not administered" in await refused(field, create(field))
