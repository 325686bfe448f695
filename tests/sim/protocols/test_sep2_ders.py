"""A whole gateway commands a 2030.5 inverter behind a client of others' make, and is restarted."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.groups.backend import Asker
from gateway.groups.messages import (
    Address,
    DispatchRequest,
    GroupReply,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    Result,
    StatusRequest,
)
from gateway.model.command import Command, CommandStatus, Priority
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from gateway.site.sep2_pki import certificate_lfdi, ensure_authority, ensure_device
from hil.demo.csip import csip_client
from hil.demo.ports import free_ports
from tests.sim.protocols.sep2_inverter import STATE

pytestmark = pytest.mark.interop

NOW = dt.datetime.now(dt.UTC)
ROOT = Path(__file__).parents[3]
ASKER = Asker("operator", Priority.OPERATOR)
SITE = """\
name = "south"

[links.csip]
type = "sep2"

[sep2_server]
port = {port}
poll_s = 10
post_s = 1

[poll.readings]
period_s = 2.0

[poll.status]
period_s = 2.0

[poll.contact]
period_s = 2.0

[groups.pv]
backend = "members"
members = ["pv"]
"""


@dataclass
class South:
    """The site's folder, the gateway of now, and what the inverter was told."""

    folder: Path
    gateway: Gateway
    inverter: Path

    def told(self) -> list[dict[str, Any]]:
        lines = self.inverter.read_text().splitlines() if self.inverter.exists() else []
        return [json.loads(line) for line in lines]

    async def ask(self, kind: type, **fields: Any) -> GroupReply:
        address = Address(message_id=uuid4().hex, dms_id="t", group_id="pv", time_ms=0)
        return await self.gateway.ask(kind(address=address, **fields), ASKER, peer="test")

    async def until(self, true: Callable[[], bool], limit_s: float = 20.0) -> None:
        async with asyncio.timeout(limit_s):
            while not true():
                await asyncio.sleep(0.05)

    def good(self, point: str, value: float) -> bool:
        measurement = self.gateway.store[f"pv.{point}"]
        return measurement.is_good and abs(measurement.value - value) < 1e-6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A site with one 2030.5 inverter and its certificates."""
    ensure_authority(tmp_path / "sep2", NOW)
    ensure_device(tmp_path / "sep2", "pv", NOW)
    lfdi = certificate_lfdi(tmp_path / "sep2" / "pv.crt", dt.datetime.now(dt.UTC))
    (port,) = free_ports(1)
    (tmp_path / "site.toml").write_text(SITE.format(port=port))
    row = f"pv,sep2_inverter,csip,{lfdi},4\n"
    (tmp_path / "devices.csv").write_text(f"device,profile,link,address,timeout_s\n{row}")
    return tmp_path


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[South]:
    """The gateway at work on its own; stopped in order."""
    gateway = Gateway(load_site(folder), SystemClock())
    task = asyncio.create_task(gateway.run())
    try:
        yield South(folder, gateway, folder / "inverter.jsonl")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def inverter(folder: Path) -> AsyncIterator[None]:
    """py20305 with the tests' inverter behind it."""
    port = load_site(folder).file.sep2_server
    lfdi = certificate_lfdi(folder / "sep2" / "pv.crt", dt.datetime.now(dt.UTC))
    (notify,) = free_ports(1)
    assert port is not None
    ports = {"server": port.port, "notify": notify, "device": 1}
    csip_client("pv", lfdi, folder / "sep2", ports, folder / "client.log")
    settings = json.loads((folder / "sep2" / "pv.json").read_text())
    path = "tests.sim.protocols.sep2_inverter.Inverter"
    settings["devices"] = [{"type": "custom", "class_path": path, "lfdi": lfdi}]
    (folder / "sep2" / "pv.json").write_text(json.dumps(settings))
    with (folder / "client.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "py20305", "--config", str(folder / "sep2" / "pv.json")),
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env={**os.environ, STATE: str(folder / "inverter.jsonl"), "PYTHONPATH": str(ROOT)},
        )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def is_read(south: South) -> None:
    """What the inverter posts is seen, in its units and signs."""
    await south.until(lambda: south.good("p", 8000.0) and south.good("conn", 1.0))
    await south.until(lambda: south.good("p_max", 10_000.0) and south.good("q_set_ena", 0.0))
    assert south.good("s_max_rtg", 12_000.0)
    assert south.good("q_abs_rtg", 5_000.0)
    reply = await south.ask(StatusRequest)
    assert reply.result is Result.OK


async def is_commanded(south: South) -> None:
    """Group functions reach it, are answered by it, and show in its readings."""
    vars_ = {"quantity": Quantity.REACTIVE_POWER, "schedule": ((0.0, -1250.0),)}
    reply = await south.ask(DispatchRequest, **vars_)
    assert reply.result is Result.OK, reply
    assert south.told()[-1] == {"var_pct": -25.0}
    await south.until(lambda: south.good("q", -1250.0))
    reply = await south.ask(LimitRequest, limit_w=5000.0)
    assert reply.result is Result.OK, reply
    assert {"limit_pct": 50.0} in south.told()
    await south.until(lambda: south.good("p", 4000.0))
    assert south.good("q_set_ena", 1.0)  # the limit's control carried the vars on
    await south.until(lambda: south.good("q", -1250.0))


async def refuses_what_it_cannot(south: South) -> None:
    """A mode it does not have is refused by name; what held before still holds."""
    reply = await south.ask(PowerFactorRequest, power_factor=0.95)
    assert reply.result is Result.FAILED
    assert "252" in " ".join(error.reason for error in reply.errors)
    await south.until(lambda: south.good("p_limit_ena", 1.0))
    assert south.good("pf_ena", 0.0)


def orders(south: South) -> list[list[int]]:
    assert south.gateway.sep2 is not None
    state = south.gateway.sep2.states["pv"]
    return [[code for code, _ in order.answers] for order in state.orders]


async def test_group_functions_become_controls_and_a_restart_loses_none(folder: Path) -> None:
    async with inverter(folder):
        async with running(folder) as south:
            await is_read(south)
            await is_commanded(south)
            assert all(answers[:2] == [1, 2] for answers in orders(south))
            await refuses_what_it_cannot(south)
            held = south.told()
        async with running(folder) as south:
            await south.until(lambda: south.good("p_limit_ena", 1.0) and south.good("p_limit", 50))
            await south.until(lambda: south.good("p", 4000.0))
            assert {"limit_pct": 50.0} in held
            reply = await south.ask(LimitRequest, limit_w=None)
            assert reply.result is Result.OK, reply
            await south.until(lambda: south.good("p", 8000.0))


async def test_an_inverter_that_is_gone_is_lost_and_not_commanded(folder: Path) -> None:
    async with running(folder) as south:
        async with inverter(folder):
            await is_read(south)
        await south.until(lambda: not south.gateway.store["pv.p"].is_good, 12.0)
        await south.until(lambda: not south.gateway.store["pv.q_set_ena"].is_good, 12.0)
        command = Command("pv.q_set_ena", 1.0, "test", Priority.OPERATOR)
        result = await south.gateway.router.submit(command)
        assert result.status is not CommandStatus.SUCCESS
        assert result.value_sent is None
        assert "not online" in result.detail
        assert orders(south) == []
