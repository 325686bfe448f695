"""The role of microgrid controller: from a site's devices to the application and back."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.groups.messages import GroupReply, GroupRequest
from gateway.model.clock import Clock
from gateway.model.errors import ConfigIssue
from gateway.points.router import Router
from gateway.points.store import PointStore
from gateway.profiles.text import TomlText
from gateway.site.cycle import ControlCycle
from gateway.site.microgrid_outlook import MicrogridOutlook
from gateway.site.microgrid_tables import (
    GeneratorTable,
    LoadTable,
    MicrogridTable,
    RenewableTable,
    StorageTable,
)
from gateway.site.own_points import OwnPoints
from gateway.site.site import Device, Site
from gateway.site.worker import Step, StepWorker

if TYPE_CHECKING:
    from gateway.apps.microgrid.config import (
        Generator,
        Load,
        MicrogridConfig,
        PoiPoints,
        Renewable,
        Storage,
    )
    from gateway.apps.microgrid.functions import FunctionTable
    from gateway.apps.microgrid.state import MicrogridState

#: Longest step before its worker is cut.
_LIMIT_S = 1.0
#: Names that the points of a POI relay have in device profiles.
_POI = {
    "closed": "closed", "power": "p", "reactive_power": "q",
    "voltage_grid": "v_grid", "hz_grid": "hz_grid", "voltage_bus": "v_bus", "hz_bus": "hz_bus",
    "angle": "angle", "in_sync": "in_sync", "tripped": "tripped", "command": "cmd",
    "settings": "settings_group", "settings_command": "settings_cmd",
}  # fmt: skip
#: Points beside the DER roles that a battery which can form a grid has, and a set.
_STORAGE = {
    "running": "running", "forming": "forming", "form_command": "form_cmd",
    "hz_set": "hz_set", "voltage_set": "v_set",
}  # fmt: skip
_GENERATOR = {
    "ready": "ready", "running": "running", "start_command": "start_cmd", "hz_set": "hz_set",
}  # fmt: skip
_STORAGE_ROLES = {
    "power": "p", "reactive_power": "q", "soc": "soc",
    "power_min": "p_rated_min", "power_max": "p_rated_max", "reactive_power_max": "q_rated_max",
    "rating": "s_rated", "power_set": "p_set", "power_enable": "p_enable",
    "reactive_power_set": "q_set", "reactive_power_enable": "q_enable",
}  # fmt: skip
_GENERATOR_ROLES = {
    "power": "p", "power_min": "p_rated_min", "power_max": "p_rated_max",
    "power_set": "p_set", "power_enable": "p_enable",
}  # fmt: skip
_RENEWABLE_ROLES = {
    "power": "p", "rating": "p_rated_max", "limit_set": "limit", "limit_enable": "limit_enable",
}  # fmt: skip


def microgrid_config(site: Site, table: MicrogridTable) -> MicrogridConfig:
    """The application's terms of a microgrid."""
    from gateway.apps.microgrid.config import (  # noqa: PLC0415 - only a microgrid's box has it
        Agreement,
        Member,
        MicrogridConfig,
        Pace,
        Prices,
        Reserve,
    )

    own = site.devices[table.device]
    loads = sorted((_load(load) for load in table.load), key=lambda load: load.priority)
    named = (p for p in own.profile.points if not p.kind.is_output)
    return MicrogridConfig(
        name=own.name,
        own={p.point: f"{own.name}.{p.point}" for p in named}
        | {str(role): f"{own.name}.{point}" for role, point in own.profile.der.items()},
        poi=_poi(table.poi),
        storages=tuple(_storage(site, s) for s in table.storage),
        generators=tuple(_generator(site, g) for g in table.generator),
        renewables=tuple(_renewable(site, r) for r in table.renewable),
        loads=tuple(loads),
        agreement=Agreement(**table.agreement.model_dump()),
        groups=tuple(Member(group) for group in table.groups),
        reserve=Reserve(**table.reserve.model_dump()),
        prices=Prices(**table.prices.model_dump()),
        pace=Pace(**table.pace.model_dump()),
        act=table.mode == "act",
        auto_black_start=table.black_start == "auto",
        zero_share=table.zero_share,
        hz=table.hz,
        voltage_v=table.voltage_v,
    )


def load_functions() -> FunctionTable:
    """The table of functions the controller runs on, from its own file.

    Raises:
        ValueError: the file is damaged.
    """
    from gateway.apps.microgrid import functions  # noqa: PLC0415 - only a microgrid's box has it

    path = Path(functions.__file__).with_suffix(".toml")
    return functions.function_table(tomllib.loads(path.read_text(encoding="utf-8")))


def build_microgrid(config: MicrogridConfig, functions: FunctionTable) -> Step:
    """Build the application; runs in the worker process."""
    from gateway.apps.microgrid.step import Microgrid  # noqa: PLC0415 - brings the solver

    return Microgrid(config, functions).step


class MicrogridRole:
    """A running microgrid controller.

    Args:
        site: where it is.
        table: its settings.
        own: the gateway's own points.
        store, router, clock: where it looks and commands.
        ask: asks groups behind the POI.

    Attributes:
        cycle: its control cycle.
    """

    def __init__(
        self,
        site: Site,
        table: MicrogridTable,
        own: OwnPoints,
        store: PointStore,
        router: Router,
        ask: Callable[[GroupRequest], Awaitable[GroupReply]],
        clock: Clock,
    ) -> None:
        from gateway.apps.microgrid.state import MicrogridState  # noqa: PLC0415 - as above

        config = microgrid_config(site, table)
        self._outlook = MicrogridOutlook(config, store, clock)
        worker = StepWorker(partial(build_microgrid, config, load_functions()))
        self.cycle: ControlCycle[MicrogridState] = ControlCycle(
            table.cycle_s, worker, MicrogridState(), store, router, ask, clock
        )
        # a busy box must not cut what takes milliseconds; its own points age meanwhile
        self.cycle.limit_s = max(table.cycle_s, _LIMIT_S)
        self.cycle.forecast = self._outlook
        self.cycle.show = own.show

    async def run(self) -> None:
        """Control and sample until cancelled."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self.cycle.run())
            parts.create_task(self._outlook.run())


def check_microgrid(
    text: TomlText, table: MicrogridTable, devices: dict[str, Device], groups: set[str]
) -> list[ConfigIssue]:
    """Faults of ``[microgrid]``: devices that are not there, or have not what it takes."""
    issues = []
    for place, name, points, roles in _needs(table):
        device = devices.get(name)
        if device is None:
            issues.append(text.issue(place, f"there is no device {name!r}", "add it"))
            continue
        known = {point.point for point in device.profile.points}
        missing = [point for point in points if point not in known]
        missing += [role for role in roles if device.point_of(role) is None]
        if missing:
            message = f"profile {device.profile.name!r} of {name!r} has no {', '.join(missing)}"
            issues.append(text.issue(place, message, "add them to the profile"))
    own = devices.get(table.device)
    if own is not None and own.profile.protocol != "own":
        message = f"{table.device!r} is a device behind a link, not this gateway's own"
        issues.append(text.issue(("microgrid", "device"), message, "use a profile that is own"))
    for group in table.groups:
        if group not in groups:
            message = f"there is no group {group!r}"
            issues.append(text.issue(("microgrid", "groups"), message, f"add [groups.{group}]"))
    if len({load.name for load in table.load}) < len(table.load):
        message = "two loads have the same name"
        issues.append(text.issue(("microgrid", "load"), message, "rename one"))
    return issues


def _needs(
    table: MicrogridTable,
) -> Iterator[tuple[tuple[str, ...], str, tuple[str, ...], tuple[str, ...]]]:
    """Where a device is named, the device, and the points and roles it must have."""
    yield ("microgrid", "device"), table.device, (), ("p", "state", "p_set", "disconnect")
    yield ("microgrid", "poi"), table.poi, tuple(_POI.values()), ()
    for storage in table.storage:
        roles = tuple(_STORAGE_ROLES.values())
        yield ("microgrid", "storage"), storage.device, tuple(_STORAGE.values()), roles
    for unit in table.generator:
        roles = tuple(_GENERATOR_ROLES.values())
        yield ("microgrid", "generator"), unit.device, tuple(_GENERATOR.values()), roles
    for renewable in table.renewable:
        roles = tuple(_RENEWABLE_ROLES.values())
        yield ("microgrid", "renewable"), renewable.device, (), roles
    for load in table.load:
        points = tuple(f"{stem}_{load.feeder}" for stem in ("closed", "cmd", "p"))
        yield ("microgrid", "load"), load.device, points, ()


def _poi(name: str) -> PoiPoints:
    from gateway.apps.microgrid.config import PoiPoints  # noqa: PLC0415

    return PoiPoints(**_points(name, _POI))


def _storage(site: Site, table: StorageTable) -> Storage:
    from gateway.apps.microgrid.config import Storage  # noqa: PLC0415

    device = site.devices[table.device]
    points = _points(device.name, _STORAGE) | _roles(device, _STORAGE_ROLES)
    return Storage(name=device.name, energy_wh=table.energy_wh, **points)


def _generator(site: Site, table: GeneratorTable) -> Generator:
    from gateway.apps.microgrid.config import Generator  # noqa: PLC0415

    device = site.devices[table.device]
    points = _points(device.name, _GENERATOR) | _roles(device, _GENERATOR_ROLES)
    return Generator(
        name=device.name,
        cost_per_kwh=table.cost_per_kwh,
        black_start=table.black_start,
        **points,
    )


def _renewable(site: Site, table: RenewableTable) -> Renewable:
    from gateway.apps.microgrid.config import Renewable  # noqa: PLC0415

    device = site.devices[table.device]
    return Renewable(name=device.name, **_roles(device, _RENEWABLE_ROLES))


def _load(table: LoadTable) -> Load:
    from gateway.apps.microgrid.config import Load  # noqa: PLC0415

    named = {"closed": "closed", "command": "cmd", "power": "p"}
    names = {field: f"{stem}_{table.feeder}" for field, stem in named.items()}
    points = _points(table.device, names)
    return Load(name=table.name, priority=table.priority, expected_w=table.expected_w, **points)


def _points(device: str, names: dict[str, str]) -> dict[str, str]:
    return {field: f"{device}.{name}" for field, name in names.items()}


def _roles(device: Device, roles: dict[str, str]) -> dict[str, str]:
    return {field: device.point_of(role) or "" for field, role in roles.items()}
