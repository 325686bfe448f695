"""Ten thousand attacks on the outstation: after each one the next good request is answered."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections import Counter
from itertools import islice

import numpy.ma  # noqa: F401 - numpy loads it when first needed: not to be taken for growth

from gateway.links.dnp3.outstation_config import UnsolicitedConfig
from gateway.model.command import CommandStatus
from tests.fuzz.dnp3.attacks import ENDLESS, FINITE, Attack, attacks
from tests.unit.links.dnp3.outstation_bench import (
    AI,
    BI,
    Answer,
    Bench,
    answers,
    octets,
    unframe,
)

CASES = 10_000
#: Longest a good request may wait, and what the master leaves between the two, virtual seconds.
PATIENCE_S, BREATH_S, STEP_S = 2.0, 0.6, 0.25
PER_CLASS, MOST_ANSWERED, MOST_GROWN, MOST_AT_ONCE = 50, 300_000, 20_000, 1_000_000


class Front:
    """The outstation, an actuator that obeys at once, and a master that confirms what it gets."""

    def __init__(self) -> None:
        reports = UnsolicitedConfig(hold_s=0.0, timeout_s=5.0)
        self.bench = Bench(reports=reports, allow_restart=True, events_per_class=PER_CLASS)
        self.session = self.bench.session
        self.sequence = 0
        self.report: Answer | None = None

    def suffer(self, attack: Attack) -> int:
        """The attack; how many octets came back, all of them in whole frames."""
        self.session.receive(attack.stream, self.bench.now_s, self.bench.utc_ms)
        said = self._settle()
        self._hear(answers([(control, data) for control, data in unframe(said) if data]))
        self._hear(self.bench.wait(BREATH_S))
        return len(said)

    def answered_within_s(self) -> float:
        """How long a read of five analogs takes to be answered, virtual seconds."""
        self.sequence = (self.sequence + 1) % 16
        begun_s = self.bench.now_s
        heard = self.bench.ask(f"{0xC0 | self.sequence:02X} 01 1E 01 00 00 04")
        while not any(self._is_it(answer) for answer in heard):
            assert self.bench.now_s < begun_s + PATIENCE_S, "no answer to a good request"
            self._hear(heard)
            if self.report is not None:
                report, self.report = self.report, None
                heard = self.bench.confirm(report)
            else:
                heard = self.bench.wait(STEP_S)
        return self.bench.now_s - begun_s

    def _hear(self, heard: list[Answer]) -> None:
        for answer in heard:
            if answer.function == 130:
                self.report = answer

    def _is_it(self, answer: Answer) -> bool:
        is_it = answer.function == 129 and answer.sequence == self.sequence
        return is_it and answer.body[:5] == octets("1E 01 00 00 04")

    def _settle(self) -> bytes:
        """Controls end at once; what was said."""
        said = self.session.outgoing()
        while (todo := self.session.request) is not None:
            done = [CommandStatus.SUCCESS] * len(todo.due)
            self.session.complete(todo.serial, done, self.bench.now_s, self.bench.utc_ms)
            said += self.session.outgoing()
        return said


def test_ten_thousand_attacks_and_a_good_answer_after_each() -> None:
    rng = random.Random(2013)
    suffered = attacks(rng, CASES)
    front, families, slowest_s = Front(), Counter[str](), 0.0
    for number, attack in enumerate(suffered):
        assert front.suffer(attack) < MOST_ANSWERED, attack
        slowest_s = max(slowest_s, front.answered_within_s())
        families[attack.family] += 1
        if number % 7 == 0:
            front.bench.put(AI, rng.randrange(5), float(number))
            front.bench.put(BI, rng.randrange(5), number % 2)
    assert len(families) == len(FINITE) + len(ENDLESS)
    assert min(families.values()) > 100
    assert sum(families.values()) == CASES
    assert slowest_s <= PATIENCE_S
    assert len(front.session._waiting) == 0
    assert max(front.bench.counts()) <= PER_CLASS
    assert len(front.session.counts) < 10  # names of counts are ours, not the attacker's
    assert front.session.counts["malformed requests"] > 100
    assert front.session.counts["frames not ours"] > 100


def test_attacks_leave_nothing_behind() -> None:
    suffered = iter(attacks(random.Random(1815), CASES))
    front = Front()
    for attack in islice(suffered, 600):
        front.suffer(attack)
    tracemalloc.start(1)
    try:
        for attack in islice(suffered, 300):
            front.suffer(attack)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for attack in islice(suffered, 600):
            front.suffer(attack)
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < MOST_GROWN
    assert peak - before < MOST_AT_ONCE
    assert front.answered_within_s() <= PATIENCE_S
