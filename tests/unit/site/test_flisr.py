"""A site's switches bound to restoration, and what is said where they are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.apps.flisr.state import Entry, FlisrState, Phase
from gateway.model.errors import ConfigError
from gateway.site.flisr import flisr_config, flisr_factory, flisr_status
from gateway.site.load import load_site

ROOT = Path(__file__).resolve().parents[3]
SITES = ROOT / "hil" / "sites"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the 123-node site, its model named by its full path."""
    copy = tmp_path / "ieee123"
    shutil.copytree(SITES / "ieee123", copy, ignore=shutil.ignore_patterns("data"))
    table = copy / "site.toml"
    model = ROOT / "hil" / "feeders" / "ieee123_der.dss"
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("../../feeders/ieee123_der.dss", str(model)), encoding="utf-8")
    return copy


def build(folder: Path) -> None:
    loaded = load_site(folder)
    assert loaded.file.dms is not None
    flisr_factory(loaded, loaded.file.dms)


def said(folder: Path) -> str:
    with pytest.raises(ConfigError) as raised:
        build(folder)
    return str(raised.value)


def test_every_switch_has_what_restoration_needs(site):
    loaded = load_site(site)
    assert loaded.file.dms is not None
    config = flisr_config(loaded, loaded.file.dms)
    assert [switch.name for switch in config.switches][:2] == ["sw1", "sw2"]
    assert len(config.switches) == 10
    for switch in config.switches:
        assert switch.branch == f"line.{switch.name}"
        assert switch.act
        assert len(switch.flags) == 3
        assert all((switch.closed, switch.command, switch.local, switch.power, switch.reset))
        assert switch.sag_v == f"{switch.name}.sag_v"
    recloser = config.switches[0]
    assert all((recloser.tripped, recloser.lockout, recloser.fault_a, recloser.fault_ohm))
    islands = {group.group_id: group.can_island for group in config.groups}
    assert islands["mg108"]
    (grid,) = config.pois
    assert grid.group_id == "mg108"
    assert grid.poi.closed == "mg108.poi_closed"
    assert [phase for phase, _ in grid.poi.flags] == [1, 2, 3]
    assert all((grid.poi.reverse, grid.poi.tripped, grid.poi.lockout, grid.poi.internal))
    assert grid.poi.act, "its indicators may be reset"
    assert dict(config.capacities_w) == {"alt250": 1500e3, "alt450": 1500e3}


def test_a_switch_that_the_model_does_not_have_is_named(site):
    table = site / "maps" / "network.csv"
    rows = table.read_text(encoding="utf-8")
    table.write_text(rows.replace("line.sw2", "line.sw22"), encoding="utf-8")
    assert "no switch 'line.sw22'" in said(site)


def test_a_switch_is_a_device(site):
    table = site / "maps" / "network.csv"
    table.write_text(
        table.read_text(encoding="utf-8") + "switch,line.sw9,nobody,\n", encoding="utf-8"
    )
    assert "there is no device 'nobody'" in said(site)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('repaired = "feeder.repaired"', 'repaired = "feeder.mended"', "no point 'feeder.mended'"),
        ("settle_s = 2.0", 'machines = ["pv99"]', "'pv99' is bound to no element"),
    ],
)
def test_names_that_are_not_known_are_told_with_what_to_do(site, before, after, words):
    table = site / "site.toml"
    text = table.read_text(encoding="utf-8")
    assert before in text
    table.write_text(text.replace(before, after), encoding="utf-8")
    assert words in said(site)
    assert "What to do" in said(site)


def test_a_site_without_switches_has_nothing_to_restore(site):
    table = site / "maps" / "network.csv"
    rows = table.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if not row.startswith("switch,")]
    table.write_text("\n".join(kept) + "\n", encoding="utf-8")
    assert "no switches" in said(site)
    assert not load_site(SITES / "ieee13").has_switches


def test_what_is_shown_of_an_outage():
    entry = Entry(5, "open", "sw2", "done", "isolates the fault")
    state = FlisrState(phase=Phase.SWITCHING, zone="sw2", event=3, record=(entry,))
    shown = flisr_status(state, ["outage"], {"served_kw": 1.0})
    assert shown["phase"] == "switching"
    assert shown["steps"] == [
        {"at_ms": 5, "action": "open", "target": "sw2", "state": "done",
         "text": "isolates the fault"}
    ]  # fmt: skip
