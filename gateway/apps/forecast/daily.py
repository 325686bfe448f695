"""Daily forecast: from the present on, a value moves as it did a day ago."""

from __future__ import annotations

from gateway.apps.forecast.persistence import History

_DAY_S = 86_400.0


def as_yesterday(history: History, ahead_s: float) -> float | None:
    """The value in ``ahead_s``; None until a day of history is there, and across its gaps.

    Args:
        history: the quantity's past.
        ahead_s: at most a day.
    """
    last, then, after = history.last, history.ago(_DAY_S), history.ago(_DAY_S - ahead_s)
    if last is None or then is None or after is None:
        return None
    return last + after - then
