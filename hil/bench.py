"""The bench: plant and emulated devices as separate processes on loopback.

``python -m hil.bench`` runs it until Ctrl-C. From Python::

    async with Bench(truth=Path("truth.jsonl")) as bench:
        bench.ports["pv675"]
        await bench.kill("pv675")
        await bench.restart("pv675")

No child outlives the bench: each ends when its standard input does, and on Linux when its
parent dies.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hil.scenario import DEFAULT_SCENARIO, Scenario, load_scenario
from hil.wire import FEEDER_PLC, SWITCHGEAR

PLANT = "plant"
DEFAULT_PORT_BASE = 15020
_READY_S = 30.0
_STOP_S = 3.0
#: Longest wait of a plant for its devices; a device may be dead when a plant comes back.
_HOLD_FIRST_S, _HOLD_AGAIN_S = 25.0, 3.0
_ROOT = Path(__file__).parents[1]


class BenchError(RuntimeError):
    """A bench process did not start."""


def port_layout(scenario: Scenario, base: int) -> dict[str, int]:
    """Ports by process: bus +0, feeder +1, microgrid +2, inverters, battery, switchgear from +3.

    Base 0 means any free port for each.
    """
    grids = [d.name for d in scenario.der if d.kind == "microgrid"]
    others = [d.name for d in scenario.der if d.kind != "microgrid"]
    gear = (SWITCHGEAR,) if scenario.switch else ()
    names = (PLANT, FEEDER_PLC, *grids, *others, *gear)
    return {name: base + i if base else 0 for i, name in enumerate(names)}


@dataclass(slots=True)
class Bench:
    """Plant and devices of one scenario.

    Args:
        scenario_path: scenario file.
        port_base: first port; 0 takes free ones.
        time_scale: simulated seconds a wall second.
        truth: where the plant writes the truth log.
        seconds: simulated seconds after which the plant ends; None for on and on.
        start_s: scenario time to start at.
        paused: leave the clock standing until ``run_clock``.
        logs: folder for what the processes say on standard error, ``NAME.log`` each; None
            leaves it on ours.

    Attributes:
        ports: port by device, and the device bus under ``plant``.
    """

    scenario_path: Path = DEFAULT_SCENARIO
    port_base: int = DEFAULT_PORT_BASE
    time_scale: float = 10.0
    truth: Path | None = None
    seconds: float | None = None
    start_s: float = 0.0
    paused: bool = False
    logs: Path | None = None
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(default_factory=dict)
    scenario: Scenario = field(init=False)
    _settled: bool = False
    _processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scenario = load_scenario(self.scenario_path.resolve())
        self.ports = port_layout(self.scenario, self.port_base)

    @property
    def devices(self) -> tuple[str, ...]:
        """Every process but the plant."""
        return tuple(n for n in self.ports if n != PLANT)

    def pid(self, name: str) -> int | None:
        """Process id while it runs."""
        process = self._processes.get(name)
        return None if process is None or process.returncode is not None else process.pid

    async def start(self) -> None:
        """Start everything and wait until each is ready and has answered the plant.

        Raises:
            BenchError: something did not get ready; the rest is stopped again.
        """
        try:
            if self.ports[PLANT]:
                await asyncio.gather(*(self.restart(name) for name in self.ports))
            else:  # the devices have to be told the bus port the plant got
                await self.restart(PLANT)
                await asyncio.gather(*(self.restart(name) for name in self.devices))
            await self._settle()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop everything, the stubborn by force."""
        await asyncio.gather(*(self._end(name) for name in tuple(self._processes)))

    async def kill(self, name: str) -> None:
        """Kill one process outright, as a power failure would.

        Raises:
            KeyError: it was never started.
        """
        process = self._processes.pop(name)
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def restart(self, name: str) -> None:
        """Start one process (again) on its port and wait until it is ready.

        Raises:
            BenchError: it did not get ready within 30 s.
        """
        if self.pid(name) is not None:
            await self._end(name)
        with ExitStack() as files:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self._command(name),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=files.enter_context(self._log(name).open("ab")) if self.logs else None,
                cwd=_ROOT,
                process_group=0,  # Ctrl-C is the parent's: it stops them in order
            )
        self._processes[name] = process
        try:
            self.ports[name] = int((await self._said(name))["port"])
        except BaseException:
            await self._end(name)
            raise

    async def first_death(self) -> str:
        """Name of the first process that ends by itself; waits until one does."""
        waits = {asyncio.create_task(p.wait()): name for name, p in self._processes.items()}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return waits[done.pop()]

    async def tell(self, name: str, command: dict[str, Any]) -> None:
        """Say something to a process as if standing before it: ``{"local": true}``."""
        stdin = self._processes[name].stdin
        if stdin is not None:
            stdin.write(json.dumps(command).encode() + b"\n")
            await stdin.drain()

    async def run_clock(self) -> None:
        """Let a paused plant's clock run."""
        self.paused = False
        await self.tell(PLANT, {"run": True})

    async def wait_plant(self) -> None:
        """Return when the plant ends by itself."""
        process = self._processes.get(PLANT)
        if process is not None:
            await process.wait()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    def _log(self, name: str) -> Path:
        return (self.logs or Path()) / f"{name}.log"

    def _command(self, name: str) -> list[str]:
        common = ["--scenario", str(self.scenario_path.resolve()), "--host", self.host]
        common += ["--port", str(self.ports[name])]
        if name != PLANT:
            return ["-m", "hil.devices", name, *common, "--bus-port", str(self.ports[PLANT])]
        command = ["-m", "hil.plant", *common, "--time-scale", str(self.time_scale)]
        command += ["--start-s", str(self.start_s)]
        command += ["--hold-s", str(_HOLD_AGAIN_S if self._settled else _HOLD_FIRST_S)]
        if self.truth is not None:
            command += ["--truth", str(self.truth.resolve())]
        if self.seconds is not None:
            command += ["--seconds", str(self.seconds)]
        return [*command, "--paused"] if self.paused else command

    async def _settle(self) -> None:
        if (await self._said(PLANT)).get("settled") is not True:
            raise BenchError("a device did not answer the plant")
        self._settled = True

    async def _said(self, name: str) -> dict[str, Any]:
        """The next line a process says."""
        stdout = self._processes[name].stdout
        assert stdout is not None  # noqa: S101 - asked for when it was started
        try:
            said = json.loads(await asyncio.wait_for(stdout.readline(), _READY_S))
        except (TimeoutError, ValueError) as error:
            raise BenchError(f"{name} did not get ready") from error
        if not isinstance(said, dict):
            raise BenchError(f"{name} said nonsense")
        return said

    async def _end(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hil.bench", description="Run the bench.")
    parser.add_argument("--scenario", type=Path, default=DEFAULT_SCENARIO)
    parser.add_argument("--port-base", type=int, default=DEFAULT_PORT_BASE, help="0 for any")
    parser.add_argument("--time-scale", type=float, default=10.0, help="simulated s a wall s")
    parser.add_argument("--truth", type=Path, help="truth log, JSON lines")
    parser.add_argument("--seconds", type=float, help="simulated seconds; default: on and on")
    parser.add_argument("--start-s", type=float, default=0.0)
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    bench = Bench(
        scenario_path=arguments.scenario,
        port_base=arguments.port_base,
        time_scale=arguments.time_scale,
        truth=arguments.truth,
        seconds=arguments.seconds,
        start_s=arguments.start_s,
    )
    async with bench:
        sys.stdout.write(json.dumps({"ready": "bench", "ports": bench.ports}) + "\n")
        sys.stdout.flush()
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(bench.wait_plant())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()


def main() -> int:
    """Run until SIGINT, SIGTERM or the plant's end; 2 if the bench does not start."""
    try:
        asyncio.run(_run(_arguments()))
    except (BenchError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
