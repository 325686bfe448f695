"""The feeder's controls as DNP3 outstations on one line: meters, regulators, capacitors.

At start every output shows the present position, so controls that nobody operates move nothing.
A regulator or capacitor in local refuses controls with status LOCAL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from py1815.control import CommandStatus

from hil.devices.dnp3_station import Station, Take
from hil.scenario import Scenario
from hil.wire import Message, number

_PHASES = ("a", "b", "c")
_NODE_PHASE = {"a": "1", "b": "2", "c": "3"}
#: Link addresses on the line: the meters', the first regulator's, the first capacitor's.
METERS_ADDRESS, _FIRST_REGULATOR, _FIRST_CAPACITOR = 10, 11, 21


class Dnp3Feeder:
    """Stations of the feeder's controls.

    Regulators are ``reg_NAME`` from address 11, capacitors stand from 21, in the scenario's order.

    Args:
        scenario: its regulators, capacitors and the profile of its meters.
        fresh: asked whether plant data is young enough to be shown as measured.

    Attributes:
        stations: all of them, for the server.
    """

    def __init__(self, scenario: Scenario, fresh: Callable[[], bool]) -> None:
        self._scenario = scenario
        self._meters = Station(METERS_ADDRESS, scenario.meters, fresh=fresh)
        regulators = [f"reg_{regulator.name}" for regulator in scenario.regulator]
        self._own = {
            name: Station(_FIRST_REGULATOR + n, "dnp3_regulator", self._take(name), fresh)
            for n, name in enumerate(regulators)
        } | {
            c.name: Station(_FIRST_CAPACITOR + n, "dnp3_capacitor", self._take(c.name), fresh)
            for n, c in enumerate(scenario.capacitor)
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
        for name, tap in message["taps"].items():
            self._show(f"reg_{name}", "tap", tap, message["tap_ops"][name])
        for name, closed in message["caps"].items():
            self._show(name, "closed", closed, message["cap_ops"][name])
        self._started = True
        self._show_meters(message)
        return {
            "taps": {n: round(self._own[f"reg_{n}"].get("tap_cmd")) for n in message["taps"]},
            "caps": {n: bool(self._own[n].get("cmd")) for n in message["caps"]},
        }

    def on_site(self, command: dict[str, Any]) -> None:
        """Someone at the cabinet: ``{"local": true}`` for all, or ``{"local": {NAME: bool}}``.

        Names are ``reg_NAME`` for the scenario's regulators, and its capacitors'.
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
        if "repaired" in self._meters.bank.rows:
            outage = self._scenario.outage
            put("repaired", outage is not None and outage.repaired(number(message, "time_s")))
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
