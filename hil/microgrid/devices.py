"""The plant's devices as a gateway meets them: Modbus units and the relay's DNP3 outstation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from py1815.control import CommandStatus
from pymodbus.constants import ExcCodes

from hil.devices.dnp3_station import Station
from hil.devices.modbus_server import Refusal
from hil.devices.regmap import RegisterBank, devices_dir, load_rows
from hil.microgrid.plant import Load, MicrogridPlant
from hil.microgrid.relay import Sides
from hil.microgrid.sources import Battery, Diesel

RELAY_ADDRESS = 61
#: Tries what a point is told; False refuses it.
Take = Callable[[str, float], bool]


@dataclass(slots=True)
class Plc:
    """A Modbus unit over a register list; a write is all or nothing.

    Attributes:
        profile: device profile whose list it shows.
        take: tries each point written.
        local: someone stands before it: writes are refused.
    """

    profile: str
    take: Take
    local: bool = False
    bank: RegisterBank = field(init=False)

    def __post_init__(self) -> None:
        self.bank = RegisterBank(load_rows(devices_dir() / f"{self.profile}.csv"))

    def read(self, table: str, address: int, count: int) -> list[int]:
        """Registers."""
        return self.bank.read(table, address, count)

    def write(self, table: str, address: int, values: list[int]) -> None:
        """Take a write.

        Raises:
            Refusal: in local, read-only, out of limits, or not possible now.
        """
        if table != "holding":
            raise Refusal(ExcCodes.ILLEGAL_ADDRESS, f"{table} is read-only")
        if self.local:
            raise Refusal(ExcCodes.ILLEGAL_FUNCTION, "in local control")
        before = self.bank.read(table, address, len(values))
        written = self.bank.write(table, address, values)
        for point in written:
            if not self.take(point, self.bank.get(point)):
                self.bank.write(table, address, before)
                raise Refusal(ExcCodes.ILLEGAL_VALUE, f"{point}: not now")


def battery_plc(battery: Battery, form: Callable[[bool], bool]) -> tuple[Plc, Callable[..., None]]:
    """A battery inverter's unit, and what shows its present state: called with pu and Hz.

    Args:
        battery: the source.
        form: tries its order to form the grid.
    """

    def take(point: str, value: float) -> bool:
        match point:
            case "form_cmd":
                return form(value == 1.0)
            case "hz_set":
                battery.hz_set = value
            case "v_set":
                battery.v_set_pu = value
            case _:
                on_p, on_q = plc.bank.get("p_set_ena") == 1.0, plc.bank.get("q_set_ena") == 1.0
                battery.p_set_w = plc.bank.get("p_set") if on_p else None
                battery.q_set_var = plc.bank.get("q_set") if on_q else None
        return True

    plc = Plc("grid_forming_battery", take)
    constants = {
        "p_min_rtg": -battery.p_max_w, "p_max_rtg": battery.p_max_w,
        "q_max_rtg": 0.6 * battery.s_max_va, "s_rtg": battery.s_max_va,
        "hz_set": battery.hz_set, "v_set": battery.v_set_pu,
    }  # fmt: skip
    for point, value in constants.items():
        plc.bank.put(point, value)

    def show(volts: float, hz: float) -> None:
        present = {
            "running": battery.running, "forming": battery.forming, "form_cmd": battery.forming,
            "p": battery.power_w, "q": battery.reactive_power_var, "v": volts, "hz": hz,
            "soc": battery.soc_pct, "local": plc.local,
        }  # fmt: skip
        for point, value in present.items():
            plc.bank.put(point, float(value))

    return plc, show


def diesel_plc(diesel: Diesel) -> tuple[Plc, Callable[..., None]]:
    """A diesel set's unit, and what shows its present state: called with volts."""

    def take(point: str, value: float) -> bool:
        match point:
            case "start_cmd":
                diesel.wanted = value == 1.0
                return diesel.ready or not diesel.wanted
            case "hz_set":
                diesel.hz_set = value
            case _:
                active = plc.bank.get("p_set_ena") == 1.0
                diesel.p_set_w = plc.bank.get("p_set") if active else None
        return True

    plc = Plc("diesel_generator", take)
    constants = {
        "p_min_rtg": diesel.p_min_w, "p_max_rtg": diesel.p_max_w,
        "q_max_rtg": 0.6 * diesel.s_max_va, "s_rtg": diesel.s_max_va, "hz_set": diesel.hz_set,
    }  # fmt: skip
    for point, value in constants.items():
        plc.bank.put(point, value)

    def show(volts: float) -> None:
        present = {
            "ready": diesel.ready, "running": diesel.running, "start_cmd": diesel.wanted,
            "p": diesel.power_w, "q": diesel.reactive_power_var, "local": plc.local,
            "v": volts if diesel.running else 0.0, "hz": diesel.hz if diesel.running else 0.0,
            "fuel": 100.0 * diesel.litres / diesel.capacity_l,
        }  # fmt: skip
        for point, value in present.items():
            plc.bank.put(point, float(value))

    return plc, show


def panel_plc(loads: list[Load]) -> tuple[Plc, Callable[[float], None]]:
    """The load panel's unit, and what shows its present state: called with the bus voltage, pu."""

    def take(point: str, value: float) -> bool:
        number = int(point.rpartition("_")[2])
        if number > len(loads):
            return False
        loads[number - 1].closed = value == 1.0
        return True

    plc = Plc("load_panel", take)

    def show(voltage_pu: float) -> None:
        for number, load in enumerate(loads, start=1):
            share = voltage_pu**2 if load.closed else 0.0
            plc.bank.put(f"closed_{number}", float(load.closed))
            plc.bank.put(f"cmd_{number}", float(load.closed))
            plc.bank.put(f"p_{number}", share * load.p_w)
            plc.bank.put(f"q_{number}", share * load.q_var)
        plc.bank.put("local", float(plc.local))

    return plc, show


class RelayStation:
    """The POI relay as an outstation.

    Args:
        plant: whose relay it is.
        sides: both sides of the breaker now.

    Attributes:
        station: for a server.
        local: someone stands before it: commands are refused.
    """

    def __init__(self, plant: MicrogridPlant, sides: Callable[[], Sides]) -> None:
        self._plant = plant
        self._sides = sides
        self.local = False
        self.station = Station(RELAY_ADDRESS, "poi_relay", self._take)
        self.show()

    def show(self) -> None:
        """Put what is measured now."""
        relay, sides = self._plant.relay, self._sides()
        present = {
            "closed": relay.closed, "local": self.local, "tripped": relay.tripped,
            "in_sync": sides.in_sync, "cmd": relay.closed, "settings_cmd": relay.settings,
            "p": self._plant.poi_w, "q": self._plant.poi_var,
            "v_grid": sides.grid_pu, "hz_grid": sides.grid_hz if sides.grid_pu > 0.05 else 0.0,
            "v_bus": sides.bus_pu, "hz_bus": sides.bus_hz, "angle": sides.angle_deg,
            "settings_group": relay.settings, "ops": relay.operations, "refused": relay.refused,
            "healthy": True,
        }  # fmt: skip
        for point, value in present.items():
            self.station.put(point, float(value))

    def _take(self, point: str, value: float, carry_out: bool) -> CommandStatus:
        relay = self._plant.relay
        if self.local:
            return CommandStatus.LOCAL
        if point == "settings_cmd":
            if carry_out:
                relay.settings = round(value)
        elif not carry_out:
            return CommandStatus.SUCCESS  # a selection: the check is made when it closes
        elif not relay.command(close=value == 1.0, sides=self._sides()):
            return CommandStatus.AUTOMATION_INHIBIT
        self.show()
        return CommandStatus.SUCCESS
