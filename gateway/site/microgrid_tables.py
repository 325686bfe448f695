"""``[microgrid]``: the role of microgrid controller, as written by the engineer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.profiles.profile import PointName
from gateway.profiles.validate import Strict
from gateway.site.names import Name

Power = Annotated[float, Field(ge=0)]
Pct = Annotated[float, Field(ge=0, le=100)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class StorageTable(Strict):
    """``[[microgrid.storage]]``: a battery inverter that can form the grid."""

    device: PointName
    energy_wh: Annotated[float, Field(gt=0)]


class GeneratorTable(Strict):
    """``[[microgrid.generator]]``: a dispatchable set."""

    device: PointName
    cost_per_kwh: Annotated[float, Field(ge=0)] = 0.4
    black_start: bool = False


class RenewableTable(Strict):
    """``[[microgrid.renewable]]``: a source that can be held back by a limit in %."""

    device: PointName


class LoadTable(Strict):
    """``[[microgrid.load]]``: a feeder of loads; ``feeder`` is its number in the panel.

    ``priority`` 1 is shed last.
    """

    name: Name
    device: PointName
    feeder: Annotated[int, Field(ge=1, le=99)]
    priority: Annotated[int, Field(ge=1, le=99)]
    expected_w: Annotated[float, Field(gt=0)]


class AgreementTable(Strict):
    """``[microgrid.agreement]``: what was agreed at the POI; magnitudes in W, var, VA, W/s."""

    export_w: Power
    import_w: Power
    reactive_power_var: Power
    apparent_power_va: Annotated[float, Field(gt=0)]
    ramp_w_per_s: Power = 0.0


class ReserveTable(Strict):
    """``[microgrid.reserve]``: state of charge kept, %."""

    connected_pct: Pct = 40.0
    islanded_pct: Pct = 10.0
    start_pct: Pct = 30.0
    stop_pct: Pct = 60.0
    full_pct: Pct = 95.0

    @model_validator(mode="after")
    def _check(self) -> ReserveTable:
        if not self.islanded_pct < self.start_pct < self.stop_pct <= self.full_pct:
            raise ValueError("islanded_pct, start_pct, stop_pct, full_pct must rise in this order")
        return self


class PricesTable(Strict):
    """``[microgrid.prices]``: prices a kWh; ``schedule`` is (hour of the day UTC, import price)."""

    import_per_kwh: Annotated[float, Field(ge=0)] = 0.0
    export_per_kwh: Annotated[float, Field(ge=0)] = 0.0
    wear_per_kwh: Annotated[float, Field(ge=0)] = 0.02
    schedule: tuple[tuple[Annotated[float, Field(ge=0, lt=24)], float], ...] = ()

    @model_validator(mode="after")
    def _check(self) -> PricesTable:
        hours = [hour for hour, _ in self.schedule]
        if hours != sorted(set(hours)):
            raise ValueError("the hours of schedule must rise")
        return self


class PaceTable(Strict):
    """``[microgrid.pace]``: times of the transitions, s."""

    planned_s: Seconds = 25.0
    zero_s: Seconds = 1.0
    good_grid_s: Seconds = 30.0
    wait_s: Seconds = 600.0
    sync_s: Seconds = 120.0
    breaker_s: Seconds = 0.5
    settle_s: Seconds = 2.0
    hold_s: Seconds = 15.0


class MicrogridTable(Strict):
    """``[microgrid]``: the controller of one microgrid.

    Attributes:
        device: its own points, a device of a profile that speaks ``own``.
        poi: device of the relay at the point of interconnection.
        groups: remote groups of DERs behind the POI.
        mode: ``advise`` shows what it would do and sends nothing.
        black_start: ``ask`` waits for a permit before a dead bus is energised.
        zero_share: POI power that counts as none in a planned islanding, of the rating.
    """

    device: PointName
    poi: PointName
    mode: Literal["advise", "act"] = "advise"
    black_start: Literal["ask", "auto"] = "ask"
    cycle_s: Annotated[float, Field(ge=0.1, le=1.0)] = 0.5
    hz: Literal[50, 60] = 60
    voltage_v: Annotated[float, Field(gt=0)] = 480.0
    zero_share: Annotated[float, Field(gt=0, lt=0.02)] = 0.015
    agreement: AgreementTable
    storage: tuple[StorageTable, ...] = ()
    generator: tuple[GeneratorTable, ...] = ()
    renewable: tuple[RenewableTable, ...] = ()
    load: tuple[LoadTable, ...] = ()
    groups: tuple[Name, ...] = ()
    reserve: ReserveTable = ReserveTable()
    prices: PricesTable = PricesTable()
    pace: PaceTable = PaceTable()
