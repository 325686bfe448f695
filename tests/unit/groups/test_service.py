"""Group functions end to end: what is asked, what reaches the points, what the reply says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.groups.backend import Asker
from gateway.groups.messages import (
    CapabilityRequest,
    ConnectRequest,
    CurveRequest,
    Direction,
    DispatchRequest,
    ForecastRequest,
    IslandAction,
    IslandRequest,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    Result,
    StatusRequest,
    Timing,
    Validity,
)
from gateway.model.command import Command, Priority
from gateway.model.der import Excitation, Range

P, Q, S = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER, Quantity.APPARENT_POWER


def dispatch(field, value, group="mg", quantity=P, seconds=0.0, **more):
    return DispatchRequest(
        address=field.address(group), quantity=quantity, schedule=((seconds, value),), **more
    )


async def test_status_has_each_quantity_asked_for_with_its_ids(field):
    request = StatusRequest(address=field.address(), quantities=(P, Q, S))
    reply = await field.ask(request)
    assert reply.result is Result.OK
    assert (reply.dms_id, reply.group_id) == ("dms", "mg")
    assert reply.correlation_id == request.address.message_id
    values = {entry.quantity: entry.value for entry in reply.present}
    assert values[P] == 120e3
    assert values[Q] == -40e3
    assert values[S] == pytest.approx((120e3**2 + 40e3**2) ** 0.5)
    ranges = {entry.quantity: entry for entry in reply.ranges}
    assert ranges[P].now == Range(-200e3, 330e3)
    assert ranges[P].nameplate == Range(-320e3, 330e3)


async def test_members_status_is_their_sum(field):
    reply = await field.ask(StatusRequest(address=field.address("pv"), quantities=(P,)))
    assert reply.present[0].value == 250e3
    assert reply.present[0].good


async def test_status_with_a_lost_member_is_partial_and_never_good(field):
    field.lose("pv2")
    reply = await field.ask(StatusRequest(address=field.address("pv"), quantities=(P,)))
    assert not reply.present[0].good
    assert reply.result is Result.FAILED
    assert reply.errors[0].code == "6.1"


async def test_a_refreshed_status_waits_for_new_readings_and_says_when_none_came(field):
    request = StatusRequest(address=field.address(), quantities=(P,), timing=Timing.REFRESHED)
    before_s = field.clock.monotonic_s()
    reply = await field.ask(request)
    assert 5.0 <= field.clock.monotonic_s() - before_s < 6.0
    assert reply.result is not Result.OK
    assert any("not read anew" in error.reason for error in reply.errors)


async def test_capability_of_pv_now_is_what_the_sun_gives(field):
    reply = await field.ask(CapabilityRequest(address=field.address("pv")))
    ranges = {entry.quantity: entry for entry in reply.ranges}
    assert ranges[P].now == Range(0, 250e3)
    assert ranges[P].nameplate == Range(0, 500e3)


async def test_a_dispatch_writes_value_then_enable_and_says_what_is_held(field):
    reply = await field.ask(dispatch(field, 200e3))
    assert field.sent == [("mg.req_p", 200e3), ("mg.req_p_active", 1.0)]
    assert reply.result is Result.OK
    assert reply.held[0].held == 200e3


async def test_a_clipped_dispatch_is_partial_with_the_value_held(field):
    reply = await field.ask(dispatch(field, 400e3))
    assert field.sent_to("mg")["req_p"] == 330e3
    assert reply.result is Result.PARTIAL
    assert (reply.held[0].requested, reply.held[0].held) == (400e3, 330e3)


async def test_what_the_controller_really_holds_decides_the_reply(field):
    field.follows.pop("mg.req_p")
    field.show("mg.held_p", 150e3)
    reply = await field.ask(dispatch(field, 200e3))
    assert reply.result is Result.PARTIAL
    assert reply.held[0].held == 150e3


async def test_members_share_by_capability_and_presets_go_first(field):
    reply = await field.ask(dispatch(field, 110e3, "pv", Q))
    assert reply.result is Result.OK
    assert field.sent_to("pv1")["q_set"] == pytest.approx(88e3)
    assert field.sent_to("pv2")["q_set"] == pytest.approx(22e3)
    own = [point for point, _ in field.sent if point.startswith("pv1.")]
    assert own == ["pv1.q_set_mod", "pv1.q_set", "pv1.q_set_ena"]


async def test_a_lost_member_makes_it_partial_and_the_others_carry_it(field):
    field.lose("pv2")
    reply = await field.ask(dispatch(field, 50e3, "pv", Q))
    assert reply.result is Result.PARTIAL
    assert field.sent_to("pv1")["q_set"] == pytest.approx(50e3)
    assert field.sent_to("pv2") == {}
    assert (reply.held[0].members_ok, reply.held[0].members) == (1, 2)


async def test_with_no_member_online_it_fails_and_nothing_is_sent(field):
    field.lose("pv1")
    field.lose("pv2")
    reply = await field.ask(dispatch(field, 50e3, "pv", Q))
    assert reply.result is Result.FAILED
    assert field.sent == []


async def test_no_enable_follows_a_set_point_that_did_not_arrive(field):
    field.dead.add("mg")
    reply = await field.ask(dispatch(field, 100e3))
    assert reply.result is Result.FAILED
    assert field.sent == []


@pytest.mark.parametrize(("direction", "value"), [("EXPORT", 50e3), ("IMPORT", -50e3)])
async def test_a_limit_goes_signed_to_the_controller(field, direction, value):
    request = LimitRequest(address=field.address(), limit_w=50e3, direction=Direction(direction))
    reply = await field.ask(request)
    assert field.sent == [("mg.req_limit", value), ("mg.req_limit_active", 1.0)]
    assert reply.result is Result.OK
    assert reply.held[0].held == 50e3


async def test_a_limit_on_members_is_a_percentage_of_each_rating(field):
    await field.ask(LimitRequest(address=field.address("pv"), limit_w=250e3))
    assert field.sent_to("pv1") == {"p_limit_pct": 50.0, "p_limit_ena": 1.0}
    assert field.sent_to("pv2") == {"p_limit_pct": 50.0, "p_limit_ena": 1.0}


async def test_a_percentage_is_of_the_devices_own_setting_where_it_is_lower(field):
    field.show("pv1.p_max", 200e3)  # 702.WMax, half of the rating
    await field.ask(LimitRequest(address=field.address("pv"), limit_w=125e3))
    # 25 % of each rating: 100 kW and 25 kW
    assert field.sent_to("pv1")["p_limit_pct"] == 50.0
    assert field.sent_to("pv2")["p_limit_pct"] == 25.0


async def test_lifting_a_limit_switches_it_off_and_frees_the_point(field):
    await field.ask(LimitRequest(address=field.address(), limit_w=50e3))
    reply = await field.ask(LimitRequest(address=field.address(), limit_w=None))
    assert reply.result is Result.OK
    assert field.sent[-1] == ("mg.req_limit_active", 0.0)
    low = Command("mg.req_limit", 1e3, "other", Priority.DEFAULT)
    assert (await field.router.submit(low)).ok


async def test_a_duration_ends_by_itself_with_the_enable_off(field, clock):
    validity = Validity(duration_s=60)
    await field.ask(LimitRequest(address=field.address(), limit_w=50e3, validity=validity))
    clock.advance(59)
    field.start()
    await field.router.expire()
    assert field.sent[-1] == ("mg.req_limit_active", 1.0)
    clock.advance(2)
    field.start()
    await field.router.expire()
    assert field.sent[-1] == ("mg.req_limit_active", 0.0)


async def test_a_schedule_is_sent_step_by_step(field, clock):
    request = DispatchRequest(
        address=field.address(), quantity=P, schedule=((60, 100e3), (60, 150e3), (0, 50e3))
    )
    await field.ask(request)
    assert field.sent_to("mg")["req_p"] == 100e3
    for expected in (150e3, 50e3):
        clock.advance(60)
        field.start()
        await field.service.tick()
        assert field.sent_to("mg")["req_p"] == expected


async def test_a_new_dispatch_replaces_the_rest_of_a_schedule(field, clock):
    schedule = ((60, 100e3), (0, 150e3))
    await field.ask(DispatchRequest(address=field.address(), quantity=P, schedule=schedule))
    await field.ask(dispatch(field, 20e3))
    clock.advance(61)
    field.start()
    assert await field.service.tick() == []
    assert field.sent_to("mg")["req_p"] == 20e3


async def test_a_start_in_the_future_sends_nothing_yet(field, clock):
    reply = await field.ask(dispatch(field, 100e3, start_ms=clock.utc_ms() + 5000))
    assert reply.result is Result.OK
    assert field.sent == []
    clock.advance(5)
    field.start()
    await field.service.tick()
    assert field.sent_to("mg") == {"req_p": 100e3, "req_p_active": 1.0}


@pytest.mark.parametrize(
    ("excitation", "sign"), [(Excitation.OVER_EXCITED, 1), (Excitation.UNDER_EXCITED, -1)]
)
async def test_power_factor_signed_or_with_an_excitation_point(field, excitation, sign):
    for group in ("mg", "pv"):
        address = field.address(group)
        request = PowerFactorRequest(address=address, power_factor=0.9, excitation=excitation)
        assert (await field.ask(request)).result is Result.OK
    assert field.sent_to("mg")["req_pf"] == sign * 0.9
    assert field.sent_to("pv1")["pf_set"] == 0.9
    assert field.sent_to("pv1")["pf_ext"] == (0 if sign > 0 else 1)


async def test_reactive_functions_exclude_each_other(field):
    await field.ask(dispatch(field, 50e3, quantity=Q))
    await field.ask(PowerFactorRequest(address=field.address(), power_factor=0.95))
    assert field.sent[-3:] == [
        ("mg.req_pf", 0.95),
        ("mg.req_q_active", 0.0),
        ("mg.req_pf_active", 1.0),
    ]


async def test_a_curve_is_written_before_it_is_adopted_and_enabled(field):
    points = ((92.0, 44.0), (98.0, 0.0), (102.0, 0.0), (108.0, -44.0))
    reply = await field.ask(CurveRequest(address=field.address("pv"), points=points))
    assert reply.result is Result.OK
    own = [(point, value) for point, value in field.sent if point.startswith("pv1.")]
    names = [point for point, _ in own]
    assert names[-2:] == ["pv1.vv_adopt", "pv1.vv_ena"]
    assert dict(own)["pv1.vv2_v1"] == 92.0
    assert dict(own)["pv1.vv2_q4"] == -44.0
    assert dict(own)["pv1.vv2_points"] == 4


async def test_set_points_are_refused_while_islanded(field):
    field.show("mg.poi_closed", 0.0)
    reply = await field.ask(dispatch(field, 100e3))
    assert reply.result is Result.FAILED
    assert (reply.errors[0].code, reply.errors[0].reason) == ("6.1", "islanded")
    assert field.sent == []


@pytest.mark.parametrize(
    ("action", "writes"),
    [
        (IslandAction.PLANNED, [("mg.req_island_mode", 0.0), ("mg.req_disconnect", 1.0)]),
        (IslandAction.EMERGENCY, [("mg.req_island_mode", 1.0), ("mg.req_disconnect", 1.0)]),
        (IslandAction.RECONNECT, [("mg.req_connect", 1.0)]),
    ],
)
async def test_islanding_requests(field, action, writes):
    request = IslandRequest(address=field.address(), action=action, reason="test")
    assert (await field.ask(request)).result is Result.OK
    assert field.sent == writes


async def test_inverters_cannot_island_but_can_disconnect(field):
    address = field.address("pv")
    reply = await field.ask(IslandRequest(address=address, action=IslandAction.PLANNED))
    assert reply.result is Result.FAILED
    reply = await field.ask(ConnectRequest(address=field.address("pv"), connect=False))
    assert reply.result is Result.OK
    assert field.sent_to("pv1") == {"service_ena": 0.0}


async def test_the_dms_waits_behind_an_operators_dispatch(field):
    operator = Asker("operator:kim", Priority.OPERATOR)
    await field.ask(dispatch(field, 100e3), operator)
    reply = await field.ask(dispatch(field, 200e3))
    assert reply.result is Result.FAILED
    assert "operator:kim" in reply.errors[0].reason
    assert field.sent_to("mg")["req_p"] == 100e3


async def test_a_message_delivered_twice_has_its_effect_once(field):
    request = dispatch(field, 100e3)
    first = await field.ask(request)
    assert await field.ask(request) == first
    assert field.sent == [("mg.req_p", 100e3), ("mg.req_p_active", 1.0)]


async def test_a_message_id_used_again_for_another_request_is_refused(field):
    first = dispatch(field, 100e3)
    await field.ask(first)
    again = replace(first, address=replace(first.address, time_ms=field.clock.utc_ms() + 1000))
    assert (await field.ask(again)).result is Result.OK
    other = replace(first, schedule=((0.0, -50e3),))
    reply = await field.ask(other)
    assert reply.result is Result.FAILED
    assert "another request" in reply.errors[0].reason
    assert field.sent == [("mg.req_p", 100e3), ("mg.req_p_active", 1.0)]


async def test_a_dispatch_ends_when_it_was_asked_to_not_before(field, clock):
    await field.ask(dispatch(field, 100e3))
    end_ms = clock.utc_ms() + 60_000
    address = field.address()
    await field.ask(DispatchRequest(address=address, quantity=P, schedule=(), start_ms=end_ms))
    assert field.sent_to("mg")["req_p_active"] == 1.0
    clock.advance(60)
    field.show_all(mg__poi_p=100e3, mg__poi_q=0, mg__poi_closed=1)
    field.show("mg.req_p_active", 1.0)
    await field.service.tick()
    assert field.sent_to("mg")["req_p_active"] == 0.0


async def test_ending_ones_own_dispatch_does_not_end_anothers(field):
    other = Asker("other", Priority.GROUP_FUNCTION)
    await field.ask(dispatch(field, 100e3))
    await field.ask(dispatch(field, 50e3), other)
    reply = await field.ask(DispatchRequest(address=field.address(), quantity=P, schedule=()))
    assert field.sent_to("mg") == {"req_p": 50e3, "req_p_active": 1.0}
    assert "other" in reply.errors[0].reason
    ended = DispatchRequest(address=field.address(), quantity=P, schedule=())
    assert (await field.ask(ended, other)).result is Result.OK
    assert field.sent_to("mg")["req_p_active"] == 0.0


async def test_an_ended_function_leaves_nothing_claimed(field):
    operator, points = Asker("operator:kim", Priority.OPERATOR), ((95.0, 40.0), (105.0, -40.0))
    await field.ask(dispatch(field, 10e3, "pv", Q))
    for ended in (False, True):
        address = field.address("pv")
        request = CurveRequest(address=address, points=() if ended else points)
        assert (await field.ask(request, operator)).result is Result.OK
    held = {p.spec.id: field.router.holder(p.spec.id) for p in field.site.points}
    assert not [p for p, claim in held.items() if claim and claim.origin == "operator:kim"]
    # what the curve had pushed aside is on again, and not before the curve is off
    enables = [(p, v) for p, v in field.sent if p in ("pv1.vv_ena", "pv1.q_set_ena")]
    assert enables[-2:] == [("pv1.vv_ena", 0.0), ("pv1.q_set_ena", 1.0)]


async def test_an_old_islanding_request_does_not_come_back_when_a_later_command_ends(field, clock):
    for action in (IslandAction.PLANNED, IslandAction.RECONNECT):
        await field.ask(IslandRequest(address=field.address(), action=action))
    field.show_all(mg__req_disconnect=0, mg__req_connect=0)
    expires_ms = clock.utc_ms() + 1000
    command = Command("mg.req_disconnect", 0.0, "mqtt", Priority.OPERATOR, expires_ms=expires_ms)
    assert (await field.router.submit(command)).ok
    field.sent.clear()
    clock.advance(1)
    await field.router.expire()
    assert field.sent == []


async def test_a_limit_that_some_members_did_not_take_is_not_said_to_be_held(field):
    field.dead.add("pv2")
    reply = await field.ask(LimitRequest(address=field.address("pv"), limit_w=100e3))
    assert reply.result is Result.PARTIAL
    assert reply.held[0].held is None


async def test_a_forecast_is_not_made_from_what_was_measured_before_an_outage(field):
    for _ in range(60):
        field.forecaster.sample()
    field.lose("mg")
    field.forecaster.sample()
    reply = await field.ask(ForecastRequest(address=field.address(), intervals=3, interval_s=60))
    assert reply.result is Result.FAILED


async def test_an_unknown_group_is_named(field):
    reply = await field.ask(dispatch(field, 1, "nowhere"))
    assert reply.result is Result.FAILED
    assert "nowhere" in reply.errors[0].reason


async def test_a_forecast_holds_the_present_value_inside_the_ratings(field):
    request = ForecastRequest(address=field.address(), intervals=3, interval_s=60)
    assert (await field.ask(request)).result is Result.FAILED
    for _ in range(60):
        field.forecaster.sample()
    reply = await field.ask(ForecastRequest(address=field.address(), intervals=3, interval_s=60))
    assert reply.forecast is not None
    assert [interval.nominal for interval in reply.forecast.intervals] == [120e3] * 3
    starts = [interval.start_ms for interval in reply.forecast.intervals]
    assert [start - starts[0] for start in starts] == [0, 60_000, 120_000]
