"""Each shipped site is valid and is the site of its scenario: same devices, ports and elements."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gateway.grid.dss_engine import DssEngine
from gateway.grid.topology import energised, is_radial
from gateway.site.load import load_site
from hil.bench import DEFAULT_PORT_BASE, port_layout
from hil.demo.scenes import SCENES
from hil.devices.dnp3_feeder import Dnp3Feeder
from hil.devices.dnp3_switchgear import Dnp3Switchgear
from hil.scenario import load_scenario
from hil.wire import FEEDER_PLC, SWITCHGEAR


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "devices.csv").open(newline="") as file:
        return {row["device"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("name", sorted(SCENES))
def test_a_site_s_devices_are_where_the_bench_puts_them(name: str) -> None:
    scenario, table = load_scenario(SCENES[name].scenario), rows(SCENES[name].site)
    load_site(SCENES[name].site)
    ports = port_layout(scenario, DEFAULT_PORT_BASE)
    feeder = Dnp3Feeder(scenario, lambda: True)
    gear = Dnp3Switchgear(scenario, lambda: True)
    places = {der.name: (ports[der.name], None) for der in scenario.der}
    controls = [
        "feeder",
        *(f"reg_{r.name}" for r in scenario.regulator),
        *(c.name for c in scenario.capacitor),
    ]
    for device, station in zip(controls, feeder.stations, strict=True):
        places[device] = (ports[FEEDER_PLC], station.address)
    for switch, station in zip(scenario.switch, gear.stations, strict=True):
        places[switch.name] = (ports[SWITCHGEAR], station.address)
    assert set(places) == set(table)
    for device, (port, address) in places.items():
        if device not in scenario.csip:
            assert table[device]["address"] == f"127.0.0.1:{port}", device
        if address is not None:
            assert table[device]["unit"] == str(address), device
    for switch in scenario.switch:
        assert table[switch.name]["profile"] == f"dnp3_{switch.kind}"
    assert table["feeder"]["profile"] == scenario.meters


def test_the_123_node_site_may_switch_what_the_model_has() -> None:
    scene = SCENES["fault"]
    site, scenario = load_site(scene.site), load_scenario(scene.scenario)
    network = DssEngine(scenario.feeder, ("Line.sw1",)).network
    bound = {row.element: row for row in site.network if row.role == "switch"}
    assert set(bound) == {f"line.{switch.line}" for switch in scenario.switch}
    assert set(bound) <= set(network.branches)
    for switch in scenario.switch:
        row = bound[f"line.{switch.line}"]
        assert (row.source, row.command) == (switch.name, f"{switch.name}.cmd")
        assert site.by_id[row.command].spec.act
        assert site.by_id[f"{switch.name}.fault_reset"].spec.act
        assert switch.closed == (row.element not in network.open_branches)
    assert is_radial(network, network.open_branches)
    assert energised(network, network.open_branches) == set(network.base_kv)
    flisr = site.file.dms.flisr
    assert flisr.mode == "act"
    assert site.by_id[flisr.repaired].spec.kind.name == "BI"
    assert {head.name for head in flisr.source} < set(network.sources)


def test_the_two_outages_are_one_feeder() -> None:
    """The passing fault differs from the lasting one by the fault, its repair and its length."""
    lasting, passing = (load_scenario(SCENES[n].scenario) for n in ("fault", "momentary"))
    own = {"title", "duration_s", "fault", "outage", "load", "irradiance"}
    assert lasting.model_dump(exclude=own) == passing.model_dump(exclude=own)
    assert lasting.outage.customers_per_kw == passing.outage.customers_per_kw
    assert [f.nodes for f in lasting.fault] == [f.nodes for f in passing.fault]
