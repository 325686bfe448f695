"""Finding a device's models in few reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gateway.links.modbus.exchange import ModbusExceptionError
from gateway.links.sunspec.codec import (
    BASE_ADDRESSES,
    END_MODEL,
    MARK,
    MAX_MODELS,
    ModelHeader,
    PlacedPoint,
    lay_out,
)
from gateway.links.sunspec.models import model_definition
from gateway.model.errors import RemoteProtocolError

#: Reads registers: first address, count.
Read = Callable[[int, int], Awaitable[NDArray[np.uint16]]]


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a device has.

    Attributes:
        base: address of the mark.
        chain: its models in order, vendors' own included.
        points: ``(model id, path)`` to point, of the first model of each id; vendors' own and
            unknown ones are absent.
        reads: reads it took.
    """

    base: int
    chain: tuple[ModelHeader, ...]
    points: Mapping[tuple[int, str], PlacedPoint] = field(repr=False)
    reads: int


async def discover(
    read: Read, max_registers: int = 125, bases: Sequence[int] = BASE_ADDRESSES
) -> Discovered:
    """Scan a device.

    Args:
        read: raises ModbusExceptionError where the device refuses an address.
        max_registers: most registers a read.
        bases: where the mark may stand, in the order tried.

    Raises:
        LinkError: the device is silent.
        RemoteProtocolError: no SunSpec mark, or a chain that is no chain.
    """
    registers = _Registers(read, max_registers)
    base = await _find_base(registers, bases)
    chain = await _walk_chain(registers, base + len(MARK))
    points: dict[tuple[int, str], PlacedPoint] = {}
    seen: set[int] = set()
    for header in chain:
        definition = model_definition(header.id)
        if definition is None or header.id in seen:
            continue
        seen.add(header.id)
        words = await registers.get(header.address, header.words)
        for path, point in lay_out(definition, header, words).items():
            points[header.id, path] = point
    return Discovered(base, chain, points, registers.reads)


async def _find_base(registers: _Registers, bases: Sequence[int]) -> int:
    for base in bases:
        try:
            if tuple(await registers.look(base, len(MARK))) == MARK:
                return base
        except ModbusExceptionError:
            continue  # this address does not exist there; the next may
    tried = ", ".join(str(base) for base in bases)
    raise RemoteProtocolError(f"no SunSpec mark at {tried}: not a SunSpec device, or another unit")


async def _walk_chain(registers: _Registers, address: int) -> tuple[ModelHeader, ...]:
    chain: list[ModelHeader] = []
    while True:
        try:
            model_id, length = await registers.get(address, 2)
        except ModbusExceptionError:
            if not chain:
                raise RemoteProtocolError("a SunSpec mark with no model behind it") from None
            return tuple(chain)  # some devices have no end model: the map simply ends
        if model_id in (END_MODEL, 0):
            return tuple(chain)
        if len(chain) >= MAX_MODELS or address + 2 + length > 0x10000:
            raise RemoteProtocolError(f"the model chain does not end (at register {address})")
        chain.append(ModelHeader(model_id, address, length))
        address += 2 + length


class _Registers:
    """Reads ahead as far as one request goes, so that a chain of small models takes few reads."""

    def __init__(self, read: Read, max_registers: int) -> None:
        self._read = read
        self._max = self._ahead = max_registers
        self._known: dict[int, int] = {}
        self.reads = 0

    async def look(self, address: int, count: int) -> list[int]:
        """Just these registers: nothing is known yet of what lies behind them."""
        await self._take(address, count)
        return await self.get(address, count)

    async def get(self, address: int, count: int) -> list[int]:
        while missing := [at for at in range(address, address + count) if at not in self._known]:
            needed = missing[-1] - missing[0] + 1
            await self._fetch(missing[0], min(needed, self._max))
        return [self._known[at] for at in range(address, address + count)]

    async def _fetch(self, address: int, needed: int) -> None:
        ahead = max(needed, min(self._ahead, 0x10000 - address))
        try:
            await self._take(address, ahead)
        except ModbusExceptionError:
            if ahead == needed:
                raise
            # reading ahead went past the end of the map: from here on just what is needed
            self._ahead = 0
            await self._take(address, needed)

    async def _take(self, address: int, count: int) -> None:
        self.reads += 1
        for offset, word in enumerate(await self._read(address, count)):
            self._known[address + offset] = int(word)
