"""RTU, RTU over TCP and, if asked for, TCP through pymodbus 3.16.

pymodbus frames and parses; the line keeps the queue, the time-outs and the strict check. What
pymodbus would do on its own is switched off: retries (a write is never resent), reconnects
(the line does them) and its time-out (the line's fires first).
"""

from __future__ import annotations

import asyncio

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.pdu import DecodePDU, ModbusPDU

from gateway.links.modbus.config import EndpointConfig
from gateway.links.modbus.line import Line

PymodbusClient = AsyncModbusSerialClient | AsyncModbusTcpClient


class PymodbusWire:
    """One connection of a line, carried by a pymodbus client. A task a request."""

    def __init__(self, config: EndpointConfig, line: Line) -> None:
        self._line = line
        self._config = config
        self._requests = DecodePDU(is_server=True)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.is_closed = False
        self._client = self._build()

    async def open(self) -> None:
        """Connect.

        Raises:
            OSError: refused, unreachable or too slow.
        """
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                connected = await self._client.connect()
        except BaseException:
            self._client.close()
            raise
        if not connected:
            self._client.close()
            raise ConnectionError(f"{self._config.name}: cannot connect")

    def send(self, transaction: int, unit: int, pdu: bytes) -> None:
        """Send one request, in a task of its own."""
        task = asyncio.get_running_loop().create_task(self._exchange(transaction, unit, pdu))
        self._tasks[transaction] = task
        task.add_done_callback(lambda _: self._tasks.pop(transaction, None))

    def forget(self, transaction: int) -> None:
        """Stop waiting; pymodbus drops whatever still comes."""
        task = self._tasks.get(transaction)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Close at once."""
        self.is_closed = True
        for task in tuple(self._tasks.values()):
            task.cancel()
        self._client.close()

    async def _exchange(self, transaction: int, unit: int, pdu: bytes) -> None:
        request = self._requests.decode(pdu)
        if request is None:
            return
        request.dev_id = unit
        try:
            answer = await self._client.execute(no_response_expected=False, request=request)
        except (ModbusException, OSError):
            return  # nonsense or a lost connection: the line hears of that, or times out
        # pymodbus lets a TCP answer with transaction id 0 pass for any
        if answer.transaction_id == request.transaction_id:
            self._line.answered(self, transaction, answer.dev_id, memoryview(_bytes_of(answer)))

    def _connection_changed(self, connected: bool) -> None:
        if not connected:
            self.is_closed = True
            for task in tuple(self._tasks.values()):
                task.cancel()
            self._line.lost(self)

    def _build(self) -> PymodbusClient:
        config = self._config
        timeout_s = 2.0 * config.timeout_s + 1.0
        if config.transport == "rtu":
            return AsyncModbusSerialClient(
                config.serial_port,
                framer=FramerType.RTU,
                baudrate=config.baudrate,
                parity=config.parity,
                stopbits=config.stopbits,
                timeout=timeout_s,
                retries=0,
                reconnect_delay=0,
                trace_connect=self._connection_changed,
            )
        return AsyncModbusTcpClient(
            config.host,
            port=config.port,
            framer=FramerType.RTU if config.is_rtu else FramerType.SOCKET,
            timeout=timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_connect=self._connection_changed,
        )


async def open_pymodbus(config: EndpointConfig, line: Line) -> PymodbusWire:
    """Connect through pymodbus.

    Raises:
        OSError: refused, unreachable or too slow.
    """
    wire = PymodbusWire(config, line)
    await wire.open()
    return wire


def _bytes_of(answer: ModbusPDU) -> bytes:
    """The answer's PDU again, so that the line's own strict check judges it."""
    return bytes([answer.function_code]) + answer.encode()
