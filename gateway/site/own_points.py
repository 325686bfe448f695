"""Points the gateway holds itself: an application shows its values, anybody with a right asks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, CommandStatus
from gateway.model.point import Measurement
from gateway.model.quality import Quality
from gateway.points.image import ProcessImage
from gateway.points.store import PointStore
from gateway.site.site import Site

_GOOD = Quality.ONLINE
_UNKNOWN = Quality.COMM_LOST


class OwnPoints:
    """Actuator of a site's own outputs, and what shows its own inputs.

    An output shows what it was last told; nothing has been asked of it when the gateway starts.

    Args:
        site: whose own points these are.
        store: where they stand.
        clock: stamps them.
    """

    def __init__(self, site: Site, store: PointStore, clock: Clock) -> None:
        own = [point for point in site.points if point.device.profile.protocol == "own"]
        self._outputs = frozenset(p.spec.id for p in own if p.spec.kind.is_output)
        self._store = store
        self._clock = clock
        self._told = np.array([store.index[name] for name in sorted(self._outputs)], dtype=np.intp)
        for name in self._outputs:
            store.update(name, Measurement(0.0, _GOOD, clock.utc_ms()))

    async def operate(self, command: Command) -> CommandResult:
        """Take a command: the output shows its value from now on."""
        self._store.update(command.point, Measurement(command.value, _GOOD, self._clock.utc_ms()))
        return CommandResult(command, CommandStatus.SUCCESS, "taken", command.value)

    def show(self, readings: Mapping[str, float | None], image: ProcessImage) -> None:
        """Show what an application says of itself, and that its outputs still stand.

        An output changes only where nobody told it anything else since the image was frozen.
        """
        now_ms = self._clock.utc_ms()
        if self._store.touch(self._told):  # a step came late, and they were marked lost
            for name in self._outputs:
                self._store.update(name, Measurement(self._store[name].value, _GOOD, now_ms))
        for name, value in readings.items():
            if name not in self._outputs:
                last = self._store[name].value if value is None else value
                quality = _UNKNOWN if value is None else _GOOD
                self._store.update(name, Measurement(last, quality, now_ms))
            elif value not in (None, image[name].value) and self._store[name] == image[name]:
                self._store.update(name, Measurement(value or 0.0, _GOOD, now_ms))
