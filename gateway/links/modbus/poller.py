"""The slot scheduler: polls every device, carries commands, all from one timer.

Devices are gathered in slots of their period: waking up costs more than asking, so a slot is
filled before the next is opened. At a slot's start the poller ends what is overdue, opens
connections that are due and asks for the slot's blocks; when the last answer is in, or at the
next slot's start, it decodes what has come in one pass. It reconnects by itself, so
:meth:`ModbusPoller.run` never raises ``LinkError``: one lost device is no reason to restart a
thousand.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gateway.links.modbus.client import Caller
from gateway.links.modbus.config import DeviceConfig, EndpointConfig, PollerConfig
from gateway.links.modbus.device import BlockPlan, ModbusDevice, OutputPoint, plan_group
from gateway.links.modbus.line import Line, Wire
from gateway.links.modbus.slot import PolledBlock, Sink, Slot
from gateway.links.modbus.statistics import PollerStatistics
from gateway.links.modbus.tcp_wire import open_tcp
from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, CommandStatus
from gateway.profiles.registers import RegisterField

#: Slots caught up after the process was held up; more are skipped and counted.
_MAX_CATCH_UP = 20


class ModbusPoller:
    """Polls devices into a sink and commands them.

    Args:
        config: slots and connections.
        devices: units to poll; more may be added while it runs.
        sink: where readings go, the point store.
        clock: stamps readings.
        rng: source of jitter for back-off.

    Attributes:
        statistics: counts, live.

    Raises:
        ValueError: a device refers to no endpoint, or a point cannot be read.
    """

    def __init__(
        self,
        config: PollerConfig,
        devices: Sequence[ModbusDevice],
        sink: Sink,
        clock: Clock,
        rng: random.Random | None = None,
    ) -> None:
        self.config = config
        self.statistics = PollerStatistics()
        self._sink = sink
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._busy_lines: set[Line] = set()
        self._busy_slots: set[Slot] = set()
        self._lines = {endpoint.name: self._line(endpoint) for endpoint in config.endpoints}
        self._callers = {name: Caller(line) for name, line in self._lines.items()}
        self._wheels: dict[int, list[Slot]] = {}
        self._order: dict[int, list[int]] = {}
        self._layouts: dict[tuple[RegisterField, ...], tuple[RegisterField, ...]] = {}
        self._blocks: dict[str, list[PolledBlock]] = {name: [] for name in self._lines}
        self._outputs: dict[str, tuple[DeviceConfig, OutputPoint]] = {}
        self._lost_listeners: list[Callable[[str], None]] = []
        self._tick_count = 0
        self._began_s = 0.0
        self._slot_began_ms = clock.utc_ms()
        self._timer: asyncio.Handle | None = None
        self._connecting: set[asyncio.Task[None]] = set()
        self._ended: asyncio.Future[None] | None = None
        for device in devices:
            self.add_device(device)

    def on_lost(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with the endpoint's name whenever a connection is lost.

        It runs before anything can be read from the next connection, so whoever must not trust
        what comes back (another device may) can take its devices out in time.
        """
        self._lost_listeners.append(listener)

    @property
    def commandable(self) -> tuple[str, ...]:
        """Ids of the points :meth:`operate` knows."""
        return tuple(self._outputs)

    def caller(self, endpoint: str) -> Caller:
        """Single reads and writes on one connection, for discovery and sequences.

        Raises:
            KeyError: no such endpoint.
        """
        return self._callers[endpoint]

    def add_device(self, device: ModbusDevice) -> None:
        """Poll and command a device from now on.

        Raises:
            ValueError: no such endpoint, or a point cannot be read.
        """
        config = device.config
        line = self._lines.get(config.endpoint)
        if line is None:
            raise ValueError(f"{config.name}: no endpoint is called {config.endpoint!r}")
        plans = [(group, plan_group(config, group)) for group in device.groups]
        added: list[PolledBlock] = []
        for group, blocks in plans:
            period = max(1, round(group.period_s * 1000 / self.config.slot_ms))
            slot = self._next_slot(period)
            for plan in blocks:
                shared = self._shared(plan)
                block = PolledBlock(config.name, config.unit, shared, line, self._sink)
                slot.add(block)
                added.append(block)
        self._blocks[config.endpoint] += added
        for output in device.outputs:
            self._outputs[output.point] = (config, output)
        if line.is_open:
            self._read_now(added)

    def remove_device(self, name: str) -> None:
        """Stop polling and commanding a device; its points turn COMM_LOST."""
        for wheel in self._wheels.values():
            for slot in wheel:
                slot.flush(self._sink, self._slot_began_ms)
                for block in slot.remove_device(name):
                    self._sink.mark_comm_lost(block.plan.positions)
        for endpoint, blocks in self._blocks.items():
            self._blocks[endpoint] = [block for block in blocks if block.device != name]
        self._outputs = {
            point: known for point, known in self._outputs.items() if known[0].name != name
        }

    async def run(self) -> None:
        """Poll until cancelled; then close every connection and mark every point COMM_LOST.

        Raises:
            Exception: a bug of ours in the scheduler; never for a device's sake.
        """
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        self._began_s = loop.time()
        self._tick_count = 0
        self._timer = loop.call_soon(self._tick)
        try:
            await self._ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await self._stop_connecting()
            for line in self._lines.values():
                line.shut()

    async def operate(self, command: Command) -> CommandResult:
        """Carry a command to its device: sent at most once, its end is a value."""
        known = self._outputs.get(command.point)
        if known is None:
            detail = f"{command.point} is no output of a Modbus device"
            return CommandResult(command, CommandStatus.NOT_SUPPORTED, detail)
        config, output = known
        # it may wait for its turn on the line, and expire there
        left_ms = command.expires_ms - self._clock.utc_ms() if command.expires_ms else math.inf
        caller = self._callers[config.endpoint]
        return await caller.operate(config, output, command, left_ms / 1000)

    def _shared(self, plan: BlockPlan) -> BlockPlan:
        """Units of one kind share one layout: a thousand equal ones would fill the memory."""
        return replace(plan, fields=self._layouts.setdefault(plan.fields, plan.fields))

    def _line(self, endpoint: EndpointConfig) -> Line:
        name = endpoint.name
        line = Line(
            endpoint, self._time_s, self._rng, lambda: self._line_lost(name), self._busy_lines
        )
        self.statistics.lines[endpoint.name] = line.statistics
        return line

    def _time_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _line_lost(self, endpoint: str) -> None:
        """Every point behind a lost connection turns COMM_LOST at once."""
        blocks = self._blocks[endpoint]
        if blocks:
            for block in blocks:
                block.drop()
            positions: NDArray[np.intp] = np.concatenate([b.plan.positions for b in blocks])
            self._sink.mark_comm_lost(positions)
        for listener in self._lost_listeners:
            listener(endpoint)

    def _next_slot(self, period: int) -> Slot:
        """The slot of a period that is to be filled next."""
        wheel = self._wheels.get(period)
        if wheel is None:
            wheel = self._wheels[period] = [Slot(self._settled) for _ in range(period)]
            self._order[period] = _spread(period)
        full = self.config.blocks_per_slot
        phase = min(self._order[period], key=lambda phase: len(wheel[phase].blocks) // full)
        return wheel[phase]

    def _settled(self, slot: Slot) -> None:
        self._busy_slots.discard(slot)
        try:
            slot.flush(self._sink, self._slot_began_ms)
        except Exception as error:  # noqa: BLE001 - handed to run(); asyncio would only log it
            self._fail(error)

    def _tick(self) -> None:
        try:
            self._run_slots()
        except Exception as error:  # noqa: BLE001 - handed to run(), which ends the process
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)

    def _run_slots(self) -> None:
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        slot_s = self.config.slot_ms / 1000
        due = int((now_s - self._began_s) / slot_s) + 1
        self._flush()
        self._slot_began_ms = self._clock.utc_ms()
        lines = tuple(self._busy_lines)
        for line in lines:
            line.tick(now_s)
        self._connect(lines, now_s)
        behind = due - self._tick_count
        if behind > _MAX_CATCH_UP:
            self.statistics.overruns += behind - _MAX_CATCH_UP
            self._tick_count = due - _MAX_CATCH_UP
        for tick in range(self._tick_count, due):
            for period, wheel in self._wheels.items():
                slot = wheel[tick % period]
                if slot.blocks:
                    self._busy_slots.add(slot)
                    slot.start()
        self.statistics.slots += due - self._tick_count
        self._tick_count = due
        self._timer = loop.call_at(self._began_s + due * slot_s, self._tick)

    def _flush(self) -> None:
        for slot in tuple(self._busy_slots):
            slot.flush(self._sink, self._slot_began_ms)

    def _connect(self, lines: Sequence[Line], now_s: float) -> None:
        room = self.config.connects_per_slot
        for line in lines:
            if room and line.wants_connection(now_s):
                room -= 1
                line.connecting = True
                task = asyncio.get_running_loop().create_task(self._open(line))
                self._connecting.add(task)
                task.add_done_callback(self._connect_ended)

    async def _open(self, line: Line) -> None:
        await _open(line)
        if line.is_open:
            self._read_now(self._blocks[line.config.name])

    def _read_now(self, blocks: Sequence[PolledBlock]) -> None:
        """Ask for everything once, whatever its period.

        A rating that is read every ten seconds is needed now: without it nothing can be judged.
        """
        for block in blocks:
            if block.slot is not None:
                self._busy_slots.add(block.slot)
                block.slot.start_one(block)

    def _connect_ended(self, task: asyncio.Task[None]) -> None:
        self._connecting.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    async def _stop_connecting(self) -> None:
        tasks = tuple(self._connecting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _spread(period: int) -> list[int]:
    """The phases of a period, each far from those before it (van der Corput's sequence)."""
    width = period.bit_length()
    reversals = (int(f"{n:0{width}b}"[::-1], 2) for n in range(1 << width))
    return list(dict.fromkeys(reversal * period >> width for reversal in reversals))


async def _open(line: Line) -> None:
    wire: Wire
    try:
        if line.config.driver == "native" and not line.config.is_rtu:
            wire = await open_tcp(line.config, line)
        else:
            # a box that speaks TCP only never loads pymodbus
            from gateway.links.modbus.pymodbus_wire import open_pymodbus  # noqa: PLC0415

            wire = await open_pymodbus(line.config, line)
    except (OSError, UnicodeError):  # the latter for a host name that cannot be one
        line.refused()
    except BaseException:
        line.connecting = False
        raise
    else:
        line.opened(wire)
