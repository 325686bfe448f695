"""What a READ asks for: event filters and static blocks."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from gateway.links.dnp3.codec import Block, Iin, Qualifier, count_header, range_header, walk
from gateway.links.dnp3.northbound.database import TYPES, Columns
from gateway.links.dnp3.northbound.events import EventFilter
from gateway.links.dnp3.northbound.static_blocks import Ready, StaticBlock, StaticRun, static_blocks
from gateway.links.dnp3.northbound.station import Association, Request
from gateway.links.dnp3.objects import (
    CLASS_GROUP,
    EVENT_GROUP,
    IIN_GROUP,
    OBJECTS,
    OCTET_STRING,
    OCTET_STRING_EVENT,
    STATIC_GROUP,
    PointType,
    Use,
)
from gateway.links.dnp3.values import Indices

TYPE_OF_STATIC: Mapping[int, PointType] = MappingProxyType(
    {group: kind for kind, group in STATIC_GROUP.items()}
)
_TYPE_OF_EVENT = {group: kind for kind, group in EVENT_GROUP.items()}
_DEADBANDS, _DEFAULT_DEADBAND = 34, 3
_TIME = 50
_EVENT_QUALIFIERS = (Qualifier.ALL, Qualifier.COUNT_8, Qualifier.COUNT_16)
#: Width of an index prefix, where points were asked for by index.
_WIDTH = {Qualifier.COUNT_8_INDEX_8: 1, Qualifier.COUNT_16_INDEX_16: 2}
#: Event headers of one request; a master has three classes and eight types to ask for.
MAX_FILTERS = 32
#: A read may name every point twice and this many more; beyond, it is a flood.
_SPARE_POINTS = 1000


@dataclass(slots=True)
class ReadPlan:
    """What a read is answered with.

    Attributes:
        filters: whose events, in the order asked for.
        blocks: static objects, in the order asked for, their state taken now.
        iin: what could not be done.
        left: points that may still be asked for.
    """

    left: int
    filters: list[EventFilter] = field(default_factory=list)
    blocks: list[StaticBlock] = field(default_factory=list)
    iin: Iin = Iin.NONE


def plan_read(association: Association, request: Request) -> ReadPlan:
    """Look at every header; what is not known here costs only itself.

    Raises:
        ObjectError: the request cannot be read to its end.
    """
    database = association.station.database
    points = sum(len(columns) for columns in database.columns.values())
    plan = ReadPlan(2 * points + _SPARE_POINTS)
    headers = list(walk(request.body, carries_objects=False))
    if not headers:
        plan.iin |= Iin.PARAMETER_ERROR
    if any(_is_static(header) for header in headers):
        association.station.refresh()
    for header in headers:
        plan.iin |= _plan_header(association, request, header, plan)
    return plan


def _is_static(block: Block) -> bool:
    return block.group in TYPE_OF_STATIC or (block.group, block.variation) == (CLASS_GROUP, 1)


def rows_meant(columns: Columns, block: Block) -> tuple[Indices, Iin]:
    """Rows that a header means, and what is wrong with the rest of what it means.

    A range reaching past the installed points is answered with those in it and PARAMETER_ERROR;
    gaps inside are no error.
    """
    if not len(columns):
        return np.zeros(0, dtype=np.intp), Iin.OBJECT_UNKNOWN
    if block.count is None:
        return np.arange(len(columns), dtype=np.intp), Iin.NONE
    if block.indices is not None:
        rows = columns.rows(block.indices)
        known: Indices = rows[rows >= 0]
        return known, Iin.NONE if len(known) == len(rows) else Iin.PARAMETER_ERROR
    if block.qualifier in (Qualifier.COUNT_8, Qualifier.COUNT_16):
        return np.arange(min(block.count, len(columns)), dtype=np.intp), Iin.NONE
    rows = columns.rows_between(block.start, block.stop)
    inside = int(columns.indices[0]) <= block.start and block.stop <= int(columns.indices[-1])
    return rows, Iin.NONE if inside and len(rows) else Iin.PARAMETER_ERROR


def _plan_header(association: Association, request: Request, block: Block, plan: ReadPlan) -> Iin:
    special = _SPECIAL.get(block.group)
    if special is not None:
        return special(association, request, block, plan)
    if block.group in _TYPE_OF_EVENT:
        return _events(association, block, plan)
    if block.group in TYPE_OF_STATIC:
        return _static(association, block, plan)
    return Iin.OBJECT_UNKNOWN


def _class(association: Association, _request: Request, block: Block, plan: ReadPlan) -> Iin:
    if not 1 <= block.variation <= 4:
        return Iin.OBJECT_UNKNOWN
    if block.variation > 1:
        return _filter(block, plan, EventFilter(block.variation - 1, limit=block.count))
    if block.qualifier is not Qualifier.ALL:
        return Iin.PARAMETER_ERROR
    for kind in TYPES:
        columns = association.station.database.columns[kind]
        rows = np.flatnonzero(columns.in_class_0)
        plan.left -= len(rows)
        if plan.left < 0:
            return Iin.PARAMETER_ERROR
        plan.blocks += static_blocks(columns, rows, 0)
    return Iin.NONE


def _events(association: Association, block: Block, plan: ReadPlan) -> Iin:
    kind = _TYPE_OF_EVENT[block.group]
    variation = 0 if block.group == OCTET_STRING_EVENT else block.variation
    if variation and (block.group, variation) not in OBJECTS:
        return Iin.OBJECT_UNKNOWN
    if not len(association.station.database.columns[kind]):
        return Iin.OBJECT_UNKNOWN
    wanted = EventFilter(type=kind, variation=variation, limit=block.count)
    return _filter(block, plan, wanted)


def _filter(block: Block, plan: ReadPlan, wanted: EventFilter) -> Iin:
    if block.qualifier not in _EVENT_QUALIFIERS or len(plan.filters) >= MAX_FILTERS:
        return Iin.PARAMETER_ERROR
    plan.filters.append(wanted)
    return Iin.NONE


def _static(association: Association, block: Block, plan: ReadPlan) -> Iin:
    columns = association.station.database.columns[TYPE_OF_STATIC[block.group]]
    variation = 0 if block.group == OCTET_STRING else block.variation
    if variation:
        kind = OBJECTS.get((block.group, variation))
        if kind is None or kind.use is not Use.STATIC:
            return Iin.OBJECT_UNKNOWN
    rows, iin = rows_meant(columns, block)
    plan.left -= len(rows)
    if plan.left < 0:
        return Iin.PARAMETER_ERROR
    plan.blocks += static_blocks(columns, rows, variation, _WIDTH.get(block.qualifier, 0))
    return iin


def _deadbands(association: Association, _request: Request, block: Block, plan: ReadPlan) -> Iin:
    kind = OBJECTS.get((_DEADBANDS, block.variation or _DEFAULT_DEADBAND))
    if kind is None:
        return Iin.OBJECT_UNKNOWN
    columns = association.station.database.columns[PointType.ANALOG_INPUT]
    rows, iin = rows_meant(columns, block)
    plan.left -= len(rows)
    if plan.left < 0:
        return Iin.PARAMETER_ERROR
    width = _WIDTH.get(block.qualifier, 0)
    indices = columns.indices[rows]
    cuts = [] if width else (np.flatnonzero(np.diff(indices) != 1) + 1).tolist()
    deadbands = association.changes.deadbands(PointType.ANALOG_INPUT)
    for part in np.split(rows, cuts):
        if len(part):
            values, flags = deadbands[part], columns.flags[part]
            times = columns.times_ms[part]
            run = StaticRun(kind, columns.indices[part], values, flags, times, width)
            plan.blocks.append(run)
    return iin


def _time(_association: Association, request: Request, block: Block, plan: ReadPlan) -> Iin:
    if block.variation not in (0, 1):
        return Iin.OBJECT_UNKNOWN
    if block.count not in (None, 1):
        return Iin.PARAMETER_ERROR
    octets = count_header(_TIME, 1, 1) + struct.pack("<Q", request.utc_ms)[:6]
    plan.blocks.append(Ready(octets))
    return Iin.NONE


def _indications(association: Association, request: Request, block: Block, plan: ReadPlan) -> Iin:
    if block.variation not in (0, 1):
        return Iin.OBJECT_UNKNOWN
    bits = int(association.indications(request.now_s))
    plan.blocks.append(Ready(range_header(IIN_GROUP, 1, 0, 15) + struct.pack("<H", bits)))
    return Iin.NONE


_SPECIAL: Mapping[int, Callable[[Association, Request, Block, ReadPlan], Iin]] = MappingProxyType(
    {CLASS_GROUP: _class, _DEADBANDS: _deadbands, _TIME: _time, IIN_GROUP: _indications}
)
