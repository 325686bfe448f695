"""What each device measures at its terminal: the truth plus measurement noise."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hil.plant.world import Injection, Snapshot
from hil.scenario import Der, Scenario
from hil.wire import FEEDER_PLC, SWITCHGEAR, Message

NOMINAL_HZ = 60.0
PHASES = ("a", "b", "c")


@dataclass(slots=True)
class Instruments:
    """Adds seeded Gaussian noise; the truth itself is never changed."""

    scenario: Scenario
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(f"{self.scenario.seed}/instruments")

    def message(self, device: str, seq: int, elapsed_s: float, snapshot: Snapshot) -> Message:
        """What ``device`` is told about a step.

        Raises:
            KeyError: the scenario has no such device.
        """
        message: Message = {
            "seq": seq,
            "time_s": round(snapshot.time_s, 6),
            "elapsed_s": elapsed_s,
            "hz": NOMINAL_HZ + self._rng.gauss(0, self.scenario.noise.frequency_hz),
        }
        if device == FEEDER_PLC:
            return message | self._feeder(snapshot)
        if device == SWITCHGEAR:
            return message | self._switchgear(snapshot)
        return message | self._der(self.scenario.ders[device], snapshot)

    def _der(self, der: Der, snapshot: Snapshot) -> Message:
        phasors = [snapshot.phasor_v[n] for n in der.nodes]
        if len(phasors) == 2:
            phasors = [phasors[0] - phasors[1]]
        base_v = der.v_nom_v / (3**0.5 if len(phasors) == 3 else 1)
        volts = [self._volt(abs(v)) for v in phasors]
        solved: Injection = snapshot.der[der.name]
        into = snapshot.pois.get(der.name)
        poi: Message = {}
        if into is not None:  # a relay's currents are large: no noise
            va = {phase: [power.real, power.imag] for phase, power in into.va.items()}
            faulted = der.name in snapshot.faulted
            poi = {"poi": {"amps": dict(into.amps), "va": va, "faulted": faulted}}
        return poi | {
            "v_v": volts,
            "v_pu": [v / base_v for v in volts],
            "sun": snapshot.sun[der.name],
            "p_w": self._power(solved.power_w),
            "q_var": self._power(solved.reactive_power_var),
        }

    def _feeder(self, snapshot: Snapshot) -> Message:
        return {
            "nodes_pu": {n: self._volt(v) for n, v in snapshot.voltage_pu.items()},
            "taps": dict(snapshot.taps),
            "caps": dict(snapshot.caps),
            "tap_ops": dict(snapshot.tap_operations),
            "cap_ops": dict(snapshot.cap_operations),
            "head_p_w": [self._power(s.real) for s in snapshot.head_va],
            "head_q_var": [self._power(s.imag) for s in snapshot.head_va],
        }

    def _switchgear(self, snapshot: Snapshot) -> Message:
        return {
            "switches": {
                name: {
                    "closed": flow.closed,
                    "ops": flow.operations,
                    "nominal_v": flow.nominal_v,
                    "volts": dict(flow.volts),  # for the recorder of sags alone: no noise
                    "amps": {phase: self._power(amps) for phase, amps in flow.amps.items()},
                    "va": {
                        phase: [self._power(va.real), self._power(va.imag)]
                        for phase, va in flow.va.items()
                    },
                }
                for name, flow in snapshot.switches.items()
            }
        }

    def _volt(self, value: float) -> float:
        return value * (1 + self._rng.gauss(0, self.scenario.noise.voltage_pct / 100))

    def _power(self, value: float) -> float:
        return value * (1 + self._rng.gauss(0, self.scenario.noise.power_pct / 100))
