"""Programs as they were read, and what stays known when a server no longer lists it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.links.sep2.resources import (
    DefaultDERControl,
    DERControl,
    DERCurve,
    DERProgram,
    EventStatus,
)

#: ``EventStatus.currentStatus``: cancelled; from here on nothing more happens to an event.
_CANCELLED = 2
#: A server drops an event when it ends by its own clock, which may be this much ahead of what
#: clients believe; gone earlier means taken back.
_CLOCK_SLACK_S = 10
#: How long one that ended is kept at least: its end is still to be noted.
_LINGER_S = 300


@dataclass(frozen=True, slots=True)
class Program:
    """A DERProgram with what it leads to.

    Attributes:
        path: where it is; its identity for us.
        program: itself.
        default: its DefaultDERControl; None where it has none.
        controls: its events by mRID, those a server no longer lists included.
        curves: path to the curve there; None where there surely is none. A path that is absent
            has not been read yet.
    """

    path: str
    program: DERProgram
    default: DefaultDERControl | None = None
    controls: Mapping[int, DERControl] = field(default_factory=dict)
    curves: Mapping[str, DERCurve | None] = field(default_factory=dict)


def latest_end(control: DERControl) -> int:
    """When the last client is through with an event, UTC s."""
    late = max(control.randomize_start or 0, 0) + max(control.randomize_duration or 0, 0)
    return control.interval.start + control.interval.duration + late


def remembered(
    known: Mapping[str, Program], read: Mapping[str, Program], now: int, most: int
) -> dict[str, Program]:
    """What was read, with the events that are no longer listed but still matter.

    An event gone before its end was taken back: it counts as cancelled now. One that ran out, or
    had been cancelled, stays as long as anything that overlaps it: what it superseded must not
    resume because the winner is listed no more.

    Args:
        known: programs so far, by path.
        read: programs now; a program that is not assigned any more is absent.
        now: the server's time, UTC s.
        most: events kept of one program; beyond it the earliest to end are forgotten.
    """
    listed = {mrid for program in read.values() for mrid in program.controls}
    gone: dict[str, dict[int, DERControl]] = {}
    for path, program in known.items():
        for mrid, control in program.controls.items():
            if mrid not in listed:
                gone.setdefault(path, {})[mrid] = _taken_back(control, now)
    everything = [c for p in read.values() for c in p.controls.values()]
    everything += [c for controls in gone.values() for c in controls.values()]
    since = matters_since(everything, now)
    merged = dict(read)
    for path, controls in gone.items():
        kept = {mrid: c for mrid, c in controls.items() if latest_end(c) > since}
        if not kept:
            continue
        program = merged.get(path) or replace(known[path], default=None)
        both = sorted({**kept, **program.controls}.items(), key=lambda one: latest_end(one[1]))
        merged[path] = replace(program, controls=dict(both[-most:]))
    return merged


def withdrawn(program: Program, now: int) -> Program:
    """A program that a device has no more: no default, and its events were taken back."""
    controls = {mrid: _taken_back(control, now) for mrid, control in program.controls.items()}
    return replace(program, default=None, controls=controls)


def matters_since(controls: Iterable[DERControl], now: int) -> int:
    """Events that ended before that may be forgotten, UTC s.

    The earliest start, chains of overlaps included, of all that is not over; what ended just now
    is kept, too, as its end may still have to be noted.
    """
    since = now - _LINGER_S
    for control in sorted(controls, key=latest_end, reverse=True):
        if latest_end(control) > since:
            early = min(control.randomize_start or 0, 0)
            since = min(since, control.interval.start + early)
    return since


def _taken_back(control: DERControl, now: int) -> DERControl:
    ended = now >= control.interval.start + control.interval.duration - _CLOCK_SLACK_S
    if ended or control.event_status.current_status >= _CANCELLED:
        return control
    status = EventStatus(current_status=_CANCELLED, date_time=now, potentially_superseded=False)
    return replace(control, event_status=status)
