"""Zones, loads, likelihoods and plans by themselves, on feeders drawn here."""

from __future__ import annotations

import pytest

from gateway.apps.flisr.graph import (
    Edge,
    Graph,
    Source,
    Zone,
    estimate,
    feed,
    has_loop,
    likely_voltage_pu,
)
from gateway.apps.flisr.loads import zone_factors
from gateway.apps.flisr.locate import Evidence, Flag, Place, locate
from gateway.apps.flisr.plan import UnsafePlanError, isolate, switching
from gateway.apps.flisr.restore import restore
from gateway.apps.flisr.task import Task, Verdict
from tests.sweep import sweep

ALL = frozenset({1, 2, 3})


def line(*edges: Edge, loads_kw: tuple[float, ...], sources: tuple[Source, ...] = ()) -> Graph:
    zones = tuple(
        Zone(f"z{n}", frozenset({f"b{n}"}), ALL, 1e3 * kw * (1 + 0.5j))
        for n, kw in enumerate(loads_kw)
    )
    return Graph(zones, edges, sources or (Source("head", 0),))


def edge(name: str, first: int, second: int, *, closed: bool = True, **more: object) -> Edge:
    return Edge(name, (first, second), ALL, closed, 4e-9 + 4e-9j, **more)  # type: ignore[arg-type]


#: head - z1 - z2, and a tie from z2 to another head.
RADIAL = line(
    edge("a", 0, 1),
    edge("b", 1, 2),
    edge("t", 2, 3, closed=False),
    loads_kw=(0, 400, 600, 0),
    sources=(Source("head", 0), Source("other", 3, 700e3)),
)


def approve(_closed: frozenset[int]) -> Verdict:
    return Verdict(ok=True)


def test_a_loop_and_two_sources_joined_are_no_feeds():
    assert feed(RADIAL, frozenset({0, 1})) is not None
    assert feed(RADIAL, frozenset({0, 1, 2})) is None
    ring = line(edge("a", 0, 1), edge("b", 1, 2), edge("c", 2, 0), loads_kw=(0, 1, 1))
    assert feed(ring, frozenset({0, 1, 2})) is None
    assert has_loop(ring, frozenset({0, 1, 2}))
    assert not has_loop(ring, frozenset({0, 2}))


def test_a_switch_feeds_no_zone_that_has_a_phase_more():
    lateral = Edge("s", (0, 1), frozenset({1}), closed=True)
    three = line(lateral, loads_kw=(0, 10))
    assert feed(three, frozenset({0})) is None


def test_the_estimate_brackets_a_full_power_flow():
    fed = feed(RADIAL, frozenset({0, 1}))
    assert fed is not None
    guess = estimate(RADIAL, fed)
    volts, losses_w, given_w = sweep(RADIAL, fed)
    # without losses it is optimistic, with the losses of these flows near to the truth
    assert guess.voltage_min_pu > min(volts.values())
    assert likely_voltage_pu(RADIAL, fed) == pytest.approx(min(volts.values()), abs=2e-5)
    assert guess.losses_w == pytest.approx(losses_w, rel=0.02)
    assert given_w[0] == pytest.approx(1000e3 + losses_w, rel=1e-9)


def test_loads_are_what_comes_in_less_what_goes_on():
    flows = {0: 900e3 + 1j, 1: 300e3 + 1j}
    # 50 kW of sun in zone 1: its load is what came in, less what went on, and the sun
    shares = zone_factors(RADIAL, frozenset({0, 1}), flows, {1: 50e3})
    assert shares[1] == pytest.approx((900 - 300 + 50) / 400)
    assert shares[2] == pytest.approx(300 / 600)


def test_where_a_meter_is_missing_the_part_is_taken_together():
    shares = zone_factors(RADIAL, frozenset({0, 1}), {0: 500e3 + 0j}, {})
    assert shares[1] == shares[2] == pytest.approx(0.5)
    assert zone_factors(RADIAL, frozenset({0, 1}), {}, {}) == (1.0, 1.0, 1.0, 1.0)


def seen(*edges: int, forward: bool = True) -> dict[int, Flag]:
    return {n: Flag(n in edges, forward if n in edges else None) for n in (0, 1)}


@pytest.mark.parametrize(
    ("flags", "zone"),
    [
        (seen(0), 1),
        (seen(0, 1), 2),
        ({0: Flag(seen=False), 1: Flag(seen=True, forward=True)}, 2),  # one lost
        ({0: Flag(seen=True, forward=True), 1: Flag(seen=True, forward=False)}, 1),  # a DER beyond
    ],
)
def test_the_fault_is_where_the_flags_point(flags, zone):
    found = locate(RADIAL, frozenset({0, 1}), (2,), Evidence(flags, tripped=0))
    assert found is not None
    assert found.best == Place(zone=zone)


def test_an_unreadable_flag_leaves_both_of_its_sides_suspect():
    flags = {0: Flag(seen=True, forward=True), 1: Flag(seen=False, known=False)}
    found = locate(RADIAL, frozenset({0, 1}), (), Evidence(flags, tripped=0))
    assert found is not None
    assert set(found.suspects) == {Place(zone=1), Place(zone=2)}


def test_the_fault_lies_beyond_what_tripped():
    found = locate(RADIAL, frozenset({0, 1}), (), Evidence(seen(), tripped=0))
    assert found is not None
    assert found.best != Place(zone=0)


def test_a_switch_that_cannot_be_moved_widens_the_cut():
    stuck = line(edge("a", 0, 1), edge("b", 1, 2, movable=False), edge("c", 2, 3),
                 loads_kw=(0, 1, 1, 1))  # fmt: skip
    dead, blocked = isolate(stuck, (Place(zone=1),))
    assert dead == {1, 2}
    assert blocked == {0, 2}


def test_a_line_with_a_switch_at_each_end_is_cut_out_by_itself():
    double = line(edge("a", 0, 1, both_ends=True), loads_kw=(0, 1))
    assert isolate(double, (Place(edge=0),)) == (frozenset(), frozenset({0}))


def test_capacity_decides_what_comes_back():
    # z1 is out: z2's 600 kW fit the other head's 700, not its 500
    task = Task(RADIAL, *isolate(RADIAL, (Place(zone=1),)), 0.9)
    found = restore(task, approve)
    assert found is not None
    assert found.candidate.estimate.served_w == pytest.approx(600e3)
    weak = Graph(RADIAL.zones, RADIAL.edges, (Source("head", 0), Source("other", 3, 500e3)))
    found = restore(Task(weak, *isolate(weak, (Place(zone=1),)), 0.9), approve)
    assert found is not None
    assert found.candidate.estimate.served_w == 0.0
    assert found.candidate.operations == 0


def test_no_plan_leads_onto_the_fault():
    task = Task(RADIAL, *isolate(RADIAL, (Place(zone=1),)), 0.9)
    with pytest.raises(UnsafePlanError, match="dead"):
        switching(task, frozenset({1}), frozenset({1, 2}), (), approve)


def test_no_plan_passes_a_state_that_the_power_flow_refuses():
    task = Task(RADIAL, *isolate(RADIAL, (Place(zone=1),)), 0.9)
    with pytest.raises(UnsafePlanError, match="too low"):
        switching(task, frozenset(), frozenset({2}), (), lambda _: Verdict(False, "too low"))
