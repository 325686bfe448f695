"""One scenario from start to record: plant, boxes, events, in processes of their own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hil.demo.client import ClientError, OperatorClient
from hil.demo.errors import DemoError
from hil.demo.ports import free_ports
from hil.demo.wire import Ask
from hil.microgrid.boxes import SITES, Box, copy_boxes, listening
from hil.microgrid.record import Asked, Record, read_truth
from hil.microgrid.sabotage import Sabotage, break_box
from hil.microgrid.scenario import Event, PathScenario, load_path

#: Ports of the devices as the sites' files have them.
DEVICE_PORTS = {
    "battery": 15121, "diesel": 15122, "panel": 15123, "member": 15124, "pv": 15125,
    "relay": 15126,
}  # fmt: skip
_READY_S = 30.0
_ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class PathRun:
    """Runs a scenario once.

    Args:
        path: the scenario.
        folder: gets logs, the truth and the report; made where it is missing.
        sabotage: breaks a box before it starts; None for none.
        tell: told what happens, with its simulated time.
    """

    path: Path
    folder: Path
    sabotage: Sabotage | None = None
    tell: Callable[[float, str], None] = lambda _time_s, _text: None
    scenario: PathScenario = field(init=False)
    _plant: asyncio.subprocess.Process | None = None
    _boxes: list[Box] = field(default_factory=list)
    _asked: list[Asked] = field(default_factory=list)
    _start: float = 0.0

    def __post_init__(self) -> None:
        self.scenario = load_path(self.path)
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def truth(self) -> Path:
        """The plant's truth log."""
        return self.folder / "truth.jsonl"

    async def run(self) -> Record:
        """Start everything, let it happen, stop everything.

        Raises:
            DemoError: something does not start or ends before its time.
        """
        with TemporaryDirectory(prefix="tieline-") as sites:
            try:
                await self._begin(Path(sites))
                await self._happen()
            finally:
                await self._end()
        return Record(self.scenario, read_truth(self.truth), tuple(self._asked))

    async def _begin(self, sites: Path) -> None:
        nominal = [*DEVICE_PORTS.values(), *(listening(SITES / n) for n in self.scenario.boxes)]
        ports = dict(zip(nominal, free_ports(len(nominal)), strict=True))
        await self._start_plant({name: ports[port] for name, port in DEVICE_PORTS.items()})
        self._boxes = copy_boxes(self.scenario.boxes, sites, ports, self.folder)
        for box in self._boxes:
            if self.sabotage is not None and box.name == self.sabotage.box:
                break_box(box.site, self.sabotage)
            await box.start()

    async def _start_plant(self, ports: dict[str, int]) -> None:
        with (self.folder / "microgrid.log").open("wb") as log:
            self._plant = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "hil.microgrid", str(self.path.resolve()),
                "--ports", json.dumps(ports), "--truth", str(self.truth.resolve()),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
                cwd=_ROOT, process_group=0,
            )  # fmt: skip
        assert self._plant.stdout is not None  # noqa: S101 - asked for
        try:
            said = await asyncio.wait_for(self._plant.stdout.readline(), _READY_S)
        except TimeoutError:
            said = b""
        if b'"ready"' not in said:
            raise DemoError(f"the plant did not start: {self.folder / 'microgrid.log'} says why")

    async def _happen(self) -> None:
        loop = asyncio.get_running_loop()
        await self._say({"run": True})
        self._start = loop.time()
        async with self._boxes[-1].client() as client:
            for event in sorted(self.scenario.event, key=lambda event: event.at_s):
                await self._until(event.at_s)
                await (self._ask(client, event) if event.ask else self._suffer(event))
            await self._until(self.scenario.seconds)

    async def _until(self, time_s: float) -> None:
        while (left_s := time_s - self._now_s) > 0:
            self._check_alive()
            await asyncio.sleep(min(left_s / self.scenario.time_scale, 0.5))

    def _check_alive(self) -> None:
        ended = [box.name for box in self._boxes if box.process.pid is None]
        if self._plant is None or self._plant.returncode is not None:
            ended.append("the plant")
        if ended:
            raise DemoError(f"{', '.join(ended)} ended before its time; see {self.folder}")

    @property
    def _now_s(self) -> float:
        wall_s = asyncio.get_running_loop().time() - self._start
        return wall_s * self.scenario.time_scale

    async def _ask(self, client: OperatorClient, event: Event) -> None:
        assert event.ask is not None  # noqa: S101 - the caller asked
        ask = Ask(event.ask, event.value, event.hold_s, event.action or "")
        at_s, began = self._now_s, time.perf_counter()
        try:
            answer = await client.ask(ask, self.scenario.group)
            result, text = answer.result, answer.text
        except ClientError as error:
            result, text = "none", str(error)
        took_s = time.perf_counter() - began
        words = f"{event.ask}: {ask.text} -> {result} {text}".rstrip()
        self._asked.append(Asked(at_s, event.ask, event.value, result, words, took_s))
        self.tell(at_s, words)

    async def _suffer(self, event: Event) -> None:
        self.tell(self._now_s, str(event.plant))
        await self._say({"suffer": event.plant})

    async def _say(self, command: dict[str, Any]) -> None:
        assert self._plant is not None  # noqa: S101 - started before
        assert self._plant.stdin is not None  # noqa: S101 - asked for
        self._plant.stdin.write(json.dumps(command).encode() + b"\n")
        await self._plant.stdin.drain()

    async def _end(self) -> None:
        for box in reversed(self._boxes):
            await box.process.stop()
        if self._plant is not None and self._plant.returncode is None:
            assert self._plant.stdin is not None  # noqa: S101 - asked for
            self._plant.stdin.close()
            try:
                await asyncio.wait_for(self._plant.wait(), 5.0)
            except TimeoutError:
                self._plant.kill()
                await self._plant.wait()
