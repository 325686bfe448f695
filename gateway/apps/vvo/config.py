"""What volt-VAR optimisation works on: the feeder's controls and meters, bound to points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gateway.grid.observe import Bindings

Aim = Literal["losses", "power", "flatness"]


@dataclass(frozen=True, slots=True)
class Regulator:
    """A regulator: one integer control.

    Attributes:
        element: name in the feeder model.
        position, command: points that show and set the tap.
        act: whether VVO may move it.
    """

    element: str
    position: str
    command: str
    act: bool
    tap_min: int = -16
    tap_max: int = 16


@dataclass(frozen=True, slots=True)
class Capacitor:
    """A switched capacitor: one binary control."""

    element: str
    closed: str
    command: str
    act: bool


@dataclass(frozen=True, slots=True)
class Curtailment:
    """Points that limit a DER's real power; used where nothing else mends a voltage.

    Attributes:
        limit: point for the limit, % of ``rating_w``.
        enable: point that switches the limit on; written last.
        presets: points and values written before the enable.
        rating_w: point with the real power that is 100 %.
    """

    limit: str
    enable: str
    presets: tuple[tuple[str, float], ...]
    rating_w: str


@dataclass(frozen=True, slots=True)
class Der:
    """A DER whose reactive power VVO sets directly.

    Attributes:
        power, reactive_power: points with the present injection, W and var.
        set_point: point for the reactive power set point, var, or % of its rating where
            ``in_percent``.
        enable: point that switches the set point on; written last.
        presets: points and values written before the enable.
        rating_va: point with the apparent power rating.
        reactive_rating_var: point with the reactive power rating.
        in_percent: whether ``set_point`` is % of that rating.
        curtailment: how its real power may be limited; None where it may not.
    """

    element: str
    power: str
    reactive_power: str
    set_point: str
    enable: str
    presets: tuple[tuple[str, float], ...]
    rating_va: str
    reactive_rating_var: str
    act: bool
    in_percent: bool = False
    curtailment: Curtailment | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A group that VVO asks through group functions.

    Attributes:
        group_id: who is asked.
        ask: by which function its reactive power is set.
        curtail: whether its real power may be limited where nothing else mends a voltage.
    """

    element: str
    group_id: str
    ask: Literal["q", "pf", "curve"] = "q"
    act: bool = True
    curtail: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """Operations a day that wear allows; None is no bound.

    Attributes:
        taps: tap steps of each regulator.
        switchings: operations of each capacitor.
        utc_offset_h: local time less UTC; the day begins at local midnight.
    """

    taps: int | None = None
    switchings: int | None = None
    utc_offset_h: float = 0.0


@dataclass(frozen=True, slots=True)
class Hunting:
    """A control that turns back more than ``turns`` times in ``window_s`` rests for ``rest_s``."""

    turns: int = 4
    window_s: float = 1800.0
    rest_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class VvoConfig:
    """Bindings, bands and costs.

    Attributes:
        bindings: what measures the feeder, its controls, DERs and groups among it.
        excluded_buses: buses whose voltage is not the feeder's to hold.
        margin_pu: kept free inside the band, for what the model does not know.
        objective: what is least where every voltage is inside: ``losses``, ``power``, or how far
            voltages are from the band's middle.
        tap_cost_kw, capacitor_cost_kw: kW a step or an operation must save at least.
        set_point_cost_kw: kW a change of a reactive power set point must save at least.
        max_taps_per_cycle: most steps a regulator a cycle.
        max_solves: bound on the search, in power flows; the step knows no clock.
        hold_s: how long a command claims its point.
        ask_again_s: how long a group that refused is let be: another origin holds it, or it is
            islanded.
        status_every_s: how often a group's status is asked.
        budget: operations a day.
        hunting: when a control goes back and forth too often.
    """

    regulators: tuple[Regulator, ...] = ()
    capacitors: tuple[Capacitor, ...] = ()
    ders: tuple[Der, ...] = ()
    groups: tuple[Group, ...] = ()
    bindings: Bindings = field(default_factory=Bindings)
    excluded_buses: tuple[str, ...] = ("sourcebus",)
    dms_id: str = "dms"
    mode: Literal["advise", "act"] = "advise"
    objective: Aim = "losses"
    voltage_min_pu: float = 0.95
    voltage_max_pu: float = 1.05
    margin_pu: float = 0.008
    tap_cost_kw: float = 2.0
    capacitor_cost_kw: float = 5.0
    set_point_cost_kw: float = 0.2
    max_taps_per_cycle: int = 4
    max_solves: int = 4000
    hold_s: float = 60.0
    status_every_s: float = 4.0
    ask_again_s: float = 30.0
    budget: Budget = Budget()
    hunting: Hunting = Hunting()
