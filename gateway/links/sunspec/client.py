"""SunSpec devices on a running Modbus poller: discover, poll, command, adopt curves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.links.modbus.client import Caller
from gateway.links.modbus.codec import Table
from gateway.links.modbus.config import DeviceConfig
from gateway.links.modbus.exchange import ModbusExceptionError
from gateway.links.modbus.poller import ModbusPoller
from gateway.links.sunspec.binding import bind
from gateway.links.sunspec.codec import BASE_ADDRESSES, PlacedPoint
from gateway.links.sunspec.discovery import Discovered, discover
from gateway.model.command import Command, CommandResult, CommandStatus
from gateway.model.errors import LinkError, RemoteProtocolError
from gateway.profiles.profile import DeviceProfile

_OPEN_S, _RETRY_S = 10.0, 2.0
#: How long a device may take to adopt a curve, and how often it is asked.
ADOPT_S, _ADOPT_LOOK_S = 5.0, 0.1
#: Request point to result point of the models that adopt (705, 706, 711, 712 ...).
_ADOPTION = {"AdptCrvReq": "AdptCrvRslt", "AdptCtlReq": "AdptCtlRslt"}
_COMPLETED, _FAILED = 1, 2


@dataclass(frozen=True, slots=True)
class SunSpecDevice:
    """A device to find: its unit and quirks, its profile, its poll periods."""

    config: DeviceConfig
    profile: DeviceProfile
    periods_s: Mapping[str, float]


@dataclass
class SunSpecState:
    """What is known of one device, for status pages.

    Attributes:
        found: its models; None until it was scanned.
        absent: profile points it does not have.
        unscaled: outputs without a scale factor, which take no commands.
        scans: completed scans.
        last_error: why the last scan failed; empty after a good one.
    """

    found: Discovered | None = None
    absent: tuple[str, ...] = ()
    unscaled: tuple[str, ...] = ()
    scans: int = 0
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class _Adopting:
    """Where a model's adoption shows: its result, and each curve's first register and points.

    Points go by path inside the curve, with their first register in it and their length.
    """

    device: SunSpecDevice
    result_at: int
    curves: Mapping[int, tuple[int, Mapping[str, tuple[int, int]]]]


class SunSpecLink:
    """Finds SunSpec devices and gives them to the poller.

    A device is scanned each time its connection opens, before anything is polled: what came
    back may be another device. Until then its points stay COMM_LOST.

    Args:
        poller: its ``run`` must be running.
        devices: to find.
        positions: point id to position in the store.

    Attributes:
        states: device name to what is known.
    """

    def __init__(
        self,
        poller: ModbusPoller,
        devices: Sequence[SunSpecDevice],
        positions: Mapping[str, int],
    ) -> None:
        self._poller = poller
        self._devices = tuple(devices)
        self._positions = positions
        self._adopting: dict[str, _Adopting] = {}
        self._lost = {device.config.name: asyncio.Event() for device in devices}
        self.states = {device.config.name: SunSpecState() for device in devices}
        poller.on_lost(self._line_lost)

    async def run(self) -> None:
        """Keep every device found until cancelled; a device that cannot be scanned is retried."""
        async with asyncio.TaskGroup() as watchers:
            for device in self._devices:
                watchers.create_task(self._watch(device), name=device.config.name)

    async def operate(self, command: Command) -> CommandResult:
        """Carry a command; one that asks to adopt a curve ends when the device says it did."""
        result = await self._poller.operate(command)
        adopting = self._adopting.get(command.point)
        if adopting is None or not result.ok:
            return result
        return await self._confirm(command, adopting)

    async def _watch(self, device: SunSpecDevice) -> None:
        name, endpoint = device.config.name, device.config.endpoint
        caller, lost = self._poller.caller(endpoint), self._lost[name]
        while True:
            lost.clear()
            try:
                await caller.wait_open(_OPEN_S)
                found = await self._scan(device, caller)
            except (LinkError, RemoteProtocolError, ModbusExceptionError) as error:
                self.states[name].last_error = str(error)
                await asyncio.sleep(_RETRY_S)
                continue
            if not lost.is_set():
                self._take(device, found)
            await lost.wait()

    async def _scan(self, device: SunSpecDevice, caller: Caller) -> Discovered:
        config, base = device.config, device.profile.modbus.base_address
        found = await discover(
            lambda address, count: caller.read(config.unit, Table.HOLDING, address, count),
            config.max_registers,
            BASE_ADDRESSES if base is None else (base,),
        )
        self.states[config.name].scans += 1
        self.states[config.name].last_error = ""
        return found

    def _take(self, device: SunSpecDevice, found: Discovered) -> None:
        """Poll and command a device as it was found."""
        state = self.states[device.config.name]
        binding = bind(device.config, device.profile, device.periods_s, self._positions, found)
        self._poller.add_device(binding.device)
        state.found, state.absent, state.unscaled = found, binding.absent, binding.unscaled
        self._adopting.update(_adoptions(device, found.points))

    def _line_lost(self, endpoint: str) -> None:
        """Whatever answers next may be another device: nothing is polled until it was scanned."""
        for device in self._devices:
            if device.config.endpoint == endpoint:
                self._poller.remove_device(device.config.name)
                self._lost[device.config.name].set()

    async def _confirm(self, command: Command, adopting: _Adopting) -> CommandResult:
        config = adopting.device.config
        caller = self._poller.caller(config.endpoint)
        outcome = 0
        try:
            async with asyncio.timeout(ADOPT_S):
                while outcome not in (_COMPLETED, _FAILED):
                    await asyncio.sleep(_ADOPT_LOOK_S)
                    held = await caller.read(config.unit, Table.HOLDING, adopting.result_at, 1)
                    outcome = int(held[0])
                    # a slow device still shows how the last adoption ended
                    if outcome == _COMPLETED and not await _is_active(caller, command, adopting):
                        outcome = 0
        except TimeoutError:
            detail = f"within {ADOPT_S:g} s the device did not show the curve as adopted"
            return CommandResult(command, CommandStatus.TIMEOUT, detail, command.value)
        except (LinkError, RemoteProtocolError, ModbusExceptionError) as error:
            detail = f"written, but asking for the result failed: {error}"
            return CommandResult(command, CommandStatus.UNDEFINED, detail, command.value)
        if outcome == _COMPLETED:
            return CommandResult(command, CommandStatus.SUCCESS, "curve adopted", command.value)
        detail = "the device refused the curve"
        return CommandResult(command, CommandStatus.DOWNSTREAM_FAIL, detail, command.value)


def _adoptions(
    device: SunSpecDevice, points: Mapping[tuple[int, str], PlacedPoint]
) -> dict[str, _Adopting]:
    """Point id of each adoption request to where its result is read."""
    found: dict[str, _Adopting] = {}
    for point in device.profile.points:
        result = _ADOPTION.get(point.name or "")
        placed = points.get((point.model or 0, result)) if result else None
        if placed is not None:
            curves = _curves(point.model or 0, points)
            found[f"{device.config.name}.{point.point}"] = _Adopting(device, placed.address, curves)
    return found


def _curves(
    model: int, points: Mapping[tuple[int, str], PlacedPoint]
) -> dict[int, tuple[int, dict[str, tuple[int, int]]]]:
    curves: dict[int, dict[str, tuple[int, int]]] = {}
    for (owner, path), placed in points.items():
        group, _, rest = path.partition(".")
        number, _, inside = rest.partition(".")
        if owner == model and group in ("Crv", "Ctl") and inside:
            own = (placed.address, placed.definition.words)
            curves.setdefault(int(number), {})[inside] = own
    return {
        number: (start, {path: (at - start, words) for path, (at, words) in own.items()})
        for number, own in curves.items()
        for start in [min(at for at, _ in own.values())]
    }


async def _is_active(caller: Caller, command: Command, adopting: _Adopting) -> bool:
    """Whether the active curve, the first, is the one asked for; True where there is no telling."""
    asked, active = adopting.curves.get(int(command.value)), adopting.curves.get(1)
    if asked is None or active is None or asked[1].keys() != active[1].keys():
        return True
    config, layout = adopting.device.config, asked[1]
    count = max(at + words for at, words in layout.values())
    if count > config.max_registers:
        return True
    wanted = (await caller.read(config.unit, Table.HOLDING, asked[0], count)).tolist()
    shown = (await caller.read(config.unit, Table.HOLDING, active[0], count)).tolist()
    used = wanted[layout["ActPt"][0]] if "ActPt" in layout else 0
    return all(
        wanted[at : at + words] == shown[at : at + words]
        for path, (at, words) in layout.items()
        if _matters(path, used)
    )


def _matters(path: str, used: int) -> bool:
    """Whether a curve's point says what the curve does: its count and the points in use."""
    if path.startswith("Pt."):
        return int(path.split(".")[1]) <= used
    return path == "ActPt"
