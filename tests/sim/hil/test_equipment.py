"""Moving parts take their time and stop at their ends."""

from __future__ import annotations

import pytest

from hil.plant.equipment import Contact, TapChanger


def test_a_tap_changer_moves_one_position_each_step_time() -> None:
    changer = TapChanger(position=0, step_s=2.0)
    changer.aim(3)
    seen = []
    for _ in range(8):
        changer.advance(1.0)
        seen.append(changer.position)
    assert seen == [0, 1, 1, 2, 2, 3, 3, 3]
    assert changer.operations == 3


def test_a_tap_changer_stops_at_its_ends() -> None:
    changer = TapChanger(position=15, step_s=1.0)
    changer.aim(40)
    changer.advance(100.0)
    assert changer.position == 16
    changer.aim(-40)
    changer.advance(100.0)
    assert changer.position == -16


def test_a_tap_changer_turns_round_when_told() -> None:
    changer = TapChanger(position=0, step_s=2.0)
    changer.aim(5)
    changer.advance(4.0)
    changer.aim(0)
    changer.advance(4.0)
    assert changer.position == 0
    assert changer.operations == 4


@pytest.mark.parametrize("closed", [True, False])
def test_a_capacitor_moves_after_its_switching_time(closed: bool) -> None:
    switch = Contact(closed=closed, switch_s=3.0)
    switch.aim(closed=not closed)
    switch.advance(2.9)
    assert switch.closed is closed
    switch.advance(0.2)
    assert switch.closed is not closed
    assert switch.operations == 1


def test_a_capacitor_told_back_in_time_does_not_move() -> None:
    switch = Contact(closed=True, switch_s=3.0)
    switch.aim(closed=False)
    switch.advance(2.0)
    switch.aim(closed=True)
    switch.advance(2.0)
    assert (switch.closed, switch.operations) == (True, 0)
