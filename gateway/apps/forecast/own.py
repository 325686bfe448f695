"""Reading one value out of the forecast that a group sent."""

from __future__ import annotations

from gateway.apps.forecast.scores import Claim
from gateway.groups.messages import Forecast, ForecastInterval, Interpolation, Quantity
from gateway.model.der import Range


def at(forecast: Forecast, quantity: Quantity, time_ms: int) -> Claim | None:
    """The forecast of a quantity for a time; None outside its span.

    A STEP interval holds until the next; LINEAR goes straight to the next one's value, and the
    last holds for its interval.
    """
    intervals = sorted(
        (one for one in forecast.intervals if one.quantity is quantity),
        key=lambda one: one.start_ms,
    )
    begun = [one for one in intervals if one.start_ms <= time_ms]
    if not begun:
        return None
    now = begun[-1]
    if time_ms >= now.start_ms + 1000.0 * forecast.interval_s and now is intervals[-1]:
        return None
    later = intervals[len(begun)] if len(begun) < len(intervals) else now
    if forecast.interpolation is Interpolation.STEP or later is now:
        return _claim(now, now, 0.0, forecast.confidence_pct)
    share = (time_ms - now.start_ms) / (later.start_ms - now.start_ms)
    return _claim(now, later, share, forecast.confidence_pct)


def _claim(
    first: ForecastInterval, second: ForecastInterval, share: float, confidence_pct: float
) -> Claim:
    def between(one: float, other: float) -> float:
        return one + share * (other - one)

    nominal = between(first.nominal, second.nominal)
    low, high = between(first.minimum, second.minimum), between(first.maximum, second.maximum)
    band = Range(min(low, nominal), max(high, nominal))
    return Claim(nominal, 1.0, band, confidence_pct / 100.0)
