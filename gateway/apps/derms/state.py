"""What the application remembers from one cycle to the next; columns have one row a member."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gateway.groups.areas import Column
from gateway.groups.region import Region
from gateway.groups.standing import Kind, Standing
from gateway.model.der import Range


@dataclass(frozen=True, slots=True)
class RemoteSeen:
    """What a group of another box last said; given only while that is fresh."""

    power_w: float
    reactive_var: float
    power_now_w: Range
    reactive_now_var: Range
    apparent_va: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What a cycle is told beside the image.

    Attributes:
        orders: those that stand, the one of highest rank first.
        refusals: member and reason of each order that was not taken since the last cycle.
        remotes: groups of other boxes that are heard.
    """

    orders: tuple[Standing, ...] = ()
    refusals: tuple[tuple[str, str], ...] = ()
    remotes: Mapping[str, RemoteSeen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What members were told of one kind; columns of shape (n,).

    Attributes:
        value: W or var; not a number where nothing.
        at_ms: when.
        sequence: by which order.
    """

    value: Column
    at_ms: NDArray[np.int64]
    sequence: NDArray[np.int64]

    @classmethod
    def nothing(cls, count: int) -> Told:
        """Nobody was told anything."""
        return cls(np.full(count, np.nan), np.zeros(count, np.int64), np.zeros(count, np.int64))

    def without(self, rows: NDArray[np.bool_]) -> Told:
        """Some members' part forgotten."""
        return replace(self, value=np.where(rows, np.nan, self.value))


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """What becomes of an order.

    Attributes:
        sequence: the order's.
        requested, held: W or var.
        members_ok, members: how many hold their part.
        refusals: member and reason of those that do not.
    """

    group_id: str
    kind: Kind
    sequence: int
    requested: float
    held: float
    members_ok: int
    members: int
    refusals: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DermsState:
    """The application's memory; columns are None before the first cycle.

    Attributes:
        cycles: steps taken.
        last_ms: when the step before was.
        told: by kind.
        power_w: last known output.
        most_w, least_w: what each was found to be able to give, W.
        allowed_w: most each may give while it is not heard: its limit, or its rating.
        cut_h: past cuts, in hours of all its power, fading.
        refused: member to when it refused and why.
        remote_orders: group of another box and kind to the correlation of what it holds.
        held: what becomes of each order that is held.
        regions: each group's P-Q region.
    """

    cycles: int = 0
    last_ms: int = 0
    told: Mapping[Kind, Told] = field(default_factory=dict)
    power_w: Column | None = None
    most_w: Column | None = None
    least_w: Column | None = None
    allowed_w: Column | None = None
    cut_h: Column | None = None
    refused: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    remote_orders: Mapping[tuple[str, Kind], str] = field(default_factory=dict)
    held: tuple[HeldOrder, ...] = ()
    regions: Mapping[str, Region] = field(default_factory=dict)
