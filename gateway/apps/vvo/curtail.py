"""Real power as the last resort: limiting a DER or a group where nothing else mends a voltage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from gateway.apps.vvo.config import Curtailment, VvoConfig
from gateway.apps.vvo.problem import Control
from gateway.grid.estimate import Measured
from gateway.grid.known import Basis
from gateway.groups.der_points import LIMIT_BITES
from gateway.groups.messages import GroupReply, Quantity, Result
from gateway.model.der import Range
from gateway.points.image import ProcessImage

#: A limit that has held nothing back for so long is lifted; clouds are shorter.
LIFT_AFTER_MS = 900_000


@dataclass(frozen=True, slots=True)
class Potential:
    """What a DER or group gives if it is let.

    Attributes:
        peak_w: the most seen since its limit came; what it gives where there is none.
        now_w: what it would give now: the peak while the limit holds it, else what it gives.
        limit_w: in force; None where there is none, or it is not known.
        idle_ms: since when the limit has held nothing back, UTC ms; None while it does.
    """

    peak_w: float
    now_w: float
    limit_w: float | None = None
    idle_ms: int | None = None

    def is_idle(self, now_ms: int) -> bool:
        """Whether the limit may go: it has held nothing back for long."""
        return self.idle_ms is not None and now_ms - self.idle_ms >= LIFT_AFTER_MS


@dataclass(frozen=True, slots=True)
class GroupLimit:
    """A limit asked of a group.

    Attributes:
        message_id, asked_w: of the last request; None asked for an end.
        held_w: what the group said it holds; None for no limit, and before it answered.
        answered_ms: when it answered last; 0 before.
        unmet_ms: when it refused, or gave only a part; None where it did as asked.
    """

    message_id: str
    asked_w: float | None
    held_w: float | None = None
    answered_ms: int = 0
    unmet_ms: int | None = None

    def answered(self, reply: GroupReply, now_ms: int) -> GroupLimit:
        """With what the group answered."""
        if reply.result is Result.FAILED:
            return replace(self, answered_ms=now_ms, unmet_ms=now_ms)
        told = next((h.held for h in reply.held if h.quantity is Quantity.ACTIVE_POWER), None)
        # a part that is not said may still be in force: it must be ended one day
        held_w = None if self.asked_w is None else self.asked_w if told is None else told
        unmet_ms = now_ms if reply.result is Result.PARTIAL else None
        return replace(self, held_w=held_w, answered_ms=now_ms, unmet_ms=unmet_ms)

    def bounded(self, power_w: float, time_ms: int) -> float:
        """A power as a status of that time said it, less what the limit has taken since."""
        is_older = self.held_w is not None and time_ms <= self.answered_ms
        return min(power_w, self.held_w) if is_older and self.held_w is not None else power_w

    def rests(self, now_ms: int, ask_again_s: float) -> bool:
        """Whether it is no use to ask again now."""
        return self.unmet_ms is not None and 0 <= now_ms - self.unmet_ms < 1000 * ask_again_s


def limit_w(image: ProcessImage, curtailment: Curtailment) -> float | None:
    """A DER's limit in force, W; None where it is off or not readable."""
    limit_pct, rating_w = (
        image.good_value(curtailment.limit),
        image.good_value(curtailment.rating_w),
    )
    if limit_pct is None or rating_w is None or image.good_value(curtailment.enable) != 1.0:
        return None
    return limit_pct * rating_w / 100.0


def potentials(
    config: VvoConfig,
    image: ProcessImage,
    present: Measured,
    limits: Mapping[str, GroupLimit],
    before: Mapping[str, Potential],
    now_ms: int,
) -> dict[str, Potential]:
    """What everything gives that may be limited, by element; what is not readable as it was.

    Args:
        config: bindings.
        image: the frozen points.
        present: what is known of the feeder.
        limits: what was asked of groups, by group.
        before: of the last cycle.
        now_ms: UTC ms.
    """
    found = dict(before)
    for element, power_w, in_force_w in _limited(config, image, present, limits):
        known = before.get(element)
        if in_force_w is None:
            found[element] = Potential(power_w, power_w)
            continue
        peak_w = power_w if known is None else max(power_w, known.peak_w)
        if power_w >= (1.0 - LIMIT_BITES) * in_force_w:
            found[element] = Potential(peak_w, peak_w, in_force_w)
        else:
            idle_ms = now_ms if known is None or known.idle_ms is None else known.idle_ms
            found[element] = Potential(peak_w, power_w, in_force_w, min(idle_ms, now_ms))
    return found


def watt_control(element: str, known: Potential | None, possible: Range | None) -> Control | None:
    """A real power as a control; None where there is none to take.

    Args:
        element: whose.
        known: what it gives.
        possible: what it can do now, W; None where it did not say.
    """
    if known is None:
        return None
    least_w, most_w = 0.0, known.now_w
    if possible is not None:
        least_w, most_w = max(possible.minimum, 0.0), min(most_w, possible.maximum)
    if most_w <= least_w:
        return None
    present_w = most_w if known.limit_w is None else min(known.limit_w, most_w)
    return Control(element, "watt", least_w, most_w, max(present_w, least_w))


def _limited(
    config: VvoConfig, image: ProcessImage, present: Measured, limits: Mapping[str, GroupLimit]
) -> Iterator[tuple[str, float, float | None]]:
    """Element, power and limit of everything that may be limited and can be read."""
    for der in config.ders:
        power_w = image.good_value(der.power)
        if der.curtailment is not None and power_w is not None:
            yield der.element, power_w, limit_w(image, der.curtailment)
    measured = {state.element for state in present.known.of(Basis.MEASURED)}
    for group in config.groups:
        known = limits.get(group.group_id)
        if group.curtail and group.element in measured:
            power_w, _ = present.injections[group.element]
            yield group.element, power_w, None if known is None else known.held_w
