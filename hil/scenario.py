"""The scenario: everything the plant does that nobody commands, read from one TOML file.

Deterministic: a value at a time depends on the file (its ``seed`` included) and nothing else, so
a plant may start at any second and a run without control sees the same weather.
"""

from __future__ import annotations

import math
import random
import tomllib
from bisect import bisect_right
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Share = Annotated[float, Field(ge=0, le=2)]
Positive = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,31}$")]

DEFAULT_SCENARIO = Path(__file__).with_name("scenarios") / "ieee13_day.toml"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Profile(_Strict):
    """A piecewise linear function of time."""

    time_s: tuple[float, ...] = Field(min_length=2, max_length=10_000)
    factor: tuple[Share, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.time_s) != len(self.factor):
            raise ValueError("time_s and factor need the same length")
        if any(b <= a for a, b in zip(self.time_s, self.time_s[1:], strict=False)):
            raise ValueError("time_s must rise")
        return self

    def at(self, time_s: float) -> float:
        """Value at a time; the ends hold."""
        i = bisect_right(self.time_s, time_s)
        if i == 0:
            return self.factor[0]
        if i == len(self.time_s):
            return self.factor[-1]
        share = (time_s - self.time_s[i - 1]) / (self.time_s[i] - self.time_s[i - 1])
        return self.factor[i - 1] + share * (self.factor[i] - self.factor[i - 1])


class Mismatch(_Strict):
    """How far the plant is from the nominal model, in percent."""

    line_length_pct: float = Field(default=0.0, ge=0, le=50)
    load_pct: float = Field(default=0.0, ge=0, le=50)
    load_wobble_pct: float = Field(default=0.0, ge=0, le=50)
    sun_wobble_pct: float = Field(default=0.0, ge=0, le=50)


class Noise(_Strict):
    """Standard deviation of measurements."""

    voltage_pct: float = Field(default=0.0, ge=0, le=10)
    power_pct: float = Field(default=0.0, ge=0, le=10)
    frequency_hz: float = Field(default=0.0, ge=0, le=1)


class Regulator(_Strict):
    """One single-phase regulator: tap N gives the ratio 1 + 0.00625 N."""

    name: Name
    transformer: Name
    tap: int = Field(ge=-16, le=16)
    step_s: Positive


class Capacitor(_Strict):
    """One switched capacitor; its name is the OpenDSS element's."""

    name: Name
    closed: bool
    switch_s: Positive


class Switch(_Strict):
    """One switch on a line; measured and operated at the end towards the substation.

    Attributes:
        line: OpenDSS line.
        operate_s: time from command to movement.
        pickup_a: phase current from which its fault indicators see a fault.
    """

    name: Name
    kind: Literal["breaker", "recloser", "sectionaliser"]
    line: Name
    closed: bool = True
    operate_s: Positive = 0.1
    pickup_a: Positive


class Fault(_Strict):
    """A fault to ground on nodes of one bus, from ``start_s`` to ``clear_s`` (0: for good).

    Attributes:
        behind: a microgrid at that bus: the fault lies inside it, and burns while its POI is
            closed.
    """

    name: Name
    nodes: tuple[str, ...] = Field(min_length=1, max_length=3)
    start_s: float = Field(ge=0)
    clear_s: float = Field(default=0.0, ge=0)
    ohm: Positive = 0.1
    behind: str = ""

    def present(self, time_s: float) -> bool:
        """Whether it burns now."""
        return self.start_s <= time_s and (self.clear_s == 0 or time_s < self.clear_s)


class Der(_Strict):
    """One DER: an injection at a terminal.

    Attributes:
        element: OpenDSS generator.
        nodes: ``bus.phase`` of the terminal: one or three phases to neutral, or two line to line.
        v_nom_v: nominal voltage, line to line unless the terminal is one phase.
    """

    name: Name
    kind: Literal["pv", "battery", "microgrid"]
    element: Name
    nodes: tuple[str, ...] = Field(min_length=1, max_length=3)
    v_nom_v: Positive
    p_max_w: Positive
    s_max_va: Positive
    q_max_var: Positive
    energy_wh: float = Field(default=0.0, ge=0)
    soc_pct: float = Field(default=50.0, ge=0, le=100)


class Microgrid(_Strict):
    """What stands behind the microgrid's point of interconnection.

    Attributes:
        poi_pickup_a: phase current at the POI that is a fault.
        poi_relay: ``works``, opening at once for a fault inside, and when voltage is lost;
            ``failed``, which leaves the POI closed until it is asked to open; ``stuck``, where the
            breaker does not open at all.
    """

    pv_w: Positive
    battery_w: Positive
    inverter_va: Positive
    load_w: Positive
    load_var: float
    poi_pickup_a: Positive = 200.0
    poi_relay: Literal["works", "failed", "stuck"] = "works"


class HandStep(_Strict):
    """A switch operated by a dispatcher and a crew where nobody restores automatically.

    Attributes:
        after: what it waits for: a relay's lockout, or the repair.
        after_s: how long after that.
    """

    after: Literal["lockout", "repair"]
    after_s: float = Field(ge=0)
    switch: Name
    close: bool


class Lapse(_Strict):
    """A stretch of time in which nothing is expected, played in steps of ``step_s``."""

    from_s: float = Field(ge=0)
    to_s: Positive
    step_s: float = Field(gt=0, le=300)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.to_s <= self.from_s:
            raise ValueError("to_s must be above from_s")
        return self


class Outage(_Strict):
    """Who is without supply when a zone is, and how it would be restored by hand.

    Attributes:
        customers_per_kw: customers a kW of nominal load; each load is at least one.
        repaired_s: when the crew hands back its permits; 0 if there is nothing to repair.
        by_hand: what is switched without FLISR, assumed.
        lapse: when the clock runs in long steps.
    """

    customers_per_kw: Positive
    repaired_s: float = Field(default=0.0, ge=0)
    by_hand: tuple[HandStep, ...] = ()
    lapse: tuple[Lapse, ...] = ()

    def repaired(self, time_s: float) -> bool:
        """Whether permits have been handed back."""
        return 0 < self.repaired_s <= time_s

    def step_s(self, time_s: float, usual_s: float) -> float:
        """How long a step from a time on is."""
        for lapse in self.lapse:
            if lapse.from_s <= time_s < lapse.to_s - 1e-9:
                return min(lapse.step_s, lapse.to_s - time_s)
        return usual_s


class Scenario(_Strict):
    """One scenario file.

    Attributes:
        head: OpenDSS line whose flow is the feeder head's; without it the regulators' is.
        meters: profile of the station with the feeder's meters.
        outage: what an outage does, where the scenario is about one.
        dnp3: devices that speak DNP3 rather than Modbus or SunSpec, by their name on the bus.
        csip: SunSpec inverters that come to the gateway over IEEE 2030.5, behind a CSIP client.
    """

    title: str
    feeder: Path
    duration_s: Positive
    step_s: float = Field(gt=0, le=10)
    seed: int
    mismatch: Mismatch = Mismatch()
    noise: Noise = Noise()
    load: Profile
    irradiance: Profile
    regulator: tuple[Regulator, ...]
    capacitor: tuple[Capacitor, ...]
    der: tuple[Der, ...]
    microgrid: Microgrid
    switch: tuple[Switch, ...] = ()
    fault: tuple[Fault, ...] = ()
    dnp3: tuple[Name, ...] = ()
    csip: tuple[Name, ...] = ()
    head: str = ""
    meters: Name = "dnp3_feeder_meters"
    outage: Outage | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = {switch.name for switch in self.switch}
        by_hand = () if self.outage is None else self.outage.by_hand
        if unknown := [step.switch for step in by_hand if step.switch not in names]:
            raise ValueError(f"by_hand names switches there are none of: {', '.join(unknown)}")
        grids = {der.name: der.nodes for der in self.der if der.kind == "microgrid"}
        for fault in self.fault:
            if fault.behind and not set(fault.nodes) <= set(grids.get(fault.behind, ())):
                raise ValueError(f"fault {fault.name} is not at the POI of {fault.behind!r}")
        return self

    @cached_property
    def poi(self) -> str | None:
        """The first microgrid, where there is one."""
        return next((der.name for der in self.der if der.kind == "microgrid"), None)

    def step_after(self, time_s: float) -> float:
        """Simulated seconds from a time to the next step."""
        return self.step_s if self.outage is None else self.outage.step_s(time_s, self.step_s)

    @cached_property
    def ders(self) -> dict[str, Der]:
        """DERs by name."""
        return {der.name: der for der in self.der}

    def perturbation(self, what: str, spread_pct: float) -> float:
        """A constant factor near 1 that belongs to the thing named ``what``."""
        return 1 + random.Random(f"{self.seed}/{what}").uniform(-1, 1) * spread_pct / 100

    def wobble(self, what: str, amplitude_pct: float, time_s: float) -> float:
        """A slowly moving factor near 1: three seeded sines of 20 to 180 s."""
        rng = random.Random(f"{self.seed}/wobble/{what}")
        waves = [(rng.uniform(20, 180), rng.uniform(0, math.tau)) for _ in range(3)]
        mean = sum(math.sin(math.tau * time_s / period + phase) for period, phase in waves) / 3
        return 1 + mean * amplitude_pct / 100

    def load_factor(self, load: str, time_s: float) -> float:
        """Present power of a load as a share of its nominal power, mismatch included."""
        return (
            self.load.at(time_s)
            * self.perturbation(f"load/{load}", self.mismatch.load_pct)
            * self.wobble(f"load/{load}", self.mismatch.load_wobble_pct, time_s)
        )

    def sun(self, site: str, time_s: float) -> float:
        """Present irradiance at a site as a share of the PV rating, 0 to 1."""
        value = self.irradiance.at(time_s) * self.wobble(
            f"sun/{site}", self.mismatch.sun_wobble_pct, time_s
        )
        return min(max(value, 0.0), 1.0)


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario file; its ``feeder`` is taken relative to it.

    Raises:
        ValueError: the file is no scenario; the message names the file and every fault.
        OSError: it cannot be read.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        scenario = Scenario.model_validate(data)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ValueError(f"{path}: {error}") from error
    return scenario.model_copy(update={"feeder": (path.parent / scenario.feeder).resolve()})
