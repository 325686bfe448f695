"""What awareness says of a feeder, one record a subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.grid.known import State


@dataclass(frozen=True, slots=True)
class Violation:
    """A node out of the band.

    Attributes:
        voltage_pu: as measured, else modelled with the bias of the meters.
        modelled_pu: by the model alone.
        measured_pu: by a good meter; None where there is none.
        since_ms: UTC ms of the first look that found it.
        doubt: the unknown state that a modelled voltage rests on; empty where there is none.
    """

    node: str
    voltage_pu: float
    modelled_pu: float
    measured_pu: float | None
    since_ms: int
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Loading:
    """A branch with a rating.

    Attributes:
        since_ms: since when it is above its rating; None where it is not.
        doubt: the unknown state that it rests on; empty where there is none.
    """

    branch: str
    loading_pct: float
    rating_a: float
    since_ms: int | None
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Unsupplied:
    """A zone between switches without a source.

    Attributes:
        zone: its first bus in the model.
        buses: how many it has.
        load_kw: what it would draw, by the model's loads as last fitted.
        ders: DERs in it.
        doubt: the unknown state that this rests on; empty where there is none.
    """

    zone: str
    buses: int
    load_kw: float
    ders: tuple[str, ...]
    since_ms: int
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Headroom:
    """What a bus could still take, balanced over its phases, before the first limit.

    Attributes:
        hosting_kw, load_kw: more generation, or more load, with taps and switches as they are.
        hosting_limit, load_limit: what is met first: a node, a branch or ``power flow``; empty
            where nothing is met up to the most that was looked at.
        time_ms: when it was found.
        doubt: the unknown state that it rested on then; empty where there was none.
    """

    bus: str
    hosting_kw: float
    hosting_limit: str
    load_kw: float
    load_limit: str
    time_ms: int
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Meter:
    """A voltage meter against the model.

    Attributes:
        error_pu: measured less modelled, now.
        mean_pu, sigma_pu: of the error, running.
        score: how far the mean is from all meters' middle, in their robust deviations.
        suspect: whether that is too far to be the model's fault.
    """

    node: str
    error_pu: float
    mean_pu: float
    sigma_pu: float
    score: float
    suspect: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """How well the model fits.

    Attributes:
        rms_pu: of the errors of meters that are not suspect; None without meters.
        head_error_kw: measured less modelled flow; None without a head meter.
        grade: ``good``, ``fair``, ``poor`` or ``unknown``.
    """

    rms_pu: float | None
    head_error_kw: float | None
    grade: str


@dataclass(frozen=True, slots=True)
class Report:
    """The feeder at one look.

    Attributes:
        time_ms: UTC ms.
        converged: False where the power flow was not solved and the rest says nothing.
        meters_good: voltage meters that could be used.
        violations: worst first; ``nodes_out`` counts all of them.
        loadings: highest first; ``overloads`` counts those above their rating.
        head_kw, der_kw, load_kw, losses_kw, losses_pct: real power; losses in % of what comes in.
        voltage_imbalance_pct: largest deviation from the phases' mean at a three-phase bus.
        head_imbalance_pct: the same of the head's real power.
        islands: parts that the open switches leave, supplied or not.
        rests_on: how many states of the model are measured, forecast, assumed and unknown.
        not_measured: those states, unknown ones first.
    """

    time_ms: int
    converged: bool
    meters_good: int = 0
    nodes_out: int = 0
    violations: tuple[Violation, ...] = ()
    voltage_min_pu: float | None = None
    voltage_max_pu: float | None = None
    overloads: int = 0
    loadings: tuple[Loading, ...] = ()
    head_kw: float = 0.0
    der_kw: float = 0.0
    load_kw: float = 0.0
    losses_kw: float = 0.0
    losses_pct: float = 0.0
    voltage_imbalance_pct: float | None = None
    imbalance_bus: str = ""
    head_imbalance_pct: float | None = None
    islands: int = 1
    unsupplied: tuple[Unsupplied, ...] = ()
    headroom: tuple[Headroom, ...] = ()
    meters: tuple[Meter, ...] = ()
    quality: Quality = Quality(None, None, "unknown")
    rests_on: Mapping[str, int] = field(default_factory=dict)
    not_measured: tuple[State, ...] = ()
