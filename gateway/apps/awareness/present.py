"""What the image says of the feeder, now."""

from __future__ import annotations

import math

from gateway.apps.awareness.config import AwarenessConfig
from gateway.grid.estimate import Measured
from gateway.points.image import ProcessImage


def measured(config: AwarenessConfig, image: ProcessImage) -> Measured:
    """Positions and injections as last seen; head flows and voltages of good meters only."""
    taps = {element: _last(image, point) for element, point in config.taps}
    capacitors = {element: _last(image, point) for element, point in config.capacitors}
    switches = {element: _last(image, point) for element, point in config.switches}
    volts = {node: image.good_value(point) for node, point in config.voltages}
    return Measured(
        taps={element: round(tap) for element, tap in taps.items() if tap is not None},
        capacitors={name: own >= 0.5 for name, own in capacitors.items() if own is not None},
        switches={name: own >= 0.5 for name, own in switches.items() if own is not None},
        injections={
            own.element: (_sum(image, own.power), _sum(image, own.reactive_power))
            for own in config.injections
        },
        head_p_w=[image.good_value(point) for point in config.head_p],
        head_q_var=[image.good_value(point) for point in config.head_q],
        voltages_pu={node: volt for node, volt in volts.items() if volt is not None},
    )


def _sum(image: ProcessImage, points: tuple[str, ...]) -> float:
    return math.fsum(_last(image, point) or 0.0 for point in points)


def _last(image: ProcessImage, point: str) -> float | None:
    """The last value known, good or lost; None where there has been none."""
    if point not in image:
        return None
    value = image[point].value
    return value if math.isfinite(value) else None
