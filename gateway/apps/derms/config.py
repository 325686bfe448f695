"""What the application is told once: groups, members, reserves, pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.groups.der_points import DerPoints


@dataclass(frozen=True, slots=True)
class DermsConfig:
    """A site's fleet and how it is held.

    Attributes:
        name: of the application, in messages and alarms.
        members: DERs of all groups, each once.
        others: groups of other boxes that are members, each once.
        groups: group id to the names of its members, those of inner groups among them.
        reserve_pct, full_pct: state of charge under which nothing is discharged, over which
            nothing is charged.
        spinning_share: share of each member's upward power that is kept free.
        ramp_share_per_s: most a member is moved, of its apparent power a second; 0 for at once.
        lost_holds: a member that is not heard is taken to go on as it was last seen; else to
            give nothing.
        settle_s: after this time a member that does not follow is taken to give what it can.
        probe_share_per_s: how fast one is asked for more again, of its apparent power.
        retry_s: when a member that refused is asked again.
        most_orders: members ordered in one cycle; those moved furthest come first.
        remote_hold_s: how long a group of another box holds what it is told without being told
            again.
        fair_h: over how many hours of past cuts fairness looks.
    """

    name: str
    members: tuple[DerPoints, ...]
    others: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reserve_pct: float = 10.0
    full_pct: float = 95.0
    spinning_share: float = 0.0
    ramp_share_per_s: float = 0.0
    lost_holds: bool = False
    settle_s: float = 3.0
    probe_share_per_s: float = 0.002
    retry_s: float = 10.0
    most_orders: int = 200
    remote_hold_s: float = 30.0
    fair_h: float = 4.0
