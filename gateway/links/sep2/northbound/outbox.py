"""Responses waiting to be posted: in order, bounded, none twice after a success. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

from gateway.links.sep2.northbound.memory import Noted
from gateway.links.sep2.northbound.statistics import ClientStatistics, EndDeviceState
from gateway.links.sep2.resources import DERControlResponse


class Outbox:
    """The queue.

    Args:
        most: responses waiting at once; the oldest is dropped.
        settle: told of each that need not be posted any more.
        states: counts of each device, by LFDI.
        statistics: what is counted.
    """

    def __init__(
        self,
        most: int,
        settle: Callable[[Noted], None],
        states: Mapping[str, EndDeviceState],
        statistics: ClientStatistics,
    ) -> None:
        self._most = most
        self._settle = settle
        self._states = states
        self._statistics = statistics
        self._waiting: OrderedDict[int, Noted] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, noted: Noted) -> None:
        """Queue one."""
        if noted.lfdi not in self._states:  # a device the site has no more
            self._settle(noted)
            return
        self._waiting[noted.number] = noted
        self._states[noted.lfdi].waiting += 1
        while len(self._waiting) > self._most:
            self.drop(next(iter(self._waiting.values())))

    def first(self) -> Noted | None:
        """The oldest; None where nothing waits."""
        return next(iter(self._waiting.values()), None)

    def done(self, noted: Noted) -> None:
        """The server has it."""
        if self._remove(noted):
            self._states[noted.lfdi].responses[noted.code] += 1

    def drop(self, noted: Noted) -> None:
        """Give one up."""
        if self._remove(noted):
            self._states[noted.lfdi].dropped += 1
            self._statistics.dropped["Response"] += 1

    def _remove(self, noted: Noted) -> bool:
        if self._waiting.pop(noted.number, None) is None:
            return False
        self._states[noted.lfdi].waiting -= 1
        self._settle(noted)
        return True


def document(noted: Noted) -> DERControlResponse:
    """What is posted."""
    return DERControlResponse(
        created_date_time=noted.at,
        end_device_lfdi=noted.lfdi,
        status=noted.code,
        subject=noted.mrid,
    )
