"""What to leave out where not all can be served: a mixed-integer program in HiGHS.

Flows follow the branch-flow equations of a radial feeder, their squared currents relaxed to
tangents from below (Farivar and Low's relaxation, made linear), so the program is optimistic and
its bound holds. Whatever it proposes goes to the full power flow. A state that fails there is cut
down to the smallest part that still fails by itself, and that part is forbidden from then on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np

from gateway.apps.flisr.exchange import exchanges
from gateway.apps.flisr.graph import Edges, likely_voltage_pu
from gateway.apps.flisr.shedding import Shed
from gateway.apps.flisr.task import Candidate, Judged, Restoration, Task

#: Branches for all runs of a program together, and how many the root of each run counts for: an
#: answer hangs on what was counted, not on how fast the machine is.
_NODES, _ROOT_NODES, _SEED = 300, 10, 1
#: Against a program that hangs; counts rule long before.
_TIME_LIMIT_S = 20.0
#: Runs for one set of zones to serve.
_RIVAL_ROUNDS = 2
#: What an operation costs beside a kW served: it decides between equals only.
_OPERATION_KW = 1e-2
#: Where tangents stand from the start, as shares of all load; more make the program slower.
_TANGENTS = (0.15, 0.4, 0.8)
#: Loads below this share of all are taken for it, so that no island of zones feeds itself.
_LEAST_SHARE = 1e-6
#: No flow is above all load with its losses, as a share of all load.
_MOST_FLOW = 1.3


def most_served(task: Task, judged: Judged, known: Shed | None) -> Restoration | None:
    """The most load by weight, then the fewest operations, that the power flow lets pass.

    Args:
        task: what is out, and the limits.
        judged: the full power flow.
        known: what a search has found; first its zones are served with the fewest operations, then
            it is bettered, or given back where it is not.
    """
    best = None if known is None else known.best
    for live in () if known is None else known.rivals:
        found = _solve(task, judged, _Program(task, live=live), _RIVAL_ROUNDS)
        if found is not None and (best is None or _rank(found) < _rank(best)):
            best = found
    # what is left to find must be better by an operation or by load
    least_kw = -math.inf if best is None else _value_kw(best) + 0.5 * _OPERATION_KW
    program = _Program(task, least_kw=least_kw)
    found = _solve(task, judged, program, _NODES // _ROOT_NODES)
    if found is None and best is not None:
        return replace(best, proved=program.exhausted, checks=judged.checks)
    return found


def _solve(task: Task, judged: Judged, program: _Program, rounds: int) -> Restoration | None:
    for _ in range(rounds):
        closed = program.solve()
        candidate = None if closed is None else task.candidate(closed)
        if candidate is None:
            return None
        for near in (candidate, *_as_good(task, candidate)):
            verdict = judged(near.closed)
            if verdict.ok:
                return Restoration(near, verdict, program.proved, judged.checks)
        program.forbid(smallest_failing(task, judged, candidate))
    return None


def _value_kw(found: Restoration) -> float:
    """The program's objective."""
    candidate = found.candidate
    return candidate.estimate.worth_w / 1e3 - _OPERATION_KW * candidate.operations


def _rank(found: Restoration) -> tuple[float, int]:
    candidate = found.candidate
    return -round(candidate.estimate.worth_w, 3), candidate.operations


def _as_good(task: Task, candidate: Candidate) -> list[Candidate]:
    """States an exchange away that serve as much with as few operations, by their voltage."""
    found = [task.candidate(closed) for closed in exchanges(task, candidate)]
    alike = [
        near
        for near in found
        if near is not None
        and near.operations <= candidate.operations
        and near.estimate.worth_w >= candidate.estimate.worth_w
        and task.plausible(near)
    ]
    return sorted(alike, key=lambda near: -likely_voltage_pu(task.graph, near.fed))


def smallest_failing(task: Task, judged: Judged, candidate: Candidate) -> Edges:
    """Edges of a part of a failing tree that fails alone: more load never mends what less broke."""
    kept = frozenset(edge for edge in candidate.fed.through if edge >= 0)
    for edge in reversed(candidate.fed.through):
        part = task.candidate(kept - {edge})
        if edge < 0 or part is None:
            continue
        is_leaf = sum(through >= 0 for through in part.fed.through) == len(kept) - 1
        if is_leaf and not judged(part.closed).ok:
            kept -= {edge}
    return kept


@dataclass(frozen=True, slots=True)
class _Arc:
    """Columns of one way to feed: used, receiving-end flows and squared current, per unit."""

    used: int
    power: int
    reactive: int
    current: int


class _Program:
    """Columns: zone live and its squared voltage; an edge's two arcs with their flows.

    Only the arcs are whole numbers. A zone is live where one arc leads to it; an edge that was
    closed has been moved where an end is live and no arc uses it.
    """

    def __init__(
        self, task: Task, *, least_kw: float = -math.inf, live: frozenset[int] | None = None
    ) -> None:
        self._task, graph = task, task.graph
        self._base_w = sum(zone.load_va.real for zone in graph.zones) or 1.0
        self._solver = _quiet_solver()
        self.proved = self.exhausted = False
        self._nodes_left = _NODES
        self._costs: dict[int, float] = {}
        sources = {source.zone: source for source in graph.sources if source.zone not in task.dead}
        self._top = max((own.voltage_pu**2 for own in sources.values()), default=1.0)
        self._live = []
        self._square = []
        for number, zone in enumerate(graph.zones):
            worth_kw = zone.load_va.real * zone.weight / 1e3
            low = 1.0 if number in sources or (live and number in live) else 0.0
            high = 0.0 if number in task.dead or (live and number not in live) else 1.0
            self._live.append(self._column(-worth_kw, low, high))
            # a zone without voltage may have any square inside: it makes for small big-Ms
            top = sources[number].voltage_pu ** 2 if number in sources else self._top
            bottom = top if number in sources else min(task.voltage_min_pu**2, top)
            self._square.append(self._column(0.0, bottom, top))
        self._arcs = self._add_arcs(frozenset(sources))
        for number in range(len(graph.zones)):
            self._add_balance(number, sources[number].capacity_w if number in sources else None)
        for number in range(len(graph.edges)):
            self._add_edge(number)
        if math.isfinite(least_kw):
            self._row(-highspy.kHighsInf, -least_kw, dict(self._costs))

    def solve(self) -> Edges | None:
        """Closed edges of the best state; None where the solver has none, or has done its share."""
        if self._nodes_left <= 0:
            return None
        self._solver.setOptionValue("mip_max_nodes", self._nodes_left)
        self._solver.run()
        self._nodes_left -= max(int(self._solver.getInfo().mip_node_count), _ROOT_NODES)
        solution = self._solver.getSolution()
        status = self._solver.getModelStatus()
        self.proved = status == highspy.HighsModelStatus.kOptimal
        self.exhausted = status == highspy.HighsModelStatus.kInfeasible
        if not (self.proved or solution.value_valid):
            return None
        values = np.array(solution.col_value)
        self._add_tangents(values)
        used = frozenset(edge for (edge, _), arc in self._arcs.items() if values[arc.used] > 0.5)
        live = frozenset(n for n, column in enumerate(self._live) if values[column] > 0.5)
        ends = [edge.ends for edge in self._task.graph.edges]
        # what stays dark stays as it is
        return used | {e for e in self._task.base if live.isdisjoint(ends[e])}

    def forbid(self, part: Edges) -> None:
        """Never all of these closed together again."""
        used = {arc.used: 1.0 for (edge, _), arc in self._arcs.items() if edge in part}
        self._row(-highspy.kHighsInf, len(part) - 1, used)

    def _add_edge(self, number: int) -> None:
        """An edge is used one way at most, between live zones; moving it costs."""
        task, ends = self._task, self._task.graph.edges[number].ends
        arcs = [self._arcs[number, end] for end in ends if (number, end) in self._arcs]
        used = {arc.used: 1.0 for arc in arcs}
        for end in ends:
            self._row(-highspy.kHighsInf, 0.0, used | {self._live[end]: -1.0})
        if number not in task.base:
            for arc in arcs:
                self._solver.changeColCost(arc.used, _OPERATION_KW)
                self._costs[arc.used] = _OPERATION_KW
            return
        moved = self._column(_OPERATION_KW, 0.0, 1.0 if number in task.free else 0.0)
        for end in ends:
            self._row(0.0, highspy.kHighsInf, used | {moved: 1.0, self._live[end]: -1.0})

    def _add_arcs(self, sources: frozenset[int]) -> dict[tuple[int, int], _Arc]:
        """Ways to feed: from a zone through an edge that has every phase of the zone beyond."""
        task, graph = self._task, self._task.graph
        arcs: dict[tuple[int, int], _Arc] = {}
        for number, edge in enumerate(graph.edges):
            if number not in task.base and number not in task.free:
                continue
            for start, end in (edge.ends, edge.ends[::-1]):
                if end in sources or not graph.zones[end].phases <= edge.phases:
                    continue
                used = self._column(0.0, 0.0, 1.0)
                self._solver.changeColIntegrality(used, highspy.HighsVarType.kInteger)
                arc = _Arc(
                    used=used,
                    power=self._column(0.0, 0.0, highspy.kHighsInf),
                    reactive=self._column(0.0, -highspy.kHighsInf, highspy.kHighsInf),
                    current=self._column(0.0, 0.0, highspy.kHighsInf),
                )
                arcs[number, end] = arc
                self._add_flow(arc, edge.drop_pu_per_va * self._base_w, start, end)
        return arcs

    def _add_flow(self, arc: _Arc, drop: complex, start: int, end: int) -> None:
        """Flow only where used; voltage falls along it; current by tangents."""
        most, far = _MOST_FLOW, self._top - self._task.voltage_min_pu**2
        self._row(-highspy.kHighsInf, 0.0, {arc.power: 1.0, arc.used: -most})
        self._row(-highspy.kHighsInf, 0.0, {arc.reactive: 1.0, arc.used: -most})
        self._row(0.0, highspy.kHighsInf, {arc.reactive: 1.0, arc.used: most})
        self._row(-highspy.kHighsInf, 0.0, {arc.current: 1.0, arc.used: -2.0 * most**2})
        fall = {
            self._square[end]: 1.0,
            self._square[start]: -1.0,
            arc.power: 2.0 * drop.real,
            arc.reactive: 2.0 * drop.imag,
            arc.current: abs(drop) ** 2,
            arc.used: far,
        }
        self._row(-highspy.kHighsInf, far, fall)
        if drop:
            for share in _TANGENTS:
                self._add_tangent(arc, end, share, 0.6 * share, 0.9)

    def _add_tangent(self, arc: _Arc, end: int, p: float, q: float, square: float) -> None:
        """At least (p^2 + q^2) / square; that is convex, so a tangent to it is valid everywhere."""
        row = {
            arc.current: 1.0,
            arc.power: -2.0 * p / square,
            arc.reactive: -2.0 * q / square,
            self._square[end]: (p * p + q * q) / square**2,
        }
        self._row(0.0, highspy.kHighsInf, row)

    def _add_tangents(self, values: Any) -> None:
        for (number, end), arc in self._arcs.items():
            square = values[self._square[end]]
            if values[arc.used] > 0.5 and square > 0.1 and self._drop(number):
                self._add_tangent(arc, end, values[arc.power], values[arc.reactive], square)

    def _add_balance(self, number: int, capacity_w: float | None) -> None:
        """What comes in is what is used and what goes on, with its losses."""
        task = self._task
        load = task.graph.zones[number].load_va / self._base_w
        power = {self._live[number]: -max(load.real, _LEAST_SHARE)}
        reactive = {self._live[number]: -load.imag}
        parents = {self._live[number]: -1.0}
        for edge in task.graph.around[number]:
            inward = self._arcs.get((edge, number))
            outward = self._arcs.get((edge, task.graph.far(edge, number)))
            if inward is not None:
                power[inward.power] = reactive[inward.reactive] = parents[inward.used] = 1.0
            if outward is not None:
                drop = self._drop(edge)
                power[outward.power] = reactive[outward.reactive] = -1.0
                power[outward.current], reactive[outward.current] = -drop.real, -drop.imag
        if capacity_w is None:
            self._row(0.0, 0.0, power)
            self._row(0.0, 0.0, reactive)
            self._row(0.0, 0.0, parents)
        elif math.isfinite(capacity_w):
            self._row(-capacity_w / self._base_w, highspy.kHighsInf, power)

    def _drop(self, edge: int) -> complex:
        return self._task.graph.edges[edge].drop_pu_per_va * self._base_w

    def _column(self, cost: float, low: float, high: float) -> int:
        nothing: list[int] = []
        self._solver.addCol(cost, low, high, 0, nothing, nothing)
        column = int(self._solver.getNumCol()) - 1
        if cost:
            self._costs[column] = cost
        return column

    def _row(self, low: float, high: float, entries: dict[int, float]) -> None:
        columns = np.fromiter(entries, dtype=np.int32)
        values = np.fromiter(entries.values(), dtype=np.float64)
        self._solver.addRow(low, high, len(columns), columns, values)


def _quiet_solver() -> Any:
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    options = {
        "output_flag": False, "threads": 1, "random_seed": _SEED, "time_limit": _TIME_LIMIT_S,
        "mip_rel_gap": 0.0, "mip_abs_gap": _OPERATION_KW / 2.0,
        "mip_pscost_minreliable": 1, "mip_heuristic_effort": 0.0,
    }  # fmt: skip
    for name, value in options.items():
        solver.setOptionValue(name, value)
    return solver
