"""Points and their measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from gateway.model.quality import Quality


class PointKind(StrEnum):
    """Kinds of point as IEEE 1815 names them."""

    BI = "BI"
    DBI = "DBI"
    AI = "AI"
    CTR = "CTR"
    BO = "BO"
    AO = "AO"

    @property
    def is_output(self) -> bool:
        """True for the kinds that take commands (BO, AO)."""
        return self in (PointKind.BO, PointKind.AO)


@dataclass(frozen=True, slots=True)
class PointSpec:
    """What a point is, apart from where it comes from.

    Attributes:
        id: ``device.name``, unique in a site.
        kind: IEEE 1815 kind.
        unit: engineering unit symbol (``W``, ``var``, ``V``, ``pu``, ``pct``, ``1``).
        minimum, maximum: engineering limits. A measurement outside is published OVER_RANGE; a
            command outside is refused by the interlock.
        deadband: smallest change worth an event, engineering units; 0 reports every change.
        max_age_s: age at which the value turns COMM_LOST.
        event_class: IEEE 1815 event class 1..3, 0 for none.
        states: names of a binary's states, off first.
        act: whether applications may command it (outputs only); else they only advise.
        rate_per_min: most commands a minute the interlock lets through; 0 is no limit.
    """

    id: str
    kind: PointKind
    unit: str = "1"
    minimum: float = -math.inf
    maximum: float = math.inf
    deadband: float = 0.0
    max_age_s: float = 10.0
    event_class: int = 2
    states: tuple[str, ...] = ()
    act: bool = False
    rate_per_min: int = 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value of a point.

    Attributes:
        value: engineering units; binaries are 0.0 or 1.0.
        quality: IEEE 1815 flags.
        time_ms: the source's time, UTC milliseconds since 1970; the arrival time where the
            source has no clock.
        synchronised: whether ``time_ms`` came from a synchronised source clock.
    """

    value: float
    quality: Quality
    time_ms: int
    synchronised: bool = False

    @property
    def is_good(self) -> bool:
        """Whether control logic may use this value."""
        return self.quality.is_good and math.isfinite(self.value)


#: What a point is before its first reading: never ONLINE, so nothing can act on it.
NEVER_READ = Measurement(math.nan, Quality.RESTART | Quality.COMM_LOST, 0)
