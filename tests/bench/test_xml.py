"""What it costs to judge a message: lxml, which sees every one, against xmlschema.

Both judge the same parsed documents in turn, in one run, so that whatever else the machine does
falls on both. What is asserted is the ratio over one of every message, which is what the endpoint
sees; a day's forecast, nearly all attributes, is printed beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from gateway.groups.messages import (
    Address,
    Forecast,
    ForecastInterval,
    GroupReply,
    GroupRequest,
    Interpolation,
    Present,
    Quantity,
    Result,
    StatusRequest,
)
from gateway.groups.xml import decode, encode
from gateway.model.data import data_folder

pytestmark = pytest.mark.bench

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "groups"
P, Q = Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER
ADDRESS = Address(message_id="m1", dms_id="dms", group_id="mg680", time_ms=1_774_008_000_000)


def reply(intervals: int) -> GroupReply:
    return GroupReply(
        message_id="m1-r",
        correlation_id="m1",
        dms_id="dms",
        group_id="mg680",
        time_ms=ADDRESS.time_ms,
        result=Result.OK,
        present=(
            Present(quantity=P, value=120e3, good=True, time_ms=ADDRESS.time_ms),
            Present(quantity=Q, value=-40e3, good=True, time_ms=ADDRESS.time_ms),
        ),
        forecast=Forecast(
            created_ms=ADDRESS.time_ms,
            confidence_pct=90.0,
            interpolation=Interpolation.STEP,
            interval_s=900.0,
            intervals=tuple(
                ForecastInterval(
                    start_ms=ADDRESS.time_ms + 900_000 * number,
                    quantity=P,
                    nominal=100e3 + number,
                    minimum=90e3,
                    maximum=110e3 + number,
                )
                for number in range(intervals)
            ),
        ),
    )


MESSAGES: dict[str, GroupRequest | GroupReply] = {
    "status query": StatusRequest(address=ADDRESS),
    "reply, no forecast": reply(0),
    "reply, a day ahead": reply(96),
}


def interleaved(
    fast: Callable[[], object], slow: Callable[[], object], rounds: int, fast_each: int
) -> tuple[float, float, float]:
    """Medians: microseconds of the fast, of the slow, and how many times as long that takes."""
    fast_us, slow_us = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(fast_each):
            fast()
        middle = time.perf_counter()
        slow()
        ended = time.perf_counter()
        fast_us.append(1e6 * (middle - began) / fast_each)
        slow_us.append(1e6 * (ended - middle))
    ratio = statistics.median(b / a for a, b in zip(fast_us, slow_us, strict=True))
    return statistics.median(fast_us), statistics.median(slow_us), ratio


def judged(name: str, documents: list[bytes], rounds: int) -> float:
    """How many times as long xmlschema takes for these documents; prints the figures."""
    master = str(data_folder("schemas") / "groups" / "messages.xsd")
    fast, slow = etree.XMLSchema(etree.parse(master)), xmlschema.XMLSchema(master)
    trees = [etree.fromstring(document) for document in documents]
    assert all(fast.validate(tree) and slow.is_valid(tree) for tree in trees)
    fast_us, slow_us, ratio = interleaved(
        lambda: [fast.validate(tree) for tree in trees],
        lambda: [slow.is_valid(tree) for tree in trees],
        rounds,
        fast_each=20,
    )
    count = len(documents)
    print(
        f"\n{name}: lxml {fast_us / count:.1f} us, xmlschema {slow_us / count:.0f} us a document, "
        f"ratio {ratio:.0f}"
    )
    return ratio


def test_lxml_judges_at_least_fifty_times_as_fast_as_xmlschema():
    documents = [path.read_bytes() for path in sorted(GOLDEN.glob("*.xml"))]
    assert len(documents) >= 20
    assert judged("one of every message", documents, rounds=60) >= 50


def test_a_long_forecast_keeps_most_of_that():
    assert judged("a day's forecast", [encode(reply(96))], rounds=40) >= 15


@pytest.mark.parametrize("name", MESSAGES)
def test_what_a_message_costs_to_write_and_to_read(name):
    message = MESSAGES[name]
    document = encode(message)
    write_us, read_us, _ = interleaved(
        lambda: encode(message), lambda: decode(document), rounds=200, fast_each=1
    )
    print(f"\n{name}: write {write_us:.0f} us, read {read_us:.0f} us, guard and schema in both")
    assert read_us < 20_000
