"""DERGF: forecast of a group, asked for (1a-d) and told (event 2). Numbers as in test_dergs."""

from __future__ import annotations

import pytest

from tests.interop.groups.documents import node, payload

pytestmark = pytest.mark.interop


def forecast(group: str, *quantities: str, intervals: int = 4, interval_s: int = 60, **more: str):
    start = [node("Start", more["start"])] if "start" in more else []
    tail = [node("Interpolation", more["interpolation"])] if "interpolation" in more else []
    return payload(
        "ForecastQuery",
        group,
        *(node("Quantity", quantity) for quantity in quantities),
        *start,
        node("IntervalSeconds", str(interval_s)),
        node("Intervals", str(intervals)),
        *tail,
    )


def sample(box, times: int = 60) -> None:
    """Five minutes of history at once."""
    for _ in range(times):
        box.gateway._forecaster.sample()


async def test_1a_forecast_of_power_by_intervals(box):
    sample(box)
    reply = await box.ask(forecast("plant", "P"))
    assert reply.result == "OK"
    intervals = list(reply.all("Payload/GroupReport/Forecast/Interval"))
    assert len(intervals) == 4
    for entry in intervals:
        low, nominal, high = (
            float(entry.get(name, "")) for name in ("minimum", "nominal", "maximum")
        )
        assert low <= nominal <= high
    assert reply["Payload/GroupReport/Forecast/IntervalSeconds"] == "60"
    assert 0 < float(reply["Payload/GroupReport/Forecast/ConfidencePercent"]) <= 100


async def test_1b_forecast_of_several_quantities_interpolated(box):
    sample(box)
    reply = await box.ask(forecast("plant", "P", "Q", interpolation="LINEAR"))
    assert reply.result == "OK"
    told = [entry.get("quantity") for entry in reply.all("Payload/GroupReport/Forecast/Interval")]
    assert told == ["P"] * 4 + ["Q"] * 4
    assert reply["Payload/GroupReport/Forecast/Interpolation"] == "LINEAR"


async def test_1c_forecast_from_a_start_on(box):
    from tests.interop.groups.documents import stamp

    sample(box)
    start = stamp(600)
    reply = await box.ask(forecast("plant", "P", intervals=2, start=start))
    first = next(reply.all("Payload/GroupReport/Forecast/Interval"))
    assert first.get("start") == start


async def test_1d_forecast_that_cannot_be_made(box):
    reply = await box.ask(forecast("plant", "S"))
    assert reply.result == "FAILED"
    assert "no good measurement" in reply.reasons
    reply = await box.ask(forecast("nowhere", "P"))
    assert "no group" in reply.reasons


async def test_event_2_an_updated_forecast_is_told(told):
    box, receiver = told
    sample(box)
    box.gateway.events.look_ahead()
    event = await receiver.next("FORECAST")
    assert event.text("GroupId") == "plant"
    assert len(list(event.all("Forecast/Interval"))) == 4
