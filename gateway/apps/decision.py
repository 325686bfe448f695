"""What an application's step gives back. The only thing applications share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.groups.messages import GroupRequest
from gateway.model.command import Command

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person should know.

    Attributes:
        source: application and object, e.g. ``vvo:675.1``.
        text: one line.
        active: False where the alarm has ended.
    """

    source: str
    text: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Decision(Generic[State]):
    """Outcome of ``step(image, state, now) -> Decision``: data only, so any day can be replayed.

    Attributes:
        commands: for the router, in the order to send.
        advice: what it would command where it may only advise; nobody sends these.
        messages: group functions for the group service, in the order to send.
        alarms: raised or ended in this step.
        state: what the next step gets back.
        notes: name to figure, for the log, the live table and the report.
        readings: values of the application's own points, by id; None where one is not known.
    """

    commands: tuple[Command, ...]
    messages: tuple[GroupRequest, ...]
    alarms: tuple[Alarm, ...]
    state: State
    notes: dict[str, float | str]
    advice: tuple[Command, ...] = ()
    readings: Mapping[str, float | None] = field(default_factory=dict)
