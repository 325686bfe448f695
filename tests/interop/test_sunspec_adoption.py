"""Adopting a curve: success is what the device's active curve shows, not an older result."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import numpy as np
import pytest
import sunspec2.device as peer
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.links.modbus.config import DeviceConfig, EndpointConfig, PollerConfig
from gateway.links.modbus.poller import ModbusPoller
from gateway.links.sunspec import client
from gateway.links.sunspec.client import SunSpecDevice, SunSpecLink
from gateway.model.command import Command, CommandStatus, Priority
from gateway.model.data import data_folder
from gateway.model.point import PointSpec
from gateway.points.store import PointStore
from gateway.profiles.load import load_profile
from gateway.site.clock import SystemClock
from tests.interop.test_sunspec_models import definition, filled

pytestmark = pytest.mark.interop


def registers(*, result: int, active_is_asked: bool) -> list[int]:
    """Model 705 of pysunspec2 with two curves of two points, as registers."""
    data = {"ID": 705, **filled(definition(705), random.Random(5))}
    data |= {"AdptCrvReq": 0, "AdptCrvRslt": result}
    for curve in data["Crv"]:
        curve["ActPt"] = 2
    if active_is_asked:
        data["Crv"][0]["Pt"] = data["Crv"][1]["Pt"]
    body = peer.Model(705, data=data).get_mb()[4:]
    header = (705).to_bytes(2, "big") + (len(body) // 2).to_bytes(2, "big")
    payload = b"SunS" + header + body + b"\xff\xff\x00\x00"
    return np.frombuffer(payload, dtype=">u2").astype(int).tolist()


@asynccontextmanager
async def linked(words: list[int]):
    data = SimData(40_000, values=words, datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(1, simdata=[data]), address=("127.0.0.1", 0))
    await server.listen()
    assert server.transport is not None
    port = server.transport.sockets[0].getsockname()[1]
    endpoint = EndpointConfig(name="peer", host="127.0.0.1", port=port)
    profile = load_profile(data_folder("devices"), "sunspec_inverter")
    config = DeviceConfig(name="pv", endpoint="peer", unit=1, single_register_function=16)
    specs = [PointSpec(f"pv.{point.point}", point.kind) for point in profile.points]
    store = PointStore(specs, SystemClock())
    poller = ModbusPoller(PollerConfig(endpoints=(endpoint,)), (), store, SystemClock())
    periods_s = {name: group.period_s for name, group in profile.poll.items()}
    link = SunSpecLink(poller, [SunSpecDevice(config, profile, periods_s)], store.index)
    tasks = [asyncio.create_task(poller.run()), asyncio.create_task(link.run())]
    try:
        async with asyncio.timeout(10):
            while link.states["pv"].found is None:
                await asyncio.sleep(0.01)
        yield link
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.shutdown()


@pytest.mark.parametrize(
    ("result", "active_is_asked", "status"),
    [
        (1, True, CommandStatus.SUCCESS),
        (1, False, CommandStatus.TIMEOUT),
        (2, False, CommandStatus.DOWNSTREAM_FAIL),
        (0, True, CommandStatus.TIMEOUT),
    ],
    ids=["adopted", "result of an earlier one", "refused", "never done"],
)
async def test_adoption_is_believed_when_the_active_curve_shows_it(
    monkeypatch, result, active_is_asked, status
):
    monkeypatch.setattr(client, "ADOPT_S", 0.5)
    async with linked(registers(result=result, active_is_asked=active_is_asked)) as link:
        command = Command("pv.vv_adopt", 2.0, "op", Priority.OPERATOR)
        assert (await link.operate(command)).status is status
