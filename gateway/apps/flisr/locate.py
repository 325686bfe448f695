"""Where the fault is, by what the indicators and the tripped switch say, lost or false ones too.

Each place that was live is weighed by how likely the flags seen would be, were the fault there.
In a radial feeder every switch has the fault on one side: current from the grid passes those on
the way from the source, that of DERs those on the way from them, and a directional indicator
points to it. A fault locator's reactance tells apart what flags leave open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.apps.flisr.graph import Edges, Feed, Graph, feed, path

#: How often an indicator that should show a fault does not, and one that should not does.
_LOST, _FALSE = 0.06, 0.01
#: How often a direction is wrong, and how often a DER alone drives an indicator.
_WRONG_WAY, _DER_SEEN = 0.002, 0.5
#: A tripped switch that is not on the way from the source to the fault: hardly.
_TRIPPED_ELSEWHERE = 1e-4
#: So likely is what a relay saw at least, whatever the model says: a locator can be wrong.
_RELAY_WRONG = 1e-2
#: A place this likely beside the likeliest is isolated as well. Where an indicator cannot be read,
#: or sags were recorded that tell places apart although an indicator lies, the net is cast wider.
_SUSPECT, _SUSPECT_WIDE = 0.33, 0.02


@dataclass(frozen=True, slots=True)
class Flag:
    """What one switch's indicator says of this fault.

    Attributes:
        seen: fault current passed.
        forward: it flowed from the first to the second of the edge's ends; None where the
            indicator knows no direction.
        through: it was seen at both ends of a line that has a switch at each.
        known: False where the indicator cannot be read.
    """

    seen: bool
    forward: bool | None = None
    through: bool = True
    known: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What relays and recorders kept of the fault.

    Attributes:
        current_a: largest phase current at the tripped switch.
        reactance_ohm: Q / I^2 of that phase, as fault locators report it.
        sags_pu: voltage that was left meanwhile on the lowest phase, by edge, at the first end of
            its branch; of those switches that record it, open ones too.
    """

    current_a: float
    reactance_ohm: float
    sags_pu: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the field says of one fault.

    Attributes:
        flags: by edge.
        tripped: the switch that locked out.
        seen: what its relay recorded; None where it says nothing.
        phases: those with fault current.
    """

    flags: Mapping[int, Flag]
    tripped: int | None = None
    seen: Seen | None = None
    phases: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Place:
    """A zone, or the line of a switch that isolates itself."""

    zone: int | None = None
    edge: int | None = None

    def name(self, graph: Graph) -> str:
        """What people call it: of a zone, the switch that leads to it."""
        if self.edge is not None:
            return graph.edges[self.edge].name
        return "" if self.zone is None else graph.zones[self.zone].name


@dataclass(frozen=True, slots=True)
class Location:
    """Places by likelihood.

    Attributes:
        ranked: place and probability, the likeliest first.
        wide: whether less likely places are isolated as well.
    """

    ranked: tuple[tuple[Place, float], ...]
    wide: bool = False

    @property
    def best(self) -> Place:
        """The likeliest place."""
        return self.ranked[0][0]

    @property
    def suspects(self) -> tuple[Place, ...]:
        """All places that are to be isolated."""
        least = self.ranked[0][1] * (_SUSPECT_WIDE if self.wide else _SUSPECT)
        return tuple(place for place, p in self.ranked if p >= least)


#: How well a fault at a place, on some phases, explains what the relay recorded; by the model.
Study = Callable[[Place, Seen, frozenset[int]], float]


def locate(
    graph: Graph,
    closed: Edges,
    ders: Sequence[int],
    evidence: Evidence,
    study: Study | None = None,
) -> Location | None:
    """Weigh every place that was live.

    Args:
        graph: the feeder.
        closed: edges that were closed when it happened.
        ders: zones with a DER that may drive fault current.
        evidence: what the field says.
        study: weighs places by what the relay recorded.

    Returns:
        None where the feeder was not radial, or nothing was live.
    """
    fed = feed(graph, closed)
    if fed is None or not fed.order:
        return None
    places = list(_places(graph, fed))
    logs = [_likelihood(graph, closed, fed, ders, evidence, place) for place in places]
    most = max(logs)
    if evidence.seen is not None and study is not None:
        # only where flags leave it open: each place takes studies of its own
        open_to = [n for n, log in enumerate(logs) if log > most + math.log(_LOST * _FALSE)]
        fits = [study(places[n], evidence.seen, evidence.phases) for n in open_to]
        least = _RELAY_WRONG * (sum(fits) or 1.0)
        for n, fit in zip(open_to, fits, strict=True):
            logs[n] += math.log(fit + least)
        for n in set(range(len(logs))) - set(open_to):
            logs[n] += math.log(least)
        most = max(logs)
    weights = [math.exp(log - most) for log in logs]
    total = sum(weights)
    pairs = zip(places, (weight / total for weight in weights), strict=True)
    blind = any(edge in closed and not flag.known for edge, flag in evidence.flags.items())
    sagged = study is not None and evidence.seen is not None and bool(evidence.seen.sags_pu)
    return Location(tuple(sorted(pairs, key=lambda pair: -pair[1])), blind or sagged)


def _places(graph: Graph, fed: Feed) -> Iterator[Place]:
    for zone in fed.order:
        yield Place(zone=zone)
    for through in fed.through:
        if through >= 0 and graph.edges[through].both_ends:
            yield Place(edge=through)


def _likelihood(
    graph: Graph,
    closed: Edges,
    fed: Feed,
    ders: Sequence[int],
    evidence: Evidence,
    place: Place,
) -> float:
    """Logarithm of how likely the flags are, were the fault there."""
    zone = place.zone
    if zone is None:  # on a line: its near end is where it is fed from
        assert place.edge is not None  # noqa: S101 - one or the other
        zone = fed.order[fed.through.index(place.edge)]
    source = graph.sources[fed.source[fed.order.index(zone)]].zone
    grid = dict(_directed(graph, path(graph, closed, source, zone) or (), source))
    driven: dict[int, bool] = {}
    for der in ders:
        driven |= dict(_directed(graph, path(graph, closed, der, zone) or (), der))
    log = 0.0
    for edge in sorted(closed):
        flag = evidence.flags.get(edge)
        if flag is not None and flag.known:
            log += math.log(_flag(flag, grid.get(edge), driven.get(edge), at=edge == place.edge))
    if evidence.tripped is not None and evidence.tripped not in grid:
        log += math.log(_TRIPPED_ELSEWHERE)
    return log


def _flag(flag: Flag, grid: bool | None, driven: bool | None, *, at: bool) -> float:
    """Probability of one flag; ``grid`` and ``driven`` are directions of what passes, if any."""
    expected = grid if grid is not None else driven
    if expected is None:
        return _FALSE if flag.seen else 1.0 - _FALSE
    shown = 1.0 - _LOST if grid is not None else _DER_SEEN
    if not flag.seen:
        return 1.0 - shown
    if flag.forward is not None:
        shown *= 1.0 - _WRONG_WAY if flag.forward == expected else _WRONG_WAY
    # a fault on the line itself is seen at one of its ends, one beyond at both
    return shown * (1.0 - _LOST if flag.through != at else _LOST)


def _directed(graph: Graph, way: Sequence[int], start: int) -> Iterator[tuple[int, bool]]:
    """Edges of a way, and whether it passes each from its first end to its second."""
    for edge in way:
        yield edge, graph.edges[edge].ends[0] == start
        start = graph.far(edge, start)
