"""How much more a bus could take: tried on the full power flow until the first limit is met.

Taps, capacitors and switches stay as they are. A limit that is not kept already counts as met
where what is tried makes it worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.grid.powerflow import PowerFlow

#: Where a search begins, and how exactly it ends, W and as a share.
_FIRST_W, _NEAR_W, _NEAR_SHARE = 50e3, 500.0, 0.002
#: The search goes no further than this many times the feeder's nominal load.
_MOST_LOADS = 10.0
#: What solving again may change without anything being worse, pu and as a share of a rating.
_NOISE = 2e-6
#: What is said to be met where the power flow does not converge.
NOT_SOLVED = "power flow"


@dataclass(frozen=True, slots=True)
class Limits:
    """The band and where it counts.

    Attributes:
        bias_pu: added to modelled voltages, shape (nodes,).
        judged: which nodes count, shape (nodes,).
    """

    voltage_min_pu: float
    voltage_max_pu: float
    bias_pu: NDArray[np.float64]
    judged: NDArray[np.bool_]


class HeadroomSearch:
    """Searches on a model that stands at the present state, and leaves it there.

    Args:
        model: set to the present state; probes at nothing.
        limits: what must hold.
        most_w: the search goes no further; ten times the feeder's nominal load where None.
    """

    def __init__(self, model: PowerFlow, limits: Limits, most_w: float | None = None) -> None:
        self._model = model
        self._limits = limits
        load_w = sum(va.real for va in model.network.loads_va.values())
        self._most_w = _MOST_LOADS * load_w if most_w is None else most_w
        nodes = [n for n, own in zip(model.nodes, limits.judged, strict=True) if own]
        present = self._excess()
        self._names = (*nodes, *model.loadings())
        self._allowed = None if present is None else np.maximum(present, 0.0) + _NOISE

    def find(self, probes: Sequence[str], sign: float) -> tuple[float, str]:
        """The most power, W, that holds, and what is met just beyond.

        Args:
            probes: DERs that share it equally, at nothing now.
            sign: 1 for generation, -1 for load.
        """
        limit = self._met(probes, 0.0)
        if limit:
            return 0.0, limit
        low_w, high_w = 0.0, min(_FIRST_W, self._most_w)
        while not (limit := self._met(probes, sign * high_w)):
            if high_w >= self._most_w:
                self._put(probes, 0.0)
                return high_w, ""
            low_w, high_w = high_w, min(2.0 * high_w, self._most_w)
        while high_w - low_w > max(_NEAR_W, _NEAR_SHARE * low_w):
            middle_w = (low_w + high_w) / 2.0
            if met := self._met(probes, sign * middle_w):
                high_w, limit = middle_w, met
            else:
                low_w = middle_w
        self._put(probes, 0.0)
        return low_w, limit

    def _met(self, probes: Sequence[str], power_w: float) -> str:
        """What does not hold with so much injected; empty where all does."""
        self._put(probes, power_w)
        excess = self._excess()
        if excess is None or self._allowed is None:
            self._put(probes, 0.0)
            self._model.solve()  # the next try must not begin where this one went astray
            return NOT_SOLVED
        beyond = excess - self._allowed
        worst = int(beyond.argmax()) if beyond.size else 0
        return self._names[worst] if beyond.size and beyond[worst] > 0.0 else ""

    def _put(self, probes: Sequence[str], power_w: float) -> None:
        for probe in probes:
            self._model.set_injection(probe, power_w / len(probes), 0.0)

    def _excess(self) -> NDArray[np.float64] | None:
        """How far each judged node is out of the band, pu, then each branch above its rating."""
        solution = self._model.solve()
        if not solution.converged:
            return None
        limits, judged = self._limits, self._limits.judged
        volts = solution.voltages_pu[judged]
        held = volts + limits.bias_pu[judged]
        outside = np.maximum(held - limits.voltage_max_pu, limits.voltage_min_pu - held)
        outside = np.where(volts > 0.0, outside, -1.0)  # a dead node has no band to keep
        over = np.array([*self._model.loadings().values()], np.float64) - 1.0
        return np.concatenate([outside, over])
