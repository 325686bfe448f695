"""Ten thousand lies told to the master: after each one the truth is taken within two seconds."""

from __future__ import annotations

import gc
import random
import tracemalloc
from itertools import islice

import numpy.ma  # noqa: F401 - numpy loads it when first needed: not to be taken for growth

from gateway.links.dnp3.codec import ALL_INDICATIONS, Iin
from gateway.links.dnp3.frame_reader import FrameReader
from gateway.links.dnp3.master import OutputPoint
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.southbound.association import Phase
from gateway.links.dnp3.southbound.master_link import MasterLink
from gateway.model.command import CommandMode, CommandStatus
from tests.conftest import VirtualClock
from tests.fuzz.dnp3.lies import LIES, MASTER, OPERATE, SELECT, Asked, Tongue, asked, truth
from tests.unit.links.dnp3.master_desk import KINDS, desk

CASES = 10_000
STEP_S, PATIENCE_S = 0.05, 2.0
MOST_SAID, MOST_GROWN, MOST_AT_ONCE = 20_000, 20_000, 1_000_000
#: Lies that leave the echo as it must be.
HONEST_ECHO = ("indications", "link_games")
RELAY = OutputPoint("BO1", PointType.BINARY_OUTPUT, 1, mode=CommandMode.SELECT_BEFORE_OPERATE)


class Table:
    """The master's session and, across the table, an outstation that lies when it is told to.

    Attributes:
        said: octets the master sent since the last lie.
    """

    def __init__(self, clock: VirtualClock, rng: random.Random) -> None:
        self.desk = desk(
            clock, timeout_s=0.4, scans=((0.3, (1, 2, 3, 0)),), time_sync="non-lan",
            retry_min_s=0.2, retry_max_s=0.5, keepalive_s=5.0,
        )  # fmt: skip
        self.tongue = Tongue()
        self.said = 0
        self._clock, self._rng = clock, rng
        self._link = MasterLink(self.desk.association, MASTER)
        self._reader = FrameReader()
        self._requests: list[Asked] = []
        self._link.connected(self.desk.now)

    def step(self) -> Asked | None:
        """Let a moment pass; the request that is under way then."""
        self._clock.advance(STEP_S)
        self.desk.association.tick(self.desk.now)
        octets = self._link.poll(self.desk.now)
        self.said += len(octets)
        self._requests += asked(octets)
        return self._requests.pop(0) if self._requests else None

    def hear(self, octets: bytes) -> None:
        for frame in self._reader.feed(octets, self.desk.now.s):
            self.said += len(self._link.receive(frame, self.desk.now))

    def next_request(self) -> Asked:
        for _ in range(200):
            request = self.step()
            if request is not None:
                return request
        raise AssertionError("the master asks nothing any more")

    def lie(self, name: str) -> Asked:
        """A lie about the next request; which it was."""
        self.said = 0
        request = self.next_request()
        self.hear(LIES[name](self._rng, self.tongue, request))
        return request

    def truth_taken_after_s(self, value: int) -> float:
        """How long it takes, answered honestly from now on, until the store has the truth."""
        begun_s = self._clock.now_s
        while not (self.desk.good("AI0") and self.desk.value("AI0") == value):
            assert self._clock.now_s < begun_s + PATIENCE_S, "the truth is not taken"
            request = self.step()
            if request is not None:
                self.hear(self.tongue.say(truth(request, value), request.sequence))
        return self._clock.now_s - begun_s


def told(rng: random.Random) -> list[str]:
    """Names of lies, each as often as every other, in no order."""
    names = [name for name in LIES for _ in range(CASES // len(LIES))]
    rng.shuffle(names)
    return names


def test_ten_thousand_lies_and_the_truth_after_each(clock: VirtualClock) -> None:
    rng = random.Random(130)
    table = Table(clock, rng)
    state = table.desk.state
    for value, name in enumerate(told(rng), 100_000):
        state.by_group = value % 4 == 0  # else for ever, after the first object nobody knows
        table.lie(name)
        table.truth_taken_after_s(value)
        assert table.said < MOST_SAID, name
    assert table.desk.association.phase in (Phase.RUNNING, Phase.STARTING)
    assert len(table.desk.store) == 4 * len(KINDS)
    heard = (state.stale, state.malformed, state.unknown_objects, state.refusals, state.restarts,
             state.overflows, state.duplicates, state.unsolicited, state.timeouts)  # fmt: skip
    assert min(heard) > 50, state


def test_lies_leave_nothing_behind(clock: VirtualClock) -> None:
    for bits in range(ALL_INDICATIONS + 1):
        Iin(bits)  # an enumeration keeps each it has ever seen: some 8 MB in all
    rng = random.Random(131)
    table = Table(clock, rng)
    names = iter(told(rng))
    values = iter(range(100_000, 200_000))

    def suffer(count: int) -> None:
        for name in islice(names, count):
            table.lie(name)
            table.truth_taken_after_s(next(values))
            table.desk.changes.clear()
            assert len(Iin._value2member_map_) <= ALL_INDICATIONS + 1

    suffer(800)
    tracemalloc.start(1)
    try:
        suffer(200)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        suffer(600)
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < MOST_GROWN
    assert peak - before < MOST_AT_ONCE


def test_no_lie_about_a_selection_makes_the_master_operate(clock: VirtualClock) -> None:
    """500 selects, each echoed with something else in it, or answered with any other lie."""
    rng = random.Random(132)
    others = [name for name in LIES if name not in HONEST_ECHO]
    table = Table(clock, rng)
    for value in range(100_000, 100_500):
        table.truth_taken_after_s(value)
        table.desk.operate(RELAY, value % 2)
        name = "altered" if value % 2 else rng.choice(others)
        request = table.next_request()
        while request.function != SELECT:
            table.hear(table.tongue.say(truth(request, value), request.sequence))
            request = table.next_request()
        table.hear(LIES[name](rng, table.tongue, request))
        while not table.desk.results:
            after = table.step()
            if after is not None:
                assert after.function != OPERATE, name
                table.hear(table.tongue.say(truth(after, value), after.sequence))
        (result,) = table.desk.results
        assert result.status is not CommandStatus.SUCCESS, name
        table.desk.results.clear()
