"""A volt-VAR optimisation case: a feeder file, its DERs and limits, solved once."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gateway.model.errors import ConfigError, ConfigIssue
from gateway.profiles.text import TomlText
from gateway.profiles.validate import Strict
from gateway.site.case_file import CaseOf, FeederFile, no_file, read_case, twice

if TYPE_CHECKING:
    from gateway.apps.vvo.problem import Control, Problem, Setting
    from gateway.apps.vvo.search import Found
    from gateway.grid.dss_engine import DssEngine

#: Names go into the feeder file's own language, so they hold nothing that could be read as more.
_NAME, _BUS = r"^[A-Za-z0-9_\-]+$", r"^[A-Za-z0-9_\-]+(\.[123]){0,3}$"
#: Above so many nodes a power flow takes tens of ms, and the search is spared some of them.
_LARGE_NODES = 2000
#: Kept free of the band's edges by an answer that was searched for again and again: whoever checks
#: it may solve to another tolerance.
_EDGE_PU = 1e-6
#: Share of the controls that a restart shakes, and by how many tap steps.
_SHAKEN, _SHAKEN_TAPS = 0.5, 3

Load = Literal["zip", "published"]
Aim = Literal["power", "losses", "flatness"]


class CaseDer(Strict):
    """``[[der]]``: one DER at constant ``kw``; Q is free within ``kva``.

    With ``bus`` (and ``kv``) it is added to the feeder, else the feeder's generator of that name
    is meant. ``connection`` is ``delta`` where the feeder has no ground.
    """

    name: Annotated[str, Field(pattern=_NAME)]
    connection: Literal["wye", "delta"] = "wye"
    bus: Annotated[str, Field(pattern=_BUS)] | None = None
    kv: Annotated[float, Field(gt=0)] | None = None
    kw: Annotated[float, Field(ge=0)]
    kva: Annotated[float, Field(gt=0)]


class DayTable(Strict):
    """``[day]``: a day of evenly spaced steps; without it, the published day of 96 quarter hours.

    Attributes:
        load: loads' share of the case's, a step.
        pv: DERs' share of ``der_scale`` times their ``kw``, a step.
        der_scale: multiplies ``kw`` and ``kva`` of every DER.
        taps_per_day, switchings_per_day: budget of each regulator and of each capacitor.
    """

    load: Annotated[tuple[Annotated[float, Field(gt=0, le=10)], ...], Field(max_length=1440)] = ()
    pv: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(max_length=1440)] = ()
    der_scale: Annotated[float, Field(ge=0, le=100)] = 1.5
    taps_per_day: Annotated[int, Field(ge=0)] | None = None
    switchings_per_day: Annotated[int, Field(ge=0)] | None = None


class BestTable(Strict):
    """``[best]``: the best results known, kW, by load and objective."""

    published_power: float | None = None
    published_losses: float | None = None
    zip_power: float | None = None
    zip_losses: float | None = None


class CaseFile(FeederFile):
    """A case."""

    load_multiplier: Annotated[float, Field(gt=0, le=10)] = 1.0
    voltage_min_pu: Annotated[float, Field(gt=0.5, lt=1.5)] = 0.95
    voltage_max_pu: Annotated[float, Field(gt=0.5, lt=1.5)] = 1.05
    exclude_buses: tuple[str, ...] = ()
    tap_min: Annotated[int, Field(ge=-16, le=16)] = -16
    tap_max: Annotated[int, Field(ge=-16, le=16)] = 16
    der: tuple[CaseDer, ...] = ()
    day: DayTable = DayTable()
    best: BestTable = BestTable()


Case = CaseOf[CaseFile]


@dataclass(frozen=True, slots=True)
class CaseAnswer:
    """What a case was solved to.

    Attributes:
        objective_kw: power at the head, or losses; unevenness as it is weighed, see
            :mod:`gateway.apps.vvo.objective`.
        deviation_pu: voltages' root mean square distance from the band's middle.
        nodes_out: nodes outside the band.
        solve_ms: wall time of the search, without reading the feeder.
        solves: power flows it took.
        taps, capacitors, der_kvar: the controls, by name.
    """

    objective_kw: float
    deviation_pu: float
    nodes_out: int
    solve_ms: float
    solves: int
    taps: dict[str, int]
    capacitors: dict[str, bool]
    der_kvar: dict[str, float]


def load_case(path: Path) -> Case:
    """Read and check a case file.

    Raises:
        ConfigError: with every fault found, each with file, line, column and what to do.
    """
    return read_case(path, CaseFile, _faults)


def changes(case: Case, load: Load) -> tuple[str, ...]:
    """What a case changes in its feeder file, in that file's language."""
    ders = [
        f"new generator.{der.name} bus1={der.bus} phases={der.bus.count('.') or 3}"
        f" conn={der.connection} kv={der.kv} kw={der.kw} kvar=0 model=1 vminpu=0.5 vmaxpu=1.5"
        for der in case.file.der
        if der.bus is not None
    ]
    mixed = "batchedit load..* model=8 zipv=[0.4 0.3 0.3 0.4 0.3 0.3 0.6]"
    scaled = f"set loadmult={case.file.load_multiplier}"
    # the search begins where the feeder's own controls would leave it
    on = ("batchedit regcontrol..* enabled=yes", "set controlmode=static")
    settled = (*on, "set maxcontroliter=100", "solve")
    return (*ders, *((mixed,) if load == "zip" else ()), scaled, *settled)


def solve_case(
    case: Case,
    aim: Aim,
    load: Load,
    clock_s: Callable[[], float],
    start: CaseAnswer | None = None,
    restarts: int = 0,
) -> CaseAnswer:
    """Solve a case, cold from where its own controls leave the feeder, or tracking.

    Args:
        case: from :func:`load_case`.
        aim: what is to be least.
        load: loads as in the file, or ZIP 40/30/30 with a floor of 0.6 pu.
        clock_s: a monotonic clock, for ``solve_ms``.
        start: an earlier answer to begin from, believed to be near the best.
        restarts: so many searches more, each from the best so far with some of it shaken; the same
            on any machine.

    Raises:
        ConfigError: the feeder cannot be used, or a DER is not in it.
    """
    from gateway.apps.vvo.search import (  # noqa: PLC0415 - a box that polls has none
        COLD,
        LARGE,
        TRACKING,
        Found,
        search,
    )

    bench = _Bench(case, aim, load, _EDGE_PU if restarts else 0.0)
    if start is not None:
        begin = _setting(bench.controls, start)
        return bench.answer(lambda goal, _: search(goal, begin, TRACKING), clock_s)
    effort = LARGE if bench.nodes > _LARGE_NODES else COLD

    def cold(goal: Problem, present: Setting) -> Found:
        found = search(goal, present, effort)
        for number in range(restarts):
            again = search(goal, _shaken(bench.controls, found.best.setting, number), effort)
            best = min(found.best, again.best, key=lambda one: one.cost)
            found = Found(best, found.solves + again.solves)
        return found

    return bench.answer(cold, clock_s)


def solve_baseline(
    case: Case, aim: Aim, load: Load, method: Literal["local", "descent"]
) -> CaseAnswer:
    """What the feeder's own controls leave, or what coordinate descent makes of it.

    Raises:
        ConfigError: the feeder cannot be used, or a DER is not in it.
    """
    from gateway.apps.vvo.descent import coordinate_descent  # noqa: PLC0415
    from gateway.apps.vvo.search import Found  # noqa: PLC0415

    def local(goal: Problem, present: Setting) -> Found:
        return Found(goal.judge(present), 1)

    bench = _Bench(case, aim, load)
    return bench.answer(local if method == "local" else coordinate_descent, lambda: 0.0)


class _Bench:
    """A case on an engine, where its own controls have left it."""

    def __init__(self, case: Case, aim: Aim, load: Load, edge_pu: float = 0.0) -> None:
        from gateway.apps.vvo.config import VvoConfig  # noqa: PLC0415
        from gateway.apps.vvo.objective import Objective  # noqa: PLC0415
        from gateway.grid.dss_engine import DssEngine  # noqa: PLC0415

        engine = DssEngine(case.master, changes=changes(case, load))
        self.controls, self.nodes = controls_of(case, engine), len(engine.nodes)
        low, high = case.file.voltage_min_pu + edge_pu, case.file.voltage_max_pu - edge_pu
        config = VvoConfig(objective=aim, voltage_min_pu=low, voltage_max_pu=high, margin_pu=0.0)
        powers_w = {der.name.lower(): der.kw * 1e3 for der in case.file.der}
        judged = judged_nodes(case, engine)
        no_bias = np.zeros(judged.size)
        self._goal = Objective(config, engine, self.controls, powers_w, no_bias, judged)

    def answer(
        self, solve: Callable[[Problem, Setting], Found], clock_s: Callable[[], float]
    ) -> CaseAnswer:
        goal, present = self._goal, tuple(control.present for control in self.controls)
        begun_s = clock_s()
        found = solve(goal.problem, present)
        took_ms = (clock_s() - begun_s) * 1e3
        best = found.best
        return CaseAnswer(
            best.value_kw,
            float(np.sqrt(((best.volts_pu - goal.middle_pu) ** 2).mean())),
            goal.limits.outside(best.volts_pu),
            took_ms,
            found.solves,
            **_by_name(self.controls, best.setting),
        )


def judged_nodes(case: Case, engine: DssEngine) -> NDArray[np.bool_]:
    """Which nodes' voltages count, shape (nodes,)."""
    excluded = {bus.lower() for bus in case.file.exclude_buses}
    return np.array([node.partition(".")[0] not in excluded for node in engine.nodes])


def controls_of(case: Case, engine: DssEngine) -> tuple[Control, ...]:
    """Every control of a case where it stands on the engine, without wear.

    Raises:
        ConfigError: a DER is not in the feeder.
    """
    from gateway.apps.vvo.problem import Control  # noqa: PLC0415

    unknown = [
        case.text.issue(
            ("der", number, "name"), f"the feeder has no generator {der.name!r}", "give it a bus"
        )
        for number, der in enumerate(case.file.der)
        if der.name.lower() not in engine.injection_buses
    ]
    if unknown:
        raise ConfigError(unknown)
    low, high = case.file.tap_min, case.file.tap_max
    taps = [Control(name, "tap", low, high, engine.taps[name]) for name in engine.regulators]
    capacitors = [
        Control(name, "switch", 0, 1, float(closed)) for name, closed in engine.capacitors.items()
    ]
    ders = [
        Control(der.name.lower(), "var", -most, most)
        for der in case.file.der
        for most in (1e3 * math.sqrt(der.kva**2 - der.kw**2),)
    ]
    return (*taps, *capacitors, *ders)


class _Controls(TypedDict):
    taps: dict[str, int]
    capacitors: dict[str, bool]
    der_kvar: dict[str, float]


def _by_name(controls: tuple[Control, ...], setting: Setting) -> _Controls:
    pairs = tuple(zip(controls, setting, strict=True))
    return {
        "taps": {c.element: round(x) for c, x in pairs if c.kind == "tap"},
        "capacitors": {c.element: x >= 0.5 for c, x in pairs if c.kind == "switch"},
        "der_kvar": {c.element: x / 1e3 for c, x in pairs if c.kind == "var"},
    }


def _setting(controls: tuple[Control, ...], answer: CaseAnswer) -> Setting:
    return tuple(
        answer.taps[c.element]
        if c.kind == "tap"
        else float(answer.capacitors[c.element])
        if c.kind == "switch"
        else answer.der_kvar[c.element] * 1e3
        for c in controls
    )


def _shaken(controls: tuple[Control, ...], setting: Setting, seed: int) -> Setting:
    """A setting with some of its controls moved: taps by a few steps, the rest anywhere."""
    chance = random.Random(seed)  # noqa: S311 - a search, no secret
    moved = list(setting)
    for number, control in enumerate(controls):
        if chance.random() >= _SHAKEN:
            continue
        if control.kind == "tap":
            moved[number] += chance.randint(-_SHAKEN_TAPS, _SHAKEN_TAPS)
        else:
            moved[number] = chance.uniform(control.minimum, control.maximum)
    return tuple(moved)


def _faults(case: Case) -> Iterator[ConfigIssue]:
    file, text = case.file, case.text
    yield from no_file(case, "feeder", file.feeder)
    if file.voltage_min_pu >= file.voltage_max_pu:
        message = "the band is empty"
        yield text.issue(("voltage_min_pu",), message, "give a minimum below the maximum")
    if file.tap_min > file.tap_max:
        message = "there is no tap between tap_min and tap_max"
        yield text.issue(("tap_min",), message, "give a minimum below the maximum")
    if len(file.day.load) != len(file.day.pv):
        message = f"load has {len(file.day.load)} steps, pv has {len(file.day.pv)}"
        remedy = "give both a value a step, or leave both out for the published day"
        yield text.issue(("day", "load"), message, remedy)
    yield from twice(text, "der", "DER", [der.name for der in file.der])
    for number, der in enumerate(file.der):
        yield from _der_faults(text, number, der)


def _der_faults(text: TomlText, number: int, der: CaseDer) -> Iterator[ConfigIssue]:
    if der.kva < der.kw:
        message = "kva is less than kw"
        yield text.issue(("der", number, "kva"), message, "give a rating that carries its power")
    if (der.bus is None) != (der.kv is None):
        remedy = "give both to add it to the feeder, neither for one of the feeder's own"
        yield text.issue(("der", number), "bus and kv go together", remedy)
    if der.bus is not None and der.bus.count(".") == 2:
        message = "a DER between two phases cannot be added"
        remedy = "put it into the feeder file, and leave bus and kv out"
        yield text.issue(("der", number, "bus"), message, remedy)
