"""pysunspec2's own client scans the emulated inverters and agrees on every value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from hil.devices.modbus_server import DeviceServer
from hil.devices.sunspec_device import SunSpecDevice
from hil.scenario import DEFAULT_SCENARIO, load_scenario

pytestmark = pytest.mark.interop

SCENARIO = load_scenario(DEFAULT_SCENARIO)


def _device(name: str, seconds: int = 5) -> SunSpecDevice:
    der = SCENARIO.ders[name]
    device = SunSpecDevice(der, 1.0, lambda: True)
    three = len(der.nodes) == 3
    base = der.v_nom_v / (3**0.5 if three else 1)
    volts = [1.01 * base, 1.02 * base, 0.99 * base] if three else [1.01 * base]
    answer: dict[str, Any] = {"p_w": 0.0, "q_var": 0.0}
    for _ in range(seconds):
        pu = [v / base for v in volts]
        told = {"v_v": volts, "v_pu": pu, "hz": 59.98, "sun": 0.7, "elapsed_s": 1.0, **answer}
        answer = device.on_step(told)
    return device


@asynccontextmanager
async def _scanned(device: SunSpecDevice) -> AsyncIterator[SunSpecModbusClientDeviceTCP]:
    server = DeviceServer(1, device)
    port = await server.start("127.0.0.1", 0)
    client = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=port, timeout=5)
    try:
        await asyncio.to_thread(client.scan)
        yield client
    finally:
        client.close()
        await server.stop()


def _leaves(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, point in group.points.items():
        yield f"{prefix}.{name}", point
    for name, sub in group.groups.items():
        if isinstance(sub, list):
            for i, one in enumerate(sub, start=1):
                yield from _leaves(one, f"{prefix}.{name}.{i}")
        else:
            yield from _leaves(sub, f"{prefix}.{name}")


@pytest.mark.parametrize(
    ("name", "models"),
    [
        ("pv675", [1, 701, 702, 703, 704, 705, 712, 713, 715]),
        ("pv646", [1, 701, 702, 703, 704, 705, 712, 713, 715]),
        ("pv652", [1, 701, 702, 703, 704, 705, 712, 713, 715]),
        ("bat671", [1, 701, 702, 703, 704, 705, 712, 713, 715]),
    ],
)
async def test_scan_finds_every_model_and_agrees_on_every_value(
    name: str, models: list[int]
) -> None:
    device = _device(name)
    async with _scanned(device) as client:
        assert [m.model_id for m in client.model_list] == models
        compared = 0
        for model in client.model_list:
            for path, point in _leaves(model, str(model.model_id)):
                ours = device.sunspec.points[path]
                if ours.type in ("pad", "sunssf"):
                    continue
                theirs = point.cvalue
                if ours.type == "string":
                    assert (theirs or None) == device.sunspec.text(path), path
                    continue
                expected = device.sunspec.get(path)
                if expected is None:
                    assert theirs is None, path
                else:
                    assert theirs == pytest.approx(expected, rel=1e-9, abs=1e-12), path
                    compared += 1
        assert compared > 150


async def test_the_values_are_those_of_the_terminal() -> None:
    device = _device("pv675")
    async with _scanned(device) as client:
        measured = client.models[701][0]
        assert measured.ACType.value == 2
        assert measured.W.cvalue == pytest.approx(0.7 * 450e3, abs=50)
        assert measured.Hz.cvalue == pytest.approx(59.98, abs=1e-3)
        assert measured.VL1.cvalue == pytest.approx(1.01 * 4160 / 3**0.5, abs=0.06)
        assert measured.LLV.cvalue == pytest.approx(4160 * 1.0067, rel=2e-3)
        assert measured.PF.cvalue == pytest.approx(1.0, abs=1e-3)
        assert measured.TmpSnk.value is None, "not implemented"
        ratings = client.models[702][0]
        assert ratings.WMaxRtg.cvalue == 450e3
        assert ratings.VAMaxRtg.cvalue == 500e3
        assert ratings.VarMaxInjRtg.cvalue == 220e3
        assert ratings.VNomRtg.cvalue == 4160
        assert ratings.WChaRteMaxRtg.value is None, "no storage"
        assert client.models[1][0].SN.value == "pv675"


async def test_their_client_commands_our_inverter() -> None:
    device = _device("pv652")
    async with _scanned(device) as client:
        control = client.models[704][0]
        control.WMaxLimPct.cvalue = 35.0
        control.WMaxLimPctEna.value = 1
        await asyncio.to_thread(control.WMaxLimPct.write)
        await asyncio.to_thread(control.WMaxLimPctEna.write)
        assert device.sunspec.get("704.WMaxLimPct") == pytest.approx(35.0)
        assert device.sunspec.get("704.WMaxLimPctEna") == 1
        curve = client.models[705][0]
        curve.Crv[1].Pt[0].V.cvalue = 91.5
        await asyncio.to_thread(curve.Crv[1].Pt[0].write)
        curve.AdptCrvReq.value = 2
        await asyncio.to_thread(curve.AdptCrvReq.write)
        await asyncio.to_thread(curve.read)
        assert curve.AdptCrvRslt.value == 0
        told = {"v_v": [2400.0], "v_pu": [1.0], "hz": 60.0, "sun": 0.7, "elapsed_s": 1.0}
        device.on_step({**told, "p_w": 0.0, "q_var": 0.0})
        await asyncio.to_thread(curve.read)
        assert curve.AdptCrvRslt.value == 1
        assert curve.Crv[0].Pt[0].V.cvalue == pytest.approx(91.5)
        assert curve.Crv[0].ReadOnly.value == 1
