"""What is counted, so that an operator can see a bad line before it is a lost one."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class UnitStatistics:
    """Counts of one unit on one connection.

    Attributes:
        cycles: block reads that fell due.
        missed: those of them that brought no fresh values.
        timeouts: requests that got no answer in time.
        late: answers to no request in flight: late ones and duplicates. All are dropped.
        exceptions: exception answers.
        protocol_errors: answers that did not fit their request.
        writes: writes sent.
    """

    cycles: int = 0
    missed: int = 0
    timeouts: int = 0
    late: int = 0
    exceptions: int = 0
    protocol_errors: int = 0
    writes: int = 0


@dataclass(slots=True)
class LineStatistics:
    """Counts of one connection.

    Attributes:
        connects: connections made.
        reconnects: connections made again after one was lost.
        losses: connections lost, by either side.
        refused_connects: attempts that failed.
        framing_errors: streams given up because they were not Modbus.
        strays: answers from units never asked; dropped.
        units: counts a unit id.
    """

    connects: int = 0
    reconnects: int = 0
    losses: int = 0
    refused_connects: int = 0
    framing_errors: int = 0
    strays: int = 0
    units: dict[int, UnitStatistics] = field(default_factory=dict)

    def unit(self, unit: int) -> UnitStatistics:
        """Counts of one unit, begun at zero."""
        return self.units.setdefault(unit, UnitStatistics())


@dataclass(slots=True)
class PollerStatistics:
    """Counts of the scheduler.

    Attributes:
        slots: slots run.
        overruns: slots skipped because the process was held up too long.
        lines: counts a connection, by endpoint name.
    """

    slots: int = 0
    overruns: int = 0
    lines: dict[str, LineStatistics] = field(default_factory=dict)
