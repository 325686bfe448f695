"""One look at the feeder: image in, report out; nothing is ever commanded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gateway.apps.awareness.alarms import alarms
from gateway.apps.awareness.config import AwarenessConfig
from gateway.apps.awareness.headroom import HeadroomSearch, Limits
from gateway.apps.awareness.limits import (
    imbalance_pct,
    loading_key,
    loadings,
    supply_key,
    violations,
    voltage_imbalance,
    voltage_key,
)
from gateway.apps.awareness.meters import Seen, judge, quality, watch
from gateway.apps.awareness.report import Headroom, Report
from gateway.apps.awareness.supply import unsupplied
from gateway.apps.decision import Decision
from gateway.grid.estimate import Estimate, Measured, fit
from gateway.grid.known import Basis, Doubts, Known, doubts, with_file
from gateway.grid.network import Network
from gateway.grid.observe import observe
from gateway.grid.powerflow import PowerFlow
from gateway.grid.topology import islands, zones
from gateway.groups.messages import GroupReply
from gateway.points.image import ProcessImage

#: Rows kept of each table: the report goes over the wire at every look at the status.
_MOST_VIOLATIONS, _MOST_LOADINGS, _MOST_METERS, _MOST_ZONES, _MOST_STATES = 50, 10, 50, 50, 100


@dataclass(frozen=True, slots=True)
class AwarenessState:
    """What one look leaves to the next.

    Attributes:
        multipliers: loads' share of nominal, shape (3, 2).
        since: faults that are there, to when they were first seen.
        meters: every meter's past.
        headroom: the last found, by bus.
        turn: position of the bus whose headroom is next.
        report: the last look; None before the first.
    """

    multipliers: NDArray[np.float64] = field(default_factory=lambda: np.ones((3, 2)))
    since: Mapping[str, int] = field(default_factory=dict)
    meters: Mapping[str, Seen] = field(default_factory=dict)
    headroom: Mapping[str, Headroom] = field(default_factory=dict)
    turn: int = 0
    report: Report | None = None


class Awareness:
    """The application. Holds the model; everything that changes is in the state.

    Args:
        config: bindings and band.
        model: the feeder as the DMS knows it, with the probes.
        network: the feeder without them.
        probes: elements of the model by bus, by which headroom is tried there.
    """

    def __init__(
        self,
        config: AwarenessConfig,
        model: PowerFlow,
        network: Network,
        probes: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._config = config
        self._model = model
        self._network = network
        self._probes = dict(probes)
        self._zones = zones(network, [element for element, _ in config.bindings.switches])
        buses = [node.partition(".")[0] for node in model.nodes]
        self._judged = np.array([bus not in config.excluded_buses for bus in buses])
        self._nodes = [n for n, own in zip(model.nodes, self._judged, strict=True) if own]

    def step(
        self,
        image: ProcessImage,
        replies: Sequence[GroupReply],  # noqa: ARG002 - as every application
        state: AwarenessState,
        now_ms: int,
        forecast_w: Mapping[str, float] = MappingProxyType({}),
    ) -> Decision[AwarenessState]:
        """Look at the feeder; the report is in the state.

        Args:
            image: the frozen points.
            replies: none are asked for.
            state: what the last look gave back.
            now_ms: UTC ms.
            forecast_w: real power of DERs that cannot be read now, by element.
        """
        present = observe(self._config.bindings, image, forecast_w=forecast_w)
        estimate = fit(self._model, present, state.multipliers)
        if not estimate.solution.converged:
            # loads fitted to a solution that is none would spoil every look to come
            report = Report(now_ms, converged=False)
            state = replace(state, multipliers=np.ones((3, 2)), report=report)
            return Decision((), (), alarms(report), state, {"held": "the power flow"})
        state = replace(
            state,
            multipliers=estimate.multipliers,
            meters=watch(state.meters, estimate.errors_pu),
        )
        known = with_file(
            present.known, self._model.regulators, self._model.capacitors, self._network.ders
        )
        doubt = doubts(
            known,
            self._network,
            self._model.nodes,
            self._model.open_branches,
            present.voltages_pu.keys(),
        )
        report = self._doubted(self._report(present, estimate, state, now_ms), doubt, known)
        state = replace(self._headroom(estimate, state, doubt, now_ms), since=_since(report))
        state = replace(state, report=_short(report, state.headroom))
        notes: dict[str, float | str] = {
            "nodes_out": float(report.nodes_out),
            "overloads": float(report.overloads),
            "losses_kw": round(report.losses_kw, 2),
            "model": report.quality.grade,
            "unknown": float(report.rests_on["unknown"]),
        }
        return Decision((), (), alarms(report), state, notes)

    def _report(
        self, present: Measured, estimate: Estimate, state: AwarenessState, now_ms: int
    ) -> Report:
        config, solution = self._config, estimate.solution
        modelled = solution.voltages_pu[self._judged]
        likely = np.where(modelled > 0.0, modelled + estimate.bias_pu[self._judged], 0.0)
        band = config.voltage_min_pu, config.voltage_max_pu
        out = violations(
            self._nodes, (modelled, likely), present.voltages_pu, band, state.since, now_ms
        )
        ratings_a = {name: one.rating_a for name, one in self._network.branches.items()}
        loaded = loadings(self._model.loadings(), ratings_a, state.since, now_ms)
        live = likely[modelled > 0.0]
        der_w = math.fsum(power_w for power_w, _ in present.injections.values())
        worst_pct, worst_bus = voltage_imbalance(self._nodes, likely, config.excluded_buses)
        seen = judge(state.meters, estimate.errors_pu)
        dark = unsupplied(
            self._network,
            self._zones,
            self._model.open_branches,
            float(estimate.multipliers[:, 0].mean()),
            state.since,
            now_ms,
        )
        return Report(
            time_ms=now_ms,
            converged=True,
            meters_good=len(estimate.errors_pu),
            nodes_out=len(out),
            violations=tuple(out),
            voltage_min_pu=float(live.min()) if live.size else None,
            voltage_max_pu=float(live.max()) if live.size else None,
            overloads=sum(one.since_ms is not None for one in loaded),
            loadings=tuple(loaded),
            head_kw=solution.power_w / 1e3,
            der_kw=der_w / 1e3,
            load_kw=(solution.power_w + der_w - solution.losses_w) / 1e3,
            losses_kw=solution.losses_w / 1e3,
            losses_pct=100.0 * solution.losses_w / max(solution.power_w + der_w, 1.0),
            voltage_imbalance_pct=worst_pct,
            imbalance_bus=worst_bus,
            head_imbalance_pct=imbalance_pct(solution.head_p_w.tolist()),
            islands=len(islands(self._network, self._model.open_branches)),
            unsupplied=dark,
            meters=seen,
            quality=quality(seen, _head_error_w(present, estimate)),
        )

    def _doubted(self, report: Report, doubt: Doubts, known: Known) -> Report:
        """The report with what each part of it rests on."""

        def branch(name: str) -> str:
            return next(filter(None, map(doubt.at, self._network.branches[name].ends)), "")

        return replace(
            report,
            violations=tuple(replace(v, doubt=doubt.of(v.node)) for v in report.violations),
            loadings=tuple(replace(one, doubt=branch(one.branch)) for one in report.loadings),
            unsupplied=tuple(replace(one, doubt=doubt.at(one.zone)) for one in report.unsupplied),
            rests_on=known.counts(),
            not_measured=tuple(
                state
                for basis in (Basis.UNKNOWN, Basis.FORECAST, Basis.ASSUMED)
                for state in known.of(basis)
            ),
        )

    def _headroom(
        self, estimate: Estimate, state: AwarenessState, doubt: Doubts, now_ms: int
    ) -> AwarenessState:
        """Find the headroom of the buses whose turn it is."""
        buses = list(self._probes)
        if not buses:
            return state
        config = self._config
        band = config.voltage_min_pu, config.voltage_max_pu
        search = HeadroomSearch(self._model, Limits(*band, estimate.bias_pu, self._judged))
        found = dict(state.headroom)
        count = min(config.headroom_per_cycle, len(buses))
        for number in range(state.turn, state.turn + count):
            bus = buses[number % len(buses)]
            probes = self._probes[bus]
            (hosting_w, above), (load_w, below) = (search.find(probes, sign) for sign in (1, -1))
            why = doubt.at(bus) or doubt.of(above) or doubt.of(below)
            found[bus] = Headroom(bus, hosting_w / 1e3, above, load_w / 1e3, below, now_ms, why)
        return replace(state, headroom=found, turn=(state.turn + count) % len(buses))


def _short(report: Report, headroom: Mapping[str, Headroom]) -> Report:
    """The report as it is kept and sent, with the headroom of every bus."""
    return replace(
        report,
        violations=report.violations[:_MOST_VIOLATIONS],
        loadings=report.loadings[:_MOST_LOADINGS],
        unsupplied=report.unsupplied[:_MOST_ZONES],
        meters=report.meters[:_MOST_METERS],
        not_measured=report.not_measured[:_MOST_STATES],
        headroom=tuple(headroom.values()),
    )


def _since(report: Report) -> dict[str, int]:
    """The faults of a look, to when they were first seen."""
    found = {voltage_key(one.node): one.since_ms for one in report.violations}
    found |= {supply_key(one.zone): one.since_ms for one in report.unsupplied}
    for one in report.loadings:
        if one.since_ms is not None:
            found[loading_key(one.branch)] = one.since_ms
    return found


def _head_error_w(present: Measured, estimate: Estimate) -> float | None:
    pairs = zip(present.head_p_w, estimate.solution.head_p_w.tolist(), strict=False)
    known = [measured_w - modelled_w for measured_w, modelled_w in pairs if measured_w is not None]
    return math.fsum(known) if known else None
