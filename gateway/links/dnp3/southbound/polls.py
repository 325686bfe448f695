"""What to ask an outstation and when: the start-up order, indications and periods, as data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType

from gateway.links.dnp3.codec import Function, Iin, all_header, class_headers
from gateway.links.dnp3.config import AssociationConfig
from gateway.links.dnp3.objects import EVENT_GROUP, IIN_GROUP, STATIC_GROUP, PointType
from gateway.links.dnp3.southbound.exchange import Conversation, End, Reply, Request
from gateway.links.dnp3.southbound.timesync import TIME_SYNCS


class Need(IntEnum):
    """What an outstation may need; of several the first goes first. So begins every session."""

    DISABLE_UNSOLICITED = 1
    CLEAR_RESTART = 2
    INTEGRITY = 3
    SYNCHRONISE = 4
    ENABLE_UNSOLICITED = 5
    POLL = 6


#: What a new connection, and an outstation that answers again, needs.
ON_START = (Need.DISABLE_UNSOLICITED, Need.INTEGRITY, Need.ENABLE_UNSOLICITED)
#: What an outstation that has restarted needs: it reports nothing by itself until told to.
ON_RESTART = (Need.CLEAR_RESTART, Need.INTEGRITY, Need.ENABLE_UNSOLICITED)
#: Events held, by class.
CLASS_INDICATIONS: Mapping[int, Iin] = MappingProxyType(
    {1: Iin.CLASS_1_EVENTS, 2: Iin.CLASS_2_EVENTS, 3: Iin.CLASS_3_EVENTS}
)
ANY_EVENTS = Iin.CLASS_1_EVENTS | Iin.CLASS_2_EVENTS | Iin.CLASS_3_EVENTS
#: The integrity poll: events first, so that no static value is overtaken by an older event.
INTEGRITY_CLASSES = (1, 2, 3, 0)
#: Pause before something that was refused, or did not help, is asked for again.
REFUSED_PAUSE_S, SYNC_PAUSE_S, EMPTY_PAUSE_S = 30.0, 60.0, 1.0
#: Pause between integrity polls for points that grew too old between scans.
REREAD_PAUSE_S = 10.0
#: Index of the device restart indication among the internal indications.
_RESTART_BIT = 7


class Schedule:
    """Needs of one outstation and when each falls due.

    Args:
        config: periods.

    Attributes:
        classes: what the poll that falls due next reads.
    """

    def __init__(self, config: AssociationConfig) -> None:
        self._config = config
        self._due: dict[Need, float] = {}
        self._scan_due: list[float] = []
        self.classes: set[int] = set()

    def begin(self, now_s: float) -> None:
        """A new session: everything from the beginning."""
        self._due = dict.fromkeys(ON_START, now_s)
        if not self._config.disable_unsolicited:
            del self._due[Need.DISABLE_UNSOLICITED]
        if not self._config.unsolicited:
            del self._due[Need.ENABLE_UNSOLICITED]
        self.classes.clear()
        self._scan_due = [now_s + period for period, _ in self._config.scans]

    def want(self, needs: Iterable[Need], at_s: float) -> None:
        """These are needed by then; what is due earlier stays so."""
        for need in needs:
            if need is not Need.ENABLE_UNSOLICITED or self._config.unsolicited:
                self._due[need] = min(at_s, self._due.get(need, math.inf))

    def poll(self, classes: Iterable[int], at_s: float) -> None:
        """These classes shall be read by then."""
        self.classes.update(classes)
        self.want([Need.POLL], at_s)

    def take(self, now_s: float) -> Need | None:
        """The first need that is due; from now on it is somebody's task."""
        for at, (period, classes) in enumerate(self._config.scans):
            if self._scan_due and self._scan_due[at] <= now_s:
                self._scan_due[at] = now_s + period
                self.poll(classes, now_s)
        due = [need for need, at_s in self._due.items() if at_s <= now_s]
        if not due:
            return None
        need = min(due)
        del self._due[need]
        return need

    def take_classes(self) -> tuple[int, ...]:
        """The classes to read now: events before static values."""
        classes = tuple(number for number in INTEGRITY_CLASSES if number in self.classes)
        self.classes.clear()
        return classes

    @property
    def next_s(self) -> float:
        """When something falls due next; infinite for never."""
        return min([*self._due.values(), *self._scan_due], default=math.inf)


def read(headers: Sequence[bytes]) -> Conversation:
    """Read, one request a header group; what the outstation does not know is passed over."""
    refused = 0
    for header in headers:
        answer = yield Request(Function.READ, header)
        if not isinstance(answer, Reply) or answer.cut:
            return End.NOT_YET
        refused += answer.is_refused and not answer.body
    return End.REFUSED if headers and refused == len(headers) else End.DONE


def read_requests(
    classes: Sequence[int], types: Iterable[PointType], *, by_group: bool
) -> list[bytes]:
    """Bodies of the reads that bring these classes: one by class, or one a group of points."""
    if not by_group:
        return [class_headers(classes)]
    groups: list[int] = []
    if any(classes):
        groups += [EVENT_GROUP[kind] for kind in types]
    if 0 in classes:
        groups += [STATIC_GROUP[kind] for kind in types]
    return [all_header(group, 0) for group in groups]


def clear_restart() -> Conversation:
    """Say that the restart has been noticed."""
    body = bytes((IIN_GROUP, 1, 0x00, _RESTART_BIT, _RESTART_BIT, 0))
    return _ask(Request(Function.WRITE, body))


def switch_unsolicited(classes: Sequence[int], *, on: bool) -> Conversation:
    """Switch reports of these classes on or off."""
    if not classes:
        return _nothing()
    body = class_headers(classes)
    function = Function.ENABLE_UNSOLICITED if on else Function.DISABLE_UNSOLICITED
    return _ask(Request(function, body))


def synchronise(config: AssociationConfig) -> Conversation:
    """Set the clock the way that is configured."""
    return TIME_SYNCS[config.time_sync]()


def _nothing() -> Conversation:
    yield from ()
    return End.DONE


def _ask(request: Request) -> Conversation:
    answer = yield request
    if not isinstance(answer, Reply):
        return End.NOT_YET
    return End.REFUSED if answer.is_refused else End.DONE
