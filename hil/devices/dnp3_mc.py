"""The microgrid controller's PLC as a DNP3 outstation: another front on the same registers."""

from __future__ import annotations

from typing import Any

from py1815.control import CommandStatus
from pymodbus.constants import ExcCodes

from hil.devices.dnp3_station import Station
from hil.devices.mc_plc import McPlc
from hil.devices.modbus_server import Refusal
from hil.wire import Message

ADDRESS = 54
_STATUS = {
    ExcCodes.ILLEGAL_VALUE: CommandStatus.OUT_OF_RANGE,
    ExcCodes.ILLEGAL_FUNCTION: CommandStatus.LOCAL,
}


class Dnp3Mc:
    """The controller with its points by name.

    Args:
        plc: its logic and registers.

    Attributes:
        stations: the one, for the server.
    """

    def __init__(self, plc: McPlc) -> None:
        self._plc = plc
        self._rows = {row.point: row for row in plc.bank.rows}
        self._station = Station(ADDRESS, "dnp3_mc", self._take, plc.fresh)
        self.stations = (self._station,)
        self._show()

    def on_step(self, message: Message) -> Message:
        """One scan of the PLC, then its registers as points."""
        answer = self._plc.on_step(message)
        self._show()
        return answer

    def on_site(self, command: dict[str, Any]) -> None:
        """Someone at the cabinet: ``{"local": bool}``."""
        self._plc.on_site(command)
        self._show()

    def _take(self, point: str, value: float, carry_out: bool) -> CommandStatus:
        row = self._rows[point]
        if self._plc.controller.local:
            return CommandStatus.LOCAL
        if not self._plc.fresh():
            return CommandStatus.HARDWARE_ERROR
        if not row.admits(value):
            return CommandStatus.OUT_OF_RANGE
        if carry_out:
            try:
                self._plc.write(row.table, row.register, row.encode(value))
            except Refusal as refusal:
                return _STATUS.get(refusal.code, CommandStatus.NOT_SUPPORTED)
            self._show()
        return CommandStatus.SUCCESS

    def _show(self) -> None:
        for point in self._station.bank.rows:
            self._station.put(point, self._plc.bank.get(point))
