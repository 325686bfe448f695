"""One fault of a case, from the indicators to the switching plan, on the model alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from gateway.apps.flisr.acflow import AcJudge
from gateway.apps.flisr.build import PoiSpec, SwitchSpec, build_graph
from gateway.apps.flisr.graph import Edges, Graph, feed, live_zones, path
from gateway.apps.flisr.locate import Evidence, Location, Place, locate
from gateway.apps.flisr.plan import GroupAt, Step, isolate, switching
from gateway.apps.flisr.restore import least_losses, restore
from gateway.apps.flisr.shortcircuit import FaultStudy
from gateway.apps.flisr.task import Restoration, Task
from gateway.grid.dss_engine import DssEngine
from gateway.grid.network import Network
from gateway.model.errors import ConfigError, ConfigIssue
from gateway.site.flisr_case import FlisrCase, changes

#: An indicator shows a fault from so many times the load current and so many amperes more.
_PICKUP_SHARE, _PICKUP_A = 1.5, 150.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a fault.

    Attributes:
        before: edges closed before it.
        tripped: edge of the breaker that opened, or of the POI that did.
        location: places by likelihood.
        task: what is dead and what must be open.
        restoration: the state to go to.
        steps: the way there.
        locate_ms, solve_ms: wall time of finding it, and of planning.
    """

    before: Edges
    tripped: int
    location: Location
    task: Task
    restoration: Restoration
    steps: tuple[Step, ...]
    locate_ms: float
    solve_ms: float


class FlisrStudy:
    """A case with its feeder loaded.

    Args:
        case: from :func:`gateway.site.flisr_case.load_flisr_case`.

    Attributes:
        engine: the feeder.
        graph: its zones and switches.

    Raises:
        ConfigError: the feeder cannot be used, or a name of the case is not in it.
    """

    def __init__(self, case: FlisrCase) -> None:
        self._case, file = case, case.file
        self.engine = DssEngine(case.master, changes=changes(case))
        if file.regulators == "settled":
            self.engine.settle()
        else:
            for regulator in self.engine.regulators:
                self.engine.set_tap(regulator, 0)
        network = self.engine.network
        branches = _branches(case, network)
        issues = [*_unknown(case, network, branches)]
        if issues:
            raise ConfigError(issues)
        closed = {branch: branch not in network.open_branches for branch in branches.values()}
        machines = {der.name.lower() for der in file.der}
        self.graph: Graph = build_graph(
            network,
            [
                SwitchSpec(name, branch, closed[branch], both_ends=file.switches == "all")
                for name, branch in branches.items()
            ],
            {source.name.lower(): 1e3 * source.capacity_kw for source in file.source},
            dict.fromkeys(network.base_kv, file.load_multiplier),
            [name for name in network.sources if name not in machines],
            [PoiSpec(grid.name, grid.bus.lower()) for grid in file.microgrid],
        )
        self._pois = {self.graph.edge_of(grid.name): grid for grid in file.microgrid}
        self._zone_of = {b: n for n, zone in enumerate(self.graph.zones) for b in zone.buses}
        self._machines = tuple(self._zone_of[network.sources[name]] for name in machines)

    def run(self, element: str, lost: tuple[str, ...], clock_s: Callable[[], float]) -> Outcome:
        """Locate, isolate and restore.

        Args:
            element: a line or bus that faults on all its phases, or a microgrid of the case: the
                fault is inside it then.
            lost: switches whose indicators cannot be read.
            clock_s: a monotonic clock.

        Raises:
            ConfigError: no such element or switch, nothing trips for a fault there, or no state
                of the switches holds the limits.
            UnsafePlanError: no safe way leads to the state found.
        """
        before = self.graph.closed()
        study, evidence = self._fault(element, lost, before)
        begun_s = clock_s()
        location = locate(self.graph, before, self._machines, evidence, study.likelihood)
        if location is None or evidence.tripped is None:
            raise self._error("switches", "the feeder is not radial", "open its loops")
        located_s = clock_s()
        present = before - {evidence.tripped}
        graph, groups = self._as_isolated(location)
        isolated = isolate(graph, location.suspects)
        task = Task(graph, *isolated, self._case.file.voltage_min_pu)
        judge = self._after_the_fault(present)
        found = restore(task, judge)
        if found is None:
            message = "no state of the switches holds the limits"
            raise self._error("voltage_min_pu", message, "look at the limits and at the loads")
        steps = switching(task, present, found.candidate.closed, groups, judge)
        times_ms = 1e3 * (located_s - begun_s), 1e3 * (clock_s() - located_s)
        return Outcome(before, evidence.tripped, location, task, found, steps, *times_ms)

    def _as_isolated(self, location: Location) -> tuple[Graph, tuple[GroupAt, ...]]:
        """The graph with POIs of suspected microgrids as they can be moved, and whom to ask.

        What healthy microgrids are asked meanwhile is left to the running application.
        """
        edges, groups = list(self.graph.edges), []
        for number, grid in self._pois.items():
            zone, inside = edges[number].ends
            if Place(inside) in location.suspects:
                closed, movable = grid.poi != "first", grid.poi == "late"
                edges[number] = replace(edges[number], closed=closed, movable=movable)
                groups.append(GroupAt(grid.name, zone, can_island=True, poi=number))
        return replace(self.graph, edges=tuple(edges)), tuple(groups)

    def least_losses(self) -> Restoration:
        """Feed everything with the least losses, no fault: reconfiguration.

        Raises:
            ConfigError: no state holds the limits.
        """
        task = Task(self.graph, frozenset(), frozenset(), self._case.file.voltage_min_pu)
        found = least_losses(task, self._judge())
        if found is None:
            message = "no state of the switches holds the limits"
            raise self._error("voltage_min_pu", message, "look at the limits and at the loads")
        return found

    def _after_the_fault(self, present: Edges) -> AcJudge:
        """The power flow as it will be: machines do not run on, what was out comes back cold."""
        for der in self._case.file.der:
            self.engine.set_source(der.name.lower(), live=False)
        live = live_zones(feed(self.graph, present))
        factor = self._case.file.cold_load_factor
        cold = {bus: factor for bus, zone in self._zone_of.items() if zone not in live}
        self.engine.scale_loads(np.ones((3, 2)), cold)
        return self._judge()

    def _judge(self) -> AcJudge:
        file = self._case.file
        return AcJudge(self.engine, self.graph, file.voltage_min_pu, file.voltage_max_pu)

    def _fault(
        self, element: str, lost: tuple[str, ...], before: Edges
    ) -> tuple[FaultStudy, Evidence]:
        """Burn it on the model, and see what the field would report."""
        self.engine.scale_loads(np.ones((3, 2)))
        for der in self._case.file.der:
            self.engine.set_source(der.name.lower(), live=True)
        bus, line = self._place(element, before)
        tripping = self._tripping(element, bus, line, before)
        study = FaultStudy(self.engine, self.graph, before, self._pickups_a(before), tripping)
        evidence = study.evidence(bus, study.phases(bus), self._case.file.fault_ohm, line)
        if evidence is None:
            message = f"no indicator picks up a fault of {element!r}"
            raise self._error("fault_ohm", message, "lower it, or fault something before it")
        flags = dict(evidence.flags)
        for name in lost:
            edge = self._edge(name)
            if edge in flags:
                flags[edge] = replace(flags[edge], seen=False, known=False)
        seen = evidence.seen
        if seen is not None:  # with a control that is not heard its recorder is not either
            gone = {self._edge(name) for name in lost}
            kept = seen.sags_pu if self._case.file.sags else {}
            seen = replace(seen, sags_pu={e: pu for e, pu in kept.items() if e not in gone})
        return study, replace(evidence, flags=flags, seen=seen)

    def _place(self, element: str, before: Edges) -> tuple[str, int | None]:
        """Bus where an element faults; with the edge whose line it is, or POI it is behind."""
        network, name = self.engine.network, element.lower()
        for number, grid in self._pois.items():
            if grid.name.lower() == name:
                return grid.bus.lower(), number
        branch = network.branches.get(name) or network.branches.get(f"line.{name}")
        bus = name.removeprefix("bus.")
        fed = feed(self.graph, before)
        if fed is not None and branch is not None:
            ends = sorted(branch.ends, key=lambda b: _depth(fed.order, self._zone_of[b]))
            edges = [n for n, edge in enumerate(self.graph.edges) if edge.branch == branch.name]
            if edges and edges[0] not in before:
                raise self._error("switches", f"{element!r} is open", "fault something live")
            both = bool(edges) and self.graph.edges[edges[0]].both_ends
            return ends[1], edges[0] if both else None
        if bus not in network.base_kv:
            remedy = "name a line or a bus of the feeder file"
            raise self._error("feeder", f"the feeder has no {element!r}", remedy)
        return bus, None

    def _tripping(self, element: str, bus: str, line: int | None, before: Edges) -> int:
        """The breaker nearest to the fault on the way from its source, or the POI that is first."""
        if line in self._pois and self._pois[line].poi == "first":
            return line
        breakers = [self._edge(name) for name in self._case.file.breakers]
        fed = feed(self.graph, before)
        zone = self._zone_of[bus]
        if fed is not None and zone in fed.order:
            source = self.graph.sources[fed.source[fed.order.index(zone)]].zone
            way = path(self.graph, before, source, zone) or ()
            passed = [edge for edge in way if edge in breakers and edge != line]
            if passed:
                return passed[-1]
        message = f"no breaker trips for a fault of {element!r}"
        raise self._error("breakers", message, "fault something beyond a breaker")

    def _pickups_a(self, before: Edges) -> dict[int, float]:
        for number, edge in enumerate(self.graph.edges):
            if not edge.poi_bus:
                self.engine.set_switch(edge.branch, closed=number in before)
        self.engine.clear_fault()
        self.engine.solve()
        return {
            edge: _PICKUP_SHARE * max(amps.values(), default=0.0) + _PICKUP_A
            for edge in before
            if edge not in self._pois
            for amps in (self.engine.currents_a(self.graph.edges[edge].branch),)
        }

    def _edge(self, name: str) -> int:
        try:
            return self.graph.edge_of(name)
        except KeyError:
            remedy = "name one: " + ", ".join(edge.name for edge in self.graph.edges)
            raise self._error("switches", f"there is no switch {name!r}", remedy) from None

    def _error(self, key: str, message: str, remedy: str) -> ConfigError:
        return ConfigError([self._case.text.issue((key,), message, remedy)])


def _depth(order: tuple[int, ...], zone: int) -> int:
    return order.index(zone) if zone in order else len(order)


def _branches(case: FlisrCase, network: Network) -> dict[str, str]:
    """Branch of every switch, by its name."""
    if case.file.switches == "all":
        lines = [name for name in network.branches if name.startswith("line.")]
        return {name.partition(".")[2]: name for name in lines}
    return {name: f"line.{name.lower()}" for name in case.file.switches}


def _unknown(case: FlisrCase, network: Network, branches: dict[str, str]) -> Iterator[ConfigIssue]:
    text, remedy = case.text, "mend the name"
    for name, branch in branches.items():
        if branch not in network.branches:
            yield text.issue(("switches",), f"the feeder has no line {name!r}", remedy)
    for breaker in case.file.breakers:
        if breaker not in branches:
            yield text.issue(("breakers",), f"the feeder has no line {breaker!r}", remedy)
    for number, source in enumerate(case.file.source):
        if source.name.lower() not in network.sources:
            message = f"the feeder has no source {source.name!r}"
            yield text.issue(("source", number, "name"), message, remedy)
    buses = [("der", number, der.bus) for number, der in enumerate(case.file.der)]
    buses += [("microgrid", number, grid.bus) for number, grid in enumerate(case.file.microgrid)]
    for key, number, bus in buses:
        if bus.lower() not in network.base_kv:
            yield text.issue((key, number, "bus"), f"the feeder has no bus {bus!r}", remedy)
    yield from _taken(case, network, branches)


def _taken(case: FlisrCase, network: Network, branches: dict[str, str]) -> Iterator[ConfigIssue]:
    taken = {*network.base_kv, *branches, *(name.partition(".")[2] for name in network.branches)}
    for number, grid in enumerate(case.file.microgrid):
        if grid.name.lower() in taken:
            message = f"the feeder has a bus or line {grid.name!r} already"
            yield case.text.issue(
                ("microgrid", number, "name"), message, "give it a name of its own"
            )
