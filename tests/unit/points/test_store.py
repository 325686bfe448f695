"""The live point database: what is stale, missing or out of range never looks live."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gateway.model.errors import LocalProtocolError
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore


@pytest.fixture
def store(clock):
    return PointStore(
        [
            PointSpec("d.p", PointKind.AI, "W", minimum=-100, maximum=100, deadband=5, max_age_s=2),
            PointSpec("d.q", PointKind.AI, "var", max_age_s=60),
        ],
        clock,
    )


def put(store, values, flags=(1, 1), time_ms=7):
    store.update_block(
        np.arange(len(values)),
        np.array(values, dtype=float),
        np.array(flags[: len(values)], dtype=np.uint8),
        time_ms,
    )


def test_a_point_never_read_is_not_usable(store):
    assert not store["d.p"].is_good
    assert store["d.p"].quality & Quality.COMM_LOST
    assert set(store.lost()) == {"d.p", "d.q"}


def test_a_reading_is_kept_with_its_source_time(store):
    put(store, [10.0, 20.0], time_ms=123)
    assert store["d.p"] == Measurement(10.0, Quality.ONLINE, 123)
    assert store["d.p"].is_good


def test_a_value_outside_its_limits_is_over_range_and_not_good(store):
    put(store, [100.0, 0.0])
    assert store["d.p"].is_good
    put(store, [100.5, 0.0])
    assert store["d.p"].quality == Quality.ONLINE | Quality.OVER_RANGE
    assert not store["d.p"].is_good


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_never_online(store, value):
    put(store, [1.0, value])
    assert not store["d.q"].quality & Quality.ONLINE
    assert not store["d.q"].is_good


def test_not_implemented_at_the_source_is_offline(store):
    put(store, [1.0, 2.0], flags=(0, 1))
    assert not store["d.p"].is_good
    assert store["d.q"].is_good


def test_a_stale_value_keeps_its_value_and_turns_comm_lost(store, clock):
    put(store, [10.0, 20.0])
    clock.advance(2.0)
    assert store.age() == 0
    clock.advance(0.001)
    assert store.age() == 1
    assert store["d.p"].value == 10.0
    assert store["d.p"].quality == Quality.ONLINE | Quality.COMM_LOST
    assert store["d.q"].is_good
    put(store, [11.0])
    assert store["d.p"].is_good


def test_a_lost_link_is_marked_at_once(store):
    put(store, [10.0, 20.0])
    store.mark_comm_lost(np.array([1]))
    assert store["d.p"].is_good
    assert store["d.q"].value == 20.0
    assert not store["d.q"].is_good


def test_the_image_is_aged_and_frozen(store, clock):
    put(store, [10.0, 20.0])
    clock.advance(3)
    image = store.freeze()
    put(store, [99.0, 99.0])
    assert image["d.p"].value == 10.0
    assert image.good_value("d.p") is None
    assert image.good_value("d.q") == 20.0
    assert image.good_value("no.such") is None
    assert image.lost_count() == 1


def test_changes_are_reported_beyond_the_deadband_and_on_quality(store):
    heard: list[list[int]] = []
    put(store, [0.0, 0.0])
    store.subscribe(lambda changed: heard.append(changed.tolist()))
    put(store, [5.0, 0.0])  # exactly the deadband: not beyond it
    assert heard == []
    put(store, [5.1, 0.0])
    assert heard == [[0]]
    put(store, [8.0, 0.0])  # 2.9 from what was reported last
    assert heard == [[0]]
    put(store, [8.0, 0.0], flags=(1, 0))
    assert heard == [[0], [1]]


def test_slow_drift_is_reported_once_it_adds_up(store):
    heard: list[int] = []
    put(store, [0.0])
    store.subscribe(lambda changed: heard.extend(changed.tolist()))
    for value in (2.0, 4.0, 6.0):
        put(store, [value])
    assert heard == [0]


def test_one_reading_at_a_time(store):
    store.update("d.q", Measurement(3.0, Quality.ONLINE, 55, synchronised=True))
    assert store["d.q"] == Measurement(3.0, Quality.ONLINE, 55, synchronised=True)


def test_twin_ids_are_a_bug(clock):
    spec = PointSpec("a.b", PointKind.AI)
    with pytest.raises(LocalProtocolError):
        PointStore([spec, spec], clock)


def test_scattered_positions_and_short_lived_arrays_land_where_they_belong(store):
    for value in range(50):
        positions = np.array([1, 0])
        values, flags = np.array([10.0 + value, value]), np.ones(2, dtype=np.uint8)
        store.update_block(positions, values, flags, 1)
        assert store["d.q"].value == 10.0 + value
        assert store["d.p"].value == value
    del positions
    assert store._spans == {}  # nothing is kept for arrays that are gone


def test_positions_are_sealed_once_used(store):
    positions = np.arange(2)
    store.update_block(positions, np.zeros(2), np.ones(2, dtype=np.uint8), 1)
    with pytest.raises(ValueError, match="read-only"):
        positions[0] = 1
