"""The client's pure parts: addresses, plans, responses due, what is remembered, what is told."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.links.sep2.client import ModeOutcome, Outcome, Snapshot, Taken
from gateway.links.sep2.client_config import Sep2ClientConfig
from gateway.links.sep2.northbound.addresses import Origin, paged
from gateway.links.sep2.northbound.memory import Memory
from gateway.links.sep2.northbound.mirrored import readings
from gateway.links.sep2.northbound.obedience import is_asked_for, news
from gateway.links.sep2.northbound.programs import Program, remembered
from gateway.links.sep2.northbound.schedule import Offsets, plan
from gateway.links.sep2.northbound.server_time import ServerTime
from gateway.links.sep2.northbound.snapshot import availability_of, status_of
from gateway.links.sep2.resources import (
    CurveData,
    DateTimeInterval,
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERCurve,
    DERProgram,
    EventStatus,
    Link,
    Time,
)
from gateway.model.errors import RemoteProtocolError
from tests.conftest import VirtualClock

ORIGIN = Origin("utility.example", 443)
LIMIT = "op_mod_max_lim_w"
TAKES = Outcome({LIMIT: ModeOutcome(Taken.TAKEN)})


def control(mrid: int, start: int, duration: int, **more: Any) -> DERControl:
    status = EventStatus(
        current_status=more.pop("status", 0),
        date_time=more.pop("since", 0),
        potentially_superseded=False,
    )
    given_: dict[str, Any] = {
        "mrid": mrid,
        "creation_time": 0,
        "event_status": status,
        "interval": DateTimeInterval(duration=duration, start=start),
        "der_control_base": DERControlBase(op_mod_max_lim_w=5000),
        "reply_to": "/rsp",
        "response_required": 3,
    }
    return DERControl(**{**given_, **more})


def program(number: int, primacy: int, *controls: DERControl, **more: Any) -> Program:
    listed = {one.mrid: one for one in controls}
    return Program(
        f"/derp/{number}", DERProgram(mrid=number, primacy=primacy), controls=listed, **more
    )


def no_dice(control: DERControl) -> Offsets:
    return Offsets()


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("/edev", "/edev"),
        ("derc?x=1", "/derp/1/derc?x=1"),
        ("https://utility.example/tm", "/tm"),
        ("https://UTILITY.example:443/tm", "/tm"),
        ("//utility.example/tm", "/tm"),
    ],
)
def test_an_href_of_the_server_is_its_path(href: str, path: str) -> None:
    assert ORIGIN.path(href, "/derp/1/dderc") == path


@pytest.mark.parametrize(
    "href",
    [
        "https://other.example/tm",
        "//other.example/tm",
        "http://utility.example/tm",
        "https://utility.example:8443/tm",
        "https://utility.example@other.example/",
        "https://me:secret@utility.example/tm",
        "https://utility.example.other.example/tm",
        "https:///tm\n",
        "https://utility.example:99999/",
        "/a b",
        "/" + "a" * 5000,
        "",
    ],
)
def test_any_other_href_is_nonsense(href: str) -> None:
    with pytest.raises(RemoteProtocolError):
        ORIGIN.path(href)


def test_a_page_keeps_the_query_of_its_list() -> None:
    assert paged("/edev", 0, 10) == "/edev?s=0&l=10"
    assert paged("/edev?x=1", 5, 10) == "/edev?x=1&s=5&l=10"


def test_defaults_fill_what_events_leave_the_best_program_first() -> None:
    far = DefaultDERControl(
        mrid=1, der_control_base=DERControlBase(op_mod_max_lim_w=8000, op_mod_fixed_w=10)
    )
    near = DefaultDERControl(
        mrid=2, der_control_base=DERControlBase(op_mod_max_lim_w=9000), set_grad_w=50
    )
    found = plan(
        [program(1, 9, default=far), program(2, 1, control(7, 10, 10), default=near)], no_dice
    )
    before, during = found.effective(5), found.effective(15)
    assert (before.base.op_mod_max_lim_w, before.base.op_mod_fixed_w) == (9000, 10)
    assert before.settings == {"set_grad_w": 50}
    assert before.until == 10
    assert (during.base.op_mod_max_lim_w, during.modes[LIMIT].source) == (5000, 7)
    assert found.effective(15, events=False).base.op_mod_max_lim_w == 9000


def test_a_control_of_another_device_category_is_not_for_us() -> None:
    other = program(1, 1, control(7, 0, 100, device_category=0b100))
    assert plan([other], no_dice, category=0b011).controls == {}
    assert set(plan([other], no_dice, category=0b110).controls) == {7}
    assert set(plan([other], no_dice).controls) == {7}


def test_what_the_server_calls_superseded_stops_though_no_winner_is_seen() -> None:
    found = plan([program(1, 1, control(7, 0, 100, status=4, since=40))], no_dice)
    assert LIMIT in found.effective(39).modes
    assert LIMIT not in found.effective(40).modes
    assert news(found, 7, (1, 2), TAKES, 40) == (7,)


def test_a_mode_whose_curve_is_not_there_makes_its_control_invalid() -> None:
    base = DERControlBase(op_mod_volt_var=Link("/dc/1"))
    wanting = control(7, 0, 100, der_control_base=base)
    unread = plan([program(1, 1, wanting)], no_dice)
    assert unread.controls == {}  # it may still come: nothing is said of it yet
    missing = plan([program(1, 1, wanting, curves={"/dc/1": None})], no_dice)
    assert news(missing, 7, (), Outcome(), 5) == (253,)
    assert missing.effective(5).modes == {}
    curve = DERCurve(
        mrid=1,
        creation_time=0,
        curve_data=(CurveData(xvalue=1, yvalue=1),),
        curve_type=0,
        x_multiplier=0,
        y_multiplier=0,
        y_ref_type=1,
    )
    there = plan([program(1, 1, wanting, curves={"/dc/1": curve})], no_dice)
    assert there.effective(5).modes["op_mod_volt_var"].curve == curve


def test_a_control_without_a_duration_or_without_a_mode_is_not_followed() -> None:
    nothing = plan([program(1, 1, control(7, 0, 0))], no_dice)
    assert news(nothing, 7, (), Outcome(), 0) == (253,)
    empty = plan([program(1, 1, control(7, 0, 9, der_control_base=DERControlBase()))], no_dice)
    assert news(empty, 7, (), Outcome(), 0) == (1, 252)


@settings(max_examples=200, deadline=None)
@given(
    lengths=st.lists(st.integers(30, 90), min_size=2, max_size=5),
    gaps=st.lists(st.integers(0, 1), min_size=5, max_size=5),
    data=st.data(),
)
def test_no_dip_between_consecutive_controls_whatever_the_dice_say(
    lengths: list[int], gaps: list[int], data: st.DataObject
) -> None:
    start, controls = 100, []
    for number, (length, gap) in enumerate(zip(lengths, gaps, strict=False), 1):
        controls.append(control(number, start, length, randomize_start=20, randomize_duration=-20))
        start += length + gap
    dice = {
        one.mrid: Offsets(data.draw(st.integers(0, 20)), data.draw(st.integers(-20, 0)))
        for one in controls
    }
    found = plan([program(1, 1, *controls)], lambda one: dice[one.mrid])
    held = [now for now in range(50, start + 50) if LIMIT in found.effective(now).modes]
    assert held == list(range(held[0], held[-1] + 1))
    assert held[0] == 100 + dice[1].start


@pytest.mark.parametrize(
    ("required", "asked"),
    [
        (0, set()),
        (1, {1, 252, 253, 254}),
        (2, {2, 3, 4, 5, 6, 7, 252, 253, 254}),
        (3, {1, 2, 3, 4, 5, 6, 7, 252, 253, 254}),
        (4, {4, 5}),
    ],
)
def test_only_what_is_asked_for_is_answered(required: int, asked: set[int]) -> None:
    wanting = control(1, 0, 9, response_required=required)
    codes = (1, 2, 3, 4, 5, 6, 7, 252, 253, 254)
    assert {code for code in codes if is_asked_for(wanting, code)} == asked
    assert not any(is_asked_for(replace(wanting, reply_to=None), code) for code in codes)


def test_a_control_that_vanishes_early_was_taken_back_and_one_that_ran_out_was_not() -> None:
    running = {"/derp/1": program(1, 1, control(7, 0, 100))}
    gone = {"/derp/1": program(1, 1)}
    early = plan(list(remembered(running, gone, 50, 10).values()), no_dice)
    assert news(early, 7, (1, 2), TAKES, 50) == (6,)
    late = plan(list(remembered(running, gone, 99, 10).values()), no_dice)
    assert news(late, 7, (1, 2), TAKES, 99) == ()
    assert news(late, 7, (1, 2), TAKES, 100) == (3,)


def test_a_winner_that_is_no_longer_listed_still_keeps_the_loser_down() -> None:
    loser = control(1, 0, 10_000)
    winner = control(2, 100, 50)
    both = {"/derp/1": program(1, 9, loser), "/derp/2": program(2, 1, winner)}
    later = {"/derp/1": program(1, 9, loser), "/derp/2": program(2, 1)}
    kept = remembered(both, later, 5000, 10)
    assert LIMIT not in plan(list(kept.values()), no_dice).effective(5000).modes
    over = remembered(kept, {"/derp/1": program(1, 9)}, 20_000, 10)
    assert all(not one.controls for one in over.values())


def test_what_is_remembered_of_a_program_is_capped() -> None:
    many = {"/derp/1": program(1, 1, *(control(n, n, 1000) for n in range(1, 51)))}
    kept = remembered(many, {"/derp/1": program(1, 1)}, 500, 20)
    assert len(kept["/derp/1"].controls) == 20


async def test_the_memory_survives(tmp_path: Path) -> None:
    path, spread = tmp_path / "state", control(7, 0, 9, randomize_start=-3600)
    memory = Memory(path, random.Random(1))
    drawn = memory.draw(spread)
    waiting = memory.note("AA", 7, 1, 5, "/rsp")
    done = memory.note("AA", 7, 2, 6, "/rsp")
    memory.note("AA", 7, 3, 7, "")
    memory.posted(done)
    memory.put_place("AA", "/edev/1")
    await memory.flush()
    memory.close()
    again = Memory(path, random.Random(2))
    try:
        assert again.draw(spread) == drawn
        assert -3600 <= drawn.start <= 0 <= drawn.cancel <= 3600
        assert again.told("AA", 7) == [1, 2, 3]
        assert again.finished("AA") == {7}
        assert list(again.waiting()) == [waiting]
        assert again.place("AA") == "/edev/1"
        again.forget({7}, 10**9)
        assert again.told("AA", 7) == [1, 2, 3]  # still listed
        again.posted(waiting)
        again.forget(set(), 10**9)
        assert again.told("AA", 7) == []
        await again.flush()
    finally:
        again.close()


async def test_the_memory_is_bounded(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state", random.Random(1), most=10)
    try:
        for mrid in range(50):
            memory.draw(control(mrid, 0, 9, randomize_start=5))
            memory.note("AA", mrid, 1, 0, "/rsp")
        assert len(list(memory.waiting())) == 10
        await memory.flush()
    finally:
        memory.close()


def reading(at: int) -> Time:
    return Time(
        current_time=at, dst_end_time=0, dst_offset=0, dst_start_time=0, quality=4, tz_offset=0
    )


def test_the_servers_time_is_followed_and_ours_is_never_asked_again() -> None:
    clock = VirtualClock(1000.0)
    time = ServerTime(clock)
    assert time.now() == 1000
    time.take(reading(5000), 999.8, 1000.2)
    assert (time.now(), time.offset_s, time.quality) == (5000, 4000.0, 4)
    clock.advance(10.4)
    time.take(reading(5010), clock.now_s, clock.now_s)  # its clock counts whole seconds
    assert time.now_s() == pytest.approx(5010.4)
    time.take(reading(6000), clock.now_s, clock.now_s)
    assert time.now() == 6000


def test_what_is_not_known_is_not_told() -> None:
    lost = Snapshot(reachable=False, power_w=5.0, available_w=5.0, connected=True)
    status = status_of(lost, 100)
    assert status.gen_connect_status is not None
    assert status.gen_connect_status.value == 0b10000  # the fault bit alone
    assert status.state_of_charge_status is None
    assert availability_of(lost, 100) is None
    assert readings("AA", 0, lost, 100, 300) == ()
    partly = Snapshot(power_w=float("nan"), voltage_v=float("inf"), frequency_hz=59.98)
    assert [r.reading.value for r in readings("AA", 0, partly, 100, 300) if r.reading] == [59_980]
    assert status_of(partly, 100).gen_connect_status is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://utility.example/dcap"},
        {"url": "https://me:secret@utility.example/dcap"},
        {"url": "https://utility.example:0/dcap"},
        {"devices": ()},
        {"devices": ({"lfdi": "AB" * 20}, {"lfdi": "AB" * 20})},
        {"devices": ({"lfdi": "AB" * 20, "pin": 111_114},)},
        {"devices": ({"lfdi": "ab" * 20},)},
        {"retry_min_s": 400.0},
        {"unheard_of": 1},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "url": "https://utility.example/dcap",
        "certificate": tmp_path,
        "key": tmp_path,
        "ca": tmp_path,
        "state": tmp_path,
        "devices": ({"lfdi": "AB" * 20, "pin": 111_115},),
    }
    assert Sep2ClientConfig(**good).run_known_events
    with pytest.raises(ValidationError):
        Sep2ClientConfig(**{**good, **wrong})
