"""A switching plan: isolate, leave out, restore, each step checked before it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.apps.flisr.graph import Edges, Graph, feed, has_loop, live_zones
from gateway.apps.flisr.locate import Place
from gateway.apps.flisr.task import Judge, Task


class Action(StrEnum):
    """What a step does."""

    OPEN = "open"
    CLOSE = "close"
    ISLAND = "island"
    DISCONNECT = "disconnect"
    RECONNECT = "reconnect"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan.

    Attributes:
        target: a switch, or a group for what is asked of groups.
        purpose: why, for people.
        expects: edges closed just before; the step waits until the field shows them.
        leads_to: edges closed after it.
    """

    action: Action
    target: str
    purpose: str
    expects: Edges
    leads_to: Edges


@dataclass(frozen=True, slots=True)
class GroupAt:
    """A microgrid or DER group and where it is connected.

    Attributes:
        zone: of its point of interconnection.
        can_island: whether it may go on as an island.
        poi: edge of its POI, where a fault behind it can be told apart; -1 where not.
    """

    group_id: str
    zone: int
    can_island: bool
    poi: int = -1


class UnsafePlanError(ValueError):
    """A step would put voltage where it must not be; a bug in whoever chose the goal."""


def isolate(graph: Graph, places: tuple[Place, ...]) -> tuple[frozenset[int], Edges]:
    """Dead zones, and edges that must be open, to keep voltage off some places.

    Where a closed switch at the edge cannot be moved, what lies behind it is dead as well.
    """
    dead = {place.zone for place in places if place.zone is not None}
    lines = {place.edge for place in places if place.edge is not None}
    for line in tuple(lines):
        if not graph.edges[line].movable:
            dead.update(graph.edges[line].ends)
            lines.discard(line)
    grown = True
    while grown:
        grown = False
        for edge in graph.edges:
            if edge.closed and not edge.movable and len(dead.intersection(edge.ends)) == 1:
                dead.update(edge.ends)
                grown = True
    around = {edge for zone in dead for edge in graph.around[zone]}
    stuck = {e for e in around if not graph.edges[e].movable and graph.edges[e].closed}
    return frozenset(dead), frozenset(around - stuck | lines)


def switching(
    task: Task, present: Edges, goal: Edges, groups: tuple[GroupAt, ...], judge: Judge
) -> tuple[Step, ...]:
    """Order the way from how switches stand to how they should.

    First what feeds the fault is taken off, then the fault is cut out, then dark switches open,
    then everything that can be closed is; what is live opens one by one, so that few wait. Where
    the power flow objects to a state on that way, everything opens before anything closes.

    A microgrid with a fault inside is asked to open its POI before anything else is moved, and to
    close it after everything else, once the goal has it closed.

    Args:
        task: what must stay dead.
        present: edges closed now; a tripped switch is open.
        goal: edges to be closed at the end.
        groups: microgrids and DER groups.
        judge: the full power flow.

    Raises:
        UnsafePlanError: the goal is not radial or puts voltage on a dead zone, or the power flow
            objects to the way.
    """
    target = feed(task.graph, goal, task.dead)
    if target is None or goal & task.blocked:
        raise UnsafePlanError("the goal is not radial, or puts voltage on what must be dead")
    pois = frozenset(group.poi for group in groups)
    start = present - (task.blocked & pois)
    end = goal - (pois - present)
    own = {group.poi for group in groups if _is_behind(task, group) or group.poi in goal - end}
    objection = ""
    for gently in (True, False):
        moves = _moves(task, start, end, gently=gently)
        objection = _objection(moves, judge)
        if not objection:
            others = tuple(group for group in groups if group.poi not in own or group.poi < 0)
            before, after = _group_steps(task, start, moves, others)
            first, last = _poi_steps(task.graph, present, start), _poi_steps(task.graph, end, goal)
            return (*first, *before, *moves, *after, *last)
    raise UnsafePlanError(objection)


def _is_behind(task: Task, group: GroupAt) -> bool:
    """Whether the fault lies, or may lie, inside a microgrid."""
    return group.poi >= 0 and task.graph.edges[group.poi].ends[1] in task.dead


def _poi_steps(graph: Graph, present: Edges, then: Edges) -> Iterator[Step]:
    """What microgrids are asked so that their POIs open or close, one after another."""
    for edge in sorted(present ^ then):
        after = present ^ {edge}
        if edge in present:
            action, text = Action.ISLAND, "the fault lies inside: its POI opens"
        else:
            action, text = Action.RECONNECT, "mended inside: synchronises and reconnects"
        yield Step(action, graph.edges[edge].name, text, present, after)
        present = after


def _moves(task: Task, present: Edges, goal: Edges, *, gently: bool) -> list[Step]:
    way = _Way(task, present)
    steps = [way.open(edge, "isolates the fault") for edge in sorted(present & task.blocked)]
    live = live_zones(feed(task.graph, way.closed, task.dead))
    opening = sorted(way.closed - goal)
    first = [e for e in opening if not gently or live.isdisjoint(task.graph.edges[e].ends)]
    steps += [way.open(edge, "makes room") for edge in first]
    steps += way.close_all(goal)
    for edge in sorted(set(opening) - set(first)):
        steps.append(way.open(edge, "makes room"))
        steps += way.close_all(goal)
    if not goal <= way.closed:
        missing = ", ".join(task.graph.edges[e].name for e in sorted(goal - way.closed))
        raise UnsafePlanError(f"{missing} cannot be closed safely")
    return steps


def _objection(steps: list[Step], judge: Judge) -> str:
    """What the power flow objects to on the way; empty where every state holds."""
    seen: set[Edges] = set()
    for step in steps:
        if step.action is Action.CLOSE and step.leads_to not in seen:
            seen.add(step.leads_to)
            verdict = judge(step.leads_to)
            if not verdict.ok:
                return f"after {step.action} {step.target}: {verdict.why}"
    return ""


def _group_steps(
    task: Task, present: Edges, moves: list[Step], groups: tuple[GroupAt, ...]
) -> tuple[list[Step], list[Step]]:
    """What groups are asked before and after the switching."""
    states = [present, *(step.leads_to for step in moves)]
    lives = [live_zones(feed(task.graph, state, task.dead)) for state in states]
    goal = states[-1]
    before, after = [], []
    for group in groups:
        is_faulted = group.zone in task.dead
        if all(group.zone in live for live in lives) and not is_faulted:
            continue
        if is_faulted:
            text = "feeds the fault"
        else:
            text = "its feeder goes out" if group.zone in lives[0] else "its feeder is out"
        if group.can_island:
            before.append(Step(Action.ISLAND, group.group_id, text, present, present))
        elif is_faulted:
            before.append(Step(Action.DISCONNECT, group.group_id, text, present, present))
        if group.can_island and group.zone in lives[-1]:
            text = "voltage is back: synchronises and reconnects"
            after.append(Step(Action.RECONNECT, group.group_id, text, goal, goal))
    return before, after


class _Way:
    """Switches on the way; every closing is checked."""

    def __init__(self, task: Task, present: Edges) -> None:
        self._task = task
        self.closed = present

    def open(self, edge: int, purpose: str) -> Step:
        return self._step(Action.OPEN, edge, self.closed - {edge}, purpose)

    def close_all(self, goal: Edges) -> Iterator[Step]:
        """Close what can be closed now, outwards from what is live; the dark among itself last."""
        graph, moved = self._task.graph, True
        while moved:
            moved = False
            fed = feed(graph, self.closed, self._task.dead)
            live = live_zones(fed)
            waiting = sorted(goal - self.closed)
            waiting.sort(key=lambda e: not live.intersection(graph.edges[e].ends))
            for edge in waiting:
                then = self.closed | {edge}
                if self._is_safe(then):
                    yield self._step(Action.CLOSE, edge, then, "restores")
                    moved = True
                    break

    def _is_safe(self, closed: Edges) -> bool:
        task = self._task
        if closed & task.blocked or feed(task.graph, closed, task.dead) is None:
            return False
        return not has_loop(task.graph, closed)

    def _step(self, action: Action, edge: int, then: Edges, purpose: str) -> Step:
        step = Step(action, self._task.graph.edges[edge].name, purpose, self.closed, then)
        self.closed = then
        return step
