"""A Modbus TCP server over pymodbus whose registers live with the device."""

from __future__ import annotations

import logging
from typing import Protocol

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

_TABLES = {
    1: "coil",
    5: "coil",
    15: "coil",
    2: "discrete",
    3: "holding",
    6: "holding",
    16: "holding",
    22: "holding",
    23: "holding",
    4: "input",
}
_WRITE_SINGLE = (5, 6)


class Refusal(Exception):  # noqa: N818 - not an error of ours: the answer to a request
    """The device answers a request with a Modbus exception."""

    def __init__(self, code: ExcCodes, reason: str) -> None:
        super().__init__(f"{code.name}: {reason}")
        self.code = code


class Registers(Protocol):
    """What a device shows; tables are ``coil``, ``discrete``, ``holding`` and ``input``."""

    def read(self, table: str, address: int, count: int) -> list[int]:
        """Present contents.

        Raises:
            Refusal: the device does not show them.
        """

    def write(self, table: str, address: int, values: list[int]) -> None:
        """Take a write, all of it or nothing.

        Raises:
            Refusal: the device does not take it.
        """


class _Context(SimCore):
    """Stands where pymodbus keeps its own registers."""

    def __init__(self, unit: int, registers: Registers) -> None:
        super().__init__([])
        self._unit = unit
        self._registers = registers
        self._echo: list[int] = []

    def device_ids(self) -> list[int]:
        return [self._unit]

    async def async_getValues(  # noqa: N802 - pymodbus's name
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        if device_id != self._unit:
            raise NoSuchIdException
        if func_code in _WRITE_SINGLE:
            # Asked for the answer to a single write: the echo of the request, as Modbus has it,
            # even where the device has acted on the value already.
            return self._echo
        try:
            values = self._registers.read(_TABLES[func_code], address, count)
        except Refusal as refusal:
            return refusal.code
        return [bool(v) for v in values] if func_code in (1, 2) else values

    async def async_setValues(  # noqa: N802 - pymodbus's name
        self, device_id: int, func_code: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        if device_id != self._unit:
            raise NoSuchIdException
        try:
            self._registers.write(_TABLES[func_code], address, [int(v) for v in values])
        except Refusal as refusal:
            return refusal.code
        self._echo = [int(v) for v in values]
        return None


class DeviceServer:
    """One Modbus TCP server for one unit; another unit id gets exception 11."""

    def __init__(self, unit: int, registers: Registers) -> None:
        self._unit = unit
        self._registers = registers
        self._server: ModbusTcpServer | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the address is not free.
        """
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        placeholder = SimDevice(
            self._unit, [SimData(0, values=0, count=1, datatype=DataType.REGISTERS)]
        )
        server = ModbusTcpServer(placeholder, address=(host, port))
        server.context = _Context(self._unit, self._registers)
        if not await server.listen() or server.transport is None:
            raise OSError(f"cannot listen on {host}:{port}")
        self._server = server
        sockets = server.transport.sockets  # type: ignore[attr-defined]  # it is the server
        return int(sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close every connection and the server."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None
