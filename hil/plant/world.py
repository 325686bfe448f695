"""The plant: feeder, weather, loads and moving equipment, stepped through simulated time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from hil.plant.engine import Feeder, Phasor
from hil.plant.equipment import Contact, TapChanger
from hil.plant.supply import Ledger, Relays, Supply
from hil.scenario import Der, Fault, Scenario


@dataclass(frozen=True, slots=True)
class Injection:
    """What a DER injects at its terminal; injection positive.

    Attributes:
        poi_closed: of a microgrid, whether it is connected.
    """

    power_w: float = 0.0
    reactive_power_var: float = 0.0
    poi_closed: bool = True


@dataclass(frozen=True, slots=True)
class Flow:
    """What a switch's instruments see, towards the substation.

    Attributes:
        closed: its position.
        operations: movements since start.
        amps: current by phase number.
        va: P + jQ away from the substation by phase number.
        volts: to neutral by phase number; ``nominal_v`` as well.
    """

    closed: bool
    operations: int
    amps: Mapping[str, float]
    va: Mapping[str, complex]
    volts: Mapping[str, float] = field(default_factory=dict)
    nominal_v: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One solved step: the truth, without measurement noise.

    Attributes:
        time_s: simulated time since the scenario's start.
        voltage_pu: every node but the sources'.
        phasor_v: the same, complex, V to neutral.
        taps, caps: positions by the scenario's names.
        tap_operations, cap_operations: movements since start.
        der: injection as solved, by DER.
        head_va: P + jQ into the feeder at the head, phases A, B, C.
        loss_w: losses from the source on.
        load_factor: the load profile's value, mismatch left out.
        sun: irradiance by DER, 0..1.
        switches: by name.
        fed: buses that a source reaches; a DER elsewhere has tripped.
        poi: the microgrid among the DERs.
        pois: what flows into each microgrid.
        faulted: microgrids with a fault inside.
        supply: what an outage counts, where the scenario is about one.
    """

    time_s: float
    voltage_pu: Mapping[str, float]
    phasor_v: Mapping[str, complex]
    taps: Mapping[str, int]
    caps: Mapping[str, bool]
    tap_operations: Mapping[str, int]
    cap_operations: Mapping[str, int]
    der: Mapping[str, Injection]
    head_va: tuple[complex, ...]
    loss_w: float
    load_factor: float
    sun: Mapping[str, float]
    switches: Mapping[str, Flow] = field(default_factory=dict)
    fed: frozenset[str] = frozenset()
    poi: str | None = None
    pois: Mapping[str, Flow] = field(default_factory=dict)
    faulted: frozenset[str] = frozenset()
    supply: Supply | None = None


@dataclass(slots=True)
class Plant:
    """The plant between two steps.

    ``step`` never waits for anybody: it takes what the devices said last.
    """

    scenario: Scenario
    feeder: Feeder
    time_s: float = 0.0
    taps: dict[str, TapChanger] = field(init=False)
    caps: dict[str, Contact] = field(init=False)
    switches: dict[str, Contact] = field(init=False)
    _ledger: Ledger | None = None
    _relays: Relays = field(default_factory=Relays)
    _apart: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.taps = {r.name: TapChanger(r.tap, r.step_s) for r in self.scenario.regulator}
        self.caps = {c.name: Contact(c.closed, c.switch_s) for c in self.scenario.capacitor}
        self.switches = {s.name: Contact(s.closed, s.operate_s) for s in self.scenario.switch}
        for switch in self.scenario.switch:
            self.feeder.set_switch(switch.line, closed=switch.closed)
        for fault in self.scenario.fault:
            self.feeder.add_fault(fault.name, fault.nodes, fault.ohm)
        spread = self.scenario.mismatch.line_length_pct
        for line in self.feeder.lines:
            self.feeder.scale_line(line, self.scenario.perturbation(f"line/{line}", spread))
        if self.scenario.outage is not None:
            loads_kw = {name: p_kw for name, (p_kw, _) in self.feeder.loads.items()}
            nodes = self.feeder.load_nodes
            self._ledger = Ledger(self.scenario, self.feeder.grid, loads_kw, nodes)

    def command(
        self,
        taps: Mapping[str, int],
        caps: Mapping[str, bool],
        switches: Mapping[str, bool] | None = None,
    ) -> None:
        """Aim regulators, capacitors and switches; unknown names are left alone."""
        for name, tap in taps.items():
            if name in self.taps:
                self.taps[name].aim(tap)
        for name, closed in caps.items():
            if name in self.caps:
                self.caps[name].aim(closed=closed)
        for name, closed in (switches or {}).items():
            if name in self.switches:
                self.switches[name].aim(closed=closed)

    def hear_relays(self, by_relay: Collection[str], locked: Collection[str]) -> None:
        """Which switches their relays moved last, not a command, and which are locked out."""
        self._relays = Relays(frozenset(by_relay), frozenset(locked))

    def step(self, injections: Mapping[str, Injection], elapsed_s: float) -> Snapshot:
        """Advance by ``elapsed_s`` simulated seconds (0 solves the present again).

        Args:
            injections: by DER; a DER that is missing injects nothing.
            elapsed_s: simulated seconds.
        """
        self.time_s += elapsed_s
        for regulator in self.scenario.regulator:
            changer = self.taps[regulator.name]
            changer.advance(elapsed_s)
            self.feeder.set_tap(regulator.transformer, changer.position)
        for name, switch in self.caps.items():
            switch.advance(elapsed_s)
            self.feeder.set_capacitor(name, closed=switch.closed)
        opened = {name for name, injection in injections.items() if not injection.poi_closed}
        # whoever is silent has not moved its breaker
        self._apart = (self._apart - injections.keys()) | opened
        moved = self._operate(elapsed_s)
        live = self.feeder.grid.live(self._open_lines)
        load_w = self._set_loads()
        for der in self.scenario.der:
            is_fed = live.issuperset(der.nodes)
            injection = injections.get(der.name, Injection()) if is_fed else Injection()
            self.feeder.set_injection(der.element, injection.power_w, injection.reactive_power_var)
        self.feeder.solve()
        supply = None
        if self._ledger is not None:
            closed = [name for name in moved if self.switches[name].closed]
            supply = self._ledger.see(
                self._open_lines, closed, load_w, self.time_s, self._relays, self._apart
            )
        return self._snapshot(frozenset(node.partition(".")[0] for node in live), supply)

    def uncontrolled(self, time_s: float) -> dict[str, Injection]:
        """What the DERs inject when nobody commands them: all the sun gives, unity power factor.

        The microgrid keeps its schedule, battery idle: PV less load.
        """
        return {der.name: self._uncontrolled(der, time_s) for der in self.scenario.der}

    def _uncontrolled(self, der: Der, time_s: float) -> Injection:
        if der.kind == "pv":
            return Injection(self.scenario.sun(der.name, time_s) * der.p_max_w)
        if der.kind == "microgrid":
            behind = self.scenario.microgrid
            sun = self.scenario.sun(der.name, time_s)
            return Injection(sun * behind.pv_w - behind.load_w, -behind.load_var)
        return Injection()

    def _set_loads(self) -> dict[str, float]:
        """Put loads to what they are now; demand by load, W."""
        demand_w = {}
        for load, (p_kw, q_kvar) in self.feeder.loads.items():
            share = self.scenario.load_factor(load, self.time_s)
            self.feeder.set_load(load, p_kw * share, q_kvar * share)
            demand_w[load] = 1e3 * p_kw * share
        return demand_w

    @property
    def _open_lines(self) -> frozenset[str]:
        return frozenset(s.line for s in self.scenario.switch if not self.switches[s.name].closed)

    def _operate(self, elapsed_s: float) -> frozenset[str]:
        """Move switches, start and clear faults; returns the switches that moved.

        Beyond an open switch no inverter goes on by itself: anti-islanding (IEEE 1547).
        """
        moved = set()
        for switch in self.scenario.switch:
            contact = self.switches[switch.name]
            before = contact.closed
            contact.advance(elapsed_s)
            if contact.closed != before:
                self.feeder.set_switch(switch.line, closed=contact.closed)
                moved.add(switch.name)
        for fault in self.scenario.fault:
            self.feeder.set_fault(fault.name, present=self._burns(fault))
        return frozenset(moved)

    def _burns(self, fault: Fault) -> bool:
        """Whether a fault is there and joined to the feeder."""
        return fault.present(self.time_s) and fault.behind not in self._apart

    def _into(self, der: Der) -> Flow:
        """What flows into a microgrid: its own, and that of a fault inside."""
        elements = [f"Generator.{der.element}"]
        elements += [
            f"Fault.{fault.name}"
            for fault in self.scenario.fault
            if fault.behind == der.name and self._burns(fault)
        ]
        amps: dict[str, complex] = {}
        powers: dict[str, complex] = {}
        for element in elements:
            currents = self.feeder.currents_a(element)
            for (phase, current), va in zip(
                currents.items(), self.feeder.powers_va(element), strict=True
            ):
                amps[phase] = amps.get(phase, 0j) + current
                powers[phase] = powers.get(phase, 0j) + va
        shown = {phase: abs(current) for phase, current in amps.items() if phase != "0"}
        return Flow(der.name not in self._apart, 0, shown, {p: powers[p] for p in shown})

    def _flow(self, line: str, contact: Contact, phasors: Mapping[str, Phasor]) -> Flow:
        nodes = self.feeder.first_nodes(line)
        currents = self.feeder.currents_a(f"Line.{line}")
        powers = self.feeder.powers_va(f"Line.{line}")
        return Flow(
            closed=contact.closed,
            operations=contact.operations,
            amps={phase: abs(current) for phase, current in currents.items()},
            va=dict(zip(currents, powers, strict=True)),
            volts={node.partition(".")[2]: abs(phasors[node]) for node in nodes},
            nominal_v=self.feeder.base_v(nodes[0]),
        )

    def _snapshot(self, fed: frozenset[str], supply: Supply | None) -> Snapshot:
        heads = self.feeder.grid.source_buses
        phasors = self.feeder.phasors()
        inside = {n: v for n, v in phasors.items() if n.partition(".")[0] not in heads}
        per_unit = self.feeder.voltages_pu()
        return Snapshot(
            time_s=self.time_s,
            voltage_pu={n: per_unit[n] for n in inside},
            phasor_v=inside,
            taps={n: t.position for n, t in self.taps.items()},
            caps={n: c.closed for n, c in self.caps.items()},
            tap_operations={n: t.operations for n, t in self.taps.items()},
            cap_operations={n: c.operations for n, c in self.caps.items()},
            der={d.name: self._solved(d) for d in self.scenario.der},
            head_va=self._head_va(),
            loss_w=self.feeder.losses_w(),
            load_factor=self.scenario.load.at(self.time_s),
            sun={d.name: self.scenario.sun(d.name, self.time_s) for d in self.scenario.der},
            switches={
                s.name: self._flow(s.line, self.switches[s.name], phasors)
                for s in self.scenario.switch
            },
            fed=fed,
            poi=self.scenario.poi,
            pois={d.name: self._into(d) for d in self.scenario.der if d.kind == "microgrid"},
            faulted=frozenset(
                f.behind for f in self.scenario.fault if f.behind and f.present(self.time_s)
            ),
            supply=supply,
        )

    def _solved(self, der: Der) -> Injection:
        into = sum(self.feeder.powers_va(f"Generator.{der.element}"), 0j)
        return Injection(-into.real, -into.imag)

    def _head_va(self) -> tuple[complex, ...]:
        if self.scenario.head:
            return self.feeder.powers_va(f"Line.{self.scenario.head}")
        heads = (f"Transformer.{r.transformer}" for r in self.scenario.regulator)
        return tuple(self.feeder.powers_va(head)[0] for head in heads)
