"""What is in force at a device, from all programs it is given. Pure.

Rules as in IEEE 2030.5's event rules (edition not verified): per mode the event of the lowest
primacy, else the DefaultDERControl of the lowest primacy that sets it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gateway.links.sep2.control_events import event_of, modes
from gateway.links.sep2.events import (
    EventLife,
    EventRecord,
    EventStatusCode,
    everywhere,
    in_force,
    lives,
    randomized,
)
from gateway.links.sep2.northbound.programs import Program
from gateway.links.sep2.resources import (
    DefaultDERControl,
    DERControl,
    DERControlBase,
    DERCurve,
    Link,
)

_DEFAULT_SETTINGS = tuple(
    one.name for one in fields(DefaultDERControl) if one.name.startswith("set_")
)


@dataclass(frozen=True, slots=True)
class Offsets:
    """A client's random offsets of one event, s: start, duration, and of a spread cancellation."""

    start: int = 0
    duration: int = 0
    cancel: int = 0


#: This client's offsets of an event: the same whenever it is asked.
Draw = Callable[[DERControl], Offsets]


@dataclass(frozen=True, slots=True)
class ModeSetting:
    """One mode that is in force.

    Attributes:
        value: as in :class:`DERControlBase`.
        source: mRID of the DERControl or DefaultDERControl that sets it.
        event: whether that is an event.
        ramp_tms: its rampTms, hundredths of a second; None where it names none.
        curve: the curve, where the mode is one.
    """

    value: Any
    source: int
    event: bool
    ramp_tms: int | None = None
    curve: DERCurve | None = None


@dataclass(frozen=True, slots=True)
class Effective:
    """What a device is to do now.

    Attributes:
        modes: by field name of :class:`DERControlBase`; a mode that nothing sets is absent.
        settings: what default controls set beside modes (``set_grad_w``), by field name.
        until: when it changes next, as far as is known, UTC s; None where it does not.
    """

    modes: Mapping[str, ModeSetting] = field(default_factory=dict)
    settings: Mapping[str, int] = field(default_factory=dict)
    until: int | None = field(default=None, compare=False)

    @property
    def base(self) -> DERControlBase:
        """All modes as one DERControlBase."""
        return DERControlBase(**{mode: setting.value for mode, setting in self.modes.items()})


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a group of devices is to do, and when.

    Attributes:
        programs: the best first.
        controls: events by mRID, with their program.
        lives: what befalls each, for this client.
        superseded: events that their server calls superseded, though no winner is known here.
        invalid: events that cannot be followed: no duration, or a curve that is not there.
    """

    programs: tuple[Program, ...] = ()
    controls: Mapping[int, tuple[Program, DERControl]] = field(default_factory=dict)
    lives: Mapping[int, EventLife] = field(default_factory=dict)
    superseded: frozenset[int] = frozenset()
    invalid: frozenset[int] = frozenset()

    def effective(self, now: int, *, events: bool = True) -> Effective:
        """What is in force at ``now``; without ``events`` the defaults alone."""
        found: dict[str, ModeSetting] = {}
        for mode, record in in_force(self.lives, now).items() if events else ():
            program, control = self.controls[record.mrid]
            found[mode] = _setting(mode, program, control.der_control_base, control.mrid)
        settings: dict[str, int] = {}
        for program in self.programs:
            default = program.default
            if default is None:
                continue
            for mode in modes(default.der_control_base) - found.keys():
                base = default.der_control_base
                setting = _setting(mode, program, base, default.mrid, event=False)
                if not isinstance(setting.value, Link) or setting.curve is not None:
                    found[mode] = setting
            for name in _DEFAULT_SETTINGS:
                value = getattr(default, name)
                if value is not None:
                    settings.setdefault(name, value)
        return Effective(found, settings, self.next_change(now) if events else None)

    def next_change(self, now: int) -> int | None:
        """The next instant at which anything befalls an event."""
        instants = (
            instant
            for life in self.lives.values()
            for instant in (life.event.begins, life.over, *life.lost.values())
            if instant > now
        )
        return min(instants, default=None)

    def following(self, now: int) -> tuple[int, ...]:
        """The events that are not over."""
        return tuple(mrid for mrid, life in self.lives.items() if life.over > now)

    def moving(self, since: int, now: int) -> tuple[int, ...]:
        """The events that ran or stopped between two instants; nothing befell the others."""
        return tuple(
            mrid
            for mrid, life in self.lives.items()
            if life.over >= since and (life.event.begins <= now or life.over <= now)
        )

    def held(self, mrid: int, now: int) -> frozenset[str]:
        """The modes an event sets at ``now``."""
        force = in_force(self.lives, now)
        return frozenset(mode for mode, record in force.items() if record.mrid == mrid)


def plan(
    programs: Sequence[Program],
    draw: Draw,
    category: int | None = None,
    finished: Collection[int] = (),
) -> Plan:
    """The plan of devices that have these programs.

    Args:
        programs: those assigned, in any order.
        draw: see :data:`Draw`.
        category: the devices' deviceCategory; events of another are not for them.
        finished: mRIDs of events that are over for these devices, whatever the server says.
    """
    ranked = tuple(sorted(programs, key=lambda p: (p.program.primacy, p.program.mrid)))
    controls: dict[int, tuple[Program, DERControl]] = {}
    records: list[EventRecord] = []
    invalid: set[int] = set()
    for number, program in enumerate(ranked):
        for mrid, control in program.controls.items():
            if mrid in controls or mrid in finished or not _meant_for(control, category):
                continue
            present = _present_modes(program, control)
            if present is None:  # its curve has not been read yet
                continue
            controls[mrid] = (program, control)
            whole = present == modes(control.der_control_base)
            if control.interval.duration == 0 or not whole:
                invalid.add(mrid)
                continue
            record = event_of(control, number, program.program.primacy)
            records.append(replace(record, cancelled=_cancelled(control)))
    followed = _followed(records, controls, draw)
    lived = lives(followed, everywhere)
    alone = frozenset(
        mrid
        for mrid, life in lived.items()
        if life.superseded is None and _status(controls[mrid][1]) == EventStatusCode.SUPERSEDED
    )
    if alone:
        stopped = [
            replace(r, cancelled=controls[r.mrid][1].event_status.date_time)
            if r.mrid in alone
            else r
            for r in followed
        ]
        lived = lives(stopped, everywhere)
    return Plan(ranked, controls, lived, alone, frozenset(invalid))


def _followed(
    records: Sequence[EventRecord],
    controls: Mapping[int, tuple[Program, DERControl]],
    draw: Draw,
) -> list[EventRecord]:
    """Events at the times this client follows them, spread cancellations included."""
    offsets = {record.mrid: draw(controls[record.mrid][1]) for record in records}
    moves = {mrid: (one.start, one.duration) for mrid, one in offsets.items()}
    found = []
    for record in randomized(records, moves):
        spread = _status(controls[record.mrid][1]) == EventStatusCode.CANCELLED_WITH_RANDOMIZATION
        if spread and record.cancelled is not None and record.begins <= record.cancelled:
            later = record.cancelled + offsets[record.mrid].cancel
            found.append(replace(record, cancelled=later, cancel_randomized=True))
        else:
            found.append(record)
    return found


def _setting(
    mode: str, program: Program, base: DERControlBase, source: int, *, event: bool = True
) -> ModeSetting:
    value = getattr(base, mode)
    curve = program.curves.get(value.href) if isinstance(value, Link) else None
    return ModeSetting(value, source, event, base.ramp_tms, curve)


def _present_modes(program: Program, control: DERControl) -> frozenset[str] | None:
    """The modes whose curves are there; None where one has not been read yet."""
    present = set()
    for mode in modes(control.der_control_base):
        value = getattr(control.der_control_base, mode)
        if not isinstance(value, Link):
            present.add(mode)
        elif value.href not in program.curves:
            return None
        elif program.curves[value.href] is not None:
            present.add(mode)
    return frozenset(present)


def _meant_for(control: DERControl, category: int | None) -> bool:
    wanted = control.device_category
    return wanted is None or category is None or bool(wanted & category)


def _cancelled(control: DERControl) -> int | None:
    ends = (EventStatusCode.CANCELLED, EventStatusCode.CANCELLED_WITH_RANDOMIZATION)
    status = control.event_status
    return status.date_time if status.current_status in ends else None


def _status(control: DERControl) -> int:
    return control.event_status.current_status
