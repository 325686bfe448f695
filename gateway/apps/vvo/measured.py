"""Volt-VAR control without a model: what controls do to voltages is learnt from what they did.

One control moves at a time and by little until its response has been seen, then its sensitivities
are fitted by recursive least squares. Only voltages out of band are a reason to move: savings want
a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gateway.apps.decision import Alarm, Decision
from gateway.apps.vvo.config import VvoConfig
from gateway.apps.vvo.horizon import NOTHING, Expected
from gateway.apps.vvo.orders import commands
from gateway.apps.vvo.plant import Movable, Seen, movables, shown
from gateway.apps.vvo.usage import Usage, alarms, observe, resting
from gateway.grid.observe import observe as observe_feeder
from gateway.groups.messages import GroupReply
from gateway.model.command import Command
from gateway.points.image import ProcessImage

#: Believed of a control that has not moved yet, pu: of a tap step, a switching, half a var range.
_PRIOR_PU = {"tap": 0.003, "switch": 0.005, "var": 0.005}
#: Uncertainty of that, against a meter's noise of 1; and how much of the past each move keeps.
_DOUBT, _KEPT = 10.0, 0.95
#: Share of a var's half range that is moved at once.
_VAR_SHARE = 0.25
#: How long a response is waited for, and the least that a move must promise, pu.
_WAIT_MS, _WORTH_PU = 120_000, 1e-4


@dataclass(frozen=True, slots=True)
class Response:
    """What a control does to every meter, pu a unit, shape (meters,); how much that is doubted."""

    pu_per_unit: NDArray[np.float64]
    doubt: float = _DOUBT


@dataclass(frozen=True, slots=True)
class Trial:
    """A move whose effect is waited for; ``units`` as in :class:`Response`."""

    element: str
    units: float
    goal: float
    volts_pu: NDArray[np.float64]
    since_ms: int


@dataclass(frozen=True, slots=True)
class MeasuredState:
    """What one cycle leaves to the next."""

    responses: Mapping[str, Response] = field(default_factory=dict)
    trial: Trial | None = None
    usage: Mapping[str, Usage] = field(default_factory=dict)


class MeasuredVvo:
    """The application for a feeder without a model.

    Args:
        config: bindings and bands; groups are not moved.
    """

    def __init__(self, config: VvoConfig) -> None:
        self._config = config

    def step(
        self,
        image: ProcessImage,
        replies: Sequence[GroupReply],
        state: MeasuredState,
        now_ms: int,
        expected: Expected = NOTHING,
    ) -> Decision[MeasuredState]:
        """Move one control where a voltage is out of band; arguments as of ``Vvo.step``."""
        del replies, expected
        config = self._config
        usage = observe(state.usage, shown(config, image), config.budget, config.hunting, now_ms)
        still = resting(usage, now_ms)
        injections = observe_feeder(config.bindings, image).injections
        found = movables(config, Seen(image, injections, usage=usage, now_ms=now_ms))
        controls = tuple(own for own in found if own.control.element not in still)
        volts = np.array([_value(image.good_value(p)) for _, p in config.bindings.voltages])
        state = replace(_learnt(state, controls, volts, now_ms), usage=usage)
        orders, state = self._orders(controls, volts, state, image, now_ms)
        acting, measured = config.mode == "act", np.isfinite(volts).any()
        excess_pu = self._excess_pu(volts)
        return Decision(
            commands=orders if acting else (),
            messages=(),
            alarms=(
                Alarm("vvo", "no voltage meter: every control is held", active=not measured),
                *alarms(usage, now_ms),
            ),
            state=state,
            notes={"excess_pu": round(excess_pu, 5), "waits": float(state.trial is not None)},
            advice=() if acting else orders,
        )

    def _orders(
        self,
        controls: tuple[Movable, ...],
        volts: NDArray[np.float64],
        state: MeasuredState,
        image: ProcessImage,
        now_ms: int,
    ) -> tuple[tuple[Command, ...], MeasuredState]:
        if state.trial is not None:
            return (), state
        least_pu = self._excess_pu(volts) - _WORTH_PU
        best: tuple[Movable, float, float] | None = None
        for movable in controls:
            response = _response(state, movable, volts.size)
            for value, units in _moves(movable, known=response.doubt < _DOUBT):
                expected_pu = self._excess_pu(volts + units * response.pu_per_unit)
                if expected_pu < least_pu:
                    least_pu, best = expected_pu, (movable, value, units)
        if best is None:
            return (), state
        movable, value, units = best
        orders = tuple(commands(self._config, [(movable, value)], image, now_ms))
        trial = Trial(movable.control.element, units, value, volts, now_ms)
        acting = self._config.mode == "act"
        return orders, replace(state, trial=trial if acting and orders else None)

    def _excess_pu(self, volts: NDArray[np.float64]) -> float:
        low, high = self._config.voltage_min_pu, self._config.voltage_max_pu
        known = volts[np.isfinite(volts)]
        return float((np.maximum(known - high, 0.0) + np.maximum(low - known, 0.0)).sum())


def _learnt(
    state: MeasuredState, controls: tuple[Movable, ...], volts: NDArray[np.float64], now_ms: int
) -> MeasuredState:
    """Fit the response of a move that the field shows; give up one that it does not."""
    trial = state.trial
    if trial is None:
        return state
    movable = next((own for own in controls if own.control.element == trial.element), None)
    late = not 0 <= now_ms - trial.since_ms < _WAIT_MS
    if movable is None or late:
        return replace(state, trial=None)
    scale = _scale(movable)
    if abs(movable.control.standing - trial.goal) > 0.02 * scale:
        return state
    before, units = _response(state, movable, volts.size), trial.units
    gain = before.doubt * units / (_KEPT + before.doubt * units**2)
    error = volts - trial.volts_pu - units * before.pu_per_unit
    fitted = before.pu_per_unit + gain * np.where(np.isfinite(error), error, 0.0)
    doubt = min(before.doubt * (1.0 - gain * units) / _KEPT, 0.99 * _DOUBT)
    responses = {**state.responses, trial.element: Response(fitted, doubt)}
    return replace(state, responses=responses, trial=None)


def _response(state: MeasuredState, movable: Movable, meters: int) -> Response:
    known = state.responses.get(movable.control.element)
    return known or Response(np.full(meters, _PRIOR_PU.get(movable.control.kind, 0.0)))


def _moves(movable: Movable, *, known: bool) -> Iterator[tuple[float, float]]:
    """Values to try, and how many units each is away; one small step until a response is known."""
    control, scale = movable.control, _scale(movable)
    if control.standing != control.present and not control.is_continuous:
        return  # still on its way
    most = 1.0 if control.kind == "switch" or not known else 4.0
    for count in range(1, int(most) + 1):
        for sign in (1.0, -1.0):
            size = _VAR_SHARE * scale if control.kind == "var" else 1.0
            value = control.present + sign * count * size
            inside = min(max(value, control.minimum), control.maximum)
            if inside != control.present and control.kind != "watt":
                yield inside, (inside - control.present) / scale


def _scale(movable: Movable) -> float:
    control = movable.control
    half = (control.maximum - control.minimum) / 2.0
    return half or 1.0 if control.kind == "var" else 1.0


def _value(measured: float | None) -> float:
    return np.nan if measured is None else measured
