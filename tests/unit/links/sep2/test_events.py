"""The life of events against a plain second-by-second reference, and the rules one by one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.links.sep2.events import (
    EventRecord,
    EventStatusCode,
    everywhere,
    in_force,
    lives,
    randomized,
    statuses,
)

MODES = ("opModMaxLimW", "opModFixedVar", "opModTargetW")


def event(mrid: int, start: int, duration: int, **fields: object) -> EventRecord:
    usual = {"program": 1, "primacy": 5, "creation_time": 0, "modes": frozenset(MODES[:1])}
    return EventRecord(mrid=mrid, start=start, duration=duration, **{**usual, **fields})  # type: ignore[arg-type]


def _rank(one: EventRecord) -> tuple[int, int, int]:
    return (one.primacy, -one.creation_time, -one.mrid)


@dataclass
class Plain:
    """A client followed second by second: who has which mode, what is gone for good."""

    gone: dict[int, set[str]] = field(default_factory=dict)
    status: dict[int, EventStatusCode] = field(default_factory=dict)
    over: set[int] = field(default_factory=set)

    def second(self, events: list[EventRecord], now: int) -> None:
        running = [one for one in events if one.mrid not in self.over and self._runs(one, now)]
        for one in sorted(running, key=_rank):
            lost = self.gone.setdefault(one.mrid, set())
            for other in running:
                if other.program == one.program and _rank(other) < _rank(one):
                    lost |= one.modes & (other.modes - self.gone[other.mrid])
            if lost >= one.modes:
                self._stop(one, EventStatusCode.SUPERSEDED)
            else:
                self.status[one.mrid] = EventStatusCode.ACTIVE

    def _runs(self, one: EventRecord, now: int) -> bool:
        if one.cancelled is not None and one.cancelled <= now <= one.ends:
            self._stop(one, EventStatusCode.CANCELLED)
        elif now >= one.ends:
            self.over.add(one.mrid)
        elif now < one.begins:
            self.status[one.mrid] = EventStatusCode.SCHEDULED
        else:
            return True
        return False

    def _stop(self, one: EventRecord, status: EventStatusCode) -> None:
        self.status[one.mrid] = status
        self.over.add(one.mrid)


class EventLives(RuleBasedStateMachine):
    """Events are made and cancelled while time passes, as a server's operator would."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100
        self.events: list[EventRecord] = []
        self.plain = Plain()

    @precondition(lambda self: len(self.events) < 12)
    @rule(
        program=st.integers(1, 2),
        ahead=st.integers(-3, 12),
        duration=st.integers(1, 15),
        spread=st.integers(-4, 4),
        modes=st.sets(st.sampled_from(MODES), min_size=1),
    )
    def make(self, program: int, ahead: int, duration: int, spread: int, modes: set[str]) -> None:
        self.events.append(
            EventRecord(
                mrid=len(self.events) + 1,
                program=program,
                primacy=program,
                creation_time=self.now + 1,  # made between two looks of the reference
                start=self.now + 1 + ahead,
                duration=duration,
                randomize_start=spread,
                modes=frozenset(modes),
            )
        )

    @precondition(lambda self: any(e.cancelled is None for e in self.events))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([e for e in self.events if e.cancelled is None]))
        self.events[self.events.index(one)] = replace(one, cancelled=self.now + 1)

    @rule(seconds=st.integers(1, 6))
    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.plain.second(self.events, self.now)

    @invariant()
    def documents_agree(self) -> None:
        known = [e for e in self.events if e.creation_time <= self.now]
        told = {m: s.current_status for m, s in statuses(known, self.now).items()}
        stopped = {m: s for m, s in self.plain.status.items() if m in {e.mrid for e in known}}
        for one in known:
            if self.now < one.ends:
                assert told[one.mrid] == stopped[one.mrid], (one, self.now, self.events)

    @invariant()
    def nothing_started_is_called_scheduled(self) -> None:
        for mrid, state in statuses(self.events, self.now).items():
            one = next(e for e in self.events if e.mrid == mrid)
            if state.current_status is EventStatusCode.SCHEDULED:
                assert self.now < one.begins

    @invariant()
    def nothing_changes_before_it_is_announced(self) -> None:
        known = (at for life in lives(self.events).values() for at in life.instants)
        change = min((at for at in known if at > self.now), default=None)
        horizon = self.now + 30 if change is None else change
        before = statuses(self.events, self.now)
        for instant in range(self.now + 1, min(horizon, self.now + 30)):
            assert statuses(self.events, instant) == before


TestEventLives = EventLives.TestCase
TestEventLives.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


def test_of_two_in_one_program_the_later_made_wins_and_the_earlier_never_resumes() -> None:
    early = event(1, start=10, duration=100, creation_time=1)
    late = event(2, start=20, duration=10, creation_time=2)
    at = {now: statuses([early, late], now) for now in (5, 15, 25, 35)}
    assert at[5][1].current_status is EventStatusCode.SCHEDULED
    assert at[5][1].potentially_superseded
    assert at[15][1].current_status is EventStatusCode.ACTIVE
    assert (at[25][1].current_status, at[25][1].date_time) == (EventStatusCode.SUPERSEDED, 20)
    assert at[25][2].current_status is EventStatusCode.ACTIVE
    assert at[35][1].current_status is EventStatusCode.SUPERSEDED
    assert 2 not in at[35]


def test_a_winner_cancelled_before_it_starts_takes_nothing() -> None:
    early = event(1, start=10, duration=100, creation_time=1)
    late = event(2, start=20, duration=10, creation_time=2, cancelled=15)
    assert statuses([early, late], 25)[1].current_status is EventStatusCode.ACTIVE
    assert statuses([early, late], 25)[2].current_status is EventStatusCode.CANCELLED


def test_other_modes_are_left_alone() -> None:
    limit = event(1, start=10, duration=100, creation_time=1)
    vars_ = event(2, start=20, duration=10, creation_time=2, modes=frozenset(MODES[1:2]))
    told = statuses([limit, vars_], 25)
    assert {s.current_status for s in told.values()} == {EventStatusCode.ACTIVE}
    assert not told[1].potentially_superseded


def test_a_client_lets_the_lower_primacy_win_where_a_server_only_warns() -> None:
    system = event(1, start=10, duration=100, program=1, primacy=9)
    feeder = event(2, start=20, duration=10, program=2, primacy=1)
    told = statuses([system, feeder], 25)[1]
    assert told.current_status is EventStatusCode.ACTIVE
    assert told.potentially_superseded
    seen = statuses([system, feeder], 25, everywhere)[1]
    assert seen.current_status is EventStatusCode.SUPERSEDED
    assert in_force(lives([system, feeder], everywhere), 25) == {MODES[0]: feeder}


def test_a_random_start_may_be_early_so_the_event_counts_as_started() -> None:
    one = event(1, start=100, duration=60, randomize_start=-30)
    assert statuses([one], 69)[1].current_status is EventStatusCode.SCHEDULED
    assert statuses([one], 70)[1].current_status is EventStatusCode.ACTIVE


@settings(max_examples=300, deadline=None)
@given(
    lengths=st.lists(st.integers(60, 300), min_size=2, max_size=5),
    gaps=st.lists(st.integers(0, 1), min_size=5, max_size=5),
    data=st.data(),
)
def test_a_limit_never_dips_between_events_that_follow_each_other(
    lengths: list[int], gaps: list[int], data: st.DataObject
) -> None:
    start, events = 1000, []
    for number, (length, gap) in enumerate(zip(lengths, gaps, strict=False), 1):
        spread = {"randomize_start": 30, "randomize_duration": -30}
        events.append(event(number, start=start, duration=length, **spread))
        start += length + gap
    offsets = {
        e.mrid: (data.draw(st.integers(0, 30)), data.draw(st.integers(-30, 0))) for e in events
    }
    followed = lives(randomized(events, offsets), everywhere)
    first = min(life.event.begins for life in followed.values())
    last = max(life.event.ends for life in followed.values())
    for now in range(first, last):
        assert MODES[0] in in_force(followed, now), now


def test_a_mode_that_was_taken_is_free_for_others_once_the_taker_is_over() -> None:
    oldest = event(1, start=50, duration=10, creation_time=0)
    both = event(2, start=10, duration=90, creation_time=1, modes=frozenset(MODES[:2]))
    taker = event(3, start=20, duration=10, creation_time=2)
    told = statuses([oldest, both, taker], 55)
    assert told[1].current_status is EventStatusCode.ACTIVE
    assert told[2].current_status is EventStatusCode.ACTIVE
    followed = in_force(lives([oldest, both, taker]), 55)
    assert followed == {MODES[0]: oldest, MODES[1]: both}
