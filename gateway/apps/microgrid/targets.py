"""What the controller wants of the field this cycle; what it leaves out stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.apps.microgrid.state import Held, Result
from gateway.apps.microgrid.sync import Steering

#: Protection settings groups of the POI relay.
CONNECTED_GROUP, ISLANDED_GROUP = 1.0, 2.0


@dataclass(frozen=True, slots=True)
class StorageTarget:
    """Set points of a battery.

    Attributes:
        power_w, reactive_power_var: None switches the function off; both are ignored by a
            battery that forms the grid.
        form: whether it is to form the grid; None leaves it.
        steering: what it forms the grid with.
    """

    power_w: float | None = None
    reactive_power_var: float | None = None
    form: bool | None = None
    steering: Steering | None = None


@dataclass(frozen=True, slots=True)
class GeneratorTarget:
    """Whether a set is to run; its power, W, and frequency where it forms the grid alone, Hz."""

    run: bool
    power_w: float | None = None
    hz: float | None = None


@dataclass(frozen=True, slots=True)
class Targets:
    """The order of one cycle.

    Attributes:
        close_poi: True closes, False opens, None leaves the breaker alone.
        settings: protection settings group.
        limits_w: by renewable; None lets it give what it has.
        groups: P and Q asked of groups behind the POI, W and var.
        loads: by name, True closes.
        held, result: at the POI and of the last request.
        target_w: POI power the ramp has reached; None where nobody asks for any.
    """

    close_poi: bool | None = None
    settings: float = CONNECTED_GROUP
    storages: Mapping[str, StorageTarget] = field(default_factory=dict)
    generators: Mapping[str, GeneratorTarget] = field(default_factory=dict)
    limits_w: Mapping[str, float | None] = field(default_factory=dict)
    groups: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    loads: Mapping[str, bool] = field(default_factory=dict)
    held: Held = field(default_factory=Held)
    result: Result | None = None
    target_w: float | None = None
