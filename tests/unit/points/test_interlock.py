"""The safety file: every rule, both sides of every edge."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gateway.model.command import Command, CommandStatus, Priority
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.interlock import Interlock, InterlockRule

AO = PointSpec("d.sp", PointKind.AO, "W", minimum=-10, maximum=10, act=True)
BO = PointSpec("d.sw", PointKind.BO, act=True)
NO_RULE = InterlockRule()
ONLINE = Measurement(0.0, Quality.ONLINE, 0)


def ask(point="d.sp", value=1.0, priority=Priority.OPERATOR, expires_ms=0):
    return Command(point, value, "someone", priority, expires_ms=expires_ms)


def check(command, spec=AO, rule=NO_RULE, points=None, now_ms=0, now_s=0.0):
    interlock = Interlock({spec.id: rule})
    return interlock.check(command, spec, points or {}, now_ms, now_s)


def test_a_command_that_breaks_no_rule_passes():
    assert check(ask()) is None


@pytest.mark.parametrize("kind", [PointKind.AI, PointKind.BI, PointKind.DBI, PointKind.CTR])
def test_an_input_takes_no_command(kind):
    refusal = check(ask(), replace(AO, kind=kind))
    assert refusal is not None
    assert refusal.status is CommandStatus.NOT_SUPPORTED
    assert "d.sp" in refusal.detail


def test_an_output_without_a_rule_takes_no_command():
    refusal = Interlock({}).check(ask(), AO, {}, 0, 0.0)
    assert refusal is not None
    assert refusal.status is CommandStatus.NOT_SUPPORTED


@pytest.mark.parametrize(("now_ms", "passes"), [(99, True), (100, False), (101, False)])
def test_an_expired_command_is_not_sent(now_ms, passes):
    refusal = check(ask(expires_ms=100), now_ms=now_ms)
    assert (refusal is None) is passes
    if refusal is not None:
        assert refusal.status is CommandStatus.TIMEOUT
        assert refusal.detail == "the command expired before it was sent"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_a_format_error(value):
    refusal = check(ask(value=value))
    assert refusal is not None
    assert refusal.status is CommandStatus.FORMAT_ERROR
    assert refusal.detail == "the value is not a finite number"


@pytest.mark.parametrize(("value", "passes"), [(0.0, True), (1.0, True), (0.5, False), (2, False)])
def test_a_binary_output_takes_zero_or_one(value, passes):
    refusal = check(ask("d.sw", value), BO)
    assert (refusal is None) is passes
    if refusal is not None:
        assert refusal.status is CommandStatus.FORMAT_ERROR
        assert refusal.detail == "a binary output takes 0 or 1"


@pytest.mark.parametrize(
    ("value", "passes"), [(-10, True), (10, True), (-10.01, False), (10.01, False)]
)
def test_limits_are_inclusive(value, passes):
    refusal = check(ask(value=value))
    assert (refusal is None) is passes
    if refusal is not None:
        assert refusal.status is CommandStatus.OUT_OF_RANGE
        assert refusal.detail == f"{value:g} is outside -10..10 W"


def test_a_tag_blocks_even_the_operator_until_removed():
    interlock = Interlock({AO.id: InterlockRule()})
    interlock.tag("d.sp", "men at work")
    refusal = interlock.check(ask(), AO, {}, 0, 0.0)
    assert refusal is not None
    assert refusal.status is CommandStatus.BLOCKED
    assert refusal.detail == "tagged: men at work"
    interlock.untag("d.sp")
    interlock.untag("d.sp")
    assert interlock.check(ask(), AO, {}, 0, 0.0) is None


@pytest.mark.parametrize(
    ("priority", "held_back"),
    [
        (Priority.DMS_VVO, True),
        (Priority.PROTECTION_FLISR, True),
        (Priority.GROUP_FUNCTION, False),
        (Priority.UTILITY_2030_5, False),
        (Priority.OPERATOR, False),
        (Priority.DEFAULT, False),
    ],
)
def test_advise_holds_back_applications_only(priority, held_back):
    assert check(ask(priority=priority)) is None
    refusal = check(ask(priority=priority), replace(AO, act=False))
    assert (refusal is not None) is held_back
    if refusal is not None:
        assert refusal.status is CommandStatus.AUTOMATION_INHIBIT
        assert "advise" in refusal.detail


@pytest.mark.parametrize(
    "reading",
    [
        None,
        Measurement(math.nan, Quality.RESTART | Quality.COMM_LOST, 0),
        Measurement(1.0, Quality.ONLINE | Quality.COMM_LOST, 0),
        Measurement(1.0, Quality.ONLINE | Quality.OVER_RANGE, 0),
        Measurement(1.0, Quality.OFFLINE, 0),
    ],
)
def test_nothing_goes_out_until_what_the_rule_needs_is_online(reading):
    rule = InterlockRule(requires=("d.sp", "d.other"))
    points = {"d.sp": ONLINE} if reading is None else {"d.sp": ONLINE, "d.other": reading}
    refusal = check(ask(), rule=rule, points=points)
    assert refusal is not None
    assert refusal.status is CommandStatus.BLOCKED
    assert refusal.detail == "d.other is not online"
    assert check(ask(), rule=rule, points={"d.sp": ONLINE, "d.other": ONLINE}) is None


@pytest.mark.parametrize(
    ("quality", "passes"),
    [
        (Quality.ONLINE, True),
        (Quality.ONLINE | Quality.OVER_RANGE, True),
        (Quality.ONLINE | Quality.COMM_LOST, False),
        (Quality.ONLINE | Quality.RESTART, False),
        (Quality.OFFLINE, False),
    ],
)
def test_a_read_back_out_of_limits_may_be_put_right_a_silent_device_not(quality, passes):
    rule = InterlockRule(requires=("d.sp",))
    refusal = check(ask(), rule=rule, points={"d.sp": Measurement(99.0, quality, 0)})
    assert (refusal is None) is passes
    if refusal is not None:
        assert (refusal.status, refusal.detail) == (CommandStatus.BLOCKED, "d.sp is not online")


def test_an_output_nobody_can_read_takes_no_command():
    refusal = check(ask(), rule=InterlockRule(requires=("d.sp",)), points={})
    assert refusal is not None
    assert refusal.status is CommandStatus.BLOCKED


def test_a_device_in_local_refuses_remote_commands():
    rule = InterlockRule(local_point="d.local")
    remote, local = (Measurement(v, Quality.ONLINE, 0) for v in (0.0, 1.0))
    assert check(ask(), rule=rule, points={"d.local": remote}) is None
    refusal = check(ask(), rule=rule, points={"d.local": local})
    assert refusal is not None
    assert refusal.status is CommandStatus.LOCAL
    assert "d.local" in refusal.detail


def test_a_local_switch_that_cannot_be_read_blocks():
    rule = InterlockRule(local_point="d.local")
    lost = Measurement(0.0, Quality.ONLINE | Quality.COMM_LOST, 0)
    for points in ({}, {"d.local": lost}):
        refusal = check(ask(), rule=rule, points=points)
        assert refusal is not None
        assert refusal.status is CommandStatus.BLOCKED
        assert refusal.detail == "d.local is not online"


def test_the_rate_limit_counts_the_last_minute():
    spec = replace(AO, rate_per_min=2)
    interlock = Interlock({AO.id: InterlockRule()})
    assert interlock.check(ask(), spec, {}, 0, 1000.0) is None
    interlock.note_sent("d.sp", 1000.0)
    interlock.note_sent("d.other", 1000.0)  # another point's commands are its own
    assert interlock.check(ask(), spec, {}, 0, 1001.0) is None
    interlock.note_sent("d.sp", 1001.0)
    refusal = interlock.check(ask(), spec, {}, 0, 1059.9)
    assert refusal is not None
    assert refusal.status is CommandStatus.PROCESSING_LIMITED
    assert refusal.detail == "2 commands in the last minute, 2 allowed"
    assert interlock.check(ask(), spec, {}, 0, 1060.0) is None


def test_no_rate_limit_means_none():
    interlock = Interlock({AO.id: InterlockRule()})
    for _ in range(500):
        interlock.note_sent("d.sp", 0.0)
    assert interlock.check(ask(), AO, {}, 0, 0.0) is None
