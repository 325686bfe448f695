"""Search of a setting: programs on measured models, then moves of one or two controls.

The model proposes and the full power flow disposes: every step is a setting that was solved and
was better. Where the model lies the trust region shrinks. A search knows no clock; its budget is a
count of power flows, so that the same problem has the same answer on any machine.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.apps.vvo.measure import LocalModel, measure
from gateway.apps.vvo.problem import Array, Judged, Problem, Setting
from gateway.apps.vvo.program import Answer, Program

#: A step must be worth this much, kW, to be one.
_WORTH_KW = 1e-3
#: Corrections of reactive powers for what the model got wrong, a candidate.
_CORRECTIONS = 3
#: Programs about one measurement, each with the voltages corrected by the one before.
_LEAPS = 2
#: How many times as many branches a program may take while voltages are out of the band.
_PERSEVERE = 5
#: By how much less a program may leave unproved then.
_STRICTER = 20.0
#: Moves worked out on the model for each that is tried on the full power flow.
_PROOFS = 5


@dataclass(frozen=True, slots=True)
class Effort:
    """How far and how long to search.

    Attributes:
        taps: tap steps either way that a model is believed at first.
        share: the same for a var, as a share of its range.
        max_solves: most power flows.
        gap: share of the objective that a program need not prove.
        gain_gap: share of a step's gain that it need not find; the next step may.
        nodes: branches a program may take.
        pairs: whether curvature between controls is measured: a power flow a pair.
        candidates: moves tried on the full power flow before a neighbourhood is given up.
    """

    taps: int = 6
    share: float = 1.0
    max_solves: int = 4000
    gap: float = 1e-3
    gain_gap: float = 0.5
    nodes: int = 100
    pairs: bool = True
    candidates: int = 12


#: From anywhere; from near the optimum of a moment ago; and where a power flow takes tens of ms.
COLD = Effort()
TRACKING = Effort(taps=2, share=0.5, gap=5e-4, candidates=4)
LARGE = Effort(taps=3, nodes=40, pairs=False)


@dataclass(frozen=True, slots=True)
class Found:
    """Outcome of a search.

    Attributes:
        best: the best found; the start where nothing was better.
        solves: power flows spent.
    """

    best: Judged
    solves: int


def search(problem: Problem, start: Setting, effort: Effort = COLD) -> Found:
    """Improve a setting until neither a program nor a move of one or two controls helps.

    Args:
        problem: what may be moved, and what it is worth.
        start: where to begin; clipped into the ranges first.
        effort: how far and how long.
    """
    run = _Search(problem, effort)
    best = run.judge(problem.clip(start))
    if problem.controls and math.isfinite(best.cost):
        best = run.descend(best)
        if problem.limits.outside(best.volts_pu):
            best = run.descend(best, _PERSEVERE * effort.nodes)
        best = run.polish(best)
    return Found(best, run.solves)


class _Search:
    """Counts and remembers what was judged."""

    def __init__(self, problem: Problem, effort: Effort) -> None:
        self._problem, self._effort = problem, effort
        self._known: dict[Setting, Judged] = {}
        self._curvature: Array | None = None
        self._nodes = effort.nodes
        self.solves = 0

    def judge(self, setting: Setting) -> Judged:
        if setting not in self._known:
            self._known[setting] = self._problem.judge(setting)
            self.solves += 1
        return self._known[setting]

    def descend(self, best: Judged, nodes: int | None = None) -> Judged:
        """Programs within a trust region that grows where the model holds and shrinks if not."""
        self._nodes = nodes or self._effort.nodes
        taps, share, most = self._effort.taps, self._effort.share, 2 * self._effort.taps
        while taps >= 1 and self._affordable():
            found, answer = self._leap(best, taps, share)
            if answer is None:
                break
            gain_kw = best.cost - found.cost
            if gain_kw > _WORTH_KW:
                best = found
                if gain_kw < self._gap_kw(best) / 4.0:
                    break  # moves of one and two find the rest sooner
                if gain_kw > 0.75 * (best.cost - answer.promise_kw):
                    taps = min(2 * taps, most)
            elif best.cost - answer.least_kw <= self._gap_kw(best):
                break
            else:
                most = max(1, taps - 1)  # not believed so far again
                taps, share = taps // 2, share / 2
        return best

    def _leap(self, best: Judged, taps: int, share: float) -> tuple[Judged, Answer | None]:
        """What a program leads to, and what it answered at first.

        Where its voltages were wrong it is asked again, with them corrected by what was seen.
        """
        program = self._program(self._measure(best), taps, share)
        first, found = None, best
        for _ in range(_LEAPS):
            answer = program.solve(self._effort.gain_gap, self._gap_kw(best))
            first = first or answer
            if answer is None or answer.setting in self._known:
                break
            found = self._settle(program, answer.setting)
            if found.cost < best.cost - _WORTH_KW or not math.isfinite(found.cost):
                break
        return found, first

    def polish(self, best: Judged) -> Judged:
        """Moves of one and two taps or switches, reactive powers following, until none helps."""
        improved = True
        while improved and self._affordable():
            improved = False
            program = self._program(self._measure(best), 2, self._effort.share)
            for setting in self._promising(program, best):
                if not self._affordable():
                    break
                found = self._settle(program, setting)
                program.shift(0.0 * best.volts_pu)
                if found.cost < best.cost - _WORTH_KW:
                    best, improved = found, True
                    break
        return best

    def _promising(self, program: Program, best: Judged) -> Iterator[Setting]:
        """Moves by what the model promises of them, best first; proved lazily."""
        moves = [best.setting, *_moves(self._problem, best.setting)]
        queue = [(program.bound(move), number, False) for number, move in enumerate(moves)]
        heapq.heapify(queue)
        enough_kw = best.cost + self._gap_kw(best)
        given = proofs = 0
        while queue and given < self._effort.candidates and queue[0][0] < enough_kw:
            _, number, proved = heapq.heappop(queue)
            if proved:
                given += 1
                yield moves[number]
                continue
            proofs += 1
            if proofs > _PROOFS * self._effort.candidates:
                break
            answer = program.solve_at(moves[number])
            if answer is not None:
                heapq.heappush(queue, (answer.promise_kw, number, True))

    def _settle(self, program: Program, setting: Setting) -> Judged:
        """Judge a proposal, then correct its reactive powers for the voltages it really has."""
        answer = program.solve_at(setting)
        best = self.judge(setting if answer is None else answer.setting)
        for _ in range(_CORRECTIONS):
            if not math.isfinite(best.cost):
                break
            program.shift(best.volts_pu - program.volts(best.setting))
            again = program.solve_at(best.setting)
            found = best if again is None else self.judge(again.setting)
            if found.cost >= best.cost - _WORTH_KW:
                break
            best = found
        return best

    def _measure(self, base: Judged) -> LocalModel:
        model = measure(self._problem, base, self.judge, self._curvature, pairs=self._effort.pairs)
        self._curvature = model.curvature
        return model

    def _program(self, model: LocalModel, taps: int, share: float) -> Program:
        return Program(self._problem, model, taps, share, self._nodes)

    def _gap_kw(self, best: Judged) -> float:
        """How near to the best is good enough; a voltage out of band is not."""
        out = self._problem.limits.outside(best.volts_pu)
        return self._effort.gap * abs(best.value_kw) / (_STRICTER if out else 1.0)

    def _affordable(self) -> bool:
        """Whether the budget holds another model and its candidates."""
        count = len(self._problem.controls)
        a_model = 2 * count + (count * (count - 1) // 2 if self._effort.pairs else 0)
        return self.solves + a_model + _CORRECTIONS < self._effort.max_solves


def _moves(problem: Problem, at: Setting) -> Iterator[Setting]:
    """Every move of one or two taps or switches by a step."""
    single = [
        (number, value)
        for number, control in enumerate(problem.controls)
        if not control.is_continuous
        for value in (at[number] - 1.0, at[number] + 1.0)
        if control.minimum <= value <= control.maximum
    ]
    for moves in itertools.chain(
        ((move,) for move in single),
        (pair for pair in itertools.combinations(single, 2) if pair[0][0] != pair[1][0]),
    ):
        moved = list(at)
        for number, value in moves:
            moved[number] = value
        yield tuple(moved)
