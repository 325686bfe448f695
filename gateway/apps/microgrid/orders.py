"""Targets as commands: only what differs from what the field shows, each in its right order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.apps.microgrid.config import MicrogridConfig
from gateway.apps.microgrid.seen import Seen
from gateway.apps.microgrid.state import Asked, MicrogridState
from gateway.apps.microgrid.targets import GeneratorTarget, StorageTarget, Targets
from gateway.groups.messages import (
    Address,
    DispatchRequest,
    GroupRequest,
    Quantity,
    StatusRequest,
)
from gateway.model.command import Command, CommandMode, Priority
from gateway.points.image import ProcessImage

#: A set point is sent anew where it moved by this share of the source's rating.
_MOVED = 0.004
#: The same of a group, whose rating is its own affair: W or var.
_MOVED_GROUP_W = 500.0
#: How often a group behind the POI is asked how it stands.
_STATUS_MS = 1000
_DISPATCHED = (Quantity.ACTIVE_POWER, Quantity.REACTIVE_POWER)
_MOVED_HZ, _MOVED_PU, _MOVED_PCT = 0.005, 0.0015, 0.5


class Orders:
    """Makes one cycle's commands.

    Args:
        config: bindings and pace.
        image: what the outputs show they hold.
        now_ms: UTC ms.
        allowed: device functions of the state; an order of another one is not made.
    """

    def __init__(
        self, config: MicrogridConfig, image: ProcessImage, now_ms: int, allowed: frozenset[str]
    ) -> None:
        self._config = config
        self._allowed = allowed
        self._image = image
        self._now_ms = now_ms

    def commands(self, seen: Seen, targets: Targets) -> tuple[Command, ...]:
        """What has to be sent, the breaker and the loads first."""
        return (
            *self._poi(seen, targets),
            *self._loads(seen, targets),
            *self._storages(seen, targets),
            *self._generators(seen, targets),
            *self._renewables(seen, targets),
        )

    def _poi(self, seen: Seen, targets: Targets) -> Iterator[Command]:
        points, want = self._config.poi, targets.close_poi
        if "POI breaker" not in self._allowed:
            want = None
        if want is not None and seen.poi.closed is not None and seen.poi.closed != want:
            reason = "close in step" if want else "open"
            yield self._switch("poi", points.command, float(want), reason)
        settings = seen.poi.settings
        allowed = "settings group" in self._allowed
        if allowed and settings is not None and settings != targets.settings:
            reason = "protection settings of the state"
            yield self._switch("settings", points.settings_command, targets.settings, reason)

    def _loads(self, seen: Seen, targets: Targets) -> Iterator[Command]:
        for name, close in targets.loads.items() if "load breaker" in self._allowed else ():
            load = seen.loads.get(name)
            if load is not None and load.closed != close:
                reason = "serve" if close else "shed"
                yield self._switch(name, load.points.command, float(close), reason)

    def _storages(self, seen: Seen, targets: Targets) -> Iterator[Command]:
        for name, target in targets.storages.items():
            found = seen.storages.get(name)
            if found is not None:
                yield from self._storage(name, found.power_max_w, target)

    def _storage(self, name: str, rating_w: float, target: StorageTarget) -> Iterator[Command]:
        points = next(s for s in self._config.storages if s.name == name)
        if target.steering is not None and "storage voltage and frequency" in self._allowed:
            yield from self._moved(name, points.hz_set, target.steering.hz, _MOVED_HZ)
            yield from self._moved(name, points.voltage_set, target.steering.voltage_pu, _MOVED_PU)
        if target.form is not None and "storage grid-forming" in self._allowed:
            yield from self._moved(name, points.form_command, float(target.form), 0.5)
        if target.form:
            return  # a battery that forms the grid heeds no set point
        moved = _MOVED * rating_w
        if "storage real power" in self._allowed:
            yield from self._held(
                name, points.power_set, points.power_enable, target.power_w, moved
            )
        if "storage reactive power" in self._allowed:
            point, enable = points.reactive_power_set, points.reactive_power_enable
            yield from self._held(name, point, enable, target.reactive_power_var, moved)

    def _generators(self, seen: Seen, targets: Targets) -> Iterator[Command]:
        for name, target in targets.generators.items():
            found = seen.generators.get(name)
            if found is None:
                continue
            yield from self._generator(name, target, _MOVED * found.power_max_w)

    def _generator(self, name: str, target: GeneratorTarget, moved_w: float) -> Iterator[Command]:
        points = next(g for g in self._config.generators if g.name == name)
        if target.hz is not None and "generator frequency" in self._allowed:
            yield from self._moved(name, points.hz_set, target.hz, _MOVED_HZ)
        if "generator real power" in self._allowed and (target.run or target.power_w is not None):
            yield from self._held(
                name, points.power_set, points.power_enable, target.power_w, moved_w
            )
        if "generator start" in self._allowed:
            yield from self._moved(name, points.start_command, float(target.run), 0.5)

    def _renewables(self, seen: Seen, targets: Targets) -> Iterator[Command]:
        for name, limit_w in targets.limits_w.items() if "renewable limit" in self._allowed else ():
            found = seen.renewables.get(name)
            if found is None or found.rating_w <= 0:
                continue
            points = found.points
            limit_pct = None if limit_w is None else 100.0 * limit_w / found.rating_w
            yield from self._held(
                name, points.limit_set, points.limit_enable, limit_pct, _MOVED_PCT
            )

    def _held(
        self, name: str, point: str, enable: str, value: float | None, moved: float
    ) -> Iterator[Command]:
        """A set point before its enable; None switches the enable off."""
        if value is None:
            yield from self._moved(name, enable, 0.0, 0.5)
            return
        yield from self._moved(name, point, value, moved)
        yield from self._moved(name, enable, 1.0, 0.5)

    def _moved(self, name: str, point: str, value: float, moved: float) -> Iterator[Command]:
        shown = self._image.good_value(point)
        if shown is not None and abs(shown - value) >= moved:
            yield self._command(name, point, value, Priority.DMS_VVO, "dispatch")

    def _switch(self, name: str, point: str, value: float, reason: str) -> Command:
        command = self._command(name, point, value, Priority.PROTECTION_FLISR, reason)
        if point == self._config.poi.settings_command:
            return command
        mode = CommandMode.SELECT_BEFORE_OPERATE
        return Command(
            point, value, command.origin, command.priority, mode, command.expires_ms,
            command.correlation, command.reason,
        )  # fmt: skip

    def _command(self, name: str, point: str, value: float, rank: Priority, reason: str) -> Command:
        return Command(
            point=point,
            value=value,
            origin=self._config.name,
            priority=rank,
            expires_ms=self._now_ms + round(1000 * self._config.pace.hold_s),
            correlation=f"{self._config.name}-{self._now_ms:x}-{name}",
            reason=f"{self._config.name}: {reason} {name}",
        )


def group_requests(
    config: MicrogridConfig, targets: Targets, state: MicrogridState, now_ms: int
) -> tuple[tuple[GroupRequest, ...], Mapping[str, Asked]]:
    """What groups behind the POI are asked, and what they have been asked with that.

    Status every so often; P and Q where they moved, and again before what was asked runs out.
    """
    asked: list[GroupRequest] = []
    known = dict(state.group_asks)

    def address(group_id: str) -> Address:
        message_id = f"{config.name}-{now_ms:x}-{state.sequence + len(asked)}"
        return Address(message_id=message_id, dms_id=config.name, group_id=group_id, time_ms=now_ms)

    for member in config.groups:
        group_id = member.group_id
        wanted = targets.groups.get(group_id, (None, None))
        for quantity, value in zip(_DISPATCHED, wanted, strict=True):
            key = f"{group_id} {quantity}"
            if _is_due(known.get(key), value, now_ms, config.pace.hold_s):
                schedule = () if value is None else ((2 * config.pace.hold_s, round(value, -1)),)
                asked.append(
                    DispatchRequest(address=address(group_id), quantity=quantity, schedule=schedule)
                )
                known[key] = Asked(now_ms, value)
        key = f"{group_id} status"
        if key not in known or now_ms - known[key].at_ms >= _STATUS_MS:
            asked.append(StatusRequest(address=address(group_id)))
            known[key] = Asked(now_ms, None)
    return tuple(asked), known


def _is_due(last: Asked | None, value: float | None, now_ms: int, hold_s: float) -> bool:
    if value is None:
        return last is not None and last.value is not None  # end it, once
    if last is None or last.value is None:
        return True
    moved = abs(value - last.value) > max(_MOVED * abs(last.value), _MOVED_GROUP_W)
    return moved or now_ms - last.at_ms >= 1000 * hold_s
