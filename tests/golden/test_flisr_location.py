"""Location on the IEEE 123-node feeder: directional flags with machines on it, and flags lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.apps.flisr.build import SwitchSpec, build_graph
from gateway.apps.flisr.locate import Evidence, Flag, Place, locate
from gateway.apps.flisr.shortcircuit import FaultStudy
from gateway.grid.dss_engine import DssEngine

FEEDER = Path(__file__).resolve().parents[2] / "hil" / "feeders" / "ieee123_ties.dss"
SWITCHES = ("sw1", "sw2", "sw3", "sw4", "sw5", "sw6", "sw7", "sw8", "sw250", "sw450")
#: Synchronous machines: bus, kVA; subtransient reactance 0.2 pu.
MACHINES = {"g300": ("300", 2000.0), "g83": ("83", 1500.0)}
FAULT_OHM = 0.5


class Feeder:
    """The feeder with its indicators, and every fault: one-phase and three-phase at every bus."""

    def __init__(self, *, machines: bool) -> None:
        changes = [
            f"new vsource.{name} bus1={bus} phases=3 basekv=4.16 pu=1.0 r1=0.001 r0=0.001"
            f" x1={0.2 * 4.16**2 / (kva / 1e3)} x0={0.2 * 4.16**2 / (kva / 1e3)}"
            for name, (bus, kva) in MACHINES.items()
            if machines
        ]
        self.engine = DssEngine(FEEDER, changes=changes)
        self.engine.settle()
        network = self.engine.network
        specs = [
            SwitchSpec(name, f"line.{name}", f"line.{name}" not in network.open_branches)
            for name in SWITCHES
        ]
        self.graph = build_graph(network, specs, {}, sources=("source", "alt250", "alt450"))
        self.closed = self.graph.closed()
        self.zone_of = {bus: n for n, zone in enumerate(self.graph.zones) for bus in zone.buses}
        self.machines = [self.zone_of[bus] for bus, _ in MACHINES.values() if machines]
        for number, edge in enumerate(self.graph.edges):
            self.engine.set_switch(edge.branch, closed=number in self.closed)
        self.engine.solve()
        branches = {n: self.graph.edges[n].branch for n in self.closed}
        loads_a = {n: max(self.engine.currents_a(b).values()) for n, b in branches.items()}
        pickups_a = {n: 1.5 * amps + 150.0 for n, amps in loads_a.items()}
        tripping = self.graph.edge_of("sw1")
        self.study = FaultStudy(self.engine, self.graph, self.closed, pickups_a, tripping)

    def faults(self) -> Iterator[tuple[int, Evidence]]:
        """Zone and evidence; 610 lies behind a transformer whose delta shows sw1 no fault."""
        for bus, zone in sorted(self.zone_of.items()):
            if bus in ("150", "150r", "610", "alt250", "alt450"):
                continue
            phases = self.study.phases(bus)
            for fault in {phases[:1], phases}:
                seen = self.study.evidence(bus, fault, FAULT_OHM)
                assert seen is not None, bus
                yield zone, seen


@pytest.fixture(scope="module", params=[False, True], ids=["no machines", "3.5 MVA of machines"])
def studied(request: pytest.FixtureRequest) -> tuple[Feeder, list[tuple[int, Evidence]]]:
    """A feeder and all its faults, reckoned once."""
    feeder = Feeder(machines=request.param)
    return feeder, list(feeder.faults())


def right(feeder: Feeder, zone: int, evidence: Evidence) -> tuple[bool, bool]:
    """Whether the likeliest place is the faulted one, and whether it is isolated."""
    found = locate(feeder.graph, feeder.closed, feeder.machines, evidence, feeder.study.likelihood)
    assert found is not None
    return found.best == Place(zone=zone), Place(zone=zone) in found.suspects


def test_directional_flags_find_every_zone(studied):
    feeder, faults = studied
    assert len(faults) >= 190
    faults = faults[1::2] if feeder.machines else faults[::2]  # each fault once
    cut_out = 0
    for zone, evidence in faults:
        place = locate(
            feeder.graph, feeder.closed, feeder.machines, evidence, feeder.study.likelihood
        )
        assert place is not None
        assert place.best == Place(zone=zone)
        assert Place(zone=zone) in place.suspects
        cut_out += len(place.suspects)
    # a silent indicator would leave the same traces of some faults near a border
    assert cut_out <= 1.15 * len(faults)


def test_without_direction_machines_mislead(studied):
    feeder, faults = studied
    if not feeder.machines:  # nothing drives current backwards: the flags alone do
        return
    found = 0
    for zone, evidence in faults:
        flags = {edge: replace(flag, forward=None) for edge, flag in evidence.flags.items()}
        blind = replace(evidence, flags=flags, seen=None)
        place = locate(feeder.graph, feeder.closed, (), blind)
        found += place is not None and place.best == Place(zone=zone)
    assert found < 0.6 * len(faults)


def unheard(evidence: Evidence, edge: int) -> Evidence:
    """With a control that cannot be read its recorder of sags cannot either."""
    assert evidence.seen is not None
    sags_pu = {number: pu for number, pu in evidence.seen.sags_pu.items() if number != edge}
    return replace(evidence, seen=replace(evidence.seen, sags_pu=sags_pu))


def test_with_any_one_flag_lost_nineteen_in_twenty_are_found(studied):
    feeder, faults = studied
    likeliest = isolated = tried = 0
    for zone, evidence in faults[::11]:
        for lost in range(8):  # switches 1 to 8
            flag = evidence.flags.get(lost)
            tried += 1
            if flag is None or not flag.seen:
                # open, or it would have shown nothing: what is seen is the same or nearly so
                likeliest, isolated = likeliest + 1, isolated + 1
                continue
            flags = {**evidence.flags, lost: Flag(seen=False, known=False)}
            best, cut_out = right(feeder, zone, unheard(replace(evidence, flags=flags), lost))
            likeliest, isolated = likeliest + best, isolated + cut_out
    assert likeliest >= 0.95 * tried
    assert isolated == tried


def test_with_any_one_flag_silent_nineteen_in_twenty_are_found_and_all_are_cut_out(studied):
    """A control that is heard and shows no fault, although its fault current flowed."""
    feeder, faults = studied
    likeliest = isolated = tried = 0
    for zone, evidence in faults[::11]:
        for silent in range(8):
            tried += 1
            if silent not in evidence.flags or not evidence.flags[silent].seen:
                likeliest, isolated = likeliest + 1, isolated + 1
                continue
            flags = {**evidence.flags, silent: Flag(seen=False)}
            best, cut_out = right(feeder, zone, replace(evidence, flags=flags))
            likeliest, isolated = likeliest + best, isolated + cut_out
    assert likeliest >= 0.95 * tried
    assert isolated == tried
