"""The feeder PLC: three regulators, two capacitors and the bellwether voltages.

Commands live in holding registers (taps) and coils (capacitors); at start they hold the present
positions, so a PLC that nobody commands moves nothing. A regulator or capacitor in local refuses
commands with exception 1: wrong state for the request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymodbus.constants import ExcCodes

from hil.devices.modbus_server import Refusal
from hil.devices.regmap import RegisterBank, devices_dir, load_rows
from hil.wire import Message, number

UNIT = 1
_PHASES = ("a", "b", "c")
_NODE_PHASE = {"a": "1", "b": "2", "c": "3"}
_COMMANDS = {f"reg_{p}_tap_cmd": f"reg_{p}_local" for p in _PHASES} | {
    f"{c}_cmd": f"{c}_local" for c in ("cap675", "cap611")
}


@dataclass(slots=True)
class FeederPlc:
    """State and registers of the PLC.

    Attributes:
        fresh: asked at each request: whether plant data is young enough to be shown.
    """

    fresh: Callable[[], bool]
    bank: RegisterBank = field(
        default_factory=lambda: RegisterBank(load_rows(devices_dir() / "feeder_plc.csv"))
    )
    _started: bool = False
    _nodes: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        points = (row.point for row in self.bank.rows if row.point.startswith("v_"))
        self._nodes = {p: f"{p[2:-2]}.{_NODE_PHASE[p[-1]]}" for p in points}

    def on_step(self, message: Message) -> Message:
        """Show a step's measurements and answer with the commands held."""
        taps, caps = message["taps"], message["caps"]
        if not self._started:
            self._started = True
            for phase in _PHASES:
                self.bank.put(f"reg_{phase}_tap_cmd", taps[phase])
            for name, closed in caps.items():
                self.bank.put(f"{name}_cmd", closed)
        for phase in _PHASES:
            self.bank.put(f"reg_{phase}_tap", taps[phase])
            self.bank.put(f"reg_{phase}_ops", message["tap_ops"][phase] & 0xFFFF)
        for name, closed in caps.items():
            self.bank.put(f"{name}_closed", closed)
            self.bank.put(f"{name}_ops", message["cap_ops"][name] & 0xFFFF)
        for point, node in self._nodes.items():
            self.bank.put(point, message["nodes_pu"][node])
        self._show_head("p", message["head_p_w"])
        self._show_head("q", message["head_q_var"])
        self.bank.put("hz", number(message, "hz"))
        self.bank.put("watchdog", int(self.bank.get("watchdog") + 1) & 0xFFFF)
        return self._commands()

    def on_site(self, command: dict[str, Any]) -> None:
        """Someone at the cabinet: ``{"local": true}`` for all, or ``{"local": {NAME: bool}}``.

        Names are ``reg_a``, ``reg_b``, ``reg_c``, ``cap675``, ``cap611``.
        """
        local = command.get("local")
        for point in _COMMANDS.values():
            name = point.removesuffix("_local")
            if isinstance(local, bool):
                self.bank.put(point, local)
            elif isinstance(local, dict) and isinstance(local.get(name), bool):
                self.bank.put(point, local[name])

    def read(self, table: str, address: int, count: int) -> list[int]:
        """Registers; measured ones are refused while the plant is not heard."""
        if table in ("input", "discrete") and not self.fresh():
            raise Refusal(ExcCodes.DEVICE_FAILURE, "no data from the plant")
        self._need_scan()
        return self.bank.read(table, address, count)

    def write(self, table: str, address: int, values: list[int]) -> None:
        """Take commands; refused in local, on measurements and before the first scan."""
        if table not in ("holding", "coil"):
            raise Refusal(ExcCodes.ILLEGAL_ADDRESS, f"{table} is read-only")
        self._need_scan()
        for row in self.bank.rows:
            inside = row.table == table and address <= row.register < address + len(values)
            if inside and self.bank.get(_COMMANDS[row.point]):
                raise Refusal(ExcCodes.ILLEGAL_FUNCTION, f"{row.point} is in local")
        self.bank.write(table, address, values)

    def _need_scan(self) -> None:
        if not self._started:
            raise Refusal(ExcCodes.DEVICE_BUSY, "not one scan yet")

    def _show_head(self, quantity: str, values: list[float]) -> None:
        for phase, value in zip(_PHASES, values, strict=True):
            self.bank.put(f"head_{quantity}_{phase}", value)
        self.bank.put(f"head_{quantity}", sum(values))

    def _commands(self) -> Message:
        return {
            "taps": {p: int(self.bank.get(f"reg_{p}_tap_cmd")) for p in _PHASES},
            "caps": {c: bool(self.bank.get(f"{c}_cmd")) for c in ("cap675", "cap611")},
        }
