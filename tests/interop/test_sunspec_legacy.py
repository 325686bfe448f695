"""Group functions on an older inverter: model 123, read back by pysunspec2's client."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import numpy as np
import pytest
import sunspec2.device as peer
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from gateway.groups.backend import Asker
from gateway.groups.messages import (
    Address,
    ConnectRequest,
    DispatchRequest,
    LimitRequest,
    Quantity,
    Result,
)
from gateway.model.command import Priority
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from tests.interop.test_sunspec_models import definition, filled

pytestmark = pytest.mark.interop

OPERATOR = Asker("operator", Priority.OPERATOR)
VALUES = {
    103: {"W": 800, "W_SF": 2, "VAr": 0, "VAr_SF": 2, "Hz": 6000, "Hz_SF": -2, "St": 4},
    120: {
        "WRtg": 100, "WRtg_SF": 3, "VARtg": 110, "VARtg_SF": 3, "VArRtgQ1": 44, "VArRtgQ4": -44,
        "VArRtg_SF": 3,
    },
    121: {"WMax": 100, "WMax_SF": 3, "VArMaxQ1": 44, "VArMax_SF": 3},
    122: {},
    123: {
        "Conn": 1, "WMaxLimPct": 1000, "WMaxLimPct_SF": -1, "WMaxLim_Ena": 0, "OutPFSet_SF": -2,
        "VArPct_SF": -1, "VArMaxPct": 0, "VArPct_Ena": 0, "VArPct_Mod": 1, "OutPFSet": 100,
        "OutPFSet_Ena": 0, "WMaxLimPct_RvrtTms": 0,
    },
}  # fmt: skip


def registers() -> list[int]:
    payload = b"SunS"
    for model_id in (1, *VALUES):
        data = {"ID": model_id, **filled(definition(model_id), random.Random(model_id))}
        body = peer.Model(model_id, data=data | VALUES.get(model_id, {})).get_mb()[4:]
        payload += model_id.to_bytes(2, "big") + (len(body) // 2).to_bytes(2, "big") + body
    return np.frombuffer(payload + b"\xff\xff\0\0", dtype=">u2").astype(int).tolist()


@asynccontextmanager
async def running(folder):
    data = SimData(40_000, values=registers(), datatype=DataType.REGISTERS)
    server = ModbusTcpServer(SimDevice(1, simdata=[data]), address=("127.0.0.1", 0))
    await server.listen()
    assert server.transport is not None
    port = server.transport.sockets[0].getsockname()[1]
    (folder / "site.toml").write_text(
        'name = "old"\n[links.lan]\ntype = "modbus-tcp"\n'
        '[groups.pv]\nbackend = "members"\nmembers = ["pv1"]\n'
    )
    row = f"pv1,sunspec_legacy,lan,127.0.0.1:{port},1\n"
    (folder / "devices.csv").write_text("device,profile,link,address,unit\n" + row)
    gateway = Gateway(load_site(folder), SystemClock())
    task = asyncio.create_task(gateway.run())
    try:
        async with asyncio.timeout(15):
            while not all(gateway.store[f"pv1.{p}"].is_good for p in ("p", "q_rtg", "q_set_pct")):
                await asyncio.sleep(0.02)
        yield gateway, port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.shutdown()


def controls(port: int) -> dict[str, float]:
    """Model 123 as pysunspec2's own client reads it."""
    device = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=5)
    device.scan()
    model = device.models[123][0]
    model.read()
    values = {name: point.cvalue for name, point in model.points.items()}
    device.close()
    return values


def address(number: int) -> Address:
    return Address(message_id=f"m{number}", dms_id="dms", group_id="pv", time_ms=1)


async def test_limit_reactive_dispatch_and_disconnect_reach_model_123(tmp_path):
    async with running(tmp_path) as (gateway, port):
        assert gateway.store["pv1.p"].value == 80e3
        limit = LimitRequest(address=address(1), limit_w=25e3)
        reply = await gateway.ask(limit, OPERATOR, peer="test")
        assert reply.result is Result.OK, reply
        schedule = ((0.0, -11e3),)
        dispatch = DispatchRequest(
            address=address(2), quantity=Quantity.REACTIVE_POWER, schedule=schedule
        )
        assert (await gateway.ask(dispatch, OPERATOR, peer="test")).result is Result.OK
        held = await asyncio.to_thread(controls, port)
        assert (held["WMaxLimPct"], held["WMaxLim_Ena"]) == (pytest.approx(25.0), 1)
        # -11 of 44 kvar, in percent of VArMax (mode 2)
        assert (held["VArMaxPct"], held["VArPct_Mod"]) == (pytest.approx(-25.0), 2)
        assert held["VArPct_Ena"] == 1
        off = ConnectRequest(address=address(3), connect=False)
        assert (await gateway.ask(off, OPERATOR, peer="test")).result is Result.OK
        assert (await asyncio.to_thread(controls, port))["Conn"] == 0
