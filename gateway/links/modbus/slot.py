"""A slot: the reads that fall due together, decoded together in one numpy pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.links.modbus.device import BlockPlan, moved
from gateway.links.modbus.exchange import Exchange, Outcome, Result, read_request
from gateway.links.modbus.line import Line
from gateway.profiles.decode_plan import DecodePlan


class Sink(Protocol):
    """Where readings go: the point store."""

    def update_block(
        self,
        indices: NDArray[np.intp],
        values: NDArray[np.float64],
        flags: NDArray[np.uint8],
        time_ms: int,
    ) -> None:
        """Take engineering values with their flags (ONLINE or 0)."""

    def mark_comm_lost(self, indices: NDArray[np.intp]) -> None:
        """Keep the values, add COMM_LOST."""


class PolledBlock(Exchange):
    """One read, asked again and again.

    Attributes:
        device: name of the device it belongs to.
        line: its connection.
        plan: addresses and points.
        view: where its bytes go in the slot's arena.
        fresh: bytes have come that are not decoded yet.
        pending: asked and not ended yet.
        slot: where it falls due; None once it is polled no more.
    """

    __slots__ = (
        "_counts",
        "_lost",
        "_sink",
        "device",
        "fresh",
        "line",
        "pending",
        "plan",
        "slot",
        "view",
    )

    def __init__(self, device: str, unit: int, plan: BlockPlan, line: Line, sink: Sink) -> None:
        block = plan.block
        super().__init__(unit, read_request(block.table, block.address, block.count))
        self.device = device
        self.line = line
        self.plan = plan
        self.view = memoryview(bytearray(2 * block.count))
        self.fresh = False
        self.pending = False
        self.slot: Slot | None = None
        self._counts = line.statistics.unit(unit)
        self._sink = sink
        self._lost = False

    def start(self) -> None:
        """Ask for it; a cycle that falls due before the last one ended is missed."""
        self._counts.cycles += 1
        if self.pending:
            self._counts.missed += 1
            return
        self.pending = True
        self.line.submit(self)

    def finish(self, result: Result) -> None:
        """Keep the bytes for the slot's decoding, or say that the points are lost."""
        self.pending = False
        if result.outcome is Outcome.OK:
            self.view[:] = self._as_registers(result.data)
            self.fresh = True
            self._lost = False
        else:
            self._counts.missed += 1
            # a busy device is alive: its values age by their own limit
            if result.outcome is not Outcome.BUSY and not self._lost:
                self.drop()
                self._sink.mark_comm_lost(self.plan.positions)
        if self.slot is not None:
            self.slot.ended_one()

    def drop(self) -> None:
        """Its source is lost: what came and is not decoded yet must not look live."""
        self.fresh = False
        self._lost = True

    def _as_registers(self, data: memoryview) -> memoryview | bytes:
        block = self.plan.block
        if not block.table.is_bits:
            return data
        packed = np.frombuffer(data, dtype=np.uint8)
        bits = np.unpackbits(packed, count=block.count, bitorder="little")
        return bits.astype(">u2").tobytes()


class Slot:
    """Blocks that fall due at the same phase of the same period.

    Args:
        on_settled: called when the last block asked has ended, so that a slot that goes well is
            decoded in the wake-up that brought its last answer.
    """

    def __init__(self, on_settled: Callable[[Slot], None]) -> None:
        self.blocks: list[PolledBlock] = []
        self._on_settled = on_settled
        self._pending = 0
        self._starting = False
        self._arena = np.zeros(0, dtype=">u2")
        self._plan = DecodePlan(())
        self._positions = np.zeros(0, dtype=np.intp)
        self._stale_plan = False

    def add(self, block: PolledBlock) -> None:
        """Take a block from the next start on."""
        block.slot = self
        self.blocks.append(block)
        self._stale_plan = True

    @property
    def is_settled(self) -> bool:
        """Whether nothing more comes before the next start."""
        return not self._pending

    def remove_device(self, device: str) -> list[PolledBlock]:
        """Let go of a device's blocks and return them. Call :meth:`flush` first."""
        gone = [block for block in self.blocks if block.device == device]
        if gone:
            self.blocks = [block for block in self.blocks if block.device != device]
            self._stale_plan = True
        for block in gone:
            block.slot = None
            self._pending -= block.pending
        return gone

    def start(self) -> None:
        """Ask for every block."""
        self._starting = True
        for block in self.blocks:
            self._pending += not block.pending
            block.start()
        self._starting = False
        self._tell_if_settled()

    def start_one(self, block: PolledBlock) -> None:
        """Ask for one of its blocks out of turn, unless it is being asked for already."""
        if not block.pending:
            self._pending += 1
            block.start()

    def ended_one(self) -> None:
        """One of its blocks has ended."""
        self._pending -= 1
        self._tell_if_settled()

    def _tell_if_settled(self) -> None:
        if not self._pending and not self._starting:
            self._on_settled(self)

    def flush(self, sink: Sink, time_ms: int) -> None:
        """Decode what has come since the last flush.

        Args:
            sink: the store.
            time_ms: UTC ms; at or before the arrival, so that nothing looks newer than it is.
        """
        fresh = [block.fresh for block in self.blocks]
        if not any(fresh):
            return
        if self._stale_plan:
            self._compile()
        for block in self.blocks:
            block.fresh = False
        values, flags = self._plan.decode(self._arena.astype(np.uint16))
        positions = self._positions
        if not all(fresh):
            chosen = np.repeat(fresh, [len(block.plan.fields) for block in self.blocks])
            positions, values, flags = positions[chosen], values[chosen], flags[chosen]
        sink.update_block(positions, values, flags, time_ms)

    def _compile(self) -> None:
        """Lay the blocks out in one arena; bytes that have come move along."""
        starts = np.cumsum([0, *(block.plan.block.count for block in self.blocks)])
        arena = np.zeros(int(starts[-1]), dtype=">u2")
        whole = arena.data.cast("B")
        fields = []
        for start, block in zip(starts.tolist(), self.blocks, strict=False):
            view = whole[2 * start : 2 * (start + block.plan.block.count)]
            view[:] = block.view
            block.view = view
            fields += [moved(field, start) for field in block.plan.fields]
        self._arena = arena
        self._plan = DecodePlan(fields)
        self._positions = np.concatenate(
            [np.zeros(0, dtype=np.intp), *(block.plan.positions for block in self.blocks)]
        )
        ends = np.cumsum([len(block.plan.positions) for block in self.blocks])
        for block, own in zip(self.blocks, np.split(self._positions, ends), strict=False):
            # a view of the slot's array: a thousand devices need not keep theirs twice
            block.plan = replace(block.plan, positions=own)
        self._stale_plan = False
