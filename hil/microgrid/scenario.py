"""A path from DMS to DER as one TOML file: boxes, plant, events, and what has to come of it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
_BEFALLS = r"^(trip|reset|fail|lose|find) (battery|member|diesel|panel|pv|relay)$"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BatterySpec(_Strict):
    """A battery inverter; ``soc_pct`` at the start."""

    p_max_w: Positive = 250e3
    s_max_va: Positive = 300e3
    energy_wh: Positive = 500e3
    soc_pct: Annotated[float, Field(ge=0, le=100)] = 70.0


class DieselSpec(_Strict):
    """A diesel set; ``start_s`` from its order to a closed breaker."""

    p_max_w: Positive = 150e3
    p_min_w: Positive = 30e3
    s_max_va: Positive = 190e3
    start_s: Positive = 5.0


class PlantSpec(_Strict):
    """The microgrid.

    Attributes:
        battery: can form the grid. member: a second one, which a DER group has.
        pv_w: rating of the PV inverter.
        loads_w: of the feeders of the panel, in its order.
        load_pf: of each.
        sync_check: the relay's own check is in force.
        black: it begins with an open POI and a dead bus.
    """

    battery: BatterySpec = BatterySpec()
    member: BatterySpec | None = None
    diesel: DieselSpec | None = DieselSpec()
    pv_w: Positive = 100e3
    loads_w: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=6)] = (
        40e3, 50e3, 60e3, 70e3,
    )  # fmt: skip
    load_pf: Annotated[float, Field(gt=0.5, le=1)] = 0.97
    sync_check: bool = True
    black: bool = False


class GridRow(_Strict):
    """The utility's side from a time on."""

    at_s: Annotated[float, Field(ge=0)]
    voltage_pu: Annotated[float, Field(ge=0, le=1.5)] = 1.0
    hz: Annotated[float, Field(ge=0, le=70)] = 60.0


class SunRow(_Strict):
    """Irradiance from a time on, 0..1."""

    at_s: Annotated[float, Field(ge=0)]
    share: Share


class Event(_Strict):
    """Something that happens once: the DMS asks, or the plant suffers.

    Attributes:
        ask: a group function; ``value`` in W, var or as the function has it.
        plant: what befalls a source or a link: ``trip``, ``reset``, ``fail``, ``lose`` or ``find``,
            and whom: ``trip battery``, ``lose panel``.
        hold_s: how long a set point is to hold.
    """

    at_s: Annotated[float, Field(ge=0)]
    ask: (
        Literal["limit", "dispatch-p", "dispatch-q", "pf", "status", "islanding", "end-p", "end-q"]
        | None
    ) = None
    action: Literal["PLANNED", "EMERGENCY", "RECONNECT"] | None = None
    value: float | None = None
    hold_s: Annotated[float, Field(ge=0)] = 0.0
    plant: Annotated[str, Field(pattern=_BEFALLS)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.ask is None) == (self.plant is None):
            raise ValueError("an event asks, or befalls the plant")
        if (self.ask == "islanding") != (self.action is not None):
            raise ValueError("islanding needs an action, nothing else has one")
        return self


class Rule(_Strict):
    """One rule of the score: its name in ``hil.microgrid.rules`` and its limit.

    Attributes:
        from_s, to_s: the time it looks at; to the end where ``to_s`` is 0.
    """

    name: str
    limit: float = 0.0
    from_s: Annotated[float, Field(ge=0)] = 0.0
    to_s: Annotated[float, Field(ge=0)] = 0.0


class PathScenario(_Strict):
    """One scenario.

    Attributes:
        boxes: gateways by the name of their site, those that are asked first; the last is the DMS.
        group: whom the DMS asks.
        time_scale: simulated seconds a wall second.
        seconds: simulated length.
    """

    title: str
    boxes: tuple[str, ...] = Field(min_length=1)
    group: str
    time_scale: Positive = 1.0
    seconds: Positive = 60.0
    plant: PlantSpec = PlantSpec()
    grid: tuple[GridRow, ...] = (GridRow(at_s=0.0),)
    sun: tuple[SunRow, ...] = (SunRow(at_s=0.0, share=0.6),)
    event: tuple[Event, ...] = ()
    rule: tuple[Rule, ...] = Field(min_length=1)

    def grid_at(self, time_s: float) -> GridRow:
        """The utility's side at a time."""
        return [row for row in self.grid if row.at_s <= time_s][-1]

    def sun_at(self, time_s: float) -> float:
        """Irradiance at a time."""
        return [row for row in self.sun if row.at_s <= time_s][-1].share


def load_path(path: Path) -> PathScenario:
    """Read a scenario.

    Raises:
        OSError: it cannot be read.
        ValueError: what is wrong with it, with its name.
    """
    try:
        scenario = PathScenario.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    for name, rows in (("grid", scenario.grid), ("sun", scenario.sun)):
        if not rows or rows[0].at_s > 0:
            raise ValueError(f"{path.name}: {name} has nothing at 0 s")
    return scenario
