"""What DERs post, into points: readings, status, capability, settings, availability.

A reading counts from when it was taken. Ratings and settings stand as long as their client is in
contact; after a restart nothing counts before the client was heard again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.links.sep2.resources import Reading, ReadingType, Resource
from gateway.links.sep2.scaling import Displacement, Quantity
from gateway.model.clock import Clock
from gateway.model.quality import Quality

Indices = NDArray[np.intp]

#: Units of measure a profile may name, by ``UomType``.
UNITS: Mapping[str, int] = {
    "A": 5, "V": 29, "Hz": 33, "W": 38, "VA": 61, "var": 63, "PF": 65, "Wh": 72,
}  # fmt: skip
#: Phases a profile may name, by ``PhaseCode``; none takes the reading that names no phase.
PHASES: Mapping[str, int] = {
    "": 0, "C": 32, "CN": 33, "CA": 40, "B": 64, "BN": 65, "BC": 66,
    "A": 128, "AN": 129, "AB": 132, "ABC": 224,
}  # fmt: skip
_INSTANT = (0, 2, 6, 12)  # qualifiers of a value now; not an extreme of a period


class Sink(Protocol):
    """Where measurements go: the point store."""

    def update_block(
        self,
        indices: Indices,
        values: NDArray[np.float64],
        flags: NDArray[np.uint8],
        time_ms: int | NDArray[np.int64],
        *,
        synchronised: bool | NDArray[np.bool_] = False,
    ) -> None:
        """Take engineering values with their flags and times."""

    def touch(self, indices: Indices) -> bool:
        """These stand: their source answers. True where some were lost and not read since."""

    def mark_comm_lost(self, indices: Indices) -> None:
        """Keep the values, add COMM_LOST."""


@dataclass(frozen=True, slots=True)
class DerInput:
    """One measured point of a DER.

    Attributes:
        position: where it stands in the store.
        resource: ``Reading``, ``DERStatus``, ``DERCapability``, ``DERSettings``,
            ``DERAvailability``.
        name: field of that resource (``rtg_max_w``); of a reading its unit (``W``, ``V``).
        phase: of a reading, as :data:`PHASES` has it.
        bit: of a bit map, which; None for the value as it is.
        scale: turns the standard's number into engineering units.
        max_age_s: a value that was taken longer ago when it arrives is not shown.
    """

    position: int
    resource: str
    name: str
    phase: str = ""
    bit: int | None = None
    scale: float = 1.0
    max_age_s: float = math.inf


class Telemetry:
    """The measured points of one DER.

    Args:
        inputs: its points.
        sink: the store.
        clock: stamps what has no time of its own.
    """

    def __init__(self, inputs: Sequence[DerInput], sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._by_resource: dict[str, list[DerInput]] = {}
        for one in inputs:
            self._by_resource.setdefault(one.resource, []).append(one)
        standing = [one.position for one in inputs if one.resource in _STANDING]
        self._standing = np.array(standing, dtype=np.intp)
        self._flows: dict[tuple[int, int], dict[int, float]] = {}

    def take(self, resource: Resource) -> None:
        """A status, capability, settings or availability that was posted."""
        found = [
            (one, value)
            for one in self._by_resource.get(type(resource).__name__, ())
            if (value := _value(getattr(resource, one.name), one)) is not None
        ]
        read_s: int | None = getattr(resource, "reading_time", None)
        self._put(found, None if read_s is None else 1000 * read_s)

    def reading(self, kind: ReadingType, reading: Reading) -> None:
        """One reading of a mirrored meter; positive is what the DER delivers."""
        if reading.value is None or (kind.data_qualifier or 0) not in _INSTANT:
            return
        number = reading.value * 10.0 ** (kind.power_of_ten_multiplier or 0)
        what = (kind.uom or 0, kind.phase or 0)
        flow = kind.flow_direction or 0
        flows = self._flows.setdefault(what, {})
        flows[flow] = -number if flow == _REVERSE else number
        if flow in (_FORWARD, _REVERSE):
            number = flows.get(_FORWARD, 0.0) + flows.get(_REVERSE, 0.0)
        period = reading.time_period
        ended = None if period is None else period.start + period.duration
        questionable = bool((reading.quality_flags or 0) & _QUESTIONABLE)
        found = [
            (one, number * one.scale)
            for one in self._by_resource.get("Reading", ())
            if what == (UNITS[one.name], PHASES[one.phase])
        ]
        self._put(found, None if ended is None else 1000 * ended, questionable=questionable)

    def contact(self) -> bool:
        """The client was heard: what stands until it says otherwise stands.

        Returns:
            Whether some of it was lost and has to be taken anew.
        """
        return bool(self._standing.size) and self._sink.touch(self._standing)

    def _put(
        self,
        found: Sequence[tuple[DerInput, float]],
        taken_ms: int | None,
        *,
        questionable: bool = False,
    ) -> None:
        now_ms = self._clock.utc_ms()
        time_ms = now_ms if taken_ms is None else taken_ms
        # what was taken long ago comes late: it must not look live
        fresh = [(o, v) for o, v in found if now_ms - time_ms <= 1000 * o.max_age_s]
        if not fresh:
            return
        positions = np.array([one.position for one, _ in fresh], dtype=np.intp)
        values = np.array([value for _, value in fresh], dtype=np.float64)
        quality = Quality.ONLINE | (Quality.REFERENCE_ERR if questionable else Quality.OFFLINE)
        flags = np.full(len(fresh), int(quality), dtype=np.uint8)
        self._sink.update_block(positions, values, flags, time_ms, synchronised=True)


_STANDING = ("DERCapability", "DERSettings")
#: ``FlowDirectionType``: of a DER's meter forward is what it delivers.
_FORWARD, _REVERSE = 1, 19
#: ``QualityFlags``: bit 4, questionable.
_QUESTIONABLE = 1 << 4


def _value(raw: object, one: DerInput) -> float | None:
    """A field's number: plain, with a multiplier, or inside a status with its time."""
    if hasattr(raw, "date_time"):
        raw = raw.value  # type: ignore[attr-defined]
    if isinstance(raw, Quantity | Displacement):
        # absorbed vars are negative in the standard, and positive from some clients
        number = abs(raw.number) if one.name.endswith("_neg") else raw.number
        return number * one.scale
    if isinstance(raw, bool | int):
        return float(raw >> one.bit & 1) if one.bit is not None else raw * one.scale
    return None
