"""What a device did with its modes, and which responses that makes due. Pure.

Codes as in IEEE 2030.5's table of responses of the DER function set (edition not verified).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from gateway.links.sep2.events import EventLife
from gateway.links.sep2.northbound.schedule import Plan
from gateway.links.sep2.resources import DERControl
from gateway.links.sep2.response_codes import ResponseCode


class Taken(Enum):
    """What became of a mode."""

    TAKEN = "taken"
    PARTLY = "partly"
    REFUSED = "refused"
    NOT_SUPPORTED = "not supported"


@dataclass(frozen=True, slots=True)
class ModeOutcome:
    """What became of one mode, and why."""

    taken: Taken
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an :class:`Effective`, by mode; a mode not told of is not supported."""

    modes: Mapping[str, ModeOutcome] = field(default_factory=dict)


#: After these an event is over for a device, whatever happens.
FINAL = frozenset(
    {
        ResponseCode.COMPLETED,
        ResponseCode.CANCELLED,
        ResponseCode.SUPERSEDED,
        ResponseCode.NOT_APPLICABLE,
        ResponseCode.INVALID,
        ResponseCode.EXPIRED,
    }
)
_RECEIVED_BIT, _SPECIFIC_BIT, _USER_BIT = 1, 2, 4
#: Which bits of responseRequired ask for a code; what is not named here is a specific response.
_ASKED_BY: Mapping[int, int] = {
    ResponseCode.RECEIVED: _RECEIVED_BIT,
    # a refusal is the device's own as often as its user's
    ResponseCode.OPT_OUT: _SPECIFIC_BIT | _USER_BIT,
    ResponseCode.OPT_IN: _SPECIFIC_BIT | _USER_BIT,
    # all that is ever said of such an event
    ResponseCode.NOT_APPLICABLE: _RECEIVED_BIT | _SPECIFIC_BIT,
    ResponseCode.INVALID: _RECEIVED_BIT | _SPECIFIC_BIT,
    ResponseCode.EXPIRED: _RECEIVED_BIT | _SPECIFIC_BIT,
}


def is_asked_for(control: DERControl, code: int) -> bool:
    """Whether a control wants to hear this."""
    wanted = control.response_required or 0
    return bool(control.reply_to and wanted & _ASKED_BY.get(code, _SPECIFIC_BIT))


def news(
    plan: Plan, mrid: int, told: Sequence[int], outcome: Outcome, now: int
) -> tuple[ResponseCode, ...]:
    """What is to be noted of an event at ``now``, in this order.

    Args:
        plan: of the device.
        mrid: of the event.
        told: codes noted before, oldest first.
        outcome: what became of the modes now in force.
        now: the server's time, UTC s.
    """
    return tuple(_news(plan, mrid, told, outcome, now))


def _news(
    plan: Plan, mrid: int, told: Sequence[int], outcome: Outcome, now: int
) -> Iterator[ResponseCode]:
    if any(code in FINAL for code in told):
        return
    if mrid in plan.invalid:
        if not told:
            yield ResponseCode.INVALID
        return
    life = plan.lives[mrid]
    if not told:
        if now >= life.event.ends:
            yield ResponseCode.EXPIRED
            return
        yield ResponseCode.RECEIVED
    stopped = _stopped(plan, life, now)
    if stopped is not None:
        yield stopped
    elif now >= life.event.ends:
        if ResponseCode.STARTED in told and not _out(told):
            yield ResponseCode.COMPLETED
    elif now >= life.event.begins:
        yield from _running(plan.held(mrid, now), told, outcome)


def _stopped(plan: Plan, life: EventLife, now: int) -> ResponseCode | None:
    """How it ended before its time; what comes first counts."""
    event = life.event
    cancelled = ResponseCode.SUPERSEDED if event.mrid in plan.superseded else ResponseCode.CANCELLED
    ends = [
        (at, code)
        for at, code in ((event.cancelled, cancelled), (life.superseded, ResponseCode.SUPERSEDED))
        if at is not None and at <= now and at < event.ends
    ]
    return min(ends)[1] if ends else None


def _running(held: frozenset[str], told: Sequence[int], outcome: Outcome) -> Iterator[ResponseCode]:
    unknown = ModeOutcome(Taken.NOT_SUPPORTED)
    results = {outcome.modes.get(mode, unknown).taken for mode in held}
    if results & {Taken.TAKEN, Taken.PARTLY}:
        if _out(told):
            yield ResponseCode.OPT_IN
        if ResponseCode.STARTED not in told:
            yield ResponseCode.STARTED
    elif Taken.REFUSED in results:
        if not _out(told):
            yield ResponseCode.OPT_OUT
    elif ResponseCode.STARTED not in told and ResponseCode.OPT_OUT not in told:
        yield ResponseCode.NOT_APPLICABLE


def _out(told: Sequence[int]) -> bool:
    """Whether the device is opted out, as far as was told."""
    choices = [code for code in told if code in (ResponseCode.OPT_OUT, ResponseCode.OPT_IN)]
    return bool(choices) and choices[-1] == ResponseCode.OPT_OUT
