"""The one path for commands, end to end with a real arbiter, interlock and audit trail."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from gateway.history.audit import AuditTrail
from gateway.model.command import Command, CommandResult, CommandStatus, Priority
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.arbiter import MAX_CLAIMS_PER_POINT, Arbiter
from gateway.points.interlock import Interlock, InterlockRule
from gateway.points.router import Router
from gateway.points.store import PointStore


class Bench:
    """A router over one output; the actuator is the wire's end, where these tests look."""

    def __init__(self, clock, folder):
        spec = PointSpec("d.sp", PointKind.AO, minimum=-10, maximum=10, act=True, max_age_s=5)
        self.clock = clock
        self.store = PointStore([spec], clock)
        self.trail = AuditTrail(folder / "audit.sqlite")
        self.sent: list[float] = []
        self.outcome = CommandStatus.SUCCESS
        self.gate: asyncio.Event | None = None
        rules = {"d.sp": InterlockRule(requires=("d.sp",))}
        self.router = Router(
            self.store, Arbiter(), Interlock(rules), {"d.sp": self}, self.trail, clock
        )

    async def operate(self, command: Command) -> CommandResult:
        self.sent.append(command.value)
        if self.gate is not None:
            await self.gate.wait()
        return CommandResult(command, self.outcome, "", command.value)

    def online(self):
        measurement = Measurement(0.0, Quality.ONLINE, self.clock.utc_ms())
        self.store.update("d.sp", measurement)

    async def ask(self, value, priority=Priority.OPERATOR, origin="op", expires_ms=0):
        command = Command("d.sp", value, origin, priority, expires_ms=expires_ms)
        return (await self.router.submit(command)).status


@pytest.fixture
def bench(clock, tmp_path):
    bench = Bench(clock, tmp_path)
    yield bench
    bench.trail.close()


async def test_at_boot_nothing_is_sent_until_the_device_has_answered(bench):
    assert await bench.ask(1) is CommandStatus.BLOCKED
    assert bench.sent == []
    bench.online()
    assert await bench.ask(1) is CommandStatus.SUCCESS
    assert bench.sent == [1]


async def test_nothing_is_sent_on_stale_data(bench, clock):
    bench.online()
    clock.advance(6)
    bench.store.age()
    assert await bench.ask(1) is CommandStatus.BLOCKED
    assert bench.sent == []


async def test_a_lower_origin_is_blocked_while_a_higher_holds(bench):
    bench.online()
    await bench.ask(1)
    assert await bench.ask(2, Priority.DMS_VVO, "vvo") is CommandStatus.BLOCKED
    assert bench.sent == [1]


async def test_a_refused_command_does_not_hold_the_point(bench):
    bench.online()
    assert await bench.ask(99) is CommandStatus.OUT_OF_RANGE
    assert await bench.ask(2, Priority.DMS_VVO, "vvo") is CommandStatus.SUCCESS


async def test_a_failed_command_is_not_sent_again_and_holds_nothing(bench):
    bench.online()
    bench.outcome = CommandStatus.TIMEOUT
    assert await bench.ask(3) is CommandStatus.TIMEOUT
    assert bench.sent == [3]
    bench.outcome = CommandStatus.SUCCESS
    assert await bench.ask(2, Priority.DMS_VVO, "vvo") is CommandStatus.SUCCESS


async def test_when_a_claim_expires_the_default_goes_out(bench, clock):
    bench.online()
    bench.router.set_default("d.sp", 0.0, "limit lifted")
    await bench.ask(5, Priority.GROUP_FUNCTION, "dms", expires_ms=clock.utc_ms() + 1000)
    assert await bench.router.expire() == []
    clock.advance(1)
    results = await bench.router.expire()
    assert [(r.command.origin, r.status) for r in results] == [("default", CommandStatus.SUCCESS)]
    assert bench.sent == [5, 0]


async def test_release_hands_the_point_to_the_next(bench):
    bench.online()
    await bench.ask(2, Priority.DMS_VVO, "vvo")
    await bench.ask(5)
    result = await bench.router.release("d.sp", "op")
    assert result is not None
    assert bench.sent == [2, 5, 2]
    assert await bench.router.release("d.sp", "op") is None


async def test_an_unknown_point_is_refused_and_audited(bench):
    result = await bench.router.submit(Command("x.y", 1, "op", Priority.OPERATOR))
    assert result.status is CommandStatus.NOT_SUPPORTED
    assert [row["point"] for row in bench.trail.commands()] == ["x.y"]


async def test_one_command_at_a_time_a_point_in_the_order_asked(bench):
    bench.online()
    bench.gate = asyncio.Event()
    tasks = [asyncio.create_task(bench.ask(value)) for value in (1, 2, 3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert bench.sent == [1]
    bench.gate.set()
    await asyncio.gather(*tasks)
    assert bench.sent == [1, 2, 3]


async def test_the_trail_has_both_verdicts_and_the_outcome(bench):
    bench.online()
    await bench.ask(1)
    await bench.ask(2, Priority.DMS_VVO, "vvo")
    await bench.ask(99)
    outside, blocked, done = bench.trail.commands()
    assert (done["status"], done["arbiter"], done["interlock"]) == ("SUCCESS", "granted", "passed")
    assert done["value_sent"] == 1
    assert done["ended_ms"] is not None
    assert blocked["status"] == "BLOCKED"
    assert "op" in blocked["arbiter"]
    assert outside["status"] == "OUT_OF_RANGE"
    assert outside["interlock"] == "99 is outside -10..10 1"
    assert bench.trail.commands_sent() == 1


async def test_a_command_cut_off_is_on_record_as_such(bench):
    bench.online()
    bench.gate = asyncio.Event()
    task = asyncio.create_task(bench.ask(1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (row,) = bench.trail.commands()
    assert row["status"] == "UNDEFINED"


async def test_a_fallback_due_while_the_device_is_away_goes_out_when_it_is_back(bench, clock):
    bench.online()
    bench.router.set_default("d.sp", 0.0, "limit lifted")
    await bench.ask(5, Priority.GROUP_FUNCTION, "dms", expires_ms=clock.utc_ms() + 10_000)
    clock.advance(10)
    bench.store.age()
    (refused,) = await bench.router.expire()
    assert refused.status is CommandStatus.BLOCKED
    clock.advance(60)
    assert await bench.router.expire() == []  # still away: no noise in the trail
    bench.store.update("d.sp", Measurement(5.0, Quality.ONLINE, clock.utc_ms()))
    (sent,) = await bench.router.expire()
    assert (sent.command.origin, sent.status) == ("default", CommandStatus.SUCCESS)
    assert bench.sent == [5, 0]
    assert await bench.router.expire() == []


async def test_a_fallback_that_timed_out_is_sent_anew_only_if_the_device_shows_it_was_lost(
    bench, clock
):
    bench.online()
    bench.router.set_default("d.sp", 0.0, "limit lifted")
    for shown, sent in ((0.0, [5, 0]), (5.0, [5, 0, 0])):
        bench.sent.clear()
        bench.outcome = CommandStatus.SUCCESS
        await bench.ask(5, Priority.GROUP_FUNCTION, "dms", expires_ms=clock.utc_ms() + 1000)
        clock.advance(1)
        bench.outcome = CommandStatus.TIMEOUT
        await bench.router.expire()
        bench.outcome = CommandStatus.SUCCESS
        await bench.router.expire()
        assert bench.sent == [5, 0]
        clock.advance(30)
        bench.store.update("d.sp", Measurement(shown, Quality.ONLINE, clock.utc_ms()))
        await bench.router.expire()
        await bench.router.expire()
        assert bench.sent == sent


async def test_a_timed_out_command_that_took_after_all_falls_back(bench, clock):
    bench.online()
    bench.router.set_default("d.sp", 0.0, "limit lifted")
    bench.outcome = CommandStatus.TIMEOUT
    await bench.ask(5, Priority.GROUP_FUNCTION, "dms")
    bench.outcome = CommandStatus.SUCCESS
    clock.advance(10)
    bench.store.update("d.sp", Measurement(5.0, Quality.ONLINE, clock.utc_ms()))
    await bench.router.expire()
    assert bench.sent == [5, 0]


async def test_a_refused_command_leaves_the_origins_former_claim_and_its_end(bench, clock):
    bench.online()
    bench.router.set_default("d.sp", 0.0, "limit lifted")
    await bench.ask(5, Priority.GROUP_FUNCTION, "dms", expires_ms=clock.utc_ms() + 2000)
    assert await bench.ask(99, Priority.GROUP_FUNCTION, "dms") is CommandStatus.OUT_OF_RANGE
    assert await bench.ask(3, Priority.DMS_VVO, "vvo") is CommandStatus.BLOCKED
    clock.advance(2)
    await bench.router.expire()
    assert bench.sent == [5, 0]


async def test_a_command_that_comes_expired_does_not_end_a_standing_one(bench, clock):
    bench.online()
    bench.router.set_default("d.sp", 0.0, "limit lifted")
    await bench.ask(5, Priority.GROUP_FUNCTION, "dms")
    late = await bench.ask(7, Priority.GROUP_FUNCTION, "dms", expires_ms=clock.utc_ms() - 1)
    assert late is not CommandStatus.SUCCESS
    assert await bench.router.expire() == []
    assert bench.sent == [5]


async def test_a_command_refused_to_its_asker_never_goes_out_later(bench, clock):
    bench.online()
    await bench.ask(1, expires_ms=clock.utc_ms() + 1000)
    assert await bench.ask(2, Priority.DMS_VVO, "vvo") is CommandStatus.BLOCKED
    clock.advance(1)
    assert await bench.router.expire() == []
    assert bench.sent == [1]


async def test_what_was_sent_after_an_expiry_is_not_sent_again_for_it(bench, clock):
    bench.online()
    await bench.ask(1, expires_ms=clock.utc_ms() + 1000)
    clock.advance(1)
    assert await bench.ask(2, Priority.DMS_VVO, "vvo") is CommandStatus.SUCCESS
    assert await bench.router.expire() == []
    assert bench.sent == [1, 2]


async def test_an_heir_is_judged_when_its_turn_comes_not_before(bench, clock):
    bench.online()
    await bench.ask(1, Priority.DMS_VVO, "vvo")
    await bench.ask(5, expires_ms=clock.utc_ms() + 1000)
    clock.advance(1)
    bench.gate = asyncio.Event()
    newer = asyncio.create_task(bench.ask(2, Priority.DMS_VVO, "vvo"))
    await asyncio.sleep(0)
    reverting = asyncio.create_task(bench.router.expire())
    await asyncio.sleep(0)
    bench.gate.set()
    await asyncio.gather(newer, reverting)
    assert bench.sent == [1, 5, 2]


async def test_points_that_do_not_exist_cost_no_memory(bench):
    for number in range(50):
        await bench.router.submit(Command(f"x.{number}", 1, "mqtt", Priority.OPERATOR))
    assert len(bench.router._turn) == 0


async def test_nothing_goes_out_while_the_trail_cannot_be_written_and_that_is_said(bench, tmp_path):
    bench.online()
    await bench.ask(1)
    locker = sqlite3.connect(tmp_path / "audit.sqlite", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")  # what a backup or a curious shell does
    result = await bench.router.submit(Command("d.sp", 2, "op", Priority.OPERATOR))
    assert result.status is CommandStatus.HARDWARE_ERROR
    assert "audit trail cannot be written" in result.detail
    assert "locked" in bench.trail.fault
    assert await bench.ask(99) is CommandStatus.OUT_OF_RANGE
    assert bench.sent == [1]
    locker.execute("ROLLBACK")
    locker.close()
    assert await bench.ask(3) is CommandStatus.SUCCESS
    assert bench.trail.fault == ""
    assert bench.sent == [1, 3]


async def test_a_command_that_went_out_says_how_it_ended_though_the_disk_filled_up(bench):
    bench.online()
    bench.gate = asyncio.Event()
    task = asyncio.create_task(bench.ask(1))
    await asyncio.sleep(0)
    bench.trail.close()
    bench.gate.set()
    assert await task is CommandStatus.SUCCESS
    assert bench.trail.fault


async def test_a_select_is_judged_like_the_operate_but_claims_and_sends_nothing(bench):
    selected = Command("d.sp", 3.0, "master", Priority.UTILITY_2030_5)
    assert bench.router.judge(selected).status is CommandStatus.BLOCKED  # not ONLINE yet
    bench.online()
    assert bench.router.judge(selected).ok
    assert bench.sent == []
    assert bench.router.holder("d.sp") is None
    assert await bench.ask(1, Priority.OPERATOR) is CommandStatus.SUCCESS
    assert bench.router.judge(selected).status is CommandStatus.BLOCKED  # the operator holds it
    assert bench.router.judge(Command("d.sp", 99.0, "op", Priority.OPERATOR)).status is (
        CommandStatus.OUT_OF_RANGE
    )
    unknown = Command("d.none", 1.0, "master", Priority.OPERATOR)
    assert bench.router.judge(unknown).status is CommandStatus.NOT_SUPPORTED


async def test_a_select_at_the_cap_of_claims_drops_nobodys_claim(bench):
    bench.online()
    for number in range(MAX_CLAIMS_PER_POINT):
        await bench.ask(1, Priority.GROUP_FUNCTION, f"origin{number}")
    bench.router.judge(Command("d.sp", 2.0, "one too many", Priority.OPERATOR))
    holder = bench.router.holder("d.sp")
    assert holder is not None
    assert holder.origin == f"origin{MAX_CLAIMS_PER_POINT - 1}"
    for number in reversed(range(1, MAX_CLAIMS_PER_POINT)):
        bench.router.withdraw("d.sp", f"origin{number}")
    survivor = bench.router.holder("d.sp")
    assert survivor is not None
    assert survivor.origin == "origin0"
