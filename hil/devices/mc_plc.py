"""The microgrid controller as a PLC: the request block and the status block over its logic.

The request block follows a public hardware-in-the-loop test bed from 2000 to 2010 and is ours
from 2011. A write is judged before it is answered, so the status block read next tells what
became of it. A refused request leaves its ``active`` register at 0: the block always shows what
the PLC is doing, not what it was asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymodbus.constants import ExcCodes

from hil.devices.mc_logic import Controller, Curve, Grid, State
from hil.devices.microgrid import Assets, Bounds
from hil.devices.modbus_server import Refusal
from hil.devices.poi_relay import PoiRelay
from hil.devices.regmap import RegisterBank, devices_dir, load_rows
from hil.scenario import Scenario
from hil.wire import Message, number

UNIT = 54
#: The curve in the registers before anybody writes one: IEEE 1547 category B's default shape
#: (edition not verified), so that every register shows a value inside its range.
_DEFAULT_CURVE = ((92.0, 44.0), (98.0, 0.0), (102.0, 0.0), (108.0, -44.0))
_CURVE_POINTS = len(_DEFAULT_CURVE)
_PHASES = ("a", "b", "c")
#: What the relay sees where nobody tells it anything.
_NOTHING: Message = {"amps": {}, "va": {}, "faulted": False}
_NUMBERS = {"1": "a", "2": "b", "3": "c"}


@dataclass(slots=True)
class McPlc:
    """State and registers of the microgrid controller's PLC.

    Attributes:
        fresh: asked at each request: whether plant data is young enough to be shown.
        relay: at the POI.
    """

    controller: Controller
    fresh: Callable[[], bool]
    relay: PoiRelay = field(default_factory=PoiRelay)
    bank: RegisterBank = field(
        default_factory=lambda: RegisterBank(load_rows(devices_dir() / "mc_plc.csv"))
    )

    def __post_init__(self) -> None:
        self.bank.put("req_pf", 1.0)
        self.bank.put("req_v_ref", 100.0)
        for i, (voltage_pct, reactive_pct) in enumerate(_DEFAULT_CURVE, 1):
            self.bank.put(f"req_curve_v{i}", voltage_pct)
            self.bank.put(f"req_curve_q{i}", reactive_pct)
        nameplate = self.controller.assets.nameplate()
        self._show_bounds(nameplate, "_rtg")
        self.bank.put("s_rtg", self.controller.assets.poi.s_max_va)
        self._show_status()

    def on_step(self, message: Message) -> Message:
        """One scan of the PLC."""
        volts_pu = [float(v) for v in message["v_pu"]]
        self._protect(message)
        grid = Grid(sum(volts_pu) / len(volts_pu), number(message, "hz"))
        power_w, reactive_power_var = self.controller.step(
            grid, number(message, "sun"), number(message, "elapsed_s")
        )
        if self.controller.closed:
            self.bank.put("poi_p", number(message, "p_w"))
            self.bank.put("poi_q", number(message, "q_var"))
        else:
            self.bank.put("poi_p", 0)
            self.bank.put("poi_q", 0)
        self._show_voltage(message, grid)
        self._show_status()
        self.bank.put("watchdog", int(self.bank.get("watchdog") + 1) & 0xFFFF)
        return {
            "p_w": power_w,
            "q_var": reactive_power_var,
            "poi_closed": self.controller.closed,
        }

    def _protect(self, message: Message) -> None:
        """The relay's look at what flows into the microgrid."""
        seen = message.get("poi", _NOTHING)
        powers = {phase: complex(p, q) for phase, (p, q) in seen["va"].items()}
        if self.relay.step(seen["amps"], powers, faulted=seen["faulted"]):
            self.controller.trip()
        self.controller.faulted = self.relay.internal

    def on_site(self, command: dict[str, Any]) -> None:
        """Someone at the cabinet: ``{"local": bool}``."""
        if isinstance(command.get("local"), bool):
            self.controller.local = command["local"]
            self._show_status()

    def read(self, table: str, address: int, count: int) -> list[int]:
        """Registers; the status block is refused while the plant is not heard."""
        if table == "input" and not self.fresh():
            raise Refusal(ExcCodes.DEVICE_FAILURE, "no data from the plant")
        return self.bank.read(table, address, count)

    def write(self, table: str, address: int, values: list[int]) -> None:
        """Take a request and judge it; refused while the plant is not heard."""
        if table != "holding":
            raise Refusal(ExcCodes.ILLEGAL_ADDRESS, f"{table} is read-only")
        if not self.fresh():
            raise Refusal(ExcCodes.DEVICE_FAILURE, "no data from the plant")
        before = {r.point: self.bank.get(r.point) for r in self.bank.rows if r.table == table}
        written = self.bank.write(table, address, values)
        self._judge(frozenset(written), before)
        self._show_status()

    def _judge(self, written: frozenset[str], before: dict[str, float]) -> None:
        ask = self.controller
        self._judge_value(written, before, "req_limit", ask.ask_limit)
        self._judge_value(written, before, "req_p", ask.ask_power)
        self._judge_value(written, before, "req_q", ask.ask_reactive_power)
        self._judge_value(written, before, "req_pf", ask.ask_power_factor)
        if "req_curve_active" in written:
            self._judge_curve(before)
        if "req_disconnect" in written:
            self._judge_disconnect(before)
        if "req_connect" in written and self.bank.get("req_connect"):
            self._connect()
        if self.bank.get("poi_fault_reset"):
            self.relay.indicators.reset()
            self.bank.put("poi_fault_reset", 0)

    def _judge_value(
        self,
        written: frozenset[str],
        before: dict[str, float],
        point: str,
        ask: Callable[[float | None], bool],
    ) -> None:
        active = f"{point}_active"
        if not written & {point, active}:
            return
        if self.bank.get(active):
            ask(self.bank.get(point))
        elif before[active]:
            ask(None)

    def _judge_curve(self, before: dict[str, float]) -> None:
        if not self.bank.get("req_curve_active"):
            if before["req_curve_active"]:
                self.controller.ask_curve(None)
            return
        reference = self.bank.get("req_v_ref") / 100
        rating = self.controller.assets.poi.s_max_va
        points = tuple(
            (
                reference * self.bank.get(f"req_curve_v{i}") / 100,
                rating * self.bank.get(f"req_curve_q{i}") / 100,
            )
            for i in range(1, _CURVE_POINTS + 1)
        )
        self.controller.ask_curve(Curve(points))

    def _judge_disconnect(self, before: dict[str, float]) -> None:
        if self.bank.get("req_disconnect"):
            emergency = self.bank.get("req_island_mode") == 1
            taken = self.controller.ask_disconnect(emergency=emergency)
            self.bank.put("req_disconnect", taken)
        elif before["req_disconnect"]:
            self._connect()

    def _connect(self) -> None:
        taken = self.controller.ask_connect()
        self.bank.put("req_connect", taken)
        if taken:
            self.bank.put("req_disconnect", 0)

    def _show_voltage(self, message: Message, grid: Grid) -> None:
        nominal = self.controller.assets.poi.v_nom_v / 3**0.5
        island_v = nominal if self.controller.load_carried else 0.0
        closed = self.controller.closed
        for phase, volts in zip(_PHASES, message["v_v"], strict=True):
            self.bank.put(f"v_{phase}", volts if closed else island_v)
        self.bank.put("hz", grid.hz if closed else self.controller.island_hz)

    def _show_status(self) -> None:
        controller, assets, put = self.controller, self.controller.assets, self.bank.put
        put("state", controller.state)
        put("poi_closed", controller.closed)
        put("local", controller.local)
        put("pv_p", assets.pv_w)
        put("bat_p", assets.battery_w)
        put("load_p", assets.behind.load_w if controller.load_carried else 0)
        put("load_q", assets.behind.load_var if controller.load_carried else 0)
        put("soc", 100 * assets.soc)
        put("pv_avail_p", assets.pv_available_w)
        put("bat_q", assets.reactive_power_var)
        put("result", controller.result)
        put("result_function", controller.result_function)
        put("request_count", controller.requests & 0xFFFF)
        self._show_relay()
        self._show_bounds(controller.capability(), "")
        self._show_held()
        if controller.state is not State.T3:
            put("req_connect", 0)

    def _show_relay(self) -> None:
        relay, put = self.relay, self.bank.put
        for phase, letter in _NUMBERS.items():
            put(f"poi_fault_{letter}", phase in relay.indicators.phases)
        put("poi_fault_reverse", relay.indicators.reverse)
        put("poi_tripped", relay.tripped)
        put("poi_lockout", relay.tripped and relay.internal)
        put("internal_fault", relay.internal)

    def _show_bounds(self, bounds: Bounds, suffix: str) -> None:
        for name in ("p_min", "p_max", "q_min", "q_max"):
            self.bank.put(f"{name}{suffix}", getattr(bounds, name))

    def _show_held(self) -> None:
        held = self.controller.held
        shown = {
            "p": held.power_w,
            "q": held.reactive_power_var,
            "limit": held.limit_w,
            "pf": held.power_factor,
        }
        for name, value in shown.items():
            self.bank.put(f"held_{name}", 0 if value is None else value)
            self.bank.put(f"held_{name}_active", value is not None)
            self.bank.put(f"req_{name}_active", value is not None)
        self.bank.put("held_curve_active", held.curve is not None)
        self.bank.put("req_curve_active", held.curve is not None)


def build_mc_plc(scenario: Scenario, name: str, fresh: Callable[[], bool]) -> McPlc:
    """The microgrid named ``name`` in a scenario.

    Raises:
        KeyError: no such DER.
    """
    behind = scenario.microgrid
    works = behind.poi_relay == "works"
    controller = Controller(
        Assets(scenario.ders[name], behind),
        opens_by_itself=works,
        opens_when_asked=behind.poi_relay != "stuck",
    )
    return McPlc(controller, fresh, PoiRelay(behind.poi_pickup_a, in_service=works))
