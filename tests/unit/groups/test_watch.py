"""When a change is worth an event."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.groups.messages import ForecastRequest, Quantity
from gateway.groups.watch import GroupWatch

P = Quantity.ACTIVE_POWER


@pytest.fixture
def watch(field):
    watch = GroupWatch(5.0)
    assert watch.look(field.groups["pv"])[0] == []  # nothing to compare with yet
    return watch


def reasons(watch, field, group="pv"):
    return watch.look(field.groups[group])[0]


def test_without_a_change_there_is_nothing_to_tell(watch, field):
    assert reasons(watch, field) == []


@pytest.mark.parametrize(("step_w", "told"), [(24.9e3, False), (-24.9e3, False), (25.1e3, True)])
def test_a_power_counts_from_its_deadband_on(watch, field, step_w, told):
    """5 % of 500 kW."""
    field.show_all(pv1__p=200e3 + step_w)
    assert any(reason.startswith("P from 250000") for reason in reasons(watch, field)) is told


def test_small_steps_add_up_against_what_was_told(watch, field):
    seen = []
    for step in range(1, 8):
        field.show_all(pv1__q=4e3 * step)  # the rating is 220 kvar, the deadband 11
        seen.append(bool(reasons(watch, field)))
    assert seen == [False, False, True, False, False, True, False]


def test_a_lost_member_is_told_once_and_its_return_too(watch, field):
    field.lose("pv2")
    assert "P is not good" in reasons(watch, field)
    assert reasons(watch, field) == []
    field.start()
    assert "P is good again" in reasons(watch, field)


def test_a_capability_that_changes_is_told(watch, field):
    field.show("pv1.p_max_rtg", 300e3)
    assert "capability of P" in reasons(watch, field)


def test_an_opened_poi_is_told_whatever_the_deadband(field):
    watch = GroupWatch(100.0)
    watch.look(field.groups["mg"])
    field.show("mg.poi_closed", 0.0)
    assert "Connected from 1 to 0" in reasons(watch, field, "mg")


def forecast(field, start_ms):
    address = field.address()
    request = ForecastRequest(address=address, intervals=2, interval_s=60, start_ms=start_ms)
    made = field.forecaster(request, field.clock.utc_ms())
    assert made is not None
    return made


def test_a_forecast_is_told_first_and_when_its_values_have_moved(field, clock):
    for _ in range(60):
        field.forecaster.sample()
    start_ms = clock.utc_ms() + 60_000
    watch = GroupWatch(5.0)
    first = forecast(field, start_ms)
    assert watch.forecast_changed(first, 330e3)
    assert not watch.forecast_changed(first, 330e3)
    near, far = (
        replace(first, intervals=tuple(replace(i, nominal=i.nominal + s) for i in first.intervals))
        for s in (16e3, 17e3)
    )
    assert not watch.forecast_changed(near, 330e3)
    assert watch.forecast_changed(far, 330e3)
