"""A day of volt-VAR optimisation on a case's feeder, beside the feeder's own controls.

Every step is judged on the full power flow of an engine that neither of them decides on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gateway.grid.powerflow import PHASES, Solution
from gateway.site.vvo_case import Aim, Case, DayTable, Load, changes, controls_of, judged_nodes

if TYPE_CHECKING:
    from gateway.apps.vvo.config import VvoConfig
    from gateway.apps.vvo.objective import Objective
    from gateway.apps.vvo.problem import Control, Setting
    from gateway.apps.vvo.usage import Usage
    from gateway.grid.dss_engine import DssEngine

_PUBLISHED_STEPS = 96
_DAY_H = 24.0
#: Forecast steps that operations are weighed over: an hour of the published day.
AHEAD = 4


@dataclass(frozen=True, slots=True)
class DayStep:
    """One step, as the plant has it.

    Attributes:
        hour: of the day, at its beginning.
        taps, capacitors: where they stand, by name.
        power_kw, losses_kw: at the head, and of lines and transformers.
        v_min_pu, v_max_pu: extreme voltages of the nodes that count.
        nodes_out: how many are out of band.
        decide_ms: what deciding took; 0 where nobody did.
    """

    hour: float
    taps: dict[str, int]
    capacitors: dict[str, bool]
    power_kw: float
    losses_kw: float
    v_min_pu: float
    v_max_pu: float
    nodes_out: int
    decide_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class DayRun:
    """A day under one control. Moves before the first step's end are not operations."""

    control: str
    steps: tuple[DayStep, ...]
    begin: DayStep
    step_h: float

    @property
    def energy_kwh(self) -> float:
        """Energy into the feeder."""
        return sum(step.power_kw for step in self.steps) * self.step_h

    @property
    def losses_kwh(self) -> float:
        """Energy lost in it."""
        return sum(step.losses_kw for step in self.steps) * self.step_h

    @property
    def violations(self) -> int:
        """Nodes out of band, added up over the steps."""
        return sum(step.nodes_out for step in self.steps)

    @property
    def tap_operations(self) -> int:
        """Tap steps of every regulator."""
        pairs = zip((self.begin, *self.steps), self.steps, strict=False)
        return sum(abs(b.taps[name] - a.taps[name]) for a, b in pairs for name in b.taps)

    @property
    def capacitor_operations(self) -> int:
        """Operations of every capacitor."""
        pairs = zip((self.begin, *self.steps), self.steps, strict=False)
        return sum(b.capacitors[n] != a.capacitors[n] for a, b in pairs for n in b.capacitors)


@dataclass(frozen=True, slots=True)
class DayOptions:
    """What a day is run with.

    Attributes:
        aim, load: objective and load model.
        steps: how many of the day's steps; all where None.
        ahead: steps of forecast that operations are weighed over; 0 for none.
        tap_cost_kw, capacitor_cost_kw: what an operation must save.
        margin_pu: kept free inside the band.
    """

    aim: Aim = "power"
    load: Load = "zip"
    steps: int | None = None
    ahead: int = AHEAD
    tap_cost_kw: float = 1.0
    capacitor_cost_kw: float = 5.0
    margin_pu: float = 0.0005


def profile(day: DayTable) -> tuple[tuple[float, float], ...]:
    """Share of the loads and of the DERs' power, a step."""
    if day.load:
        return tuple(zip(day.load, day.pv, strict=True))
    hours = [_DAY_H * number / _PUBLISHED_STEPS for number in range(_PUBLISHED_STEPS)]
    return tuple((_published_load(hour), _published_pv(hour)) for hour in hours)


def _published_load(hour: float) -> float:
    """A morning and a higher evening peak."""
    morning, evening = math.exp(-(((hour - 8) / 2.5) ** 2)), math.exp(-(((hour - 19) / 3) ** 2))
    return 0.45 + 0.25 * morning + 0.5 * evening


def _published_pv(hour: float) -> float:
    """A clear day with clouds that come and go."""
    clear = max(0.0, math.sin((hour - 6) / 12 * math.pi)) ** 1.3
    return float(clear * (0.65 if math.sin(7 * hour) > 0.6 else 1.0))


def run_local(case: Case, options: DayOptions) -> DayRun:
    """The day under the feeder's own controls, DERs at unity power factor.

    Raises:
        ConfigError: the feeder cannot be used, or a DER is not in it.
    """
    plant = _Plant(case, options.load)
    steps: list[DayStep] = []
    for hour, load, pv in _steps(case, options):
        plant.set(load, pv)
        steps.append(plant.step(hour, plant.engine.settle()))
    return DayRun("local", tuple(steps), steps[0], _step_h(case))


def run_vvo(case: Case, options: DayOptions, clock_s: Callable[[], float]) -> DayRun:
    """The day under volt-VAR optimisation, from where the feeder's own controls begin.

    Raises:
        ConfigError: the feeder cannot be used, or a DER is not in it.
    """
    plant, steps = _Plant(case, options.load), []
    day = list(_steps(case, options))
    plant.set(*day[0][1:])
    begin = plant.step(0.0, plant.engine.settle())
    decider = _Decider(case, options, plant.engine)
    for number, (hour, load, pv) in enumerate(day):
        begun_s = clock_s()
        setting = decider.decide(hour, [shares for _, *shares in day[number:]])
        took_ms = (clock_s() - begun_s) * 1e3
        plant.set(load, pv, decider.reactive_var(setting))
        for control, value in zip(decider.controls, setting, strict=True):
            if control.kind == "tap":
                plant.engine.set_tap(control.element, round(value))
            elif control.kind == "switch":
                plant.engine.set_capacitor(control.element, closed=value >= 0.5)
        steps.append(replace(plant.step(hour, plant.engine.solve()), decide_ms=took_ms))
    return DayRun("VVO", tuple(steps), begin, _step_h(case))


def _step_h(case: Case) -> float:
    return _DAY_H / len(profile(case.file.day))


def _steps(case: Case, options: DayOptions) -> list[tuple[float, float, float]]:
    shares = profile(case.file.day)
    most = len(shares) if options.steps is None else options.steps
    return [(_DAY_H * number / len(shares), *share) for number, share in enumerate(shares[:most])]


class _Plant:
    """The feeder that the day happens on."""

    def __init__(self, case: Case, load: Load) -> None:
        from gateway.grid.dss_engine import DssEngine  # noqa: PLC0415 - as in vvo_case

        self._case = case
        self.engine = DssEngine(case.master, changes=changes(case, load))
        self._judged = judged_nodes(case, self.engine)

    def set(self, load: float, pv: float, reactive_var: dict[str, float] | None = None) -> None:
        self.engine.scale_loads(_loads(load))
        for element, power_w in _powers_w(self._case, pv).items():
            self.engine.set_injection(element, power_w, (reactive_var or {}).get(element, 0.0))

    def step(self, hour: float, solution: Solution) -> DayStep:
        volts = solution.voltages_pu[self._judged]
        low, high = self._case.file.voltage_min_pu, self._case.file.voltage_max_pu
        return DayStep(
            hour,
            {name: self.engine.taps[name] for name in self.engine.regulators},
            self.engine.capacitors,
            solution.power_w / 1e3,
            solution.losses_w / 1e3,
            float(volts.min()),
            float(volts.max()),
            int(((volts < low) | (volts > high)).sum()),
        )


class _Decider:
    """Volt-VAR optimisation with a model of its own, from step to step."""

    def __init__(self, case: Case, options: DayOptions, plant: DssEngine) -> None:
        from gateway.apps.vvo.config import Budget, VvoConfig  # noqa: PLC0415 - as in vvo_case
        from gateway.grid.dss_engine import DssEngine  # noqa: PLC0415

        self._case, self._options = case, options
        self._engine = DssEngine(case.master, changes=changes(case, options.load))
        self._config: VvoConfig = VvoConfig(
            objective=options.aim,
            voltage_min_pu=case.file.voltage_min_pu,
            voltage_max_pu=case.file.voltage_max_pu,
            margin_pu=options.margin_pu,
            tap_cost_kw=options.tap_cost_kw,
            capacitor_cost_kw=options.capacitor_cost_kw,
            budget=Budget(case.file.day.taps_per_day, case.file.day.switchings_per_day),
        )
        self._judged = judged_nodes(case, self._engine)
        self._usage: dict[str, Usage] = {}
        for name, tap in plant.taps.items():
            self._engine.set_tap(name, tap)
        for name, closed in plant.capacitors.items():
            self._engine.set_capacitor(name, closed=closed)
        self.controls = controls_of(case, self._engine)
        self._bounds = {own.element: (own.minimum, own.maximum) for own in self.controls}

    def reactive_var(self, setting: Setting) -> dict[str, float]:
        """A setting's reactive powers, by element."""
        pairs = zip(self.controls, setting, strict=True)
        return {control.element: value for control, value in pairs if control.kind == "var"}

    def decide(self, hour: float, shares: list[list[float]]) -> Setting:
        """The setting of a step; ``shares`` of load and DER power of it and of what comes."""
        from gateway.apps.vvo.horizon import over_horizon  # noqa: PLC0415
        from gateway.apps.vvo.plan import seek  # noqa: PLC0415

        load, pv = shares[0]
        self.controls = self._ranged(pv, round(hour * 3_600_000))
        objective, outlook = self._objective(pv), None
        ahead = [(_loads(share), self._objective(p)) for share, p in shares[1:]]
        if self._options.ahead and ahead:
            ahead = ahead[: self._options.ahead]
            outlook = over_horizon(objective, ahead, self._engine, _loads(load))
        self._engine.scale_loads(_loads(load))
        start = tuple(control.present for control in self.controls)
        found = seek(objective.problem, start, self._config.max_solves, outlook)
        setting = found.best.setting
        self.controls = tuple(
            replace(control, present=value)
            for control, value in zip(self.controls, setting, strict=True)
        )
        return setting

    def _objective(self, pv: float) -> Objective:
        from gateway.apps.vvo.objective import Objective  # noqa: PLC0415

        powers_w = _powers_w(self._case, pv)
        no_bias = np.zeros(self._judged.size)
        return Objective(self._config, self._engine, self.controls, powers_w, no_bias, self._judged)

    def _ranged(self, pv: float, now_ms: int) -> tuple[Control, ...]:
        """The controls where they stand, with the ranges and prices of now."""
        from gateway.apps.vvo.plant import priced  # noqa: PLC0415
        from gateway.apps.vvo.usage import observe  # noqa: PLC0415

        config, costs = self._config, {"tap": self._config.tap_cost_kw}
        costs["switch"] = config.capacitor_cost_kw
        stand = {c.element: c.present for c in self.controls if not c.is_continuous}
        self._usage = observe(self._usage, stand, config.budget, config.hunting, now_ms)
        most_var = {
            der.name.lower(): 1e3
            * self._case.file.day.der_scale
            * math.sqrt(der.kva**2 - (der.kw * pv) ** 2)
            for der in self._case.file.der
        }
        ranged = []
        for control in self.controls:
            if control.kind in costs:
                low, high = self._bounds[control.element]
                plain = replace(control, minimum=low, maximum=high, wear_kw=costs[control.kind])
                ranged.append(priced(config, plain, self._usage.get(control.element), now_ms))
            else:
                most = most_var[control.element]
                at = min(max(control.present, -most), most)
                ranged.append(replace(control, minimum=-most, maximum=most, present=at))
        return tuple(ranged)


def _loads(share: float) -> NDArray[np.float64]:
    return np.full((len(PHASES), 2), share)


def _powers_w(case: Case, pv: float) -> dict[str, float]:
    scale = 1e3 * case.file.day.der_scale * pv
    return {der.name.lower(): scale * der.kw for der in case.file.der}
