"""The mixed-integer program of one search step, in HiGHS.

Taps and switches are integers, reactive powers are continuous. Rows come as they are needed:
tangents of the objective's curvature, one direction each, and voltages where the answer would
break them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from gateway.apps.vvo.measure import LocalModel, scales
from gateway.apps.vvo.problem import Array, Problem, Setting

_ROUNDS, _PROGRAMS, _ROWS_A_ROUND = 20, 2, 24
#: Held inside the band, above the solver's own tolerance, pu.
_INSIDE_PU = 2e-6
#: The model is believed to this, kW; voltages to this, pu.
_TOLERANCE_KW, _TOLERANCE_PU = 1e-3, 5e-7
#: The last resort; the limit on nodes, the same on any machine, should come first.
_TIME_LIMIT_S, _SEED = 5.0, 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What the program proposes.

    Attributes:
        setting: where to go.
        promise_kw: the cost there, by the model.
        least_kw: what no setting within the trust region can undercut, by the model.
    """

    setting: Setting
    promise_kw: float
    least_kw: float = -math.inf


class Program:
    """A local model within a trust region, with the rows found so far.

    Args:
        problem: controls, ranges, limits.
        model: the local model.
        taps, share: trust region: tap steps, and share of a var's range, either way.
        nodes: branches after which a program is cut; its best answer so far is tried.
    """

    def __init__(
        self, problem: Problem, model: LocalModel, taps: int, share: float, nodes: int
    ) -> None:
        self._problem, self._model, self._limits = problem, model, problem.limits
        self._scale = scales(problem.controls)
        self._at = np.array(model.base.setting) / self._scale
        self._volts = model.base.volts_pu
        values, vectors = np.linalg.eigh(model.curvature)
        keep = values > 1e-9 * max(1.0, float(values.max(initial=0.0)))
        self._bends, self._ways = values[keep], vectors[:, keep].T
        self._rows: dict[tuple[int, bool], int] = {}
        self._solver = _quiet_solver(nodes)
        self._whole = np.array([not c.is_continuous for c in problem.controls], dtype=np.bool_)
        self._lower, self._upper = self._region(taps, share)
        for cost, low, high in zip(model.slope, self._lower, self._upper, strict=True):
            self._column(cost, low, high)
        self._moved = self._add_wear()
        self._first_bend = self._solver.getNumCol()
        for _ in self._bends:
            self._column(1.0, 0.0, highspy.kHighsInf)
        reach = np.abs(self._ways) @ (self._upper - self._lower)
        for part in (-0.4, -0.1, 0.1, 0.4):
            self._add_tangents(part * reach, np.ones(len(reach), dtype=np.bool_))
        whole = np.flatnonzero(self._whole).tolist() + self._moved
        for column in whole:
            self._solver.changeColIntegrality(column, highspy.HighsVarType.kInteger)

    def solve(self, gap: float, gap_kw: float) -> Answer | None:
        """The best setting of the model; None where the solver has no answer.

        Args:
            gap: share of what whole numbers could cost at most that need not be searched for.
            gap_kw: an answer this near to the best is good enough.
        """
        self._bound(self._lower, self._upper)
        values = self._converge()
        if values is None:
            return None
        promise = self._promise()
        gap_kw = max(gap_kw, gap * (self._model.base.cost - promise))
        self._solver.setOptionValue("mip_abs_gap", gap_kw / 2.0)
        best = self._better(self._dive(values), self.solve_at(self._model.base.setting))
        for _ in range(_PROGRAMS):
            if best is None or best.promise_kw <= promise + gap_kw:
                break
            self._bound(self._lower, self._upper)
            values = self._run(relaxed=False)
            if values is None:
                break
            promise = max(promise, self._promise(proved=True))
            self._add_missing(values)
            best = self._better(self._hold(self._answer(values, promise)), best)
        return best and replace(best, least_kw=promise)

    @staticmethod
    def _better(one: Answer | None, other: Answer | None) -> Answer | None:
        known = [answer for answer in (one, other) if answer is not None]
        return min(known, key=lambda answer: answer.promise_kw, default=None)

    def _dive(self, values: Array) -> Answer | None:
        """Round taps and switches one after the other, the nearest to whole first."""
        lower, upper = self._lower.copy(), self._upper.copy()
        loose = np.flatnonzero(self._whole).tolist()
        while loose:
            off = np.abs(values - np.round(values))
            number = min(loose, key=off.__getitem__)
            lower[number] = upper[number] = np.round(values[number])
            loose.remove(number)
            self._bound(lower, upper)
            found = self._run(relaxed=True)
            if found is None:
                return None
            values = found
        return self._hold(self._answer(values, self._promise()))

    def bound(self, setting: Setting) -> float:
        """A cost, kW, that no reactive powers undercut in the model; infinite where none is known.

        Quicker than :meth:`solve_at`: only rows already found are heeded.
        """
        self._fix(setting)
        return float("inf") if self._run(relaxed=True) is None else self._promise()

    def solve_at(self, setting: Setting) -> Answer | None:
        """The best reactive powers of the model, taps and switches held where they are told.

        A var that wears and stands at its present setting is held as well.
        """
        return self._hold(Answer(setting, 0.0))

    def _hold(self, answer: Answer) -> Answer | None:
        still = self._fix(answer.setting)
        values = self._converge()
        return None if values is None else self._answer(values, self._promise(), still)

    def _fix(self, setting: Setting) -> NDArray[np.bool_]:
        """Hold taps, switches, and vars that stand where they stood; which these vars are."""
        at = np.array(setting) / self._scale
        still = np.array([
            bool(c.wear_kw) and x == c.present
            for c, x in zip(self._problem.controls, setting, strict=True)
        ])  # fmt: skip
        lower, upper = self._lower.copy(), self._upper.copy()
        held = self._whole | still
        lower[held] = upper[held] = at[held]
        self._bound(lower, upper)
        return still

    def shift(self, volts_pu: Array) -> None:
        """Believe the model's voltages to be off by so much from now on; shape (nodes,)."""
        self._volts = self._model.base.volts_pu + volts_pu
        for (node, low), row in self._rows.items():
            self._solver.changeRowBounds(row, *self._volt_bounds(node, low=low))

    def volts(self, setting: Setting) -> Array:
        """What the model, unshifted, expects of a setting's voltages; shape (nodes,)."""
        step = np.array(setting) / self._scale - self._at
        return self._model.base.volts_pu + step @ self._model.volts_slope

    def _region(self, taps: int, share: float) -> tuple[Array, Array]:
        controls = self._problem.controls
        least = np.array([c.minimum for c in controls]) / self._scale
        most = np.array([c.maximum for c in controls]) / self._scale
        kinds = {"tap": float(taps), "switch": 1.0, "var": 2.0 * share, "watt": 2.0 * share}
        reach = np.array([kinds[c.kind] for c in controls])
        at = np.clip(self._at, least, most)
        return np.maximum(least, at - reach), np.minimum(most, at + reach)

    def _add_wear(self) -> list[int]:
        """Columns for what moved away from the present; those of vars are yes or no."""
        moved = []
        for number, control in enumerate(self._problem.controls):
            if not control.wear_kw:
                continue
            present = control.present / self._scale[number]
            far = max(abs(self._lower[number] - present), abs(self._upper[number] - present))
            if control.is_continuous:
                column = self._column(control.wear_kw, 0.0, 1.0)
                moved.append(column)
                ratio = far
            else:
                column = self._column(control.wear_kw, 0.0, highspy.kHighsInf)
                ratio = 1.0
            self._row(-highspy.kHighsInf, present, {number: 1.0, column: -ratio})
            self._row(present, highspy.kHighsInf, {number: 1.0, column: ratio})
        return moved

    def _converge(self) -> Array | None:
        """Solve without whole numbers until no row is missing; the values of every column."""
        values = self._run(relaxed=True)
        for _ in range(_ROUNDS):
            if values is None or not self._add_missing(values):
                break
            values = self._run(relaxed=True)
        return values

    def _run(self, *, relaxed: bool) -> Array | None:
        self._solver.setOptionValue("solve_relaxation", relaxed)
        self._solver.run()
        solution = self._solver.getSolution()
        done = self._solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        # cut short, a mixed-integer program still has the best it saw
        return np.array(solution.col_value) if done or solution.value_valid else None

    def _promise(self, *, proved: bool = False) -> float:
        info = self._solver.getInfo()
        promise = float(info.mip_dual_bound if proved else info.objective_function_value)
        return promise - float(self._model.slope @ self._at) + self._model.base.value_kw

    def _add_missing(self, values: Array) -> bool:
        step = values[: len(self._at)] - self._at
        along = self._ways @ step
        bent = 0.5 * self._bends * along**2
        short = bent - values[self._first_bend : self._first_bend + len(self._bends)]
        missing = short > _TOLERANCE_KW / max(1, len(self._bends))
        if short.sum() <= _TOLERANCE_KW:
            missing[:] = False
        self._add_tangents(along, missing)
        return self._add_volts(step) or bool(missing.any())

    def _add_volts(self, step: Array) -> bool:
        volts = self._volts + step @ self._model.volts_slope
        limits, added = self._limits, False
        for low in (True, False):
            edge = limits.low_pu + limits.margin_pu if low else limits.high_pu - limits.margin_pu
            over = (edge - volts if low else volts - edge) + _INSIDE_PU
            over[[node for node, side in self._rows if side == low]] = 0.0
            for node in np.argsort(-over)[:_ROWS_A_ROUND]:
                if over[node] <= _TOLERANCE_PU:
                    break
                self._add_volt(int(node), low=low)
                added = True
        return added

    def _add_volt(self, node: int, *, low: bool) -> None:
        limits = self._limits
        sign = 1.0 if low else -1.0
        slope = self._model.volts_slope[:, node]
        row = dict(enumerate(slope))
        margin_kw = limits.margin_kw_per_pu
        outside = limits.outside_kw_per_pu + margin_kw
        row[self._column(outside, 0.0, highspy.kHighsInf)] = sign
        if limits.margin_pu:
            row[self._column(margin_kw, 0.0, limits.margin_pu)] = sign
        self._rows[node, low] = self._row(*self._volt_bounds(node, low=low), row)

    def _volt_bounds(self, node: int, *, low: bool) -> tuple[float, float]:
        limits = self._limits
        rest = float(self._model.volts_slope[:, node] @ self._at - self._volts[node])
        if low:
            return limits.low_pu + limits.margin_pu + _INSIDE_PU + rest, highspy.kHighsInf
        return -highspy.kHighsInf, limits.high_pu - limits.margin_pu - _INSIDE_PU + rest

    def _add_tangents(self, along: Array, which: NDArray[np.bool_]) -> None:
        for bend in np.flatnonzero(which):
            pitch = self._bends[bend] * along[bend]
            row = dict(enumerate(-pitch * self._ways[bend]))
            row[self._first_bend + int(bend)] = 1.0
            least = -0.5 * pitch * along[bend] - pitch * float(self._ways[bend] @ self._at)
            self._row(least, highspy.kHighsInf, row)

    def _answer(
        self, values: Array, promise: float, still: NDArray[np.bool_] | None = None
    ) -> Answer:
        own = values[: len(self._at)]
        own = np.where(self._whole, np.round(own), own)
        # scaled back, a limit may be missed by a rounding
        setting = list(self._problem.clip(tuple((own * self._scale).tolist())))
        moved = iter(self._moved)
        for number, control in enumerate(self._problem.controls):
            if not control.is_continuous or not control.wear_kw:
                continue
            # a var that is not moved stands exactly where it stood
            share = values[next(moved)]
            if share < 0.5 if still is None else still[number]:
                setting[number] = control.present
        return Answer(tuple(setting), promise)

    def _bound(self, lower: Array, upper: Array) -> None:
        columns = np.arange(len(lower), dtype=np.int32)
        self._solver.changeColsBounds(len(lower), columns, lower, upper)

    def _column(self, cost: float, low: float, high: float) -> int:
        nothing: list[int] = []
        self._solver.addCol(cost, low, high, 0, nothing, nothing)
        return int(self._solver.getNumCol()) - 1

    def _row(self, low: float, high: float, entries: dict[int, float]) -> int:
        columns = np.fromiter(entries, dtype=np.int32)
        values = np.fromiter(entries.values(), dtype=np.float64)
        self._solver.addRow(low, high, len(columns), columns, values)
        return int(self._solver.getNumRow()) - 1


def _quiet_solver(nodes: int) -> Any:
    """HiGHS without what costs most of its time here: a dive of ours brings the first answer."""
    solver: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    options = {
        "output_flag": False, "threads": 1, "random_seed": _SEED, "time_limit": _TIME_LIMIT_S,
        "presolve": "off", "mip_allow_restart": False, "mip_heuristic_effort": 0.0,
        "mip_heuristic_run_feasibility_jump": False, "mip_heuristic_run_rins": False,
        "mip_heuristic_run_rens": False, "mip_heuristic_run_root_reduced_cost": False,
        "mip_rel_gap": 0.0, "mip_max_nodes": nodes, "primal_feasibility_tolerance": 1e-8,
    }  # fmt: skip
    for name, value in options.items():
        solver.setOptionValue(name, value)
    return solver
