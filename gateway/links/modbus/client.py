"""Single reads and writes on a line the poller runs: commands, discovery, sequences."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.links.modbus.codec import Request, Table
from gateway.links.modbus.config import DeviceConfig
from gateway.links.modbus.device import OutputPoint
from gateway.links.modbus.exchange import (
    Exchange,
    ModbusExceptionError,
    Outcome,
    Result,
    command_status,
    read_request,
    write_request,
)
from gateway.links.modbus.line import Line
from gateway.model.command import Command, CommandResult, CommandStatus
from gateway.model.errors import LinkError, RemoteProtocolError


class _Awaited(Exchange):
    """An exchange somebody awaits."""

    __slots__ = ("end",)

    def __init__(self, unit: int, request: Request) -> None:
        super().__init__(unit, request)
        self.end: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def finish(self, result: Result) -> None:
        """Wake whoever waits, with data that outlives the receive buffer."""
        if not self.end.done():
            self.end.set_result(result._replace(data=memoryview(bytes(result.data))))


class Caller:
    """Reads and writes one at a time, on one connection.

    The poller's :meth:`~gateway.links.modbus.poller.ModbusPoller.run` must be running: it opens
    the connection and ends what is overdue.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._reading = 0

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._line.is_open

    async def wait_open(self, timeout_s: float) -> None:
        """Wait for the connection.

        Raises:
            LinkError: none came in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._line.wait_open()
        except TimeoutError:
            raise LinkError(f"{self._line.config.name}: no connection in {timeout_s} s") from None

    async def read(self, unit: int, table: Table, address: int, count: int) -> NDArray[np.uint16]:
        """Registers, or bits as 0 and 1, from an address on.

        Raises:
            LinkError: not connected, lost, silent, or too many reads wait already.
            ModbusExceptionError: the device refused; its ``code`` says why.
            RemoteProtocolError: the answer did not fit the request.
        """
        if self._reading >= self._line.config.max_pending_reads:
            raise LinkError(f"{self._line.config.name}: too many reads wait")
        self._reading += 1
        try:
            result = await self._run(_Awaited(unit, read_request(table, address, count)))
        finally:
            self._reading -= 1
        where = f"{self._line.config.name} unit {unit} {table} {address}+{count}"
        if result.code:
            raise ModbusExceptionError(result.code)
        if result.outcome is Outcome.MISMATCH and result.sent:
            raise RemoteProtocolError(f"{where}: {result.describe()}")
        if result.outcome is not Outcome.OK:
            raise LinkError(f"{where}: {result.describe()}")
        if table.is_bits:
            packed = np.frombuffer(result.data, dtype=np.uint8)
            return np.unpackbits(packed, count=count, bitorder="little").astype(np.uint16)
        return np.frombuffer(result.data, dtype=">u2").astype(np.uint16)

    async def write_registers(
        self, unit: int, address: int, registers: Sequence[int], *, single_function: int = 6
    ) -> Result:
        """Write holding registers, once; ``command_status`` maps the result.

        Args:
            unit: unit id.
            address: first address.
            registers: 1 to 123 values 0..65535.
            single_function: 6 or 16, for one register; more always go with 16.
        """
        values = tuple(int(register) for register in registers)
        single = single_function == 6
        return await self.write(unit, write_request(Table.HOLDING, address, values, single=single))

    async def write_coils(
        self, unit: int, address: int, coils: Sequence[bool], *, single_function: int = 5
    ) -> Result:
        """Write coils, once; as :meth:`write_registers` with functions 5 and 15."""
        values = tuple(int(coil) for coil in coils)
        single = single_function == 5
        return await self.write(unit, write_request(Table.COIL, address, values, single=single))

    async def write(self, unit: int, request: Request, within_s: float = math.inf) -> Result:
        """Send a write ahead of the polls, once; it is never sent again, whatever happens.

        Args:
            unit: unit id.
            request: the write.
            within_s: not sent later than this from now, nor than the line lets writes wait.
        """
        line = self._line
        if not line.has_write_room:
            return Result(Outcome.BUSY, sent=False)
        exchange = _Awaited(unit, request)
        wait_s = min(line.config.write_wait_s, within_s)
        exchange.expires_s = asyncio.get_running_loop().time() + wait_s
        return await self._run(exchange)

    async def operate(
        self,
        device: DeviceConfig,
        output: OutputPoint,
        command: Command,
        within_s: float = math.inf,
    ) -> CommandResult:
        """Carry a command to an output; with read-back, succeed only if the device holds it.

        Args:
            device: the unit.
            output: where the value goes.
            command: what to write.
            within_s: seconds until the command expires; it is not sent later.
        """
        try:
            values = output.values(command.value)
        except ValueError as error:
            return CommandResult(command, CommandStatus.OUT_OF_RANGE, str(error))
        chosen = device.single_coil_function if output.table.is_bits else None
        single = (chosen or device.single_register_function) in (5, 6)
        request = write_request(output.table, output.address, values, single=single)
        result = await self.write(device.unit, request, within_s)
        status = command_status(result)
        if status is CommandStatus.SUCCESS and output.read_back:
            return await self._read_back(device.unit, output, values, command)
        sent = command.value if result.sent else None
        return CommandResult(command, status, result.describe(), sent)

    async def _read_back(
        self, unit: int, output: OutputPoint, values: tuple[int, ...], command: Command
    ) -> CommandResult:
        try:
            held = await self.read(unit, output.table, output.address, len(values))
        except (LinkError, RemoteProtocolError, ModbusExceptionError) as error:
            detail = f"written, but reading back failed: {error}"
            return CommandResult(command, CommandStatus.UNDEFINED, detail, command.value)
        if tuple(held.tolist()) == values:
            return CommandResult(
                command, CommandStatus.SUCCESS, "read back the same", command.value
            )
        detail = f"wrote {values}, the device holds {tuple(held.tolist())}"
        return CommandResult(command, CommandStatus.DOWNSTREAM_FAIL, detail, command.value)

    async def _run(self, exchange: _Awaited) -> Result:
        try:
            self._line.submit(exchange)
            return await exchange.end
        finally:
            exchange.abandoned = True
