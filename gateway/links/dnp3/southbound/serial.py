"""A serial port on the event loop: no thread, no waiting."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import serial

from gateway.links.dnp3.config import ChannelConfig

_READ_OCTETS = 4096


class SerialWire:
    """An open serial port.

    Args:
        port: opened, not blocking.
        on_received: called with octets.
        on_lost: called once when the port fails.
    """

    def __init__(
        self,
        port: serial.Serial,
        on_received: Callable[[bytes], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._port = port
        self._fd: int = port.fileno()
        self._on_received = on_received
        self._on_lost = on_lost
        self._buffer = bytearray()
        self._is_open = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)

    def write(self, octets: bytes) -> None:
        """Send; what the port does not take at once waits."""
        if not self._is_open:
            return
        begun = bool(self._buffer)
        self._buffer += octets
        if not begun:
            self._flush()

    def waiting(self) -> int:
        """Octets that wait to be sent."""
        return len(self._buffer)

    def close(self) -> None:
        """Close at once."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._port.close()

    def _read(self) -> None:
        try:
            octets = os.read(self._fd, _READ_OCTETS)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(str(error))
            return
        if octets:
            self._on_received(octets)
        else:
            self._fail("the port is gone")

    def _flush(self) -> None:
        try:
            sent = os.write(self._fd, self._buffer)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._fail(str(error))
            return
        del self._buffer[:sent]
        if self._buffer:
            self._loop.add_writer(self._fd, self._flush)
        else:
            self._loop.remove_writer(self._fd)

    def _fail(self, reason: str) -> None:
        if self._is_open:
            self.close()
            self._on_lost(reason)


def open_serial(
    config: ChannelConfig, on_received: Callable[[bytes], None], on_lost: Callable[[str], None]
) -> SerialWire:
    """Open a port for us alone.

    Raises:
        OSError: it is not there, taken, or cannot be set so.
    """
    try:
        port = serial.Serial(
            config.serial_port,
            baudrate=config.baudrate,
            parity=config.parity,
            stopbits=config.stopbits,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
    except ValueError as error:
        raise OSError(f"{config.serial_port}: {error}") from error
    os.set_blocking(port.fileno(), False)
    return SerialWire(port, on_received, on_lost)
