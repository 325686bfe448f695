"""What DERs post becomes points; what is late, questionable or an extreme never looks live."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.links.sep2.resources import (
    ActivePower,
    ApparentPower,
    ConnectStatusType,
    DateTimeInterval,
    DERCapability,
    DERStatus,
    ReactivePower,
    Reading,
    ReadingType,
)
from gateway.links.sep2.southbound.telemetry import DerInput, Telemetry
from gateway.model.point import PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from tests.conftest import VirtualClock

INPUTS = {
    "p": ("Reading", "W", {}),
    "q": ("Reading", "var", {}),
    "v_a": ("Reading", "V", {"phase": "AN"}),
    "conn": ("DERStatus", "gen_connect_status", {"bit": 0}),
    "fault": ("DERStatus", "gen_connect_status", {"bit": 4}),
    "p_rtg": ("DERCapability", "rtg_max_w", {}),
    "q_abs": ("DERCapability", "rtg_max_var_neg", {}),
}


@pytest.fixture
def store(clock: VirtualClock) -> PointStore:
    return PointStore([PointSpec(n, PointKind.AI, max_age_s=30.0) for n in INPUTS], clock)


@pytest.fixture
def telemetry(store: PointStore, clock: VirtualClock) -> Telemetry:
    inputs = [
        DerInput(store.index[name], resource, field, max_age_s=30.0, **more)
        for name, (resource, field, more) in INPUTS.items()
    ]
    return Telemetry(inputs, store, clock)


def kind(uom: int, **more: Any) -> ReadingType:
    return ReadingType(uom=uom, **more)


def test_a_reading_in_its_units(telemetry: Telemetry, store: PointStore) -> None:
    telemetry.reading(kind(38, power_of_ten_multiplier=2), Reading(value=153))
    assert (store["p"].value, store["p"].is_good) == (15_300.0, True)


@pytest.mark.parametrize(
    ("flow", "value", "watts"),
    [(1, 500, 500.0), (19, 500, -500.0), (4, -500, -500.0), (0, -500, -500.0)],
)
def test_the_direction_of_flow(
    telemetry: Telemetry, store: PointStore, flow: int, value: int, watts: float
) -> None:
    telemetry.reading(kind(38, flow_direction=flow), Reading(value=value))
    assert store["p"].value == watts


def test_forward_and_reverse_posted_apart_are_one_power(
    telemetry: Telemetry, store: PointStore
) -> None:
    telemetry.reading(kind(63, flow_direction=1), Reading(value=0))
    telemetry.reading(kind(63, flow_direction=19), Reading(value=700))
    assert store["q"].value == -700.0


def test_a_phase_takes_its_own_reading_only(telemetry: Telemetry, store: PointStore) -> None:
    telemetry.reading(kind(29, phase=65), Reading(value=239))
    assert not store["v_a"].is_good
    telemetry.reading(kind(29, phase=129), Reading(value=241))
    assert store["v_a"].value == 241.0


@pytest.mark.parametrize("qualifier", [8, 9])  # maximum, minimum of a period
def test_an_extreme_is_no_value_of_now(
    telemetry: Telemetry, store: PointStore, qualifier: int
) -> None:
    telemetry.reading(kind(38, data_qualifier=qualifier), Reading(value=500))
    assert not store["p"].is_good


def test_a_questionable_reading_is_not_good(telemetry: Telemetry, store: PointStore) -> None:
    telemetry.reading(kind(38), Reading(value=500, quality_flags=0x10))
    assert store["p"].value == 500.0
    assert Quality.REFERENCE_ERR in store["p"].quality
    assert not store["p"].is_good


def test_a_reading_that_comes_late_never_looks_live(
    telemetry: Telemetry, store: PointStore, clock: VirtualClock
) -> None:
    now_s = clock.utc_ms() // 1000
    old = DateTimeInterval(start=now_s - 700, duration=600)
    telemetry.reading(kind(38), Reading(value=500, time_period=old))
    assert not store["p"].is_good
    fresh = DateTimeInterval(start=now_s - 5, duration=5)
    telemetry.reading(kind(38), Reading(value=510, time_period=fresh))
    assert (store["p"].value, store["p"].time_ms) == (510.0, 1000 * now_s)


def test_bits_of_a_status_with_its_own_time(
    telemetry: Telemetry, store: PointStore, clock: VirtualClock
) -> None:
    now_s = clock.utc_ms() // 1000
    connect = ConnectStatusType(date_time=now_s - 3, value=0b0_0111)
    telemetry.take(DERStatus(gen_connect_status=connect, reading_time=now_s - 2))
    assert (store["conn"].value, store["fault"].value) == (1.0, 0.0)
    assert store["conn"].time_ms == 1000 * (now_s - 2)


@pytest.mark.parametrize("absorbed", [-4400, 4400])  # clients differ on the sign
def test_ratings_stand_while_the_client_is_heard(
    telemetry: Telemetry, store: PointStore, clock: VirtualClock, absorbed: int
) -> None:
    telemetry.take(
        DERCapability(
            modes_supported=0,
            rtg_max_w=ActivePower.of(15_000.0),
            rtg_max_va=ApparentPower.of(15_000.0),
            rtg_max_var_neg=ReactivePower(multiplier=0, value=absorbed),
            type=4,
        )
    )
    for _ in range(10):
        clock.advance(20.0)
        assert not telemetry.contact()
        store.age()
    assert (store["p_rtg"].value, store["q_abs"].value) == (15_000.0, 4_400.0)
    assert store["p_rtg"].is_good
    clock.advance(31.0)
    store.age()
    assert not store["p_rtg"].is_good
    assert telemetry.contact()  # heard again: it has to be taken anew before it counts
    assert not store["p_rtg"].is_good
