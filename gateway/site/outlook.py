"""What VVO looks ahead to: the feeder's load and its DERs' power as forecast."""

from __future__ import annotations

from gateway.apps.vvo.horizon import Ahead, Expected
from gateway.points.image import ProcessImage
from gateway.site.forecasts import LOAD, SiteForecasts

#: Loads are forecast between these shares of the present; a forecast outside is none.
_LEAST_LOAD, _MOST_LOAD = 0.2, 5.0


class Outlook:
    """Says what the site's forecasts expect.

    Args:
        forecasts: of the load, DERs and groups.
        steps, step_s: how far to look; 0 steps for not at all.
    """

    def __init__(self, forecasts: SiteForecasts, steps: int, step_s: float) -> None:
        self._forecasts = forecasts
        self._ahead_s = [step_s * number for number in range(1, steps + 1)]

    def __call__(self, image: ProcessImage) -> Expected:
        """No steps while of the load no more is known than its present."""
        found = [self._step(image.taken_ms, ahead_s) for ahead_s in self._ahead_s]
        steps = tuple(step for step in found if step is not None)
        now_w = self._forecasts.unread_w(image.taken_ms)
        return Expected(steps if len(steps) == len(found) else (), now_w)

    def _step(self, now_ms: int, ahead_s: float) -> Ahead | None:
        forecasts = self._forecasts
        present, later = forecasts.present(LOAD), forecasts.predict(LOAD, now_ms, ahead_s)
        if not forecasts.knows_more(LOAD, now_ms, ahead_s):
            return None
        if present is None or later is None or present <= 0.0:
            return None
        load = later.nominal / present
        if not _LEAST_LOAD <= load <= _MOST_LOAD:
            return None
        powers = {
            element: forecasts.predict(source, now_ms, ahead_s)
            for element, source in forecasts.elements.items()
        }
        return Ahead(load, {name: one.nominal for name, one in powers.items() if one is not None})
