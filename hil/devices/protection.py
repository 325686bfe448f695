"""Protection of one switch as a pure state machine: fault indicators, tripping, reclosing.

Times are simulated seconds and short: the plant solves steady states a second apart, so what
takes cycles in the field takes a step here. Coordination is what counts: the recloser is faster
than the feeder breaker, and a sectionaliser never interrupts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["breaker", "recloser", "sectionaliser"]

#: Delay to trip, dead times before each reclosure, by kind.
_TRIP_S = {"breaker": 3.0, "recloser": 1.0}
_DEAD_TIMES_S: dict[str, tuple[float, ...]] = {"breaker": (), "recloser": (5.0, 10.0)}
#: Voltage below which a sag begins, and below which it is none but an interruption. A fault next to
#: the sensors leaves a few per cent.
_SAG_PU, _INTERRUPTION_PU = 0.9, 0.02
#: Healthy time after a reclosure that makes the next fault the first again.
_RESET_S = 30.0


@dataclass(slots=True)
class Indicators:
    """What a switch has seen of a fault since it was reset; phases by number."""

    phases: set[str] = field(default_factory=set)
    reverse: bool = False  # of the fault seen last: it lies towards the substation

    def note(self, phases: set[str], va: complex) -> None:
        """Keep what a fault showed: phases that carried its current, and P + jQ there."""
        self.phases |= phases
        # active and reactive power both flow towards a fault
        self.reverse = va.real + va.imag < 0

    def reset(self) -> None:
        """Forget it."""
        self.phases.clear()
        self.reverse = False


@dataclass(slots=True)
class FaultReport:
    """What a relay keeps of the last fault, as a fault locator does; a reset leaves it.

    Attributes:
        current_a: largest phase current.
        reactance_ohm: Q / I^2 of that phase: apparent reactance to the fault, below 0 towards the
            substation.
    """

    current_a: float = 0.0
    reactance_ohm: float = 0.0

    def note(self, amps: Mapping[str, float], va: Mapping[str, complex], *, new: bool) -> None:
        """Take a step of a fault; a new one replaces the last."""
        phase = max(amps, key=lambda p: amps[p])
        if new or amps[phase] > self.current_a:
            self.current_a = amps[phase]
            self.reactance_ohm = va[phase].imag / amps[phase] ** 2


@dataclass(slots=True)
class SagRecorder:
    """What a control's own voltage sensors keep of a sag, whatever its fault indicators say.

    Attributes:
        nominal_v: to neutral.
        left_v: lowest phase at the start of the last sag; 0 before any.
    """

    nominal_v: float
    left_v: float = 0.0
    _in_sag: bool = True  # until voltage has been seen

    def step(self, volts: Mapping[str, float]) -> None:
        """Take a step's voltages to neutral; what was opened on purpose is no sag."""
        lowest_pu = min(volts.values()) / self.nominal_v
        begins = lowest_pu < _SAG_PU and not self._in_sag
        self._in_sag = lowest_pu < _SAG_PU
        if begins and lowest_pu > _INTERRUPTION_PU:
            self.left_v = lowest_pu * self.nominal_v


@dataclass(slots=True)
class Protection:
    """One switch's relay.

    Attributes:
        pickup_a: phase current from which it sees a fault.
        closed: position it wants.
        tripped: opened by itself and not closed since.
        lockout: closes by command only.
        shots: reclosures since start.
        by_itself: it moved last by its own decision, not by a command.
    """

    kind: Kind
    pickup_a: float
    closed: bool = True
    tripped: bool = False
    lockout: bool = False
    shots: int = 0
    by_itself: bool = False
    indicators: Indicators = field(default_factory=Indicators)
    report: FaultReport = field(default_factory=FaultReport)
    _in_fault: bool = False
    _seen_s: float = 0.0
    _dead_s: float = 0.0
    _healthy_s: float = 0.0
    _attempt: int = 0

    def operate(self, *, close: bool) -> None:
        """A command: it closes what is locked out as well, and begins anew."""
        self.closed = close
        self.tripped = self.lockout = self.by_itself = False
        self._attempt = 0
        self._seen_s = self._dead_s = 0.0

    def step(self, amps: Mapping[str, float], va: Mapping[str, complex], elapsed_s: float) -> None:
        """Look at currents and powers (positive away from the substation) and let time pass."""
        seen = {phase for phase, current in amps.items() if current > self.pickup_a}
        if seen:
            self.indicators.note(seen, sum((va[phase] for phase in seen), 0j))
            self.report.note(amps, va, new=not self._in_fault)
        self._in_fault = bool(seen)
        if self.kind == "sectionaliser":
            return
        if self.closed:
            self._watch(elapsed_s, fault=bool(seen))
        elif self.tripped and not self.lockout:
            self._wait_to_reclose(elapsed_s)

    def _watch(self, elapsed_s: float, *, fault: bool) -> None:
        if fault:
            self._healthy_s = 0.0
            self._seen_s += elapsed_s
            if self._seen_s >= _TRIP_S[self.kind]:
                self._trip()
            return
        self._seen_s = 0.0
        self._healthy_s += elapsed_s
        if self._attempt and self._healthy_s >= _RESET_S:
            self._attempt = 0

    def _trip(self) -> None:
        self.closed, self.tripped, self.by_itself = False, True, True
        self._seen_s = self._dead_s = 0.0
        self.lockout = self._attempt >= len(_DEAD_TIMES_S[self.kind])

    def _wait_to_reclose(self, elapsed_s: float) -> None:
        self._dead_s += elapsed_s
        if self._dead_s >= _DEAD_TIMES_S[self.kind][self._attempt]:
            self._attempt += 1
            self.shots += 1
            self.closed, self.tripped = True, False
            self._healthy_s = 0.0
