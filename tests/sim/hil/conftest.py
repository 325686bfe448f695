"""Shared pieces of the bench's tests: one OpenDSS in the process, devices over loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from pymodbus.client import AsyncModbusTcpClient

from hil.devices.modbus_server import DeviceServer, Registers
from hil.plant.engine import Feeder
from hil.plant.terminals import Instruments
from hil.plant.world import Plant, Snapshot
from hil.scenario import DEFAULT_SCENARIO, Scenario, load_scenario

Serve = Callable[[int, Registers], AbstractAsyncContextManager[AsyncModbusTcpClient]]


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return load_scenario(DEFAULT_SCENARIO)


@pytest.fixture
def plant(scenario: Scenario) -> Plant:
    """A fresh plant; OpenDSS is one per process, so a test holds one at a time."""
    return Plant(scenario, Feeder(scenario.feeder))


@pytest.fixture
def snapshot(plant: Plant) -> Snapshot:
    """The plant's first moment."""
    return plant.step(plant.uncontrolled(0.0), 0.0)


@pytest.fixture
def quiet(scenario: Scenario) -> Instruments:
    """Instruments without noise."""
    return Instruments(scenario.model_copy(update={"noise": type(scenario.noise)()}))


@pytest.fixture
def nominal(scenario: Scenario) -> Feeder:
    """The feeder as the DMS knows it, without the scenario's mismatch."""
    return Feeder(scenario.feeder)


@pytest.fixture
def serve() -> Serve:
    """Serves a device on a free port and connects pymodbus's own client to it."""

    @asynccontextmanager
    async def served(unit: int, device: Registers) -> AsyncIterator[AsyncModbusTcpClient]:
        server = DeviceServer(unit, device)
        port = await server.start("127.0.0.1", 0)
        client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=2, retries=0)
        try:
            assert await client.connect()
            yield client
        finally:
            client.close()
            await server.stop()

    return served
