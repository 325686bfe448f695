"""``python -m hil.devices NAME``: one emulated device as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from hil.child import die_with_parent, private_stdout, say, until_told
from hil.devices import (
    dnp3_der,
    dnp3_feeder,
    dnp3_mc,
    dnp3_switchgear,
    feeder_plc,
    mc_plc,
    sunspec_device,
)
from hil.devices.dnp3_server import StationServer
from hil.devices.dnp3_station import Station
from hil.devices.modbus_server import DeviceServer, Registers
from hil.devices.plantlink import Freshness, PlantLink
from hil.scenario import DEFAULT_SCENARIO, Scenario, load_scenario
from hil.wire import FEEDER_PLC, SWITCHGEAR, Message


class Device(Registers, Protocol):
    """What every emulated device does."""

    def on_step(self, message: Message) -> Message:
        """Take a step's measurements, answer with what the device does."""

    def on_site(self, command: dict[str, Any]) -> None:
        """Someone stands before the device."""


class StationsDevice(Protocol):
    """An emulated device that is one or several DNP3 outstations."""

    @property
    def stations(self) -> tuple[Station, ...]:
        """All of them."""

    def on_step(self, message: Message) -> Message:
        """Take a step's measurements, answer with what the device does."""

    def on_site(self, command: dict[str, Any]) -> None:
        """Someone stands before the device."""


class Server(Protocol):
    """What a device answers its clients with."""

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""

    async def stop(self) -> None:
        """Close everything."""


def build_stations(scenario: Scenario, name: str, fresh: Callable[[], bool]) -> StationsDevice:
    """The DNP3 device of a scenario by name.

    Raises:
        KeyError: no such device.
    """
    if name == FEEDER_PLC:
        return dnp3_feeder.Dnp3Feeder(scenario, fresh)
    if name == SWITCHGEAR:
        return dnp3_switchgear.Dnp3Switchgear(scenario, fresh)
    der = scenario.ders[name]
    if der.kind == "microgrid":
        return dnp3_mc.Dnp3Mc(mc_plc.build_mc_plc(scenario, name, fresh))
    return dnp3_der.Dnp3Der(sunspec_device.SunSpecDevice(der, scenario.step_s, fresh))


def build_device(scenario: Scenario, name: str, fresh: Callable[[], bool]) -> tuple[int, Device]:
    """The device of a scenario by name, with its unit id.

    Args:
        scenario: the scenario.
        name: a DER, or ``feeder_plc``.
        fresh: asked at each request: whether plant data is young enough to be shown.

    Raises:
        KeyError: no such device.
    """
    if name == FEEDER_PLC:
        return feeder_plc.UNIT, feeder_plc.FeederPlc(fresh)
    der = scenario.ders[name]
    if der.kind == "microgrid":
        return mc_plc.UNIT, mc_plc.build_mc_plc(scenario, name, fresh)
    return sunspec_device.UNIT, sunspec_device.SunSpecDevice(der, scenario.step_s, fresh)


def _build(
    scenario: Scenario, name: str, fresh: Callable[[], bool]
) -> tuple[int, Device | StationsDevice, Server]:
    if name == SWITCHGEAR or name in scenario.dnp3:
        stations = build_stations(scenario, name, fresh)
        return stations.stations[0].address, stations, StationServer(stations.stations)
    unit, device = build_device(scenario, name, fresh)
    return unit, device, DeviceServer(unit, device)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hil.devices", description=__doc__)
    parser.add_argument("name", help="a DER of the scenario, feeder_plc or switchgear")
    parser.add_argument("--scenario", type=Path, default=DEFAULT_SCENARIO)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="Modbus TCP or DNP3; 0 for any")
    parser.add_argument("--bus-port", type=int, required=True, help="the plant's device bus")
    return parser.parse_args()


async def _serve(
    arguments: argparse.Namespace,
    unit: int,
    device: Device | StationsDevice,
    server: Server,
    freshness: Freshness,
) -> None:
    out = private_stdout()
    link = PlantLink(
        name=arguments.name,
        host=arguments.host,
        port=arguments.bus_port,
        on_step=device.on_step,
        freshness=freshness,
    )
    port = await server.start(arguments.host, arguments.port)
    linking = asyncio.create_task(link.run())
    told = asyncio.create_task(until_told(device.on_site))
    say(out, {"ready": arguments.name, "port": port, "unit": unit})
    try:
        await asyncio.wait((linking, told), return_when=asyncio.FIRST_COMPLETED)
        if linking.done():
            linking.result()
    finally:
        for task in (linking, told):
            task.cancel()
        await asyncio.gather(linking, told, return_exceptions=True)
        await server.stop()


def main() -> int:
    """Run one device; exit code 2 for a scenario or name that cannot be used."""
    die_with_parent()
    logging.getLogger().setLevel(logging.CRITICAL)  # OpenDER remarks on every setting
    arguments = _arguments()
    try:
        scenario = load_scenario(arguments.scenario.resolve())
        freshness = Freshness(time.monotonic)
        unit, device, server = _build(scenario, arguments.name, freshness)
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"{arguments.name}: {error}\n")
        return 2
    asyncio.run(_serve(arguments, unit, device, server, freshness))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
