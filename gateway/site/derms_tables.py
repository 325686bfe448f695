"""``[derms]``: the role of DERMS, as written by the engineer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.profiles.validate import Strict

Pct = Annotated[float, Field(ge=0, le=100)]


class DermsTable(Strict):
    """``[derms]``: what groups of members are asked is held until it ends.

    Attributes:
        cycle_s: how often every order is shared anew.
        reserve_pct, full_pct: state of charge under which nothing is discharged, over which
            nothing is charged.
        spinning_share: share of each member's upward power that is kept free.
        ramp_share_per_s: most a member is moved, of its apparent power a second; 0 for at once.
        lost_members: whether a member that is not heard counts as giving nothing (``gone``) or
            as going on as it was last seen (``hold``).
        settle_s: after this time a member that does not follow is taken to give what it can.
        retry_s: when a member that refused is asked again.
        most_orders: members ordered in one cycle.
        remote_hold_s: how long a group of another box holds on its own.
    """

    cycle_s: Annotated[float, Field(ge=0.2, le=60)] = 1.0
    reserve_pct: Pct = 10.0
    full_pct: Pct = 95.0
    spinning_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    ramp_share_per_s: Annotated[float, Field(ge=0, le=10)] = 0.0
    lost_members: Literal["gone", "hold"] = "gone"
    settle_s: Annotated[float, Field(ge=0, le=600)] = 3.0
    retry_s: Annotated[float, Field(ge=1, le=3600)] = 10.0
    most_orders: Annotated[int, Field(ge=1, le=900)] = 200
    remote_hold_s: Annotated[float, Field(ge=2, le=3600)] = 30.0

    @model_validator(mode="after")
    def _check(self) -> DermsTable:
        if self.reserve_pct >= self.full_pct:
            raise ValueError("reserve_pct must be below full_pct")
        return self
