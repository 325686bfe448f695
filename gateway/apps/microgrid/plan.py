"""The economic plan as it is kept: free of the solver that made it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EconomicPlan:
    """What to do, a value a step.

    Attributes:
        storage_w: of the batteries together; discharge positive.
        generator_w: of the sets together.
        cost: of the horizon, in the currency of the prices.
        made_ms: UTC ms.
        step_s: length of a step.
    """

    storage_w: tuple[float, ...]
    generator_w: tuple[float, ...]
    cost: float
    made_ms: int
    step_s: float

    def storage_now_w(self, now_ms: int) -> float | None:
        """What the batteries are to give now; None once the plan is over."""
        step = int((now_ms - self.made_ms) / (1000 * self.step_s))
        return self.storage_w[step] if 0 <= step < len(self.storage_w) else None
