"""The microgrid against the wall clock, with every device of it on a port of its own."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TextIO

from hil.devices.dnp3_server import StationServer
from hil.devices.modbus_server import DeviceServer
from hil.devices.sunspec_device import SunSpecDevice
from hil.microgrid.devices import RelayStation, battery_plc, diesel_plc, panel_plc
from hil.microgrid.plant import Grid, Injection, Load, MicrogridPlant
from hil.microgrid.relay import Sides
from hil.microgrid.scenario import BatterySpec, PathScenario
from hil.microgrid.sources import Battery, Diesel
from hil.scenario import Der

VOLTS = 480.0
#: Wall seconds between steps of the plant, and simulated ones between lines of the truth.
_TICK_S, _LOG_S, _PV_S = 0.02, 0.1, 0.1
_UNITS = {"battery": 21, "diesel": 22, "panel": 23, "member": 24, "pv": 1}


class Server(Protocol):
    """What a device answers with."""

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""

    async def stop(self) -> None:
        """Close everything."""


class MicrogridStation:
    """Plant and devices of a scenario.

    Args:
        scenario: what to run.
        truth: where each tenth of a second is written, JSON lines; None for nowhere.

    Attributes:
        plant: the physics.
        ports: by device, once started.
    """

    def __init__(self, scenario: PathScenario, truth: Path | None) -> None:
        self.scenario = scenario
        self.plant = _plant(scenario)
        self.member = None if scenario.plant.member is None else _battery(scenario.plant.member)
        self.ports: dict[str, int] = {}
        self._truth: TextIO | None = None if truth is None else truth.open("w", encoding="utf-8")
        self._relay = RelayStation(self.plant, self._sides)
        self._pv = SunSpecDevice(_pv(scenario.plant.pv_w), _PV_S, lambda: True)
        self._pv_injection = Injection()
        self._shows: list[Callable[[], None]] = [self._relay.show]
        self._servers = dict(self._build())
        self._running = False

    def _build(self) -> Iterator[tuple[str, Server]]:
        """Every device's server by name."""
        plant = self.plant
        assert plant.battery is not None  # noqa: S101 - a scenario has one
        plc, show = battery_plc(plant.battery, lambda wanted: plant.form(wanted=wanted))
        self._shows.append(lambda: show(VOLTS * plant.bus_pu, plant.bus_hz))
        yield "battery", DeviceServer(_UNITS["battery"], plc)
        if self.member is not None:
            other, show_other = battery_plc(self.member, lambda wanted: not wanted)
            self._shows.append(lambda: show_other(VOLTS * plant.bus_pu, plant.bus_hz))
            yield "member", DeviceServer(_UNITS["member"], other)
        if plant.diesel is not None:
            unit, show_set = diesel_plc(plant.diesel)
            self._shows.append(lambda: show_set(VOLTS * plant.bus_pu))
            yield "diesel", DeviceServer(_UNITS["diesel"], unit)
        panel, show_panel = panel_plc(list(plant.loads.values()))
        self._shows.append(lambda: show_panel(plant.bus_pu))
        yield "panel", DeviceServer(_UNITS["panel"], panel)
        yield "pv", DeviceServer(_UNITS["pv"], self._pv)
        yield "relay", StationServer((self._relay.station,))

    async def start(self, host: str, ports: dict[str, int]) -> None:
        """Listen; port 0 takes any.

        Raises:
            OSError: a port is taken.
        """
        self._step_pv(_PV_S)
        for show in self._shows:
            show()
        for name, server in self._servers.items():
            self.ports[name] = await server.start(host, ports.get(name, 0))

    async def stop(self) -> None:
        """Close every server and the truth."""
        for name in self.ports:
            await self._servers[name].stop()
        if self._truth is not None:
            self._truth.close()

    def go(self) -> None:
        """Let the clock run; until then the plant stands."""
        self._running = True

    async def suffer(self, what: str, host: str) -> None:
        """Something befalls a source or a link: ``trip battery``, ``lose panel``."""
        act, _, whom = what.partition(" ")
        source = {"battery": self.plant.battery, "member": self.member}.get(whom)
        match act:
            case "trip" if source is not None:
                source.trip()
            case "reset" if source is not None:
                source.running = True
            case "fail" if whom == "diesel" and self.plant.diesel is not None:
                self.plant.diesel.fail()
            case "lose":
                await self._servers[whom].stop()
            case "find":
                await self._servers[whom].start(host, self.ports[whom])
            case _:
                raise ValueError(f"{what!r} cannot befall this plant")

    async def run(self) -> None:
        """Step against the wall clock until cancelled; a late step is made up for in one."""
        loop = asyncio.get_running_loop()
        last_s = loop.time()
        logged_s = pv_s = self.plant.time_s
        while True:
            await asyncio.sleep(_TICK_S)
            now_s = loop.time()
            elapsed_s, last_s = (now_s - last_s) * self.scenario.time_scale, now_s
            if not self._running:
                self._relay.show()
                continue
            self._step(elapsed_s)
            if self.plant.time_s - pv_s >= _PV_S:
                self._step_pv(self.plant.time_s - pv_s)
                pv_s = self.plant.time_s
            for show in self._shows:
                show()
            if self._truth is not None and self.plant.time_s - logged_s >= _LOG_S:
                logged_s = self.plant.time_s
                self._truth.write(json.dumps(self.line()) + "\n")
                self._truth.flush()

    def line(self) -> dict[str, Any]:
        """The truth now."""
        plant, grid = self.plant, self.scenario.grid_at(self.plant.time_s)
        battery, diesel = plant.battery, plant.diesel
        return {
            "time_s": round(plant.time_s, 3), "closed": plant.relay.closed,
            "poi_w": plant.poi_w, "poi_var": plant.poi_var,
            "grid_pu": grid.voltage_pu, "grid_hz": grid.hz,
            "bus_pu": plant.bus_pu, "bus_hz": plant.bus_hz, "angle_deg": plant.angle_deg,
            "settings": plant.relay.settings, "refused": plant.relay.refused,
            "loads": {n: load.closed for n, load in plant.loads.items()},
            "demand_w": {n: load.p_w for n, load in plant.loads.items()},
            "battery_w": 0.0 if battery is None else battery.power_w,
            "soc_pct": 0.0 if battery is None else battery.soc_pct,
            "forming": battery is not None and battery.forming,
            "diesel_w": 0.0 if diesel is None else diesel.power_w,
            "diesel_on": diesel is not None and diesel.running,
            "pv_w": self._pv_injection.power_w, "pv_var": self._pv_injection.reactive_power_var,
            "member_w": 0.0 if self.member is None else self.member.power_w,
            "member_var": 0.0 if self.member is None else self.member.reactive_power_var,
            "energised": plant.energised, "live_energised": plant.live_energised,
            "closings": [
                [c.time_s, c.hz, c.voltage_pu, c.angle_deg, c.dead_bus]
                for c in plant.relay.closings
            ],
        }  # fmt: skip

    def _sides(self) -> Sides:
        row = self.scenario.grid_at(self.plant.time_s)
        return self.plant.sides(Grid(row.voltage_pu, row.hz))

    def _step(self, elapsed_s: float) -> None:
        row = self.scenario.grid_at(self.plant.time_s)
        others = {"pv": self._pv_injection}
        if self.member is not None:
            others["member"] = self._step_member(elapsed_s)
        self.plant.step(Grid(row.voltage_pu, row.hz), others, elapsed_s)

    def _step_member(self, elapsed_s: float) -> Injection:
        member = self.member
        assert member is not None  # noqa: S101 - asked before
        if self.plant.bus_pu < 0.5:
            member.power_w = member.reactive_power_var = 0.0
        else:
            member.follow(elapsed_s)
        return Injection(member.power_w, member.reactive_power_var)

    def _step_pv(self, elapsed_s: float) -> None:
        volts = VOLTS / math.sqrt(3.0) * self.plant.bus_pu
        given = self._pv_injection
        answer = self._pv.on_step(
            {
                "v_v": [volts] * 3, "hz": self.plant.bus_hz or 60.0, "elapsed_s": elapsed_s,
                "sun": self.scenario.sun_at(self.plant.time_s),
                "p_w": given.power_w, "q_var": given.reactive_power_var,
            }
        )  # fmt: skip
        live = self.plant.bus_pu > 0.5
        self._pv_injection = (
            Injection(float(answer["p_w"]), float(answer["q_var"])) if live else Injection()
        )


def _plant(scenario: PathScenario) -> MicrogridPlant:
    spec = scenario.plant
    reactive = math.tan(math.acos(spec.load_pf))
    names = [f"feeder{number}" for number in range(1, len(spec.loads_w) + 1)]
    loads = {
        name: Load(name, power_w, power_w * reactive)
        for name, power_w in zip(names, spec.loads_w, strict=True)
    }
    diesel = None if spec.diesel is None else Diesel(**spec.diesel.model_dump())
    plant = MicrogridPlant(battery=_battery(spec.battery), diesel=diesel, loads=loads)
    plant.relay.check = spec.sync_check
    if spec.black:
        plant.relay.closed, plant.relay.settings = False, 2
        plant.bus_pu = plant.bus_hz = 0.0
    return plant


def _battery(spec: BatterySpec) -> Battery:
    return Battery(**spec.model_dump())


def _pv(rating_w: float) -> Der:
    return Der(
        name="pv", kind="pv", element="pv", nodes=("poi.1", "poi.2", "poi.3"), v_nom_v=VOLTS,
        p_max_w=rating_w, s_max_va=1.1 * rating_w, q_max_var=0.44 * rating_w,
    )  # fmt: skip
