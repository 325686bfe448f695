"""Published restoration cases: load served and operations as in the tables, on our own feeders."""

from __future__ import annotations

import csv
import dataclasses
import time
from pathlib import Path

import pytest

from gateway.apps.flisr.graph import feed, has_loop
from gateway.apps.flisr.plan import Action
from gateway.site.flisr_case import load_flisr_case
from gateway.site.flisr_study import FlisrStudy, Outcome
from tests.sweep import sweep

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "hil" / "cases"
PUBLISHED = ROOT.parent / "shared" / "cases" / "flisr-baran-wu-33.csv"

#: A bus in the faulted zone, kW of the zone, kW served, switches moved beyond isolation.
AT_1500_KW = [
    ("1", 760, 1425, {"sw450", "sw4"}),
    ("47", 755, 2735, set()),
    ("60", 550, 2940, None),  # by the 450 head in the table; switch 7 is as few and serves as much
    ("67", 1105, 2385, {"sw7"}),
    ("103", 320, 3170, set()),
]
AT_800_KW = [
    ("1", 760, 0, set()),
    ("47", 755, 2735, set()),
    ("60", 550, 2940, {"sw7"}),
    ("67", 1105, 2385, {"sw7"}),
    ("103", 320, 3170, set()),
]


def study_123(capacity_kw: float) -> FlisrStudy:
    case = load_flisr_case(CASES / "ieee123_ties.toml")
    sources = tuple(s.model_copy(update={"capacity_kw": capacity_kw}) for s in case.file.source)
    file = case.file.model_copy(update={"source": sources})
    return FlisrStudy(dataclasses.replace(case, file=file))


@pytest.mark.parametrize(
    ("capacity_kw", "bus", "zone_kw", "served_kw", "moved"),
    [*((1500.0, *row) for row in AT_1500_KW), *((800.0, *row) for row in AT_800_KW)],
)
def test_ieee_123_restores_as_published(capacity_kw, bus, zone_kw, served_kw, moved):
    study = study_123(capacity_kw)
    outcome = study.run(bus, (), time.perf_counter)
    zone = study.graph.zones[outcome.location.best.zone]
    assert bus in zone.buses
    assert zone.load_va.real / 1e3 == pytest.approx(zone_kw)
    found = outcome.restoration.candidate
    assert found.estimate.served_w / 1e3 == pytest.approx(served_kw)
    names = {study.graph.edges[e].name for e in outcome.task.base ^ found.closed}
    if moved is None:
        assert len(names) == 1
    else:
        assert names == moved
    if (capacity_kw, bus) == (800.0, "60"):
        assert outcome.restoration.verdict.voltage_min_pu == pytest.approx(0.908, abs=5e-4)
    assert_safe(study, outcome)


@pytest.fixture(scope="module")
def baran_wu() -> FlisrStudy:
    return FlisrStudy(load_flisr_case(CASES / "baran_wu_33.toml"))


def rows() -> list[dict[str, str]]:
    if not PUBLISHED.is_file():
        return []
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published cases are not here")
@pytest.mark.parametrize("row", rows(), ids=lambda row: row["faulted_branch"])
def test_baran_and_wu_restores_as_published(baran_wu, row):
    outcome = baran_wu.run(row["faulted_branch"], (), time.perf_counter)
    assert outcome.location.best.name(baran_wu.graph) == row["faulted_branch"]
    found = outcome.restoration
    assert found.candidate.estimate.served_w / 1e6 == pytest.approx(float(row["served_mw_best"]))
    assert found.candidate.operations == int(row["operations_min"])
    if row["loss_kw_at_min_operations"]:
        published_kw = float(row["loss_kw_at_min_operations"])
        assert found.verdict.losses_w / 1e3 == pytest.approx(published_kw, abs=0.06)
        closed = found.candidate.closed
        edges = enumerate(baran_wu.graph.edges)
        left_open = sorted(int(edge.name) for n, edge in edges if n not in closed)
        assert left_open == [int(name) for name in row["open_branches"].split()]
    # a power flow that is not the DMS's says the same
    volts, _, _ = sweep(baran_wu.graph, found.candidate.fed)
    assert min(volts.values()) == pytest.approx(found.verdict.voltage_min_pu, abs=1e-4)
    assert min(volts.values()) >= 0.90
    assert_safe(baran_wu, outcome)


def test_baran_and_wu_is_reconfigured_to_the_known_optimum(baran_wu):
    found = baran_wu.least_losses()
    left_open = {
        e.name for n, e in enumerate(baran_wu.graph.edges) if n not in found.candidate.closed
    }
    assert left_open == {"7", "9", "14", "32", "37"}
    assert found.verdict.losses_w / 1e3 == pytest.approx(139.551, abs=1e-2)


def assert_safe(study: FlisrStudy, outcome: Outcome) -> None:
    """Every state on the way: no voltage on the fault, no loop, no two sources joined."""
    place = outcome.location.best
    dead = frozenset() if place.zone is None else frozenset({place.zone})
    lines = set() if place.edge is None else {place.edge}
    steps = outcome.steps
    assert steps[-1].leads_to == outcome.restoration.candidate.closed
    for step in steps:
        if step.action is Action.CLOSE:
            assert not lines & step.leads_to
            assert feed(study.graph, step.leads_to, dead) is not None
            assert not has_loop(study.graph, step.leads_to)


def inside(poi: str) -> FlisrStudy:
    """The 123-node case with a microgrid whose POI does as told."""
    case = load_flisr_case(CASES / "ieee123_ties.toml")
    (grid,) = case.file.microgrid
    grids = (grid.model_copy(update={"poi": poi}),)
    return FlisrStudy(
        dataclasses.replace(case, file=case.file.model_copy(update={"microgrid": grids}))
    )


@pytest.mark.parametrize(
    ("poi", "steps", "served_kw"),
    [
        ("late", [(Action.ISLAND, "mg108"), (Action.CLOSE, "sw1")], 3490.0),
        ("first", [], 3490.0),
        ("stuck", [(Action.OPEN, "sw5"), (Action.CLOSE, "sw1")], 3170.0),  # zone beyond 5: 320 kW
    ],
)
def test_a_fault_inside_a_microgrid_leaves_the_feeder_whole_if_its_poi_opens(poi, steps, served_kw):
    study = inside(poi)
    outcome = study.run("mg108", (), time.perf_counter)
    assert outcome.location.best.name(study.graph) == "mg108"
    assert [(step.action, step.target) for step in outcome.steps] == steps
    found = outcome.restoration.candidate
    assert found.estimate.served_w / 1e3 == pytest.approx(served_kw)
    assert found.operations == 0
    poi_edge = study.graph.edge_of("mg108")
    for step in outcome.steps:
        if step.action is Action.CLOSE and poi != "stuck":
            assert poi_edge not in step.expects  # seen open before anything closes


def test_a_fault_at_the_poi_s_own_bus_is_none_inside():
    study = inside("late")
    outcome = study.run("108", (), time.perf_counter)
    assert outcome.location.best.name(study.graph) == "sw5"
    assert [step.target for step in outcome.steps] == ["sw5", "sw1"]
