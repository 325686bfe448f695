"""Protection in simulated time: who trips when, and what the indicators keep."""

from __future__ import annotations

import pytest

from hil.devices.protection import Protection

PICKUP_A = 600.0
LOAD = {"1": 200.0, "2": 210.0, "3": 190.0}
FAULT = {"1": 2500.0, "2": 210.0, "3": 190.0}
FORWARD = dict.fromkeys("123", 500e3 + 300e3j)
BACKWARD = dict.fromkeys("123", -500e3 - 300e3j)


def relay(kind: str) -> Protection:
    return Protection(kind, PICKUP_A)


def run(one: Protection, seconds: int, amps=LOAD, va=FORWARD) -> list[bool]:
    """Positions after each simulated second; an open switch carries nothing."""
    seen = []
    for _ in range(seconds):
        one.step(amps if one.closed else dict.fromkeys(amps, 0.0), va, 1.0)
        seen.append(one.closed)
    return seen


@pytest.mark.parametrize("kind", ["breaker", "recloser", "sectionaliser"])
def test_load_current_is_no_fault(kind: str) -> None:
    one = relay(kind)
    assert all(run(one, 120))
    assert one.indicators.phases == set()
    assert not one.lockout


def test_a_recloser_trips_recloses_twice_and_locks_out_on_a_lasting_fault() -> None:
    one = relay("recloser")
    positions = run(one, 40, FAULT)
    openings = [i for i, (a, b) in enumerate(zip([True, *positions], positions, strict=False))
                if a and not b]  # fmt: skip
    closings = [i for i, (a, b) in enumerate(zip([True, *positions], positions, strict=False))
                if b and not a]  # fmt: skip
    assert len(openings) == 3
    assert len(closings) == one.shots == 2
    dead_s = [close - opened for opened, close in zip(openings, closings, strict=False)]
    assert dead_s == [5, 10], "the second wait is the longer"
    assert (one.closed, one.tripped, one.lockout) == (False, True, True)
    assert not any(run(one, 300)), "locked out: it stays open by itself"


def test_a_fault_that_burns_out_in_the_dead_time_costs_one_reclosure() -> None:
    one = relay("recloser")
    run(one, 2, FAULT)
    assert (one.closed, one.tripped) == (False, True)
    assert run(one, 10)[-1]
    assert (one.tripped, one.lockout, one.shots) == (False, False, 1)
    run(one, 30)
    run(one, 1, FAULT)
    assert one.tripped
    run(one, 6)
    assert (one.closed, one.shots) == (True, 2), "after a healthy while it counts from the start"


def test_a_second_fault_before_the_reset_time_uses_up_the_shots() -> None:
    one = relay("recloser")
    for _ in range(2):
        run(one, 1, FAULT)
        run(one, 12)
    assert (one.closed, one.lockout) == (True, False)
    run(one, 1, FAULT)
    assert one.lockout


def test_the_recloser_is_faster_than_the_breaker_which_backs_it_up() -> None:
    recloser, breaker = relay("recloser"), relay("breaker")
    for _ in range(40):  # in series: what one interrupts, the other no longer carries
        amps = FAULT if recloser.closed and breaker.closed else LOAD
        recloser.step(amps, FORWARD, 1.0)
        breaker.step(amps, FORWARD, 1.0)
    assert recloser.lockout
    assert breaker.closed
    stuck = relay("breaker")
    assert run(stuck, 3, FAULT) == [True, True, False], "nobody else cleared it"
    assert stuck.lockout, "a breaker without reclosing stays open"


def test_a_sectionaliser_never_trips_but_sees() -> None:
    one = relay("sectionaliser")
    assert all(run(one, 60, FAULT))
    assert one.indicators.phases == {"1"}
    assert not one.tripped


def test_indicators_latch_with_direction_until_reset() -> None:
    one = relay("sectionaliser")
    run(one, 1, {"1": 2500.0, "2": 2400.0, "3": 190.0}, BACKWARD)
    run(one, 60)
    assert one.indicators.phases == {"1", "2"}
    assert one.indicators.reverse, "it lies towards the substation"
    one.indicators.reset()
    assert (one.indicators.phases, one.indicators.reverse) == (set(), False)
    run(one, 1, FAULT)
    assert one.indicators.phases == {"1"}
    assert not one.indicators.reverse


def test_the_direction_is_the_faulted_phases() -> None:
    """Healthy phases of a feeder with generation may run backwards through a forward fault."""
    one = relay("sectionaliser")
    run(one, 1, FAULT, FORWARD | {"2": -900e3 + 0j, "3": -900e3 + 0j})
    assert not one.indicators.reverse


def test_a_command_closes_what_is_locked_out_and_opens_what_then_stays_open() -> None:
    one = relay("recloser")
    run(one, 40, FAULT)
    one.operate(close=True)
    assert (one.closed, one.tripped, one.lockout) == (True, False, False)
    assert all(run(one, 10))
    one.operate(close=False)
    assert not any(run(one, 60)), "opened by command: no reclosing"
    assert not one.tripped


def test_the_relay_keeps_current_and_reactance_of_the_last_fault() -> None:
    """Q = I^2 X: 2 Mvar at 2000 A are 0.5 ohm, in the phase with the largest current."""
    one = relay("breaker")
    run(one, 1, {"1": 2000.0, "2": 1000.0, "3": 190.0}, {"1": 1e6 + 2e6j, "2": 9e6j, "3": 0j})
    assert (one.report.current_a, one.report.reactance_ohm) == (2000.0, pytest.approx(0.5))
    run(one, 10)
    one.indicators.reset()
    assert one.report.current_a == 2000.0, "a reset of the indicators leaves it"
    run(one, 1, FAULT, {"1": -(2500.0**2) * 0.2j, "2": 0j, "3": 0j})
    assert one.report.reactance_ohm == pytest.approx(-0.2), "below 0: towards the substation"
    run(one, 5)
    run(one, 1, {"1": 700.0, "2": 0.0, "3": 0.0}, {"1": 700.0**2 * 0.3j, "2": 0j, "3": 0j})
    assert one.report.current_a == 700.0, "the last, not the largest"


def test_who_moved_it_last_is_known() -> None:
    one = relay("recloser")
    assert not one.by_itself
    run(one, 2, FAULT)
    assert (one.closed, one.by_itself) == (False, True)
    run(one, 8)
    assert (one.closed, one.by_itself) == (True, True), "its own reclosure"
    one.operate(close=False)
    assert not one.by_itself
