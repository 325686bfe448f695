"""The whole bench as processes: ready in time, killed and brought back, no orphan."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from hil.bench import Bench
from hil.devices.sunspec_settings import build_map
from hil.scenario import DEFAULT_SCENARIO


def over_modbus(folder: Path) -> Path:
    """The scenario with every device that can speak Modbus doing so."""
    text = DEFAULT_SCENARIO.read_text().replace(
        "../feeders", str(DEFAULT_SCENARIO.parent / "../feeders")
    )
    lines = ["dnp3 = []" if line.startswith("dnp3 = ") else line for line in text.splitlines()]
    path = folder / "scenario.toml"
    path.write_text("\n".join(lines))
    return path


async def word(port: int, unit: int, address: int, table: str = "holding") -> int | str:
    """One register, or what went wrong: ``exception N``, ``refused``."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=1, retries=0)
    try:
        if not await client.connect():
            return "refused"
        read = client.read_holding_registers
        if table == "input":
            read = client.read_input_registers
        answer = await read(address, count=1, device_id=unit)
        return f"exception {answer.exception_code}" if answer.isError() else answer.registers[0]
    except ModbusException:
        return "refused"
    finally:
        client.close()


async def until_word(expected, *where, timeout_s: float = 8.0) -> int | str:
    async with asyncio.timeout(timeout_s):
        while not expected(seen := await word(*where)):
            await asyncio.sleep(0.05)
    return seen


async def until(condition, timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


def last(truth: Path) -> dict:
    lines = truth.read_text().splitlines()
    return json.loads(lines[-1]) if lines else {}


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_number(value: int | str) -> bool:
    return isinstance(value, int)


async def test_devices_and_plant_die_and_come_back(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    scenario = over_modbus(tmp_path)
    bench = Bench(scenario_path=scenario, port_base=0, time_scale=20.0, truth=truth)
    address = build_map(bench.scenario.ders["pv675"]).points["701.W"].address
    started = time.monotonic()
    async with bench:
        assert time.monotonic() - started < 20.0
        pids = [pid for n in bench.ports if (pid := bench.pid(n)) is not None]
        assert len(pids) == 9
        pv, plc, mc = (bench.ports[n] for n in ("pv675", "feeder_plc", "mg680"))
        await until_word(is_number, plc, 1, 0, "input")
        sunny = lambda w: is_number(w) and w * 100 > 0.8 * 450e3  # noqa: E731 - W_SF is 2
        await until_word(sunny, pv, 1, address)
        assert await until_word(is_number, mc, 54, 2101, "input") == 1

        await bench.kill("pv675")
        assert await word(pv, 1, address) == "refused"
        await until(lambda: last(truth)["der"]["pv675"]["p_w"] == 0.0)
        await bench.restart("pv675")
        assert bench.ports["pv675"] == pv
        await until_word(sunny, pv, 1, address)

        await bench.kill("plant")
        await until_word(lambda w: w == "exception 4", pv, 1, address)
        await until_word(lambda w: w == "exception 4", plc, 1, 0, "input")
        await until_word(lambda w: w == "exception 4", mc, 54, 2101, "input")
        await bench.restart("plant")
        await until_word(is_number, pv, 1, address)
        await until_word(is_number, plc, 1, 0, "input")
        await until_word(is_number, mc, 54, 2101, "input")

        await bench.tell("pv675", {"local": True})
    assert not any(alive(pid) for pid in pids)


async def test_the_clock_stands_until_told_and_commands_move_the_feeder(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    scenario = over_modbus(tmp_path)
    async with Bench(scenario, port_base=0, time_scale=50.0, truth=truth, paused=True) as bench:
        plc = bench.ports["feeder_plc"]
        await until_word(is_number, plc, 1, 0, "input")
        assert last(truth) == {}
        client = AsyncModbusTcpClient("127.0.0.1", port=plc, timeout=1, retries=0)
        await client.connect()
        await client.write_register(1, 2, device_id=1)
        await bench.run_clock()
        await until_word(lambda w: w == 2, plc, 1, 1, "input")
        client.close()
    records = [json.loads(line) for line in truth.read_text().splitlines()]
    assert [r["time_s"] for r in records] == list(range(len(records)))
    assert records[0]["der"]["pv675"]["p_w"] > 0.8 * 450e3, "all there when the clock starts"
    moved = [r["time_s"] for r in records if r["taps"]["b"] == 2]
    assert 13 <= moved[0] <= 20, "seven steps of two simulated seconds each"
    assert records[-1]["v_pu"]["675.2"] < records[0]["v_pu"]["675.2"] - 0.03


async def test_no_orphan_when_the_bench_is_killed() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "hil.bench", "--port-base", "0"),
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(process.stdout.readline(), 30)
        assert json.loads(said)["ready"] == "bench"
        children = children_of(process.pid)
        assert len(children) == 9
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    await until(lambda: not any(alive(pid) for pid in children))
