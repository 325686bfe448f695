"""From what the field shows to a plan, on the model as the feeder stood before the fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gateway.apps.flisr.acflow import AcJudge
from gateway.apps.flisr.build import PoiSpec, SwitchSpec, build_graph
from gateway.apps.flisr.config import FlisrConfig
from gateway.apps.flisr.field import Field
from gateway.apps.flisr.graph import Edges, Graph, feed, live_zones
from gateway.apps.flisr.loads import zone_factors
from gateway.apps.flisr.locate import Evidence, Flag, Location, Place, Seen, locate
from gateway.apps.flisr.plan import GroupAt, Step, UnsafePlanError, isolate, switching
from gateway.apps.flisr.restore import restore
from gateway.apps.flisr.shortcircuit import FaultStudy
from gateway.apps.flisr.state import Calm
from gateway.apps.flisr.task import Restoration, Task, Verdict
from gateway.grid.powerflow import PowerFlow
from gateway.points.image import ProcessImage


class NoPlanError(Exception):
    """There is no safe plan; the message says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        zone: where the fault is, in words; empty for a return to normal.
        dead, blocked: zones and switches kept out until the repair.
        notes: figures.
        pois: POIs of microgrids that it opens, keeps open, or closes again.
    """

    zone: str
    steps: tuple[Step, ...]
    dead: frozenset[int]
    blocked: Edges
    notes: Mapping[str, float | str]
    pois: Edges = frozenset()


class Planner:
    """Holds the model; everything that changes comes as an argument.

    Args:
        config: bindings and limits.
        model: the feeder as the DMS knows it.
    """

    def __init__(self, config: FlisrConfig, model: PowerFlow) -> None:
        self._config, self._model = config, model
        #: Edges of POIs follow those of the switches.
        self._pois = {
            group.element: len(config.switches) + n for n, group in enumerate(config.pois)
        }
        zero = self._graph(frozenset(), frozenset(range(len(config.switches))), {})
        self._zone_of = {bus: n for n, zone in enumerate(zero.zones) for bus in zone.buses}
        self._inside = {poi: zero.edges[poi].ends[1] for poi in self._pois.values()}
        self.groups = tuple(
            GroupAt(
                group.group_id,
                self.zone_of(group.element),
                group.can_island,
                self._pois.get(group.element, -1),
            )
            for group in config.groups
        )

    def zone_of(self, element: str) -> int:
        """Zone of a DER or group."""
        return self._zone_of[self._model.injection_buses[element]]

    def outage(
        self,
        image: ProcessImage,
        now: Field,
        calm: Calm,
        powers_w: Mapping[str, float],
        tripped: Edges,
        stuck: Edges = frozenset(),
    ) -> Plan:
        """Locate, isolate and restore.

        Args:
            image: the frozen points.
            now: how the field stands.
            calm: how it stood before.
            powers_w: what DERs and groups give at least while the repair lasts, by element.
            tripped: switches that locked out, or POIs.
            stuck: POIs that do not open: the zone before such a one is isolated instead.

        Raises:
            NoPlanError: why there is none.
        """
        present = now.closed | (now.unknown & calm.closed)
        # what has opened and cannot be told to close again is open for good
        closed = calm.closed & (present | now.ready)
        whole = self._graph(calm.closed, now.ready, {}, calm.pois)
        location = self._locate(image, whole, now, calm, min(tripped))
        pois = frozenset(
            poi for poi, inside in self._inside.items() if Place(inside) in location.suspects
        )
        if min(tripped) in self._inside:
            return self._behind(now, location, pois, stuck)
        joined = pois & (now.pois_closed | now.pois_unknown)
        # where no zone is cut out, everything comes back as by a recloser's next try: not cold yet
        whole_again = len(pois) == len(location.suspects) and not joined & stuck
        was = calm.closed if whole_again else present
        factors = self._factors(calm, was)
        graph = self._graph(closed, now.ready, factors, joined, joined - stuck)
        task = Task(graph, *isolate(graph, location.suspects), self._config.voltage_min_pu)
        unmovable = [graph.edges[e].name for e in task.blocked & present - now.ready]
        if unmovable:
            raise NoPlanError(f"{', '.join(unmovable)} cannot be opened")
        judge = self._judge(image, graph, calm, powers_w, present, factors)
        found = restore(task, judge)
        if found is None:
            raise NoPlanError("no state of the switches holds the limits")
        groups, goal = self._asked(now, calm, pois), found.candidate.closed
        try:
            steps = switching(task, present | joined, goal, groups, judge)
        except UnsafePlanError as error:
            raise NoPlanError(str(error)) from error
        return _plan(location, task, steps, pois, _figures(graph, found))

    def _behind(self, now: Field, location: Location, pois: Edges, stuck: Edges) -> Plan:
        """A POI has tripped and nothing else: the feeder stays as it is."""
        if len(pois) < len(location.suspects):
            raise NoPlanError("a POI has tripped, but its flags do not point behind it")
        if pois & stuck:
            raise NoPlanError("the POI does not open, and the feeder is under voltage")
        joined = pois & (now.pois_closed | now.pois_unknown)
        graph = self._graph(now.closed, now.ready, {}, joined, joined)
        task = Task(graph, *isolate(graph, location.suspects), self._config.voltage_min_pu)
        groups = tuple(group for group in self.groups if group.poi in pois)
        steps = switching(task, now.closed | joined, now.closed, groups, lambda _: Verdict(ok=True))
        total_kw = sum(zone.load_va.real for zone in graph.zones) / 1e3
        notes = {"served_kw": round(total_kw, 1), "out_kw": 0.0}
        return _plan(location, task, steps, pois, notes)

    def _asked(self, now: Field, calm: Calm, pois: Edges) -> tuple[GroupAt, ...]:
        """Groups that a plan may move: none that was apart before, or has a fault of its own."""
        fit = pois | (calm.pois - now.internal - now.pois_tripped)
        return tuple(group for group in self.groups if group.poi < 0 or group.poi in fit)

    def back(
        self,
        image: ProcessImage,
        now: Field,
        calm: Calm,
        powers_w: Mapping[str, float],
        pois: Edges = frozenset(),
    ) -> Plan:
        """The way back to how the feeder stood, once the fault is mended.

        Args:
            image: the frozen points.
            now: how the field stands.
            calm: how it stood before.
            powers_w: what DERs and groups give at least, by element.
            pois: of microgrids that the fault was in.

        Raises:
            NoPlanError: why there is none.
        """
        factors = self._factors(calm, now.closed)
        graph = self._graph(calm.closed, now.ready, factors)
        returning = pois - now.pois_closed
        stuck = [graph.edges[e].name for e in (calm.closed ^ now.closed) - now.ready]
        if stuck:
            raise NoPlanError(f"{', '.join(stuck)} cannot be moved")
        task = Task(graph, frozenset(), frozenset(), self._config.voltage_min_pu)
        judge = self._judge(image, graph, calm, powers_w, now.closed, factors)
        try:
            groups = self._asked(now, calm, pois)
            steps = switching(task, now.closed, calm.closed | returning, groups, judge)
        except UnsafePlanError as error:
            raise NoPlanError(str(error)) from error
        return Plan("", steps, frozenset(), frozenset(), {}, returning)

    def _graph(
        self,
        closed: Edges,
        ready: Edges,
        factors: Mapping[str, float],
        joined: Edges = frozenset(),
        askable: Edges = frozenset(),
    ) -> Graph:
        """Zones and switches; of POIs those that matter for the question are joined."""
        switches = [
            SwitchSpec(s.name, s.branch, n in closed, movable=n in ready)
            for n, s in enumerate(self._config.switches)
        ]
        capacities_w = dict(self._config.capacities_w)
        buses = self._model.injection_buses
        pois = [
            PoiSpec(group.group_id, buses[group.element], poi in joined, poi in askable)
            for group in self._config.pois
            for poi in (self._pois[group.element],)
        ]
        network = self._model.network
        return build_graph(network, switches, capacities_w, factors, pois=pois)

    def _factors(self, calm: Calm, present: Edges) -> dict[str, float]:
        """Load by bus as a share of nominal: as it flowed before, cold where it was out since."""
        every = frozenset(range(len(self._config.switches)))
        graph = self._graph(calm.closed, every, {})
        injected = {self.zone_of(e): 0.0 for e in calm.injected_w}
        for element, power_w in calm.injected_w.items():
            injected[self.zone_of(element)] += power_w
        shares = zone_factors(graph, calm.closed, calm.flows_va, injected)
        live = live_zones(feed(graph, present))
        cold = self._config.cold_load_factor
        return {
            bus: shares[n] * (1.0 if n in live else cold)
            for n, zone in enumerate(graph.zones)
            for bus in zone.buses
        }

    def _locate(
        self, image: ProcessImage, graph: Graph, now: Field, calm: Calm, tripped: int
    ) -> Location:
        config, closed = self._config, calm.closed | calm.pois
        flags = {}
        for number in closed:
            # a flag from before says nothing of this fault
            known = number in now.readable and number not in calm.flagged
            seen = bool(now.flags.get(number)) and known
            directed = bool(config.devices[number].reverse) and seen
            ahead = (number not in now.reverse) == self._points_ahead(graph, closed, number)
            flags[number] = Flag(seen, ahead if directed else None, known=known)
        phases = now.flags.get(tripped, frozenset())
        relay = config.devices[tripped]
        amps, ohm = (image.good_value(p) if p else None for p in (relay.fault_a, relay.fault_ohm))
        record = None
        if amps and ohm is not None and phases:
            record = Seen(amps, ohm, self._sags_pu(now, calm))
        self._set_points(image)
        self._model.scale_loads(np.ones((3, 2)), self._factors(calm, calm.closed))
        for element, power_w in calm.injected_w.items():
            self._model.set_injection(element, power_w, 0.0)
        study = FaultStudy(self._model, graph, closed, {}, tripped)
        machines = [
            self._inside.get(self._pois.get(element, -1), self.zone_of(element))
            for element in config.machines
        ]
        evidence = Evidence(flags, tripped, record, phases)
        location = locate(graph, closed, machines, evidence, study.likelihood)
        if location is None:
            raise NoPlanError("the feeder was not radial before the fault")
        return location

    def _sags_pu(self, now: Field, calm: Calm) -> dict[int, float]:
        """Sags recorded since the quiet moment."""
        network, fresh = self._model.network, now.sags_v.items() - calm.sags_v.items()
        buses = {n: network.branches[self._config.switches[n].branch].ends[0] for n, _ in fresh}
        return {n: v * 3**0.5 / (1e3 * network.base_kv[buses[n]]) for n, v in fresh}

    def _points_ahead(self, graph: Graph, closed: Edges, number: int) -> bool:
        """Whether away from the substation is from the first of an edge's ends to the second."""
        fed = feed(graph, closed)
        if fed is None or number not in fed.through:
            return True
        return graph.edges[number].ends[1] == fed.order[fed.through.index(number)]

    def _judge(
        self,
        image: ProcessImage,
        graph: Graph,
        calm: Calm,
        powers_w: Mapping[str, float],
        present: Edges,
        factors: Mapping[str, float],
    ) -> AcJudge:
        """The power flow of what comes back: DERs that were out give nothing but may draw."""
        config, live = self._config, live_zones(feed(graph, present))
        self._set_points(image)
        self._model.scale_loads(np.ones((3, 2)), factors)
        for element, before_w in calm.injected_w.items():
            stays = self.zone_of(element) in live
            power_w = powers_w.get(element, 0.0) if stays else 0.0
            self._model.set_injection(element, min(before_w, power_w), 0.0)
        return AcJudge(self._model, graph, config.voltage_min_pu, config.voltage_max_pu)

    def _set_points(self, image: ProcessImage) -> None:
        for element, point in self._config.regulators:
            tap = image.good_value(point)
            if tap is not None:
                self._model.set_tap(element, round(tap))
        for element, point in self._config.capacitors:
            closed = image.good_value(point)
            if closed is not None:
                self._model.set_capacitor(element, closed=closed == 1.0)


def _plan(
    location: Location,
    task: Task,
    steps: tuple[Step, ...],
    pois: Edges,
    figures: Mapping[str, float],
) -> Plan:
    zone = " or ".join(place.name(task.graph) for place in location.suspects)
    notes = {"likelihood": round(location.ranked[0][1], 3), **figures}
    return Plan(zone, steps, task.dead, task.blocked, notes, pois)


def _figures(graph: Graph, found: Restoration) -> dict[str, float]:
    total_w = sum(zone.load_va.real for zone in graph.zones)
    served_w = found.candidate.estimate.served_w
    return {
        "served_kw": round(served_w / 1e3, 1),
        "out_kw": round(max(total_w - served_w, 0.0) / 1e3, 1),
        "operations": float(found.candidate.operations),
        "voltage_min_pu": round(found.verdict.voltage_min_pu, 4),
    }
