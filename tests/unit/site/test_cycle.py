"""The control cycle never waits for arithmetic, and a failed step orders nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from functools import partial

import pytest

from gateway.apps.decision import Alarm, Decision
from gateway.model.command import Command, CommandResult, CommandStatus, Priority
from gateway.points.store import PointStore
from gateway.site.clock import SystemClock
from gateway.site.cycle import ControlCycle
from gateway.site.worker import StepFailedError, StepOverrunError, StepWorker


def order(*points: str, chain: str = "") -> tuple[Command, ...]:
    return tuple(
        Command(point, 1.0, "vvo", Priority.DMS_VVO, correlation=chain) for point in points
    )


def counting(image, replies, state, now_ms):
    commands = order("a.x", "a.y", chain="a") + order("b.x")
    return Decision(commands, (), (Alarm("s", "seen"),), state + 1, {"n": float(state)})


def slow_once(path: str, image, replies, state, now_ms):
    if state == 0 and not os.path.exists(path):  # noqa: PTH110 - runs in a bare child
        with open(path, "w", encoding="ascii"):  # noqa: PTH123
            pass
        time.sleep(60)
    return Decision((), (), (), state + 1, {})


def failing(image, replies, state, now_ms):
    raise ZeroDivisionError("the application's own bug")


def dying(image, replies, state, now_ms):
    os._exit(3)


def stuck_at(number: int, path: str, image, replies, state, now_ms):
    if state == number and not os.path.exists(path):  # noqa: PTH110 - runs in a bare child
        with open(path, "w", encoding="ascii"):  # noqa: PTH123
            pass
        time.sleep(60)
    return Decision((), (), (), state + 1, {})


def advising_but_once(path: str, image, replies, state, now_ms):
    if state == 2 and not os.path.exists(path):  # noqa: PTH110 - runs in a bare child
        with open(path, "w", encoding="ascii"):  # noqa: PTH123
            pass
        time.sleep(60)
    commands = order("a.x") if state == 2 else ()
    notes, alarms = {"n": float(state)}, (Alarm("s", f"seen {state}"),)
    return Decision(commands, (), alarms, state + 1, notes, order(f"q.{state}"))


def build(step):
    return step


def build_slowly(step):
    time.sleep(0.5)
    return step


class Router:
    """Takes what the cycle submits; refuses what it is told to."""

    def __init__(self, refused: frozenset[str] = frozenset()) -> None:
        self.seen: list[str] = []
        self.refused = refused

    async def submit(self, command: Command) -> CommandResult:
        self.seen.append(command.point)
        refused = command.point in self.refused
        return CommandResult(command, CommandStatus.BLOCKED if refused else CommandStatus.SUCCESS)


async def run_for(cycle: ControlCycle, done, within_s: float = 20.0) -> None:
    task = asyncio.create_task(cycle.run())
    try:
        async with asyncio.timeout(within_s):
            while not done():
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def cycle_of(step, router: Router, period_s: float = 0.05) -> ControlCycle:
    clock = SystemClock()
    worker = StepWorker(partial(build, step))
    return ControlCycle(period_s, worker, 0, PointStore([], clock), router, None, clock)


async def test_state_goes_from_step_to_step_and_orders_go_out():
    router = Router()
    cycle = cycle_of(counting, router)
    await run_for(cycle, lambda: cycle.record.cycles >= 3)
    assert cycle.record.notes["n"] >= 2
    assert router.seen[:3] in (["a.x", "b.x", "a.y"], ["a.x", "a.y", "b.x"])
    assert cycle.record.alarms["s"].text == "seen"


async def test_a_refusal_ends_its_chain_and_no_other():
    router = Router(frozenset({"a.x"}))
    cycle = cycle_of(counting, router)
    await run_for(cycle, lambda: cycle.record.cycles >= 2)
    assert "a.y" not in router.seen
    assert router.seen.count("b.x") >= 2


async def test_an_overrun_is_cut_and_counted_and_the_next_cycle_works(tmp_path):
    step = partial(slow_once, str(tmp_path / "once"))
    worker = StepWorker(partial(build, step))
    began_s = time.monotonic()
    # the child starts within the first seconds; the step then sleeps a minute
    with pytest.raises(StepOverrunError):
        await worker.step(5.0, None, (), 0, 0)
    assert time.monotonic() - began_s < 10
    decision = await worker.step(20.0, None, (), 0, 0)
    assert decision.state == 1
    assert (worker.statistics.overruns, worker.statistics.steps) == (1, 1)
    worker.close()


async def test_after_an_overrun_the_new_child_gets_the_time_to_build_its_application(tmp_path):
    clock, step = SystemClock(), partial(stuck_at, 2, str(tmp_path / "once"))
    worker = StepWorker(partial(build_slowly, step))
    cycle = ControlCycle(0.3, worker, 0, PointStore([], clock), Router(), None, clock)
    await run_for(cycle, lambda: cycle.record.cycles >= 4)
    assert worker.statistics.overruns == 1


async def test_an_overrun_leaves_the_last_good_answer_beside_its_fault(tmp_path):
    router = Router()
    cycle = cycle_of(partial(advising_but_once, str(tmp_path / "once")), router)
    cycle.limit_s = 1.0
    shown = []

    def recovered() -> bool:
        record = cycle.record
        if record.fault and not shown:  # the state of the cut step is still the one before it
            advice = [command.point for command in record.advice]
            shown.append((record.fault, dict(record.notes), advice, record.alarms["s"].text))
            shown.append((record.cycles, cycle.state, list(router.seen)))
        return record.cycles >= 3

    await run_for(cycle, recovered)
    assert shown[0] == ("no answer within 1 s", {"n": 1.0}, ["q.1"], "seen 1")
    assert shown[1] == (2, 2, [])
    assert cycle.record.fault == ""
    assert cycle.record.notes["n"] >= 2.0
    assert router.seen == ["a.x"]
    assert cycle._worker.statistics.overruns == 1


async def test_a_child_that_does_not_read_does_not_hold_the_loop():
    worker = StepWorker(partial(build_slowly, counting))
    looks = 0

    async def look():
        nonlocal looks
        while True:
            looks += 1
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(look())
    image = bytes(4_000_000)  # more than a pipe holds; the child reads it after it has started
    await worker.step(20.0, None, (), 0, 0)
    assert worker._process is not None
    assert worker._process.pid is not None
    os.kill(worker._process.pid, signal.SIGSTOP)
    looks = 0
    with pytest.raises(StepOverrunError):
        await worker.step(0.5, image, (), 0, 0)
    watching.cancel()
    assert looks > 10


@pytest.mark.parametrize(("step", "says"), [(failing, "own bug"), (dying, "ended")])
async def test_a_failing_step_orders_nothing_and_is_shown(step, says):
    router = Router()
    cycle = cycle_of(step, router)
    await run_for(cycle, lambda: says in cycle.record.fault)
    assert router.seen == []
    assert cycle.record.cycles == 0


async def test_the_worker_ends_with_its_parent():
    worker = StepWorker(partial(build, counting))
    await worker.step(20.0, None, (), 0, 0)
    process = worker._process
    assert process is not None
    assert worker._pipe is not None
    worker._pipe.close()  # what happens when the parent is killed
    process.join(timeout=10)
    assert process.exitcode == 0
    with pytest.raises(StepFailedError):
        await worker.step(1.0, None, (), 0, 0)
    worker.close()
