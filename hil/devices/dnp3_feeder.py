"""The feeder's controls as DNP3 outstations on one line: meters, three regulators, two capacitors.

At start every output shows the present position, so controls that nobody operates move nothing.
A regulator or capacitor in local refuses controls with status LOCAL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from py1815.control import CommandStatus

from hil.devices.dnp3_station import Station, Take
from hil.wire import Message, number

_PHASES = ("a", "b", "c")
_NODE_PHASE = {"a": "1", "b": "2", "c": "3"}
#: Link addresses on the line.
METERS_ADDRESS = 10
ADDRESSES = {"reg_a": 11, "reg_b": 12, "reg_c": 13, "cap675": 21, "cap611": 22}


class Dnp3Feeder:
    """Stations of the feeder's controls.

    Args:
        fresh: asked whether plant data is young enough to be shown as measured.

    Attributes:
        stations: all of them, for the server.
    """

    def __init__(self, fresh: Callable[[], bool]) -> None:
        self._meters = Station(METERS_ADDRESS, "dnp3_feeder_meters", fresh=fresh)
        self._own = {
            name: Station(address, _profile(name), self._take(name), fresh)
            for name, address in ADDRESSES.items()
        }
        self.stations = (self._meters, *self._own.values())
        self._started = False
        self._scans = 0
        points = (point for point in self._meters.bank.rows if point.startswith("v_"))
        self._nodes = {p: f"{p[2:-2]}.{_NODE_PHASE[p[-1]]}" for p in points}
        for station in self._own.values():
            station.put("local", 0.0)

    def on_step(self, message: Message) -> Message:
        """Show a step's measurements and answer with the positions asked for."""
        for phase, tap in message["taps"].items():
            self._show(f"reg_{phase}", "tap", tap, message["tap_ops"][phase])
        for name, closed in message["caps"].items():
            self._show(name, "closed", closed, message["cap_ops"][name])
        self._started = True
        self._show_meters(message)
        return {
            "taps": {p: round(self._own[f"reg_{p}"].get("tap_cmd")) for p in _PHASES},
            "caps": {c: bool(self._own[c].get("cmd")) for c in ("cap675", "cap611")},
        }

    def on_site(self, command: dict[str, Any]) -> None:
        """Someone at the cabinet: ``{"local": true}`` for all, or ``{"local": {NAME: bool}}``.

        Names are ``reg_a``, ``reg_b``, ``reg_c``, ``cap675``, ``cap611``.
        """
        local = command.get("local")
        for name, station in self._own.items():
            if isinstance(local, bool):
                station.put("local", local)
            elif isinstance(local, dict) and isinstance(local.get(name), bool):
                station.put("local", local[name])

    def _show(self, name: str, point: str, position: float, operations: int) -> None:
        station = self._own[name]
        if not self._started:
            station.put("tap_cmd" if point == "tap" else "cmd", position)
        station.put(point, position)
        station.put("ops", operations)

    def _show_meters(self, message: Message) -> None:
        put = self._meters.put
        for point, node in self._nodes.items():
            put(point, message["nodes_pu"][node])
        for quantity, key in (("p", "head_p_w"), ("q", "head_q_var")):
            for phase, value in zip(_PHASES, message[key], strict=True):
                put(f"head_{quantity}_{phase}", value)
            put(f"head_{quantity}", sum(message[key]))
        put("hz", number(message, "hz"))
        self._scans += 1
        put("watchdog", self._scans)

    def _take(self, name: str) -> Take:
        def take(point: str, value: float, carry_out: bool) -> CommandStatus:
            if self._own[name].get("local"):
                return CommandStatus.LOCAL
            if not self._started:  # where it stands is not known yet
                return CommandStatus.HARDWARE_ERROR
            if carry_out:
                self._own[name].put(point, value)
            return CommandStatus.SUCCESS

        return take


def _profile(name: str) -> str:
    return "dnp3_regulator" if name.startswith("reg") else "dnp3_capacitor"
