"""When a group's status or forecast has changed enough to say so. Pure: times are arguments."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.groups.group import Group
from gateway.groups.messages import Forecast, Present, Quantity, QuantityRange

#: What a status event tells.
TOLD = (
    Quantity.ACTIVE_POWER,
    Quantity.REACTIVE_POWER,
    Quantity.APPARENT_POWER,
    Quantity.STATE,
    Quantity.CONNECTED,
)
_RANGED = TOLD[:3]
#: Those of which every change counts.
_DISCRETE = (Quantity.STATE, Quantity.CONNECTED)
#: Smallest deadband, W, var or VA, where no rating is known.
_LEAST = 100.0


@dataclass(frozen=True, slots=True)
class Status:
    """A group at one moment."""

    present: dict[Quantity, Present]
    ranges: dict[Quantity, QuantityRange]


@dataclass(slots=True)
class GroupWatch:
    """Compares a group with what was last told of it.

    Args:
        deadband_pct: change of a power, or of what is possible, worth an event: % of the rating.
    """

    deadband_pct: float
    _told: Status | None = field(default=None, init=False)
    _forecast: Forecast | None = field(default=None, init=False)

    def look(self, group: Group) -> tuple[list[str], Status]:
        """What has changed since the last event, in words, and the status now.

        The first look tells nothing: there is nothing to compare it with.
        """
        now = status_of(group)
        if self._told is None:
            self._told = now
            return [], now
        reasons = list(self._changes(self._told, now))
        if reasons:
            self._told = now
        return reasons, now

    def forecast_changed(self, forecast: Forecast, rating: float) -> bool:
        """Whether some interval's nominal value is another than told by more than the deadband."""
        told = self._forecast
        known = (
            {} if told is None else {(i.quantity, i.start_ms): i.nominal for i in told.intervals}
        )
        band = max(rating * self.deadband_pct / 100.0, _LEAST)
        pairs = [(known.get((i.quantity, i.start_ms)), i.nominal) for i in forecast.intervals]
        changed = not any(old is not None for old, _ in pairs) or any(
            old is not None and abs(new - old) > band for old, new in pairs
        )
        if changed:
            self._forecast = forecast
        return changed

    def _changes(self, old: Status, new: Status) -> list[str]:
        reasons = []
        for quantity, entry in new.present.items():
            before = old.present[quantity]
            if entry.good != before.good:
                reasons.append(f"{quantity} is {'good again' if entry.good else 'not good'}")
            elif entry.value is not None and before.value is not None:
                band = 0.0 if quantity in _DISCRETE else self._band(new, quantity)
                if abs(entry.value - before.value) > band:
                    reasons.append(f"{quantity} from {before.value:g} to {entry.value:g}")
        for quantity in _RANGED:
            if self._capability_changed(old, new, quantity):
                reasons.append(f"capability of {quantity}")  # noqa: PERF401 - told one by one
        return reasons

    def _capability_changed(self, old: Status, new: Status, quantity: Quantity) -> bool:
        before, after = old.ranges.get(quantity), new.ranges.get(quantity)
        if before is None or after is None:
            return (before is None) != (after is None)
        band = self._band(new, quantity)
        for was, now in ((before.now, after.now), (before.nameplate, after.nameplate)):
            if (was is None) != (now is None):
                return True
            if was is not None and now is not None:
                steps = (now.minimum - was.minimum, now.maximum - was.maximum)
                if max(abs(step) for step in steps) > band:
                    return True
        return False

    def _band(self, status: Status, quantity: Quantity) -> float:
        known = status.ranges.get(quantity)
        plate = None if known is None else known.nameplate
        rating = 0.0 if plate is None else max(abs(plate.minimum), abs(plate.maximum))
        return max(rating * self.deadband_pct / 100.0, _LEAST)


def status_of(group: Group) -> Status:
    """A group as it shows itself now."""
    ranges = {quantity: group.ranges(quantity) for quantity in _RANGED}
    known = {quantity: entry for quantity, entry in ranges.items() if entry is not None}
    return Status({quantity: group.present(quantity) for quantity in TOLD}, known)
