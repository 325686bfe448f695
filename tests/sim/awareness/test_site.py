"""A running gateway on a feeder PLC's registers: what it sees, forecasts and tells."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import asynccontextmanager

import numpy as np
import pytest
from typer.testing import CliRunner

from gateway.__main__ import app
from gateway.grid.dss_engine import DssEngine
from gateway.site.clock import SystemClock
from gateway.site.gateway import Gateway
from gateway.site.load import load_site
from tests.unit.grid.settings import FEEDERS

MASTER = FEEDERS / "ieee13_der.dss"
HEAD = ("Transformer.reg60a", "Transformer.reg60b", "Transformer.reg60c")
TAPS = {"reg60a": 16, "reg60b": 2, "reg60c": 9}
METERS = {24: "rg60.1", 25: "rg60.2", 26: "rg60.3", 27: "634.1", 28: "634.2", 29: "634.3",
          30: "675.1", 31: "675.2", 32: "675.3"}  # fmt: skip
SITE = """\
name = "east"
[links.lan]
type = "modbus-tcp"
[dms]
model = "{model}"
head = ["Transformer.reg60a", "Transformer.reg60b", "Transformer.reg60c"]
exclude_buses = ["sourcebus", "650"]
[dms.vvo]
mode = "off"
[dms.awareness]
period_s = 1
[dms.forecast]
spacing_s = 1
[https]
port = {port}
"""


def registers():
    """What the PLC shows of a feeder at its own loads, and the feeder."""
    engine = DssEngine(MASTER, HEAD)
    for regulator, tap in TAPS.items():
        engine.set_tap(regulator, tap)
    engine.scale_loads(np.array([[0.7, 0.7], [0.65, 0.7], [0.72, 0.68]]))
    solution = engine.solve()
    volts = dict(zip(engine.nodes, solution.voltages_pu.tolist(), strict=True))
    words = dict.fromkeys(range(42), 0) | dict(enumerate(TAPS.values()))
    for number, value in enumerate([*solution.head_p_w, *solution.head_q_var]):
        words[8 + 2 * number], words[9 + 2 * number] = struct.unpack(
            ">HH", struct.pack(">i", round(value))
        )
    words |= {register: round(volts[node] / 0.0001) for register, node in METERS.items()}
    return words | {40: 60_000}, volts, solution


class Plc(asyncio.Protocol):
    """Registers only, as raw bytes: both capacitors closed, nothing in local."""

    def __init__(self, words: dict[int, int]) -> None:
        self.words = words

    def connection_made(self, transport) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while len(self.buffer) >= 12:
            frame, self.buffer = self.buffer[:12], self.buffer[12:]
            function, address, count = struct.unpack(">BHH", frame[7:])
            if function in (1, 2):
                bits = sum(1 << n for n in range(count) if address + n in (3, 4))
                body = bits.to_bytes((count + 7) // 8, "little")
            else:
                held = [self.words.get(address + n, 0) for n in range(count)]
                body = struct.pack(f">{count}H", *held)
            pdu = struct.pack(">BB", function, len(body)) + body
            self.transport.write(frame[:4] + struct.pack(">HB", len(pdu) + 1, frame[6]) + pdu)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def site_folder(folder, plc_port: int):
    text = SITE.format(model=MASTER, port=free_port())
    (folder / "site.toml").write_text(text)
    (folder / "devices.csv").write_text(
        f"device,profile,link,address,unit\nf,feeder_plc,lan,127.0.0.1:{plc_port},1\n"
    )
    rows = [f"regulator,reg60{p},f.reg_{p}_tap,f.reg_{p}_tap_cmd" for p in "abc"]
    rows += [f"capacitor,cap{n},f.cap{n}_closed,f.cap{n}_cmd" for n in (675, 611)]
    rows += [f"head_{q},{n},f.head_{q}_{p}," for q in "pq" for n, p in enumerate("abc", 1)]
    for node in METERS.values():
        bus, phase = node.split(".")
        rows.append(f"voltage,{node},f.v_{bus}_{'abc'[int(phase) - 1]},")
    (folder / "maps").mkdir()
    (folder / "maps" / "network.csv").write_text("role,element,source,command\n" + "\n".join(rows))
    return folder


@asynccontextmanager
async def running(folder):
    words, volts, solution = registers()
    server = await asyncio.get_running_loop().create_server(lambda: Plc(words), "127.0.0.1", 0)
    gateway = Gateway(
        load_site(site_folder(folder, server.sockets[0].getsockname()[1])), SystemClock()
    )
    task = asyncio.create_task(gateway.run())
    try:
        yield gateway, volts, solution
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()
        await server.wait_closed()


async def command(*words: str):
    return await asyncio.to_thread(CliRunner().invoke, app, words, env={"COLUMNS": "200"})


@pytest.mark.timeout(120)
async def test_a_running_gateway_tells_of_its_feeder(tmp_path):
    async with running(tmp_path) as (gateway, volts, solution):
        awareness = gateway.awareness
        assert awareness is not None
        async with asyncio.timeout(60):
            while awareness.state.report is None or awareness.state.report.meters_good < 9:
                assert not awareness.record.fault, awareness.record.fault
                await asyncio.sleep(0.1)
            assert gateway.group_server is not None
            await gateway.group_server.listening.wait()
            while gateway.forecasts.present("feeder:load") is None:
                await asyncio.sleep(0.1)
        told = await command("summary", str(tmp_path), "--json")
        assert told.exit_code == 0, told.output
        report = json.loads(told.output)["report"]
        assert report["head_kw"] == pytest.approx(solution.power_w / 1e3, abs=0.5)
        assert report["losses_kw"] == pytest.approx(solution.losses_w / 1e3, rel=0.03)
        high = {node for node in METERS.values() if not 0.95 <= volts[node] <= 1.05}
        measured = {v["node"] for v in report["violations"] if v["measured_pu"] is not None}
        assert high == measured != set()
        assert report["headroom"]
        page = await command("summary", str(tmp_path), "--html", str(tmp_path / "page.html"))
        assert page.exit_code == 0, page.output
        html = (tmp_path / "page.html").read_text()
        assert html.count("<table>") == html.count("</table>") >= 4
        assert "out of band, worst rg60.1" in html
        shown = await command("summary", str(tmp_path))
        assert "Headroom before the first limit" in shown.output
        forecast = json.loads((await command("forecast", str(tmp_path), "--json")).output)
        (first, *_) = forecast["forecasts"]["feeder:load"]
        assert first["model"] == "persistence"
        assert first["nominal"] == pytest.approx(solution.power_w, abs=100.0)
        table = await command("forecast", str(tmp_path))
        assert "feeder:load" in table.output


async def test_without_a_running_gateway_the_command_says_what_to_do(tmp_path):
    site_folder(tmp_path, 1)
    told = await command("summary", str(tmp_path))
    assert told.exit_code == 1
