"""A program's controls: what is shown of them, and what makes room for new ones."""

from __future__ import annotations

from gateway.links.sep2.resources import (
    DateTimeInterval,
    DERControl,
    DERControlBase,
    EventStatus,
)
from gateway.links.sep2.serving.journal import Drop
from gateway.links.sep2.southbound.controls import Controls

NOW, LINGER_S, RETAIN_S = 1_800_000_000, 300, 3600


def limit(mrid: int, now: int, duration: int = 900) -> DERControl:
    return DERControl(
        mrid=mrid,
        creation_time=now,
        event_status=EventStatus(current_status=0, date_time=now, potentially_superseded=False),
        interval=DateTimeInterval(start=now, duration=duration),
        der_control_base=DERControlBase(op_mod_max_lim_w=100 * mrid),
    )


def shown(controls: Controls, now: int) -> dict[int, int]:
    controls.refresh(now)
    return {c.control.mrid: c.control.event_status.current_status for c in controls.listed}


def test_predecessors_of_a_control_leave_the_list_when_every_client_has_seen_them() -> None:
    controls = Controls(1, 10, LINGER_S, RETAIN_S)
    for number in range(1, 4):
        controls.add(limit(number, NOW + 2 * number))
        controls.refresh(NOW + 2 * number)
    assert shown(controls, NOW + 6) == {1: 4, 2: 4, 3: 1}
    assert shown(controls, NOW + 4 + LINGER_S) == {2: 4, 3: 1}
    assert shown(controls, NOW + 6 + LINGER_S) == {3: 1}


def test_a_cancelled_control_is_shown_for_a_while_and_then_forgotten() -> None:
    controls = Controls(1, 10, LINGER_S, RETAIN_S)
    made = controls.add(limit(1, NOW, duration=100_000))
    controls.refresh(NOW)
    controls.cancel(made, NOW + 10, randomized=False)
    assert shown(controls, NOW + 10) == {1: 2}
    assert shown(controls, NOW + 10 + LINGER_S) == {}
    controls.refresh(NOW + 11 + RETAIN_S)
    assert not controls.by_mrid


def test_room_is_made_by_what_clients_are_done_with_and_nothing_else() -> None:
    controls = Controls(1, 10, LINGER_S, RETAIN_S)
    for number in range(1, 4):
        controls.add(limit(number, NOW + 2 * number))
        controls.refresh(NOW + 2 * number)
    assert controls.make_room(NOW + 10) is None
    later = NOW + 4 + LINGER_S
    assert controls.make_room(later) == Drop("control", "1", 1)
    assert controls.make_room(later) is None
    assert set(controls.by_mrid) == {2, 3}
    assert shown(controls, later)[3] == 1, "the control in force stays in force"


def test_what_was_superseded_stays_so_when_its_winner_is_gone() -> None:
    controls = Controls(1, 10, LINGER_S, 0)
    controls.add(limit(1, NOW, duration=5000))
    controls.add(limit(2, NOW + 1, duration=10))
    assert shown(controls, NOW + 1) == {1: 4, 2: 1}
    for now in range(NOW + 1, NOW + 1000, 50):
        assert shown(controls, now).get(1) in (4, None)
