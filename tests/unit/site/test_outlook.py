"""The running DMS looks ahead once it has seen a day."""

from __future__ import annotations

import pytest

from gateway.apps.vvo.config import Der, VvoConfig
from gateway.model.point import Measurement, PointKind, PointSpec
from gateway.model.quality import Quality
from gateway.points.store import PointStore
from gateway.site.outlook import Outlook

HOUR_MS = 3_600_000
PV = Der("pv", "pv.p", "", "", "", (), "", "", act=True)
CONFIG = VvoConfig(ders=(PV,), head_p=("head",))


def looked(clock, hours: int, lost: range = range(0)):
    """What is looked ahead to after so many hours, the head's power being the hour's number."""
    store = PointStore([PointSpec(p, PointKind.AI, max_age_s=1e9) for p in ("head", "pv.p")], clock)
    outlook, horizon = Outlook(CONFIG, 4, 3600.0, 3600.0), ()
    for hour in range(hours):
        quality = Quality.COMM_LOST if hour in lost else Quality.ONLINE
        store.update("head", Measurement(900.0 + 10.0 * (hour % 24), quality, 1))
        store.update("pv.p", Measurement(100.0 if 6 <= hour % 24 < 18 else 0.0, quality, 1))
        image = store.freeze()
        horizon = outlook(image)
        clock.advance(3600.0)
    return horizon


def test_before_a_day_has_been_seen_nothing_is_forecast(clock):
    assert looked(clock, 24) == ()


def test_yesterdays_course_is_what_is_expected(clock):
    horizon = looked(clock, 24 + 5)  # it is four o'clock
    assert len(horizon) == 4
    assert [step.powers_w["pv"] for step in horizon] == [0.0, 100.0, 100.0, 100.0]
    assert horizon[0].load == pytest.approx(950.0 / 940.0)
    assert horizon[1].load == pytest.approx((960.0 + 100.0) / 940.0)


def test_a_gap_yesterday_forecasts_nothing(clock):
    assert looked(clock, 24 + 5, lost=range(6, 8)) == ()
