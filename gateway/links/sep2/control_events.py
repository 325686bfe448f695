"""DERControls as the event engine sees them. Pure."""

from __future__ import annotations

from dataclasses import fields

from gateway.links.sep2.events import EventRecord
from gateway.links.sep2.resources import DERControl, DERControlBase

#: What of a DERControlBase is no mode: it shapes the others.
_NO_MODES = frozenset({"ramp_tms"})


def modes(base: DERControlBase) -> frozenset[str]:
    """The control modes that a base sets, by field name."""
    names = (field.name for field in fields(base) if getattr(base, field.name) is not None)
    return frozenset(names) - _NO_MODES


def event_of(control: DERControl, program: int, primacy: int) -> EventRecord:
    """A control, for the event engine."""
    return EventRecord(
        mrid=control.mrid,
        program=program,
        primacy=primacy,
        creation_time=control.creation_time,
        start=control.interval.start,
        duration=control.interval.duration,
        randomize_start=control.randomize_start or 0,
        randomize_duration=control.randomize_duration or 0,
        modes=modes(control.der_control_base),
    )
