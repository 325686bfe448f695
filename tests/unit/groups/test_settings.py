"""Ramp rate, voltage regulation, curves of real power and price: what reaches which points."""

from __future__ import annotations

import pytest

from gateway.groups.messages import (
    PriceRequest,
    RampRateRequest,
    Result,
    Validity,
    VoltageRegulationRequest,
    WattCurve,
    WattCurveRequest,
)

VW = ((106.0, 100.0), (110.0, 0.0))


def ramp(field, up, down, group="pv", **more):
    return RampRateRequest(address=field.address(group), up_w_per_s=up, down_w_per_s=down, **more)


async def test_a_ramp_is_shared_by_rating_and_written_in_percent_a_second(field):
    reply = await field.ask(ramp(field, 100e3, 100e3))  # of 500 kW
    assert reply.result is Result.OK
    assert field.sent == [("pv1.p_ramp", 20.0), ("pv2.p_ramp", 20.0)]


async def test_a_ramp_each_way_goes_to_a_member_that_has_both(field):
    reply = await field.ask(ramp(field, 5e3, 1e3, "wide"))
    assert reply.result is Result.OK
    assert field.sent_to("wide") == {"r_up": 5e3, "r_down": 1e3}


async def test_one_ramp_for_both_ways_cannot_say_two(field):
    reply = await field.ask(ramp(field, 100e3, 50e3))
    assert reply.result is Result.FAILED
    assert reply.errors[0].code == "6.1"
    assert "one ramp for both directions" in reply.errors[0].reason
    assert field.sent == []


async def test_a_ramp_that_ends_brings_back_what_stood_there_before_the_first(field):
    field.show("pv1.p_ramp", 50.0)
    field.show("pv2.p_ramp", 40.0)
    for up in (100e3, 50e3):
        await field.ask(ramp(field, up, up))
    assert field.sent_to("pv1")["p_ramp"] == 10.0
    reply = await field.ask(ramp(field, None, None))
    assert reply.result is Result.OK
    assert field.sent[-2:] == [("pv1.p_ramp", 50.0), ("pv2.p_ramp", 40.0)]


async def test_a_ramp_for_a_while_reverts_by_itself(field, clock):
    field.show("pv1.p_ramp", 50.0)
    await field.ask(ramp(field, 100e3, 100e3, validity=Validity(duration_s=60)))
    clock.advance(61)
    field.start()
    field.show("pv1.p_ramp", 20.0)
    await field.router.expire()
    assert field.sent_to("pv1")["p_ramp"] == 50.0


async def test_a_member_without_a_function_says_what_it_lacks(field):
    reply = await field.ask(ramp(field, 1e3, 1e3, "mg"))
    assert reply.result is Result.FAILED
    assert "mg has no ramp_up, ramp_down" in reply.errors[0].reason
    price = PriceRequest(address=field.address("pv"), currency="EUR", schedule=((0, 0.3),))
    reply = await field.ask(price)
    assert reply.result is Result.FAILED
    assert "pv1 has no price, price_enable" in reply.errors[0].reason
    for kind, missing in ((WattCurve.VOLT_WATT, "vw_enable"), (WattCurve.FREQUENCY_WATT, "fw_f1")):
        curve = WattCurveRequest(address=field.address("pv"), kind=kind, points=VW)
        reply = await field.ask(curve)
        assert reply.result is Result.FAILED
        assert reply.errors[0].code == "6.1"
        assert missing in reply.errors[0].reason
    assert field.sent == []


async def test_members_that_can_take_it_and_those_that_cannot_make_it_partial(field):
    curve = WattCurveRequest(address=field.address("mixed"), kind=WattCurve.VOLT_WATT, points=VW)
    reply = await field.ask(curve)
    assert reply.result is Result.PARTIAL
    assert (reply.held[0].members_ok, reply.held[0].members) == (1, 2)
    assert "pv2 has no vw_enable" in reply.errors[0].reason
    sent = [point for point, _ in field.sent]
    assert sent[-1] == "wide.vw_ena"
    assert field.sent_to("wide")["vw_v4"] == 110.0


async def test_a_frequency_watt_curve_is_switched_off_again(field):
    points = ((60.0, 100.0), (61.0, 50.0), (62.0, 0.0))
    for asked in (points, ()):
        request = WattCurveRequest(
            address=field.address("wide"), kind=WattCurve.FREQUENCY_WATT, points=asked
        )
        assert (await field.ask(request)).result is Result.OK
    names = [(point, value) for point, value in field.sent if point == "wide.fw_ena"]
    assert names == [("wide.fw_ena", 1.0), ("wide.fw_ena", 0.0)]
    assert field.sent_to("wide")["fw_f2"] == 61.0


async def test_a_voltage_is_held_by_the_devices_own_function_where_it_has_one(field):
    for voltage_pct in (101.0, None):
        request = VoltageRegulationRequest(
            address=field.address("wide"), voltage_pct=voltage_pct, deadband_pct=2.0
        )
        assert (await field.ask(request)).result is Result.OK
    assert field.sent == [
        ("wide.v_set", 101.0),
        ("wide.v_band", 2.0),
        ("wide.v_ena", 1.0),
        ("wide.v_ena", 0.0),
    ]


async def test_a_voltage_is_held_by_a_curve_around_it_where_there_is_none(field):
    request = VoltageRegulationRequest(
        address=field.address("pv"), voltage_pct=101.0, deadband_pct=2.0, droop_pct=3.0
    )
    assert (await field.ask(request)).result is Result.OK
    own = field.sent_to("pv1")
    voltages = [own[f"vv2_v{number}"] for number in range(1, 5)]
    reactive = [own[f"vv2_q{number}"] for number in range(1, 5)]
    assert voltages == [97.0, 100.0, 102.0, 105.0]
    assert reactive == [100.0, 0.0, 0.0, -100.0]
    assert own["vv2_dept_ref"] == 1  # % of the maximum reactive power
    assert own["vv_ena"] == 1.0
    ended = VoltageRegulationRequest(address=field.address("pv"), voltage_pct=None)
    assert (await field.ask(ended)).result is Result.OK
    assert field.sent_to("pv1")["vv_ena"] == 0.0


async def test_voltage_regulation_replaces_another_reactive_function(field):
    await field.ask(
        VoltageRegulationRequest(address=field.address("pv"), voltage_pct=101.0, deadband_pct=0)
    )
    own = field.sent_to("pv1")
    assert own["vv2_points"] == 3  # without a deadband the curve bends once
    assert [own[f"vv2_v{number}"] for number in (1, 2, 3)] == [97.0, 101.0, 105.0]


async def test_a_price_schedule_goes_to_who_dispatches_itself_by_it(field, clock):
    request = PriceRequest(
        address=field.address("wide"), currency="EUR", schedule=((60, 0.3), (60, 0.1))
    )
    assert (await field.ask(request)).result is Result.OK
    assert field.sent == [("wide.price", 0.3), ("wide.price_ena", 1.0)]
    clock.advance(60)
    field.start()
    await field.service.tick()
    assert field.sent_to("wide")["price"] == 0.1
    clock.advance(60)
    field.start()
    field.show_all(wide__price_ena=1)
    await field.router.expire()
    assert field.sent_to("wide")["price_ena"] == 0.0


@pytest.mark.parametrize("group", ["pv", "mg"])
async def test_ending_what_the_group_does_not_have_fails(field, group):
    reply = await field.ask(PriceRequest(address=field.address(group), currency="EUR", schedule=()))
    assert reply.result is Result.FAILED
    assert "no such function" in reply.errors[0].reason
