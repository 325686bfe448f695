"""An outage without FLISR: relays act, a dispatcher and a crew switch by hand, DERs wait.

What the crew does and when is the scenario's assumption; nothing here finds or decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hil.devices.protection import Protection
from hil.plant.world import Plant, Snapshot
from hil.scenario import HandStep, Outage, Scenario

#: Simulated seconds after voltage returned at which a DER does: IEEE 1547's default for entering
#: service (edition not verified).
ENTER_SERVICE_S = 300.0
#: Time after a step by hand in which relays get short steps.
_WATCH_S = 30.0


@dataclass(slots=True)
class ByHand:
    """Relays, crew and DERs of one uncontrolled run."""

    scenario: Scenario
    outage: Outage
    _relays: dict[str, Protection] = field(init=False)
    _left: list[HandStep] = field(init=False)
    _lost_at_s: dict[str, float] = field(default_factory=dict)
    _lockout_s: float | None = None
    _watch_until_s: float = 0.0

    def __post_init__(self) -> None:
        self._relays = {
            s.name: Protection(s.kind, s.pickup_a, closed=s.closed) for s in self.scenario.switch
        }
        self._left = list(self.outage.by_hand)

    def see(self, plant: Plant, snapshot: Snapshot) -> float:
        """Take a step's truth, tell the plant what is switched, and say how long the next step is.

        Raises:
            KeyError: the snapshot is of another scenario.
        """
        now_s = snapshot.time_s
        elapsed_s = self.scenario.step_s  # a relay never sees more of a fault than one short step
        for name, relay in self._relays.items():
            flow = snapshot.switches[name]
            relay.step(flow.amps, flow.va, elapsed_s if now_s else 0.0)
        locked = [name for name, relay in self._relays.items() if relay.lockout]
        if locked and self._lockout_s is None:
            self._lockout_s = now_s
        self._switch(now_s)
        for der in self.scenario.der:
            if der.nodes[0].partition(".")[0] not in snapshot.fed:
                self._lost_at_s[der.name] = now_s
        plant.command({}, {}, {name: relay.closed for name, relay in self._relays.items()})
        by_relay = [name for name, relay in self._relays.items() if relay.by_itself]
        plant.hear_relays(by_relay, locked)
        return self._ahead_s(now_s)

    def ders_on(self, now_s: float) -> frozenset[str]:
        """DERs that were not without voltage lately."""
        return frozenset(
            name
            for name in self.scenario.ders
            if now_s - self._lost_at_s.get(name, -ENTER_SERVICE_S) >= ENTER_SERVICE_S
        )

    def _switch(self, now_s: float) -> None:
        for step in [s for s in self._left if self._due_s(s) <= now_s + 1e-9]:
            self._left.remove(step)
            self._relays[step.switch].operate(close=step.close)
            self._watch_until_s = now_s + _WATCH_S

    def _due_s(self, step: HandStep) -> float:
        """When a step is due; never while what it waits for has not come."""
        waited_s = self._lockout_s if step.after == "lockout" else self.outage.repaired_s or None
        return float("inf") if waited_s is None else waited_s + step.after_s

    def _ahead_s(self, now_s: float) -> float:
        if now_s < self._watch_until_s:
            return self.scenario.step_s
        ahead_s = self.scenario.step_after(now_s)
        due = (self._due_s(step) - now_s for step in self._left)
        return min([ahead_s, *(wait_s for wait_s in due if wait_s > 0)])
