"""From points to what is known of a feeder now: the one way its model is set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.grid.estimate import Measured
from gateway.grid.known import Basis, Kind, Known, State
from gateway.grid.powerflow import PHASES
from gateway.model.reader import PointReader

#: An element of the model and the point that shows it.
Binding = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Injection:
    """A DER, or a group at its connection.

    Attributes:
        power, reactive_power: points whose sum is its injection, W and var; empty where only the
            group itself tells.
    """

    element: str
    power: tuple[str, ...] = ()
    reactive_power: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bindings:
    """What measures a feeder.

    Attributes:
        taps, capacitors, switches: element and the point with its position; 1 is closed.
        injections: DERs and groups.
        voltages: node of the model and the point with its voltage, pu.
        head_p, head_q: points of the head's flow by phase 1, 2, 3; empty where not metered.
    """

    taps: tuple[Binding, ...] = ()
    capacitors: tuple[Binding, ...] = ()
    switches: tuple[Binding, ...] = ()
    injections: tuple[Injection, ...] = ()
    voltages: tuple[Binding, ...] = ()
    head_p: tuple[str, ...] = ()
    head_q: tuple[str, ...] = ()


def observe(
    bindings: Bindings,
    image: PointReader,
    told: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    forecast_w: Mapping[str, float] = MappingProxyType({}),
) -> Measured:
    """What points say of a feeder, with what each state rests on.

    Positions and injections that are lost stay as last seen, a DER's power as forecast; head flows
    and voltages are of good meters only.

    Args:
        bindings: what measures what.
        image: the points.
        told: W and var by element, of groups that are not bound to points, where they said so.
        forecast_w: real power of what cannot be read now, by element.
    """
    states: list[State] = []

    def positions(kind: Kind, bound: Iterable[Binding]) -> dict[str, float]:
        found = {}
        for element, point in bound:
            value, good = last(image, point)
            basis = Basis.MEASURED if good else Basis.UNKNOWN
            states.append(State(kind, element, basis, None if good else value))
            if value is not None:
                found[element] = value
        return found

    switches = positions("switch", bindings.switches)
    taps = positions("tap", bindings.taps)
    capacitors = positions("capacitor", bindings.capacitors)
    injections = {}
    for own in bindings.injections:
        injections[own.element], state = _injection(own, image, told, forecast_w)
        states.append(state)
    head_p_w = [_good(image, point) for point in bindings.head_p]
    states += [_loads(phase, head_p_w) for phase in PHASES]
    volts = {node: _good(image, point) for node, point in bindings.voltages}
    return Measured(
        taps={element: round(tap) for element, tap in taps.items()},
        capacitors={element: own >= 0.5 for element, own in capacitors.items()},
        switches={element: own >= 0.5 for element, own in switches.items()},
        injections=injections,
        head_p_w=head_p_w,
        head_q_var=[_good(image, point) for point in bindings.head_q],
        voltages_pu={node: volt for node, volt in volts.items() if volt is not None},
        known=Known(tuple(states)),
    )


def last(image: PointReader, point: str) -> tuple[float | None, bool]:
    """The last value there has been, None without one, and whether it is good."""
    if point not in image:
        return None, False
    measured = image[point]
    return (measured.value if math.isfinite(measured.value) else None), measured.is_good


def _good(image: PointReader, point: str) -> float | None:
    value, good = last(image, point)
    return value if good else None


def _injection(
    own: Injection,
    image: PointReader,
    told: Mapping[str, tuple[float, float]],
    forecast_w: Mapping[str, float],
) -> tuple[tuple[float, float], State]:
    """W and var of a DER, what was lost of it as forecast or as last seen."""
    if not own.power:
        basis = Basis.MEASURED if own.element in told else Basis.UNKNOWN
        return told.get(own.element, (0.0, 0.0)), State("der", own.element, basis)
    powers = [last(image, point) for point in own.power]
    reactive = [last(image, point) for point in own.reactive_power]
    power_w, reactive_var = (
        math.fsum(value for value, _ in values if value is not None)
        for values in (powers, reactive)
    )
    if all(good for _, good in (*powers, *reactive)):
        return (power_w, reactive_var), State("der", own.element, Basis.MEASURED)
    seen_w = None if all(value is None for value, _ in powers) else power_w
    if own.element in forecast_w and not all(good for _, good in powers):
        state = State("der", own.element, Basis.FORECAST, seen_w)
        return (forecast_w[own.element], reactive_var), state
    return (power_w, reactive_var), State("der", own.element, Basis.UNKNOWN, seen_w)


def _loads(phase: int, head_p_w: list[float | None]) -> State:
    """Loads are scaled to the head's flow of their phase, where that is measured."""
    if len(head_p_w) < phase:
        basis = Basis.ASSUMED
    else:
        basis = Basis.UNKNOWN if head_p_w[phase - 1] is None else Basis.MEASURED
    return State("load", str(phase), basis)
