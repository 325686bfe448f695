"""DERGD: dispatch of a group (1a-e). Numbers as in test_dergs."""

from __future__ import annotations

import pytest

from tests.interop.groups.documents import node, payload, stamp

pytestmark = pytest.mark.interop


def dispatch(group: str, value: float, noun: str = "RealPowerDispatch", start: str = "", **more):
    unit = "W" if noun == "RealPowerDispatch" else "var"
    interval = [node("DurationSeconds", more["seconds"])] if "seconds" in more else []
    interval.append(node("Value", f"{value / 1e3:g}"))
    return payload(
        noun,
        group,
        *([node("Start", start)] if start else []),
        node("Schedule", [node("Interval", interval)], unit=unit, multiplier="k"),
    )


async def test_1a_real_power_is_shared_and_held(box):
    reply = await box.ask(dispatch("plant", 60e3))
    assert reply.result == "OK"
    assert reply.held() == (60e3, 60e3)
    assert (box.output("d1.p_set"), box.output("d2.p_set")) == (30e3, 30e3)
    assert (box.output("d1.p_ena"), box.output("d2.p_ena")) == (1.0, 1.0)


async def test_1b_reactive_power_absorbed(box):
    reply = await box.ask(dispatch("plant", -40e3, "ReactivePowerDispatch"))
    assert reply.result == "OK"
    assert box.output("d1.q_set") == pytest.approx(-20e3)


async def test_1c_beyond_what_the_group_can_do_is_partial(box):
    reply = await box.ask(dispatch("plant", 300e3, "ReactivePowerDispatch"))
    assert reply.result == "PARTIAL"
    assert reply.held() == (300e3, pytest.approx(100e3))


async def test_1d_a_schedule_begins_at_its_start(box):
    reply = await box.ask(dispatch("plant", 60e3, start=stamp(3600), seconds="900"))
    assert reply.result == "OK"
    assert "starts at" in reply.reasons
    assert box.output("d1.p_ena") == 0.0
    reply = await box.ask(dispatch("plant", 50e3, seconds="0.5"))
    assert box.output("d1.p_ena") == 1.0
    import asyncio

    for _ in range(60):
        if box.output("d1.p_ena") == 0.0:
            break
        await asyncio.sleep(0.1)
    assert box.output("d1.p_ena") == 0.0


async def test_1e_a_dispatch_is_ended_and_a_wrong_one_refused(box):
    await box.ask(dispatch("plant", 60e3))
    reply = await box.ask(payload("RealPowerDispatch", "plant", node("End")))
    assert reply.result == "OK"
    assert box.output("d1.p_ena") == 0.0
    reply = await box.ask(dispatch("nowhere", 1e3))
    assert reply.result == "FAILED"
    old = await box.ask(dispatch("plant", 1e3), time=stamp(-301))
    assert old.result == "FAILED"
    assert "too old" in old.reasons
    assert box.output("d1.p_ena") == 0.0
