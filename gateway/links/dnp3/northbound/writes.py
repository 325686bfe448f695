"""Requests that change the outstation, apart from controls: writes, classes, freezes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from gateway.links.dnp3.codec import (
    Block,
    Function,
    Iin,
    Qualifier,
    count_header,
    walk,
)
from gateway.links.dnp3.northbound.reads import TYPE_OF_STATIC, rows_meant
from gateway.links.dnp3.northbound.station import Association, Reply, Request
from gateway.links.dnp3.objects import CLASS_GROUP, IIN_GROUP, OBJECTS, PointType, Use

_TIME_GROUP, _TIME, _RECORDED_TIME = 50, 1, 3
_DELAY_GROUP, _SECONDS, _MILLISECONDS = 52, 1, 2
_DEADBANDS = 34
_RESTART_BIT = 7
_MOST_MS = 0xFFFF
_CLEARING = (Function.FREEZE_CLEAR, Function.FREEZE_CLEAR_NO_ACK)


def write(association: Association, request: Request) -> Reply:
    """WRITE: clear the restart indication, set the time, set analog deadbands."""
    blocks = list(walk(request.body, carries_objects=True))  # all of it sound, or nothing done
    iin = Iin.NONE if blocks else Iin.PARAMETER_ERROR
    for block in blocks:
        writer = _WRITERS.get(block.group)
        iin |= Iin.OBJECT_UNKNOWN if writer is None else writer(association, request, block)
    return Reply(iin=iin)


def delay_measure(_association: Association, request: Request) -> Reply:
    """DELAY_MEASURE: how long the request waited here, in milliseconds."""
    if request.body:
        return Reply(iin=Iin.PARAMETER_ERROR)
    return Reply(delay(round((request.now_s - request.received_s) * 1000)))


def delay(delay_ms: int) -> bytes:
    """A fine time delay object (group 52), coarse where milliseconds do not reach."""
    variation, number = _MILLISECONDS, max(0, delay_ms)
    if number > _MOST_MS:
        variation, number = _SECONDS, min(_MOST_MS, -(-delay_ms // 1000))
    return count_header(_DELAY_GROUP, variation, 1) + number.to_bytes(2, "little")


def record_current_time(association: Association, request: Request) -> Reply:
    """RECORD_CURRENT_TIME: note when this request arrived; g50v3 says when it was sent."""
    if request.body:
        return Reply(iin=Iin.PARAMETER_ERROR)
    association.recorded_s = request.received_s
    return Reply()


def assign_class(association: Association, request: Request) -> Reply:
    """ASSIGN_CLASS: class objects, each followed by the points it is given, for this master."""
    event_class: int | None = None
    iin, assigned = Iin.NONE, False
    for block in list(walk(request.body, carries_objects=False)):
        if block.group == CLASS_GROUP:
            known = 1 <= block.variation <= 4 and block.qualifier is Qualifier.ALL
            event_class = block.variation - 1 if known else None
            iin |= Iin.NONE if known else Iin.PARAMETER_ERROR
            continue
        if event_class is None:
            iin |= Iin.PARAMETER_ERROR
            continue
        kind = TYPE_OF_STATIC.get(block.group)
        if kind is None:
            iin |= Iin.OBJECT_UNKNOWN
            continue
        rows, wrong = rows_meant(association.station.database.columns[kind], block)
        association.changes.assign_class(kind, rows, event_class)
        iin, assigned = iin | wrong, True
    return Reply(iin=iin if assigned or iin else Iin.PARAMETER_ERROR)


def freeze(association: Association, request: Request) -> Reply:
    """Immediate freezes: counters to frozen counters, all that the request names or none."""
    database = association.station.database
    counters = database.columns[PointType.COUNTER]
    rows, iin = [], Iin.NONE
    for block in list(walk(request.body, carries_objects=False)):
        if TYPE_OF_STATIC.get(block.group) is not PointType.COUNTER:
            iin |= Iin.OBJECT_UNKNOWN
            continue
        meant, wrong = rows_meant(counters, block)
        rows.append(meant)
        iin |= wrong
    if not rows and not iin:
        iin = Iin.PARAMETER_ERROR
    if not iin:
        clear = request.fragment.function in _CLEARING
        database.freeze(np.unique(np.concatenate(rows)), request.utc_ms, clear=clear)
    return Reply(iin=iin)


def _indications(association: Association, _request: Request, block: Block) -> Iin:
    """The one indication a master may write: restart, to 0."""
    if block.variation != 1:
        return Iin.OBJECT_UNKNOWN
    ranged = block.qualifier in (Qualifier.START_STOP_8, Qualifier.START_STOP_16)
    if not ranged or block.start != _RESTART_BIT or block.count != 1 or block.data[0] & 1:
        return Iin.PARAMETER_ERROR
    association.restarted = False
    return Iin.NONE


def _time(association: Association, request: Request, block: Block) -> Iin:
    if block.variation not in (_TIME, _RECORDED_TIME):
        return Iin.OBJECT_UNKNOWN
    if block.count != 1 or block.qualifier is not Qualifier.COUNT_8:
        return Iin.PARAMETER_ERROR
    written_ms = int.from_bytes(block.data[:6], "little")
    since_s = request.received_s
    if block.variation == _RECORDED_TIME:
        if association.recorded_s is None:
            return Iin.PARAMETER_ERROR
        since_s, association.recorded_s = association.recorded_s, None
    elapsed_ms = round((request.now_s - since_s) * 1000)
    association.set_time(written_ms + elapsed_ms, request.now_s)
    return Iin.NONE


def _deadbands(association: Association, _request: Request, block: Block) -> Iin:
    kind = OBJECTS.get((block.group, block.variation))
    if kind is None or kind.layout is None or kind.use is not Use.DEADBAND:
        return Iin.OBJECT_UNKNOWN
    columns = association.station.database.columns[PointType.ANALOG_INPUT]
    rows = columns.rows(block.points())
    deadbands = np.frombuffer(block.data, dtype=kind.layout)["value"].astype(np.float64)
    sound = np.isfinite(deadbands) & (deadbands >= 0) & (rows >= 0)
    if not len(columns):
        return Iin.OBJECT_UNKNOWN
    association.changes.set_deadbands(PointType.ANALOG_INPUT, rows[sound], deadbands[sound])
    return Iin.NONE if len(rows) and sound.all() else Iin.PARAMETER_ERROR


_WRITERS: Mapping[int, Callable[[Association, Request, Block], Iin]] = MappingProxyType(
    {IIN_GROUP: _indications, _TIME_GROUP: _time, _DEADBANDS: _deadbands}
)
