"""Recent output of every member of a group, for a forecast that adds theirs up."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from gateway.apps.forecast.aggregate import aggregate
from gateway.apps.forecast.persistence import Interval
from gateway.groups.backend import PointGroup
from gateway.groups.messages import Quantity

#: Members of larger groups are not followed one by one; samples kept, an hour of them.
MOST_MEMBERS, _KEPT = 500, 720


class MemberPast:
    """Samples of every member of one group.

    Args:
        group: whose members.
        spacing_s: between samples.
    """

    def __init__(self, group: PointGroup, spacing_s: float) -> None:
        self._group = group
        self._spacing_s = spacing_s
        self._past: dict[Quantity, deque[NDArray[np.float64]]] = {
            quantity: deque(maxlen=_KEPT)
            for quantity in (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER)
        }

    def sample(self) -> None:
        """Take one sample of every member."""
        seen = self._group.look()
        own = {
            Quantity.ACTIVE_POWER: seen.power_w,
            Quantity.REACTIVE_POWER: seen.reactive_var,
        }
        for quantity, past in self._past.items():
            shown = [other.present(quantity) for other in self._group.others]
            others = [one.value if one.good and one.value is not None else np.nan for one in shown]
            past.append(np.array([*own[quantity], *others]))

    def forecast(
        self, quantity: Quantity, starts_ms: list[int], now_ms: int
    ) -> list[Interval] | None:
        """The sum of members' forecasts; None where a member cannot be forecast."""
        past = np.array(self._past.get(quantity, ()))
        plate, others = self._group.look().plate, self._group.others
        low, high = plate.power_min_w, plate.power_max_w
        if quantity is Quantity.REACTIVE_POWER:
            low, high = plate.reactive_min_var, plate.reactive_max_var
        known = [entry.nameplate for o in others if (entry := o.ranges(quantity)) is not None]
        ends = [range_ for range_ in known if range_ is not None]
        low = np.array([*low, *(range_.minimum for range_ in ends)])
        high = np.array([*high, *(range_.maximum for range_ in ends)])
        if not past.size or past.shape[1] != len(low) or np.isnan(low + high).any():
            return None
        made = (
            aggregate(past, low, high, self._spacing_s, start_ms, max(start_ms - now_ms, 0) / 1000)
            for start_ms in starts_ms
        )
        intervals = [interval for interval in made if interval is not None]
        return intervals if len(intervals) == len(starts_ms) else None
