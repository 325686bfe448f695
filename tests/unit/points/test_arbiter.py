"""Operator > protection/FLISR > utility 2030.5 > group function > DMS VVO > default."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.command import Command, Priority
from gateway.model.der import Range
from gateway.points.arbiter import MAX_CLAIMS_PER_POINT, Arbiter, Bound


def ask(origin, priority, value=1.0, expires_ms=0):
    return Command("d.sp", value, origin, priority, expires_ms=expires_ms)


RANKS = [
    Priority.DEFAULT,
    Priority.DMS_VVO,
    Priority.GROUP_FUNCTION,
    Priority.UTILITY_2030_5,
    Priority.PROTECTION_FLISR,
    Priority.OPERATOR,
]


@pytest.mark.parametrize(("low", "high"), list(itertools.pairwise(RANKS)))
def test_the_higher_rank_holds_whoever_came_first(low, high):
    for first, second in ((low, high), (high, low)):
        arbiter = Arbiter()
        arbiter.claim(ask(first.name, first), 0)
        verdict = arbiter.claim(ask(second.name, second), 0)
        assert verdict.winner.priority is high
        assert verdict.granted is (second is high)


def test_between_equals_the_newer_holds():
    arbiter = Arbiter()
    arbiter.claim(ask("a", Priority.DMS_VVO, 1), 0)
    assert arbiter.claim(ask("b", Priority.DMS_VVO, 2), 0).granted
    assert arbiter.claim(ask("a", Priority.DMS_VVO, 3), 0).granted
    held = arbiter.holder("d.sp", 0)
    assert held is not None
    assert held.value == 3


def test_a_claim_ends_at_its_expiry_and_the_next_inherits():
    arbiter = Arbiter()
    arbiter.claim(ask("default", Priority.DEFAULT, 0), 0)
    arbiter.claim(ask("vvo", Priority.DMS_VVO, 5, expires_ms=1000), 0)
    assert arbiter.expire(999) == []
    assert [(heir.origin, heir.value) for heir in arbiter.expire(1000)] == [("default", 0)]
    assert arbiter.expire(1001) == []


def test_an_expired_lower_claim_changes_nothing():
    arbiter = Arbiter()
    arbiter.claim(ask("operator", Priority.OPERATOR, 7), 0)
    arbiter.claim(ask("vvo", Priority.DMS_VVO, 5, expires_ms=10), 0)
    assert arbiter.expire(20) == []


def test_a_command_that_comes_expired_is_not_granted():
    assert not Arbiter().claim(ask("vvo", Priority.DMS_VVO, expires_ms=10), 10).granted


def test_a_withdrawn_claim_frees_the_point():
    arbiter = Arbiter()
    arbiter.claim(ask("operator", Priority.OPERATOR), 0)
    arbiter.withdraw("d.sp", "operator")
    arbiter.withdraw("d.sp", "operator")
    assert arbiter.holder("d.sp", 0) is None
    assert arbiter.claim(ask("vvo", Priority.DMS_VVO), 0).granted


def test_a_bound_keeps_lower_ranks_inside_and_lets_higher_through():
    arbiter = Arbiter()
    bound = Bound("d.sp", Range(-2, 2), "utility", Priority.UTILITY_2030_5, expires_ms=100)
    arbiter.bound(bound)
    assert arbiter.claim(ask("vvo", Priority.DMS_VVO, 9), 0).winner.value == 2
    assert arbiter.claim(ask("op", Priority.OPERATOR, 9), 0).winner.value == 9
    arbiter.withdraw("d.sp", "op")
    assert arbiter.claim(ask("vvo", Priority.DMS_VVO, 9), 100).winner.value == 9


def test_the_highest_of_two_bounds_has_the_last_word():
    arbiter = Arbiter()
    arbiter.bound(Bound("d.sp", Range(0, 1), "op", Priority.OPERATOR))
    arbiter.bound(Bound("d.sp", Range(2, 3), "utility", Priority.UTILITY_2030_5))
    assert arbiter.claim(ask("vvo", Priority.DMS_VVO, 9), 0).winner.value == 1


def test_claims_a_point_are_capped():
    arbiter = Arbiter()
    arbiter.claim(ask("operator", Priority.OPERATOR), 0)
    for number in range(3 * MAX_CLAIMS_PER_POINT):
        arbiter.claim(ask(f"vvo{number}", Priority.DMS_VVO), 0)
    holder = arbiter.holder("d.sp", 0)
    assert holder is not None
    assert holder.origin == "operator"


@given(
    st.lists(st.tuples(st.sampled_from(RANKS), st.integers(0, 3), st.integers(0, 50)), max_size=20),
    st.integers(0, 60),
)
def test_nobody_holds_against_a_higher_live_claim(claims, now_ms):
    arbiter = Arbiter()
    latest = {}
    for rank, origin, expires_ms in claims:
        command = ask(f"{rank.name}{origin}", rank, expires_ms=expires_ms)
        arbiter.claim(command, 0)
        latest[command.origin] = command
    live = [c for c in latest.values() if c.expires_ms == 0 or now_ms < c.expires_ms]
    holder = arbiter.holder("d.sp", now_ms)
    if not live:
        assert holder is None
    elif len(latest) <= MAX_CLAIMS_PER_POINT:
        assert holder is not None
        assert holder.priority == max(c.priority for c in live)
