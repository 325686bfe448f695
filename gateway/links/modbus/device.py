"""A device as the poller sees it: what to read how often, what may be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import DeviceConfig
from gateway.links.modbus.plan import Need, ReadBlock, coalesce
from gateway.profiles.registers import RegisterField, RegisterType, WordOrder, encode


@dataclass(frozen=True, slots=True)
class PolledPoint:
    """One point and where its value lies.

    Attributes:
        position: the point's position in the store.
        table: address space.
        field: type and scale; its ``at`` and ``scale_factor_at`` are Modbus addresses. In a
            bit table the type is BIT with bit 0.
    """

    position: int
    table: Table
    field: RegisterField

    @property
    def need(self) -> Need:
        """Addresses one read must bring: the value and its scale factor."""
        start, end = self.field.at, self.field.at + self.field.words
        factor = self.field.scale_factor_at
        if factor is not None:
            start, end = min(start, factor), max(end, factor + 1)
        return Need(self.table, start, end - start)


@dataclass(frozen=True, slots=True)
class PollGroup:
    """Points read at one period, s."""

    period_s: float
    points: tuple[PolledPoint, ...]


@dataclass(frozen=True, slots=True)
class OutputPoint:
    """One commandable point and how its value becomes registers.

    Attributes:
        point: point id.
        table: COIL or HOLDING.
        address: first address.
        type: how it lies in registers; not looked at for coils.
        word_order: of the wide types.
        scale: raw steps to engineering units.
        offset: engineering units.
        sunspec: refuse to write "not implemented".
        read_back: read after the write and compare.
    """

    point: str
    table: Table
    address: int
    type: RegisterType = RegisterType.UINT16
    word_order: WordOrder = WordOrder.BIG
    scale: float = 1.0
    offset: float = 0.0
    sunspec: bool = False
    read_back: bool = False

    def values(self, value: float) -> tuple[int, ...]:
        """Registers, or one coil as 0 or 1.

        Raises:
            ValueError: it does not fit.
        """
        if self.table.is_bits:
            if value not in (0.0, 1.0):
                raise ValueError(f"{value} is neither 0 nor 1")
            return (int(value),)
        return encode(
            value,
            self.type,
            scale=self.scale,
            offset=self.offset,
            word_order=self.word_order,
            sunspec=self.sunspec,
        )


@dataclass(frozen=True, slots=True)
class ModbusDevice:
    """One unit with its points."""

    config: DeviceConfig
    groups: tuple[PollGroup, ...] = ()
    outputs: tuple[OutputPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """One read and the points it brings; fields count from the block's first address."""

    block: ReadBlock
    positions: NDArray[np.intp]
    fields: tuple[RegisterField, ...]


def plan_group(device: DeviceConfig, group: PollGroup) -> tuple[BlockPlan, ...]:
    """Reads that bring a poll group, each point in one of them.

    Raises:
        ValueError: a point no single read can bring, or with a type its table cannot hold.
    """
    for point in group.points:
        if point.table.is_bits and (point.field.type is not RegisterType.BIT or point.field.bit):
            raise ValueError(f"{device.name}: {point.table} {point.field.at} must have type bit0")
    blocks = coalesce([point.need for point in group.points], device.limits)
    members: dict[ReadBlock, list[PolledPoint]] = {}
    for point in group.points:
        need = point.need
        home = next(block for block in blocks if block.holds(need))
        members.setdefault(home, []).append(point)
    return tuple(_plan_block(block, points) for block, points in members.items())


def _plan_block(block: ReadBlock, points: Sequence[PolledPoint]) -> BlockPlan:
    positions = np.array([point.position for point in points], dtype=np.intp)
    return BlockPlan(block, positions, tuple(moved(p.field, -block.address) for p in points))


def moved(field: RegisterField, by: int) -> RegisterField:
    """The same field, ``by`` registers further on."""
    factor = field.scale_factor_at
    return replace(field, at=field.at + by, scale_factor_at=None if factor is None else factor + by)
