"""What the site says of one outstation: its points, its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.links.dnp3.config import AssociationConfig
from gateway.links.dnp3.objects import PointType
from gateway.model.command import CommandMode

#: How a control relay output block says on and off.
OutputStyle = Literal["latch", "pulse", "trip-close"]


@dataclass(frozen=True, slots=True)
class PolledPoint:
    """One point of an outstation and where it goes.

    Attributes:
        position: in the store.
        type: DNP3 point type. A double bit is stored as it counts: 0 intermediate, 1 off, 2 on,
            3 indeterminate.
        index: at the outstation.
        scale, offset: engineering value = raw * scale + offset.
    """

    position: int
    type: PointType
    index: int
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class OutputPoint:
    """One output of an outstation.

    Attributes:
        point: point id.
        type: BO or AO.
        index: at the outstation.
        variation: of group 41 for an AO: 1 int32, 2 int16, 3 float32, 4 float64.
        style: for a BO: ``latch`` (on, off), ``pulse`` (on only) or ``trip-close``.
        mode: how the outstation wants to be operated; it decides, not the command.
        scale, offset: engineering value = raw * scale + offset.
        on_ms, off_ms, count: pulse times and number of a control relay output block.
        feedback: store position of the point that must follow; None where none is watched.
        feedback_s: how long it may take.
        feedback_tolerance: how far it may stay away, engineering units. Rounding of integers
            on both sides is allowed for anyway.
        reads_back: whether the output's own status is read after each control it took, so that
            the store shows what it holds without waiting for the next scan.
    """

    point: str
    type: PointType
    index: int
    variation: int = 3
    style: OutputStyle = "latch"
    mode: CommandMode = CommandMode.SELECT_BEFORE_OPERATE
    scale: float = 1.0
    offset: float = 0.0
    on_ms: int = 100
    off_ms: int = 100
    count: int = 1
    feedback: int | None = None
    feedback_s: float = 5.0
    feedback_tolerance: float = 0.0
    reads_back: bool = False


@dataclass(frozen=True, slots=True)
class Dnp3Device:
    """One outstation with its points."""

    config: AssociationConfig
    points: tuple[PolledPoint, ...] = ()
    outputs: tuple[OutputPoint, ...] = ()
