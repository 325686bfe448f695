"""The controller against the bench's plant in virtual time, points in between as values."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gateway.apps.decision import Decision
from gateway.apps.microgrid.config import MicrogridConfig
from gateway.apps.microgrid.functions import FunctionTable
from gateway.apps.microgrid.planning import Outlook
from gateway.apps.microgrid.state import MicrogridState, Phase
from gateway.apps.microgrid.step import Microgrid
from gateway.model.quality import GOOD
from gateway.points.image import ProcessImage
from gateway.profiles.load import load_profile
from gateway.site.load import load_site
from gateway.site.microgrid import load_functions, microgrid_config
from hil.microgrid.plant import Grid, Injection, Load, MicrogridPlant
from hil.microgrid.sources import Battery, Diesel

DEVICES = Path(__file__).parents[3] / "devices"
_START_MS = 1_800_000_000_000
_ROLES = {
    role: f"mg.{point}" for role, point in load_profile(DEVICES, "microgrid_controller").der.items()
}

_SITE = """
name = "island"
[links.own]
type = "own"
[links.plc]
type = "modbus-tcp"
[links.relay]
type = "dnp3-tcp"
[groups.mg]
backend = "plc"
device = "mg"
[microgrid]
device = "mg"
poi = "poi"
mode = "act"
black_start = "auto"
cycle_s = 0.25
groups = []
[microgrid.agreement]
export_w = 200e3
import_w = 400e3
reactive_power_var = 150e3
apparent_power_va = 400e3
[[microgrid.storage]]
device = "bat"
energy_wh = 500e3
[[microgrid.generator]]
device = "diesel"
black_start = true
[[microgrid.renewable]]
device = "pv"
[[microgrid.load]]
name = "clinic"
device = "panel"
feeder = 1
priority = 1
expected_w = 40e3
[[microgrid.load]]
name = "water"
device = "panel"
feeder = 2
priority = 2
expected_w = 50e3
[[microgrid.load]]
name = "school"
device = "panel"
feeder = 3
priority = 3
expected_w = 60e3
[[microgrid.load]]
name = "shops"
device = "panel"
feeder = 4
priority = 4
expected_w = 70e3
[microgrid.pace]
good_grid_s = 5.0
settle_s = 1.0
"""
_DEVICES = """device,profile,link,address,unit
mg,microgrid_controller,own,,
poi,poi_relay,relay,127.0.0.1:20000,61
bat,grid_forming_battery,plc,127.0.0.1:5021,21
diesel,diesel_generator,plc,127.0.0.1:5022,22
panel,load_panel,plc,127.0.0.1:5023,23
pv,sunspec_inverter,plc,127.0.0.1:5024,1
"""


def config(folder: Path) -> MicrogridConfig:
    """The configuration of the test's microgrid, as a site has it."""
    (folder / "site.toml").write_text(_SITE)
    (folder / "devices.csv").write_text(_DEVICES)
    site = load_site(folder)
    assert site.file.microgrid is not None
    return microgrid_config(site, site.file.microgrid)


def plant() -> MicrogridPlant:
    """Battery 250 kW, set 150 kW, four feeders of 220 kW together."""
    loads = {"clinic": 40e3, "water": 50e3, "school": 60e3, "shops": 70e3}
    return MicrogridPlant(
        battery=Battery(p_max_w=250e3, s_max_va=300e3, energy_wh=500e3, soc_pct=70.0),
        diesel=Diesel(p_max_w=150e3, p_min_w=30e3, s_max_va=190e3),
        loads={name: Load(name, p_w, 0.25 * p_w) for name, p_w in loads.items()},
    )


@dataclass
class Virtual:
    """Plant, controller, and the wire between them as a dictionary of values.

    Attributes:
        grid: the utility's side, by time.
        sun_w: what the PV could give, by time.
        lost: devices whose points cannot be read.
        noise: standard deviation of measured Hz, pu and degrees.
    """

    config: MicrogridConfig
    plant: MicrogridPlant = field(default_factory=plant)
    grid: Callable[[float], Grid] = lambda _: Grid()
    sun_w: Callable[[float], float] = lambda _: 60e3
    cycle_s: float = 0.25
    lag_s: float = 0.1
    lost: set[str] = field(default_factory=set)
    noise: tuple[float, float, float] = (0.0, 0.0, 0.0)
    seed: int = 1
    functions: FunctionTable = field(default_factory=load_functions)
    state: MicrogridState = field(default_factory=MicrogridState)
    outlook: Outlook | None = None
    pv_limit_w: float = 100e3
    enter_service_s: float = 10.0
    told: dict[str, float] = field(default_factory=dict)
    decisions: list[Decision[MicrogridState]] = field(default_factory=list)
    trace: list[tuple[float, Phase | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.app = Microgrid(self.config, self.functions)
        self._rng = random.Random(self.seed)
        self._dark_s = -1e9
        own = load_profile(DEVICES, "microgrid_controller")
        self.told |= {f"mg.{p.point}": 0.0 for p in own.points if p.kind.is_output}

    def ask(self, **roles: float) -> None:
        """Set own points by DER role, as a group function would."""
        self.told |= {_ROLES[role]: value for role, value in roles.items()}

    def run(self, seconds: float) -> None:
        """Cycle for so long."""
        for _ in range(round(seconds / self.cycle_s)):
            self.cycle()

    def run_until(self, phase: Phase, at_most_s: float) -> float:
        """Cycle until a phase; how long it took.

        Raises:
            AssertionError: it did not come.
        """
        start_s = self.plant.time_s
        while self.plant.time_s - start_s < at_most_s:
            self.cycle()
            if self.state.phase is phase:
                return self.plant.time_s - start_s
        raise AssertionError(f"no {phase.name} within {at_most_s} s, but {self.state.phase}")

    def cycle(self) -> None:
        """Measure, decide a little later, command."""
        values = self._measure()
        self._advance(self.lag_s)
        now_ms = _START_MS + round(1000 * self.plant.time_s)
        image = _image(values, now_ms, self.lost)
        decision = self.app.step(image, (), self.state, now_ms, self.outlook)
        self.state = decision.state
        self.decisions.append(decision)
        self.trace.append((self.plant.time_s, self.state.phase))
        for point, value in decision.readings.items():
            if point in self.told and value is not None:
                self.told[point] = value
        for command in decision.commands:
            if command.point.partition(".")[0] not in self.lost:
                self._take(command.point, command.value)
        self._advance(self.cycle_s - self.lag_s)

    @property
    def served(self) -> set[str]:
        """Loads that are on and supplied."""
        live = self.plant.bus_pu > 0.5
        return {name for name, load in self.plant.loads.items() if load.closed and live}

    @property
    def pv_w(self) -> float:
        """What the PV gives: some time after the bus is alive again (IEEE 1547 enter service)."""
        in_service = self.plant.time_s - self._dark_s >= self.enter_service_s
        return min(self.sun_w(self.plant.time_s), self.pv_limit_w) if in_service else 0.0

    def _advance(self, seconds: float) -> None:
        grid = self.grid(self.plant.time_s)
        if self.plant.bus_pu < 0.5 and self.plant.time_s > 0:
            self._dark_s = self.plant.time_s
        self.plant.step(grid, {"pv": Injection(self.pv_w)}, seconds)

    def _measure(self) -> dict[str, float]:
        plant, grid = self.plant, self.grid(self.plant.time_s)
        sides = plant.sides(grid)
        hz, pu, deg = (lambda sigma=sigma: self._rng.gauss(0.0, sigma) for sigma in self.noise)
        bat, diesel = plant.battery, plant.diesel
        assert bat is not None
        assert diesel is not None
        values = {
            "poi.closed": float(plant.relay.closed), "poi.tripped": float(plant.relay.tripped),
            "poi.in_sync": float(sides.in_sync), "poi.cmd": float(plant.relay.closed),
            "poi.p": plant.poi_w, "poi.q": plant.poi_var,
            "poi.v_grid": grid.voltage_pu + pu(), "poi.hz_grid": grid.hz + hz(),
            "poi.v_bus": plant.bus_pu + pu() if plant.bus_pu else 0.0,
            "poi.hz_bus": plant.bus_hz + hz() if plant.bus_pu else 0.0,
            "poi.angle": plant.angle_deg + deg(), "poi.settings_group": plant.relay.settings,
            "poi.settings_cmd": plant.relay.settings,
            "bat.p": bat.power_w, "bat.q": bat.reactive_power_var, "bat.soc": bat.soc_pct,
            "bat.running": float(bat.running), "bat.forming": float(bat.forming),
            "bat.p_min_rtg": -bat.p_max_w, "bat.p_max_rtg": bat.p_max_w,
            "bat.q_max_rtg": 0.6 * bat.s_max_va, "bat.s_rtg": bat.s_max_va,
            "bat.p_set": bat.p_set_w or 0.0, "bat.p_set_ena": float(bat.p_set_w is not None),
            "bat.q_set": bat.q_set_var or 0.0, "bat.q_set_ena": float(bat.q_set_var is not None),
            "bat.form_cmd": float(bat.forming), "bat.hz_set": bat.hz_set, "bat.v_set": bat.v_set_pu,
            "diesel.p": diesel.power_w, "diesel.ready": float(diesel.ready),
            "diesel.running": float(diesel.running), "diesel.p_min_rtg": diesel.p_min_w,
            "diesel.p_max_rtg": diesel.p_max_w, "diesel.start_cmd": float(diesel.wanted),
            "diesel.p_set": diesel.p_set_w or 0.0, "diesel.hz_set": diesel.hz_set,
            "diesel.p_set_ena": float(diesel.p_set_w is not None),
            "pv.p": self.pv_w, "pv.p_max_rtg": 100e3, "pv.p_limit_pct": self.pv_limit_w / 1e3,
            "pv.p_limit_ena": float(self.pv_limit_w < 100e3),
        }  # fmt: skip
        for number, load in enumerate(plant.loads.values(), start=1):
            values[f"panel.closed_{number}"] = values[f"panel.cmd_{number}"] = float(load.closed)
            values[f"panel.p_{number}"] = load.p_w * plant.bus_pu**2 if load.closed else 0.0
        return values | self.told

    def _take(self, point: str, value: float) -> None:  # noqa: C901 - one row a point
        plant, bat, diesel = self.plant, self.plant.battery, self.plant.diesel
        assert bat is not None
        assert diesel is not None
        device, _, name = point.partition(".")
        match device, name.partition("_")[0]:
            case "poi", "cmd":
                sides = plant.sides(self.grid(plant.time_s))
                plant.relay.command(close=value == 1.0, sides=sides)
            case "poi", _:
                plant.relay.settings = int(value)
            case "panel", _:
                number = int(name.rpartition("_")[2])
                list(plant.loads.values())[number - 1].closed = value == 1.0
            case "bat", "form":
                plant.form(wanted=value == 1.0)
            case "diesel", "start":
                diesel.wanted = value == 1.0
            case (("bat" | "diesel"), "hz"):
                (bat if device == "bat" else diesel).hz_set = value
            case "bat", "v":
                bat.v_set_pu = value
            case "bat", "p":
                bat.p_set_w = _set_point(bat.p_set_w, name, value)
            case "bat", "q":
                bat.q_set_var = _set_point(bat.q_set_var, name, value)
            case "diesel", "p":
                diesel.p_set_w = _set_point(diesel.p_set_w, name, value)
            case _:
                self._limit_pv(name, value)

    def _limit_pv(self, name: str, value: float) -> None:
        if name == "p_limit_pct":
            self.pv_limit_w = 1e3 * value
        elif not value:
            self.pv_limit_w = 100e3


def _set_point(present: float | None, name: str, value: float) -> float | None:
    if name.endswith("_ena"):
        return (present or 0.0) if value else None
    return value


def _image(values: Mapping[str, float], now_ms: int, lost: set[str]) -> ProcessImage:
    names = sorted(values)
    flags = [4 if name.partition(".")[0] in lost else GOOD for name in names]
    return ProcessImage(
        {name: number for number, name in enumerate(names)},
        np.array([values[name] for name in names]),
        np.array(flags, dtype=np.uint8),
        np.full(len(names), now_ms, dtype=np.int64),
        now_ms,
    )


def with_pace(base: MicrogridConfig, **seconds: float) -> MicrogridConfig:
    """The same microgrid with other times."""
    return replace(base, pace=replace(base.pace, **seconds))
