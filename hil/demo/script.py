"""What the operator's side asks of the microgrid, and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hil.demo.client import ClientError
from hil.demo.truthtail import TruthTail
from hil.demo.wire import Answer, Ask
from hil.report.record import Exchange

#: Wall seconds a step needs after its set point has ended.
_MARGIN_S = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """One request at ``at_s`` wall seconds after the clock started."""

    at_s: float
    title: str
    ask: Ask

    @property
    def ends_s(self) -> float:
        """When its effect is over."""
        return self.at_s + self.ask.hold_s + _MARGIN_S


#: Times are wall seconds because messages and control cycles are; at the default scale times ten
#: they are simulated seconds. The first fifteen seconds have everything the score needs, the first
#: thirty every function once. Then the cloud has come and it is asked again.
SCRIPT = (
    Step(0.8, "status", Ask("status")),
    Step(1.4, "capability", Ask("capability")),
    Step(3.0, "dispatch P", Ask("dispatch-p", 200e3, 6.0)),
    Step(3.5, "dispatch Q", Ask("dispatch-q", 150e3, 6.0)),
    Step(10.0, "limit export", Ask("limit", 60e3, 4.0)),
    Step(15.2, "forecast", Ask("forecast")),  # it goes by what was measured meanwhile
    Step(16.0, "power factor", Ask("pf", 0.95, 5.0)),
    Step(22.5, "volt-VAR curve", Ask("curve", None, 5.0)),
    Step(31.0, "dispatch P", Ask("dispatch-p", 80e3, 8.0)),
    Step(32.0, "dispatch Q", Ask("dispatch-q", 250e3, 8.0)),
    Step(42.0, "limit import", Ask("limit", -30e3, 8.0)),
    Step(52.0, "status", Ask("status")),
)


def steps_within(seconds: float) -> tuple[Step, ...]:
    """The steps whose effect is over within a run of ``seconds`` wall seconds."""
    return tuple(step for step in SCRIPT if step.ends_s <= seconds)


async def play(
    steps: tuple[Step, ...],
    ask: Callable[[Ask], Awaitable[Answer]],
    truth: TruthTail,
    exchanges: list[Exchange],
) -> None:
    """Ask each step at its time; one that gets no answer is recorded as FAILED.

    Args:
        steps: in order of time; time counts from now.
        ask: sends one and brings its answer.
        truth: says what simulated time it is.
        exchanges: where results go, oldest first.
    """
    began = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as asking:
        for step in steps:
            await asyncio.sleep(step.at_s - (asyncio.get_running_loop().time() - began))
            asking.create_task(_exchange(step, ask, truth, exchanges))


async def _exchange(
    step: Step,
    ask: Callable[[Ask], Awaitable[Answer]],
    truth: TruthTail,
    exchanges: list[Exchange],
) -> None:
    sent_at = time.time()
    try:
        answer = await ask(step.ask)
    except ClientError as error:
        answer = Answer("", "FAILED", str(error))
    answered_at = time.time()
    await asyncio.sleep(0.3)  # until the truth log has caught up with both moments
    sent_s, scale = truth.simulated_s(sent_at), truth.scale
    exchanges.append(
        Exchange(
            title=step.title,
            function=step.ask.function,
            asked=step.ask.text,
            value=None if step.ask.function in ("pf", "curve") else step.ask.value,
            sent_s=sent_s,
            answered_s=truth.simulated_s(answered_at),
            until_s=sent_s + step.ask.hold_s * scale if step.ask.hold_s else None,
            result=answer.result,
            answer=answer.text,
            round_trip_ms=1000 * (answered_at - sent_at),
        )
    )
