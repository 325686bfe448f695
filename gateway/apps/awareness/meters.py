"""Meters against the model: each one's error over time, and which cannot be the model's fault."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from gateway.apps.awareness.report import Meter, Quality

#: Weight of a new error once there are enough; before, the plain mean.
_WEIGHT = 0.05
#: Scaled median deviation of a normal distribution; a score beyond the limit is an outlier
#: (Iglewicz and Hoaglin's rule), where enough meters are there to say what is usual.
_PER_SIGMA, _OUTLIER, _FEWEST = 1.4826, 3.5, 5
#: No meters agree better than this, pu: closer ones make no outlier of the next.
_FLOOR_PU = 0.002
#: Errors up to which a model is good, and fair.
_GOOD_PU, _FAIR_PU = 0.005, 0.015


@dataclass(frozen=True, slots=True)
class Seen:
    """A meter's past: mean and variance of its error, pu, and how many looks they are of."""

    mean_pu: float = 0.0
    variance_pu2: float = 0.0
    looks: int = 0

    def and_now(self, error_pu: float) -> Seen:
        """The past with one look more."""
        looks = self.looks + 1
        weight = max(1.0 / looks, _WEIGHT)
        apart = error_pu - self.mean_pu
        variance = (1.0 - weight) * (self.variance_pu2 + weight * apart * apart)
        return Seen(self.mean_pu + weight * apart, variance, looks)


def watch(past: Mapping[str, Seen], errors_pu: Mapping[str, float]) -> dict[str, Seen]:
    """Every meter's past with this look; one that is lost keeps its own."""
    now = {node: past.get(node, Seen()).and_now(error) for node, error in errors_pu.items()}
    return {**past, **now}


def judge(seen: Mapping[str, Seen], errors_pu: Mapping[str, float]) -> tuple[Meter, ...]:
    """Every meter that is good now, the most suspect first."""
    means = {node: seen[node].mean_pu for node in errors_pu}
    middle = median(means.values()) if means else 0.0
    spread = median(abs(mean - middle) for mean in means.values()) if means else 0.0
    deviation = max(_PER_SIGMA * spread, _FLOOR_PU)
    found = [
        Meter(
            node=node,
            error_pu=error,
            mean_pu=means[node],
            sigma_pu=math.sqrt(seen[node].variance_pu2),
            score=(means[node] - middle) / deviation,
            suspect=len(means) >= _FEWEST and abs(means[node] - middle) > _OUTLIER * deviation,
        )
        for node, error in errors_pu.items()
    ]
    return tuple(sorted(found, key=lambda meter: -abs(meter.score)))


def quality(meters: tuple[Meter, ...], head_error_w: float | None) -> Quality:
    """How well the model fits those meters that are believed."""
    errors = [meter.error_pu for meter in meters if not meter.suspect]
    head_error_kw = None if head_error_w is None else head_error_w / 1e3
    if not errors:
        return Quality(None, head_error_kw, "unknown")
    rms_pu = math.sqrt(sum(error * error for error in errors) / len(errors))
    grade = "good" if rms_pu <= _GOOD_PU else "fair" if rms_pu <= _FAIR_PU else "poor"
    return Quality(rms_pu, head_error_kw, grade)
