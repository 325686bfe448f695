"""What is out of its limits, and how unevenly the phases are loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.apps.awareness.report import Loading, Violation
from gateway.grid.powerflow import PHASES

Array = NDArray[np.float64]
#: Keys of the present faults to the UTC ms of the first look that found them.
Since = Mapping[str, int]


def violations(
    nodes: Sequence[str],
    voltages: tuple[Array, Array],
    measured_pu: Mapping[str, float],
    band: tuple[float, float],
    since: Since,
    now_ms: int,
) -> list[Violation]:
    """Live nodes out of the band, worst first.

    Args:
        nodes: those that are judged.
        voltages: modelled, and modelled with the bias, each of shape (nodes,).
        measured_pu: by node, good meters only.
        band: least and most, pu.
        since: of the last look.
        now_ms: UTC ms.
    """
    found = []
    for node, modelled, likely in zip(nodes, *voltages, strict=True):
        measured = measured_pu.get(node)
        value = float(likely) if measured is None else measured
        if modelled > 0.0 and not band[0] <= value <= band[1]:
            began_ms = since.get(voltage_key(node), now_ms)
            found.append(Violation(node, value, float(modelled), measured, began_ms))
    return sorted(found, key=lambda one: -max(band[0] - one.voltage_pu, one.voltage_pu - band[1]))


def loadings(
    shares: Mapping[str, float], ratings_a: Mapping[str, float], since: Since, now_ms: int
) -> list[Loading]:
    """Every branch with a rating, highest loading first."""
    found = [
        Loading(
            branch,
            100.0 * share,
            ratings_a[branch],
            since.get(loading_key(branch), now_ms) if share > 1.0 else None,
        )
        for branch, share in shares.items()
    ]
    return sorted(found, key=lambda one: -one.loading_pct)


def voltage_imbalance(
    nodes: Sequence[str], volts: Array, excluded: Collection[str]
) -> tuple[float | None, str]:
    """Largest deviation from the phases' mean, %, at a live three-phase bus; and that bus."""
    by_bus: dict[str, list[float]] = {}
    for node, volt in zip(nodes, volts.tolist(), strict=True):
        bus, _, phase = node.partition(".")
        if volt > 0.0 and phase in map(str, PHASES) and bus not in excluded:
            by_bus.setdefault(bus, []).append(volt)
    found = [
        (imbalance_pct(values), bus) for bus, values in by_bus.items() if len(values) == len(PHASES)
    ]
    return max(found, default=(None, ""), key=lambda one: one[0] or 0.0)


def imbalance_pct(values: Sequence[float]) -> float:
    """Largest deviation from the mean, % of the mean; 0 where the mean is."""
    mean = sum(values) / len(values)
    return 100.0 * max(abs(value - mean) for value in values) / abs(mean) if mean else 0.0


def voltage_key(node: str) -> str:
    """A node's key among the faults."""
    return f"voltage {node}"


def loading_key(branch: str) -> str:
    """A branch's key among the faults."""
    return f"loading {branch}"


def supply_key(zone: str) -> str:
    """A zone's key among the faults."""
    return f"supply {zone}"
