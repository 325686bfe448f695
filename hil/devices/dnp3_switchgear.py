"""The feeder's switches as DNP3 outstations on one line: breaker, recloser, sectionalisers.

Each has its relay (:mod:`hil.devices.protection`): fault indicators with direction; breaker and
recloser trip by themselves, and the recloser closes again until its shots are used up. What is
found open at start stays open: a control that comes back moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from py1815.control import CommandStatus

from hil.devices.dnp3_station import Station, Take
from hil.devices.protection import Protection, SagRecorder
from hil.scenario import Scenario
from hil.wire import Message, number

_FIRST_ADDRESS = 31
_PHASES = {"1": "a", "2": "b", "3": "c"}


class Dnp3Switchgear:
    """Stations of every switch of a scenario, at addresses from 31 in its order.

    Args:
        scenario: its switches.
        fresh: asked whether plant data is young enough to be shown as measured.

    Attributes:
        stations: all of them, for the server.
    """

    def __init__(self, scenario: Scenario, fresh: Callable[[], bool]) -> None:
        self._relays = {
            s.name: Protection(s.kind, s.pickup_a, closed=s.closed) for s in scenario.switch
        }
        self._own = {
            s.name: Station(_FIRST_ADDRESS + n, f"dnp3_{s.kind}", self._take(s.name), fresh)
            for n, s in enumerate(scenario.switch)
        }
        self._sags: dict[str, SagRecorder] = {}
        self._started = False
        self.stations = tuple(self._own.values())
        for station in self.stations:
            station.put("local", 0.0)
            station.put("fault_reset", 0.0)

    def on_step(self, message: Message) -> Message:
        """Show a step's measurements, let the relays act, answer with the positions wanted."""
        elapsed_s = number(message, "elapsed_s")
        for name, seen in message["switches"].items():
            relay = self._relays[name]
            if not self._started:
                relay.operate(close=bool(seen["closed"]))
                self._own[name].put("cmd", relay.closed)
            powers = {phase: complex(p, q) for phase, (p, q) in seen["va"].items()}
            relay.step(seen["amps"], powers, elapsed_s)
            self._record_sag(name, seen)
            self._show(name, seen, powers)
        self._started = True
        relays = self._relays.items()
        return {
            "switches": {name: relay.closed for name, relay in relays},
            "by_relay": [name for name, relay in relays if relay.by_itself],
            "locked": [name for name, relay in relays if relay.lockout],
        }

    def on_site(self, command: dict[str, Any]) -> None:
        """Someone at a control: ``{"local": true}`` for all, or ``{"local": {NAME: bool}}``."""
        local = command.get("local")
        for name, station in self._own.items():
            if isinstance(local, bool):
                station.put("local", local)
            elif isinstance(local, dict) and isinstance(local.get(name), bool):
                station.put("local", local[name])

    def _record_sag(self, name: str, seen: Message) -> None:
        if "volts" in seen:
            recorder = self._sags.setdefault(name, SagRecorder(number(seen, "nominal_v")))
            recorder.step(seen["volts"])

    def _show(self, name: str, seen: Message, powers: dict[str, complex]) -> None:
        station, relay = self._own[name], self._relays[name]
        put = station.put
        put("closed", bool(seen["closed"]))
        put("open", not seen["closed"])
        put("ops", seen["ops"])
        for number_, phase in _PHASES.items():
            put(f"i_{phase}", seen["amps"].get(number_, 0.0))
            put(f"fault_{phase}", number_ in relay.indicators.phases)
        total = sum(powers.values(), 0j)
        put("p", total.real)
        put("q", total.imag)
        put("fault_reverse", relay.indicators.reverse)
        put("sag_v", self._sags[name].left_v if name in self._sags else 0.0)
        report = relay.report
        kept = {"tripped": relay.tripped, "lockout": relay.lockout, "shots": relay.shots,
                "fault_i": report.current_a, "fault_x": report.reactance_ohm}  # fmt: skip
        for point, value in kept.items():
            if point in station.bank.rows:
                put(point, value)

    def _take(self, name: str) -> Take:
        def take(point: str, value: float, carry_out: bool) -> CommandStatus:
            if self._own[name].get("local"):
                return CommandStatus.LOCAL
            if not self._started:  # where it stands is not known yet
                return CommandStatus.HARDWARE_ERROR
            if carry_out:
                self._carry_out(name, point, close=bool(value))
            return CommandStatus.SUCCESS

        return take

    def _carry_out(self, name: str, point: str, *, close: bool) -> None:
        relay = self._relays[name]
        if point == "fault_reset":
            relay.indicators.reset()
        else:
            relay.operate(close=close)
            self._own[name].put(point, close)
