"""What was seen while a demo ran, beside the truth log: requests, samples, the gateway's word."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Exchange:
    """One group function as the operator's side asked it, times in simulated seconds.

    Attributes:
        title: what it is, in words.
        function: ``status``, ``capability``, ``forecast``, ``dispatch-p``, ``dispatch-q``,
            ``limit``, ``pf`` or ``curve``.
        asked: the request in one line.
        value: W or var asked for at the POI; None where the function has none.
        sent_s, answered_s: when.
        until_s: when the set point ends by itself; None for questions.
        result: ``OK``, ``PARTIAL`` or ``FAILED``.
        answer: the reply in one line.
        round_trip_ms: wall time from request to reply.
    """

    title: str
    function: str
    asked: str
    value: float | None
    sent_s: float
    answered_s: float
    until_s: float | None
    result: str
    answer: str
    round_trip_ms: float


@dataclass(frozen=True, slots=True)
class Samples:
    """What the gateway said at regular times.

    Attributes:
        time_s: simulated seconds.
        q_asked_var: set point of reactive power by DER, None where none is in force or known.
        lost: points with COMM_LOST.
    """

    time_s: list[float] = field(default_factory=list)
    q_asked_var: dict[str, list[float | None]] = field(default_factory=dict)
    lost: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Control:
    """One control of the utility's master.

    Attributes:
        at_s: simulated seconds.
        point: the gateway's name of it.
        asked: what, in words.
        status: IEEE 1815 control status as answered, or why there was none.
        round_trip_ms: wall time from select to the answer to operate.
    """

    at_s: float
    point: str
    asked: str
    status: str
    round_trip_ms: float


@dataclass(slots=True)
class Northbound:
    """What the utility's master saw of the gateway over DNP3; grows while a demo runs.

    Attributes:
        points: read by an integrity poll, by outstation address.
        polls: event polls answered.
        events: events received, each with its source's time.
        lags_s: wall seconds from the newest event of a poll to its arrival.
        head_time_s: simulated source times of the feeder head's power.
        head_w: that power, positive into the feeder; shape of ``head_time_s``.
        lost: points flagged COMM_LOST at the last poll.
        der: the group shown as a DER: values by the DER profile's names.
        controls: in the order tried.
        fault: why the master lost its outstation last; empty where it never did.
    """

    points: dict[int, int] = field(default_factory=dict)
    polls: int = 0
    events: int = 0
    lags_s: list[float] = field(default_factory=list)
    head_time_s: list[float] = field(default_factory=list)
    head_w: list[float] = field(default_factory=list)
    lost: int = 0
    der: dict[str, float] = field(default_factory=dict)
    controls: list[Control] = field(default_factory=list)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """Everything a report is made of besides the two truth logs.

    Attributes:
        title: the scenario's.
        notes: what the plant is and the model is not, one line each.
        poi: the group's DER in the truth log, and its rating in VA.
        cycle_s: the DMS's control cycle in simulated seconds.
        time_scale: simulated seconds a wall second.
        exchanges: the operator's requests.
        messages: every group message as the gateway recorded it, ``time_s`` simulated.
        samples: the gateway's points over time.
        status: the gateway's last status.
        northbound: the utility's master; None where the site has no outstation.
        csip: 2030.5 inverters as the gateway's status has them, each order with ``time_s``.
    """

    title: str
    notes: tuple[str, ...]
    poi: tuple[str, float]
    cycle_s: float
    time_scale: float
    exchanges: tuple[Exchange, ...]
    messages: tuple[dict[str, Any], ...]
    samples: Samples
    status: dict[str, Any]
    northbound: Northbound | None = None
    csip: dict[str, Any] = field(default_factory=dict)
