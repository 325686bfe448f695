"""The transition function of IEEE 2030.7 as a table: read it from the top, the first row that fits.

A row fits when the controller is in its phase and every guard it names says yes. The steady states
are SS1 (connected) and SS2 (islanded); T1 planned islanding, T2 unplanned islanding, T3
reconnection, T4 black start (edition not verified). ``gateway.apps.microgrid.guards`` has every
guard; what each phase does while it lasts stands in ``gateway.apps.microgrid.actions``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.apps.microgrid.guards import GUARDS
from gateway.apps.microgrid.situation import Situation
from gateway.apps.microgrid.state import Entry, Held, MicrogridState, Phase, Result, Stage

#: Changes of phase kept for the record.
_RECORD_KEPT = 100


@dataclass(frozen=True, slots=True)
class Row:
    """From one phase to another, where every guard holds.

    Attributes:
        result: what becomes of the request behind it; None where that is left as it is.
    """

    before: Phase
    guards: tuple[str, ...]
    after: Phase
    result: Result | None = None

    @property
    def rule(self) -> str:
        """The row in words."""
        return f"{self.before.name} to {self.after.name}: {', '.join(self.guards)}"


SS1, SS2, T1, T2, T3, T4 = Phase
_OK, _NO, _NO_SYNC = Result.OK, Result.NOT_PERMITTED, Result.NO_SYNC

TRANSITIONS = (
    # connected; a row back to its own phase answers a request, nothing else
    Row(SS1, ("reconnection asked",), SS1, _OK),
    Row(SS1, ("poi open",), T2),
    Row(SS1, ("grid dead",), T2),
    Row(SS1, ("emergency islanding asked",), T2, _OK),
    Row(SS1, ("planned islanding asked", "sources carry the load"), T1, _OK),
    Row(SS1, ("planned islanding asked",), SS1, _NO),
    # planned islanding: POI power to zero, then open
    Row(T1, ("poi open", "bus dead"), T2),
    Row(T1, ("poi open", "bus in band"), SS2, _OK),
    Row(T1, ("grid dead",), T2),
    Row(T1, ("emergency islanding asked",), T2),
    Row(T1, ("reconnection asked",), SS1, _OK),
    Row(T1, ("planned time is over", "poi closed"), SS1, _NO),
    # unplanned islanding: open, shed, hold
    Row(T2, ("poi open", "bus in band"), SS2, _OK),
    Row(T2, ("poi open", "bus dead", "black start permitted", "a source can start"), T4),
    Row(T2, ("poi open", "bus dead"), SS2),
    Row(T2, ("opening failed", "poi closed", "grid good", "bus live"), SS1, _NO),
    # islanded
    Row(SS2, ("poi closed", "bus live"), SS1),
    Row(SS2, ("islanding asked",), SS2, _OK),
    Row(SS2, ("poi open", "bus dead", "reconnection asked", "grid good for long"), T3),
    Row(SS2, ("poi open", "bus dead", "black start permitted", "a source can start"), T4, _OK),
    Row(SS2, ("reconnection asked", "poi open", "bus in band", "grid good for long"), T3),
    Row(SS2, ("reconnection asked", "waiting is over"), SS2, _NO_SYNC),
    # reconnection: in step, then close
    Row(T3, ("poi closed", "bus live"), SS1, _OK),
    Row(T3, ("islanding asked",), SS2, _NO),
    Row(T3, ("grid not good",), SS2, _NO_SYNC),
    Row(T3, ("sync time is over",), SS2, _NO_SYNC),
    # black start: a source onto the dead bus, then loads by priority
    Row(T4, ("poi closed", "bus live"), SS1),
    Row(T4, ("reconnection asked", "grid good for long", "bus dead"), T3),
    Row(T4, ("loads are restored", "bus in band"), SS2),
    Row(T4, ("bus dead", "no source can start"), SS2, _NO),
)


def first_phase(now: Situation) -> Phase | None:
    """The steady state the field is in when the controller first sees it; None while unknown."""
    if now.seen.poi.closed is None:
        return None
    return SS1 if now.seen.poi.closed else SS2


def fitting(now: Situation) -> Row | None:
    """The first row that fits."""
    for row in TRANSITIONS:
        if row.before is now.state.phase and all(GUARDS[guard](now) for guard in row.guards):
            return row
    return None


def advance(now: Situation) -> tuple[MicrogridState, Row | None]:
    """The state after the transition function had its word, and its row: at most one a cycle."""
    if now.state.phase is None:
        first = first_phase(now)
        state = now.state
        return (replace(state, phase=first, since_ms=now.now_ms) if first else state), None
    row = fitting(now)
    return (now.state if row is None else _enter(now, row)), row


def _enter(now: Situation, row: Row) -> MicrogridState:
    result = now.state.result if row.result is None else row.result
    if row.after is row.before:
        return replace(now.state, result=result)
    entry = Entry(now.now_ms, row.before, row.after, row.rule)
    return replace(
        now.state,
        phase=row.after,
        since_ms=now.now_ms,
        small_since_ms=0,
        band_since_ms=0,
        held=Held(),
        result=result,
        target_w=None,
        stage=Stage.CLEAR,
        source="",
        exhausted=frozenset() if _fresh_start(now, row) else now.state.exhausted,
        record=(*now.state.record[-_RECORD_KEPT + 1 :], entry),
    )


def _fresh_start(now: Situation, row: Row) -> bool:
    """Whether sources that failed to start may be tried again."""
    return row.after is SS1 or "bus in band" in row.guards or now.asked.black_start
