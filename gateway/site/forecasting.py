"""Sampling groups' output and answering forecast requests from it."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.apps.forecast.persistence import CONFIDENCE_PCT, History, forecast
from gateway.groups.backend import PointGroup
from gateway.groups.group import Group
from gateway.groups.messages import Forecast, ForecastInterval, ForecastRequest, Quantity
from gateway.model.der import Range
from gateway.site.member_forecasts import MOST_MEMBERS, MemberPast

SAMPLE_EVERY_S = 5.0
_FORECAST = (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER)


class GroupForecaster:
    """Keeps the recent output of every group.

    Args:
        groups: group id to group.
        by_member: follow members one by one, and add their forecasts up where that can be.
    """

    def __init__(self, groups: Mapping[str, Group], *, by_member: bool = False) -> None:
        self._groups = dict(groups)
        self._past = {
            (name, quantity): History(SAMPLE_EVERY_S) for name in groups for quantity in _FORECAST
        }
        self._members = {
            name: MemberPast(group, SAMPLE_EVERY_S)
            for name, group in groups.items()
            if by_member and isinstance(group, PointGroup) and 1 < len(group.views) <= MOST_MEMBERS
        }

    def follow(self, name: str, group: Group | None) -> None:
        """Take a group that was made or changed; None for one that is no more."""
        self._members.pop(name, None)
        for quantity in _FORECAST:
            self._past.pop((name, quantity), None)
            if group is not None:
                self._past[name, quantity] = History(SAMPLE_EVERY_S)
        if group is None:
            self._groups.pop(name, None)
        else:
            self._groups[name] = group

    def sample(self) -> None:
        """Take one sample of every group; call it every ``SAMPLE_EVERY_S``."""
        for (name, quantity), history in self._past.items():
            present = self._groups[name].present(quantity)
            # a gap keeps its place: what was measured before an outage is not the present
            history.add(present.value if present.good else None)
        for members in self._members.values():
            members.sample()

    def __call__(self, request: ForecastRequest, now_ms: int) -> Forecast | None:
        """Forecast what a request asks for; None where some of it cannot be."""
        group = self._groups[request.address.group_id]
        begin_ms = request.start_ms or now_ms
        step_ms = round(request.interval_s * 1000)
        starts_ms = [begin_ms + number * step_ms for number in range(request.intervals)]
        entries: list[ForecastInterval] = []
        for quantity in request.quantities:
            history = self._past.get((request.address.group_id, quantity))
            known = group.ranges(quantity)
            bounds = known.nameplate if known is not None else None
            members = self._members.get(request.address.group_id)
            made = None if members is None else members.forecast(quantity, starts_ms, now_ms)
            if made is None and history is not None:
                made = forecast(history, bounds or Range(-1e12, 1e12), starts_ms, now_ms)
            if made is None:
                return None
            entries += [
                ForecastInterval(
                    start_ms=interval.start_ms,
                    quantity=quantity,
                    nominal=interval.nominal,
                    minimum=interval.minimum,
                    maximum=interval.maximum,
                )
                for interval in made
            ]
        return Forecast(
            created_ms=now_ms,
            confidence_pct=CONFIDENCE_PCT,
            interpolation=request.interpolation,
            interval_s=request.interval_s,
            intervals=tuple(entries),
        )
