"""The one-page summary says what the report does, whatever the names in it."""

from __future__ import annotations

import dataclasses

from lxml import html

from gateway.commands.summary_html import page
from gateway.commands.summary_rows import Block, blocks
from tests.unit.awareness.feeder import Plant, look


def told(plant: Plant, fault: str = "") -> dict:
    decision = look(plant, at_ms=60_000)
    alarms = [alarm.text for alarm in decision.alarms if alarm.active]
    return {
        "fault": fault,
        "alarms": alarms,
        "report": dataclasses.asdict(decision.state.report),
    }


def by_title(found: list[Block]) -> dict[str, Block]:
    return {block.title.partition(" before")[0]: block for block in found}


def test_every_subject_has_its_table_and_what_is_empty_has_none(clock):
    plant = Plant(clock)
    plant.taps, plant.closed = {"reg60a": 16, "reg60b": 2, "reg60c": 9}, False
    found = by_title(blocks(told(plant), 65_000))
    assert set(found) == {
        "Feeder", "Alarms", "Voltages out of band", "Without supply", "Loading", "Headroom",
        "Meters against the model", "Not measured",
    }  # fmt: skip
    assert found["Without supply"].rows[0][0] == "692"
    assert found["Headroom"].columns[-1] == "age"  # nothing is in doubt
    assert found["Headroom"].rows[0][-1] == "5 s"
    assert {row[2] for row in found["Not measured"].rows} == {"the model's file"}
    quiet = Plant(clock)
    quiet.taps = {"reg60a": 4, "reg60b": 2, "reg60c": 4}
    assert not {"Alarms", "Voltages out of band", "Without supply"} & set(
        by_title(blocks(told(quiet), 65_000))
    )


def test_what_rests_on_something_unknown_says_so(clock):
    plant = Plant(clock)
    plant.taps, plant.lost = {"reg60a": 16, "reg60b": 2, "reg60c": 9}, ("tap_a", "v.675.1")
    answer = told(plant)
    found = by_title(blocks(answer, 65_000))
    assert ("tap", "reg60a", "unknown", "+16") in found["Not measured"].rows
    high = {row[0]: row[-1] for row in found["Voltages out of band"].rows}
    assert high["675.1"] == "tap reg60a"  # by the model, beyond a tap that is not known
    assert high["634.1"] == ""  # by a meter
    assert ("states", "8 measured, 6 assumed, 1 unknown") in found["Feeder"].rows
    assert any("tap reg60a" in text for (text,) in found["Alarms"].rows)


def test_a_look_that_failed_is_among_the_alarms_by_its_last_line(clock):
    found = by_title(blocks(told(Plant(clock), "Traceback\n  line\nKeyError: 'x'\n"), 65_000))
    assert found["Alarms"].rows[-1] == ("the last look failed: KeyError: 'x'",)


def test_a_page_shows_text_as_text(clock):
    evil = Block("<b>", ("a&b",), (("<script>alert(1)</script>",),))
    tree = html.fromstring(page("<x>", [evil]))
    assert tree.xpath("//script") == []
    assert tree.xpath("string(//td)") == "<script>alert(1)</script>"
    assert tree.xpath("string(//h1)") == "<x>"
