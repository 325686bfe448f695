"""What VVO looks ahead to: the feeder's load and its DERs' power as of yesterday."""

from __future__ import annotations

from gateway.apps.forecast.daily import as_yesterday
from gateway.apps.forecast.persistence import History
from gateway.apps.vvo.config import VvoConfig
from gateway.apps.vvo.horizon import Ahead, Horizon
from gateway.points.image import ProcessImage

_SPACING_S = 60.0
#: Loads are forecast between these shares of the present; a forecast outside is none.
_LEAST_LOAD, _MOST_LOAD = 0.2, 5.0


class Outlook:
    """Keeps the recent past of load and DERs, and makes horizons of it.

    Args:
        config: says which points are meters.
        steps, step_s: how far to look; 0 steps for not at all.
        cycle_s: how often it is called.
    """

    def __init__(self, config: VvoConfig, steps: int, step_s: float, cycle_s: float) -> None:
        self._head = config.head_p
        self._ders = {der.element: der.power for der in config.ders}
        self._ahead_s = [step_s * number for number in range(1, steps + 1)]
        spacing_s = max(_SPACING_S, cycle_s)
        self._load = History(spacing_s)
        self._power = {element: History(spacing_s) for element in self._ders}
        self._due_ms = 0

    def __call__(self, image: ProcessImage) -> Horizon:
        """Take a sample where it is time; the horizon, empty while nothing can be forecast."""
        powers_w = {element: image.good_value(point) for element, point in self._ders.items()}
        if not 0 < self._due_ms - image.taken_ms <= self._load.spacing_s * 1000:
            self._due_ms = image.taken_ms + round(self._load.spacing_s * 1000)
            self._load.add(self._load_w(image, powers_w))
            for element, power_w in powers_w.items():
                self._power[element].add(power_w)
        steps = [self._step(ahead_s) for ahead_s in self._ahead_s]
        return tuple(step for step in steps if step is not None) if all(steps) else ()

    def _load_w(self, image: ProcessImage, powers_w: dict[str, float | None]) -> float | None:
        head = [image.good_value(point) for point in self._head]
        measured = [*head, *powers_w.values()]
        known = [value for value in measured if value is not None]
        return sum(known) if head and len(known) == len(measured) else None

    def _step(self, ahead_s: float) -> Ahead | None:
        present, later = self._load.last, as_yesterday(self._load, ahead_s)
        if present is None or later is None or present <= 0.0:
            return None
        load = later / present
        if not _LEAST_LOAD <= load <= _MOST_LOAD:
            return None
        powers = {name: as_yesterday(past, ahead_s) for name, past in self._power.items()}
        return Ahead(load, {name: max(p, 0.0) for name, p in powers.items() if p is not None})
