"""Who is supplied, by the graph alone: phases, zones, loops, joined sources."""

from __future__ import annotations

from hil.plant.supply import Edge, Grid


def line(name: str, first: str, second: str, phases: str = "123") -> Edge:
    return Edge(name, tuple((f"{first}.{p}", f"{second}.{p}") for p in phases))


#: Two heads; b to c by two single-phase regulators side by side; d hangs on phase 1 alone.
GRID = Grid(
    (
        line("one", "a", "b"),
        line("", "b", "c", "1"),
        line("", "b", "c", "2"),
        line("two", "c", "d", "1"),
        line("three", "c", "e"),
        line("four", "e", "b"),
    ),
    {"first": ("a.1", "a.2", "a.3"), "second": ("e.1", "e.2", "e.3")},
)


def test_a_phase_goes_no_further_than_its_conductor() -> None:
    live = GRID.live({"three", "four"})
    assert {"b.1", "b.3", "c.1", "c.2", "d.1", "e.1"} <= live
    assert "c.3" not in live
    assert "d.2" not in live


def test_what_no_source_reaches_is_dead() -> None:
    assert GRID.live({"one", "three", "four"}) == {"a.1", "a.2", "a.3", "e.1", "e.2", "e.3"}


def test_zones_are_what_switches_part() -> None:
    assert GRID.zone("b", {"one", "three", "four"}) == {"b", "c", "d"}
    assert GRID.zone("e", {"one", "three", "four"}) == {"e"}


def test_two_sources_joined_count_once_and_a_loop_beside_them_again() -> None:
    assert GRID.parallels({"three", "four"}) == 0
    assert GRID.parallels({"one", "four"}) == 0
    assert GRID.parallels({"four"}) == 1, "both heads on one line"
    assert GRID.parallels({"one"}) == 1, "a loop behind one head"
    assert GRID.parallels(frozenset()) == 2


def test_branches_side_by_side_are_no_loop() -> None:
    assert GRID.parallels({"two", "three", "four"}) == 0
