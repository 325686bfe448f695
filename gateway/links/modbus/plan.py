"""Which reads bring a set of registers with few requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.links.modbus.codec import MAX_READ_BITS, MAX_READ_REGISTERS, Table


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """Addresses that must arrive in one read: a value, and its scale factor where it has one.

    Attributes:
        table: which address space.
        address: first address.
        count: how many, with everything between a value and its scale factor.
    """

    table: Table
    address: int
    count: int = 1

    @property
    def end(self) -> int:
        """First address after it."""
        return self.address + self.count


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a device stands.

    Attributes:
        max_registers: most registers a read.
        max_bits: most bits a read.
        max_gap: most unneeded addresses read along between two needs.
        forbidden: ``(table, first, last)`` addresses a read must not touch.
    """

    max_registers: int = MAX_READ_REGISTERS
    max_bits: int = MAX_READ_BITS
    max_gap: int = 16
    forbidden: tuple[tuple[Table, int, int], ...] = ()

    def most(self, table: Table) -> int:
        """Most addresses one read of this table may ask for."""
        return self.max_bits if table.is_bits else self.max_registers


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """One read request's worth of addresses."""

    table: Table
    address: int
    count: int

    @property
    def end(self) -> int:
        """First address after it."""
        return self.address + self.count

    def holds(self, need: Need) -> bool:
        """Whether this read brings all of a need."""
        return self.table is need.table and self.address <= need.address and need.end <= self.end


def coalesce(needs: Sequence[Need], limits: ReadLimits) -> tuple[ReadBlock, ...]:
    """Read blocks that bring every need of one unit and poll group whole.

    Blocks never cross tables. Two may overlap where values share a far scale factor.

    Raises:
        ValueError: a need that no single read can bring, with the reason.
    """
    blocks: list[ReadBlock] = []
    for need in sorted(set(needs)):
        _check(need, limits)
        if blocks:
            joined = _join(blocks[-1], need, limits)
            if joined is not None:
                blocks[-1] = joined
                continue
        blocks.append(ReadBlock(need.table, need.address, need.count))
    return tuple(blocks)


def _check(need: Need, limits: ReadLimits) -> None:
    where = f"{need.table} {need.address}..{need.end - 1}"
    if need.count < 1 or need.address < 0 or need.end > 0x10000:
        raise ValueError(f"{where} is outside addresses 0..65535")
    most = limits.most(need.table)
    if need.count > most:
        raise ValueError(f"{where} takes {need.count} in one read, the limit is {most}")
    if _touches_forbidden(need.table, need.address, need.end, limits):
        raise ValueError(f"{where} touches addresses the profile forbids to read")


def _join(block: ReadBlock, need: Need, limits: ReadLimits) -> ReadBlock | None:
    end = max(block.end, need.end)
    if (
        need.table is not block.table
        or need.address - block.end > limits.max_gap
        or end - block.address > limits.most(block.table)
        or _touches_forbidden(block.table, block.address, end, limits)
    ):
        return None
    return ReadBlock(block.table, block.address, end - block.address)


def _touches_forbidden(table: Table, start: int, end: int, limits: ReadLimits) -> bool:
    return any(
        table is where and start <= last and first < end for where, first, last in limits.forbidden
    )
