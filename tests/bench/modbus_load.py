"""One polling process of the bench: Tieline's poller or pymodbus tasks, measured from inside.

Run as a child: ``python modbus_load.py tieline|pymodbus SECONDS REGISTERS UNITS PORT...``. Prints
one JSON object. Every device has a connection of its own; devices share the server's ports.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

WARM_UP_S = 2.5


def cpu_s() -> float:
    """CPU this process has used, s."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_mb() -> float:
    """Memory this process holds now, MB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


async def tieline(seconds: float, registers: int, devices: int, ports: list[int]) -> dict:
    from gateway.links.modbus.codec import Table
    from gateway.links.modbus.config import DeviceConfig, EndpointConfig, PollerConfig
    from gateway.links.modbus.device import ModbusDevice, PolledPoint, PollGroup
    from gateway.links.modbus.poller import ModbusPoller
    from gateway.model.point import PointKind, PointSpec
    from gateway.points.store import PointStore
    from gateway.profiles.registers import RegisterField, RegisterType
    from gateway.site.clock import SystemClock

    imported_mb = resident_mb()
    clock = SystemClock()
    field = [RegisterField(n, RegisterType.INT16, scale=0.1) for n in range(registers)]
    specs = (
        PointSpec(f"dev{device}.r{n}", PointKind.AI, "V")
        for device in range(devices)
        for n in range(registers)
    )
    store = PointStore(specs, clock)
    store_mb = resident_mb() - imported_mb
    endpoints = tuple(
        EndpointConfig(name=f"dev{n}", host="127.0.0.1", port=ports[n % len(ports)])
        for n in range(devices)
    )
    poller = ModbusPoller(PollerConfig(endpoints=endpoints), (), store, clock)
    del endpoints
    for device in range(devices):
        points = tuple(
            PolledPoint(device * registers + n, Table.HOLDING, field[n]) for n in range(registers)
        )
        config = DeviceConfig(name=f"dev{device}", endpoint=f"dev{device}")
        poller.add_device(ModbusDevice(config, (PollGroup(1.0, points),)))
    task = asyncio.create_task(poller.run())
    await asyncio.sleep(WARM_UP_S)
    counts = [line.unit(1) for line in poller.statistics.lines.values()]
    cycles, missed = sum(c.cycles for c in counts), sum(c.missed for c in counts)
    began_s, began_cpu_s = time.monotonic(), cpu_s()
    await asyncio.sleep(seconds)
    spent_s, spent_cpu_s = time.monotonic() - began_s, cpu_s() - began_cpu_s
    result = {
        "cycles": sum(c.cycles for c in counts) - cycles,
        "missed": sum(c.missed for c in counts) - missed,
        "good": sum(store[point].is_good for point in store.index),
        "wrong": sum(
            abs(store[point].value - 0.1 * int(point.rpartition(".r")[2])) > 1e-9
            for point in store.index
        ),
        "core_pct": 100 * spent_cpu_s / spent_s,
        "resident_mb": resident_mb(),
        "imported_mb": imported_mb,
        "store_mb": store_mb,
    }
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return result


async def pymodbus(seconds: float, registers: int, devices: int, ports: list[int]) -> dict:
    from pymodbus.client import AsyncModbusTcpClient

    cycles = 0
    good = 0

    async def poll(n: int) -> None:
        nonlocal cycles, good
        client = AsyncModbusTcpClient("127.0.0.1", port=ports[n % len(ports)], retries=0)
        await asyncio.sleep(n / devices)
        await client.connect()
        due_s = time.monotonic()
        while True:
            answer = await client.read_holding_registers(0, count=registers)
            # the same work: scale, as a task a device would
            values = [0.1 * register for register in answer.registers]
            good += len(values) == registers
            cycles += 1
            due_s += 1.0
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    polls = asyncio.gather(*(poll(n) for n in range(devices)))
    await asyncio.sleep(WARM_UP_S)
    assert not polls.done()
    before, began_s, began_cpu_s = cycles, time.monotonic(), cpu_s()
    await asyncio.sleep(seconds)
    spent_s, spent_cpu_s = time.monotonic() - began_s, cpu_s() - began_cpu_s
    return {
        "cycles": cycles - before,
        "core_pct": 100 * spent_cpu_s / spent_s,
        "resident_mb": resident_mb(),
    }


def main() -> None:
    kind, seconds, registers, devices, *ports = sys.argv[1:]
    run = {"tieline": tieline, "pymodbus": pymodbus}[kind]
    work = run(float(seconds), int(registers), int(devices), [int(port) for port in ports])
    asyncio.run(_report(work))


async def _report(work: Coroutine[Any, Any, dict]) -> None:
    """Print the figures and end at once: pymodbus's tasks do not always end when cancelled."""
    print(json.dumps(await work), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
