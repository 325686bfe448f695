"""A fleet in virtual time: members with physics of their own, and the application as it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gateway.apps.decision import Decision
from gateway.apps.derms.config import DermsConfig
from gateway.apps.derms.state import Asked, DermsState, RemoteSeen
from gateway.apps.derms.step import Derms
from gateway.groups.backend import Asker, Order
from gateway.groups.der_points import DerPoints
from gateway.groups.messages import (
    Address,
    Direction,
    DispatchRequest,
    GroupReply,
    LimitRequest,
    Quantity,
)
from gateway.groups.standing import StandingBook
from gateway.model.command import Priority
from gateway.model.quality import Quality
from gateway.points.image import ProcessImage

ROLES = ("p", "q", "soc", "s_rated", "p_rated_max", "p_charge_rated", "q_rated_max",
         "p_set", "p_enable", "q_set", "q_enable", "limit", "limit_enable")  # fmt: skip
START_MS = 1_800_000_000_000
UTILITY = Asker("cim:dms", Priority.GROUP_FUNCTION)
OPERATOR = Asker("cim:operator", Priority.OPERATOR)


@dataclass
class Unit:
    """A member: what its source has, W; a battery where it can charge."""

    rating_w: float
    source_w: float = 0.0
    charge_w: float = 0.0
    soc_pct: float = 50.0
    lost: bool = False
    refuses: bool = False
    set_to: dict[str, float] = field(default_factory=dict)
    power_w: float = 0.0
    reactive_var: float = 0.0

    @property
    def apparent_va(self) -> float:
        return 1.1 * self.rating_w

    def run(self) -> None:
        """What it gives: its set point, no more than its source has."""
        top = self.rating_w if self.charge_w else self.source_w
        wanted = 0.0 if self.charge_w else self.source_w
        if self.set_to.get("p_enable") == 1.0:
            wanted = self.set_to["p_set"]
        if self.set_to.get("limit_enable") == 1.0:
            top = min(top, self.set_to["limit"])
        self.power_w = min(max(wanted, -self.charge_w), top)
        on = self.set_to.get("q_enable") == 1.0
        self.reactive_var = self.set_to["q_set"] if on else 0.0

    def shown(self) -> dict[str, float]:
        return {
            "p": self.power_w, "q": self.reactive_var, "s_rated": self.apparent_va,
            "soc": self.soc_pct if self.charge_w else float("nan"),
            "p_rated_max": self.rating_w, "p_charge_rated": self.charge_w,
            "q_rated_max": 0.44 * self.rating_w,
            **{role: self.set_to.get(role, 0.0) for role in ROLES[7:]},
        }  # fmt: skip


class Fleet:
    """Units, the application, and what is asked of it."""

    def __init__(
        self,
        units: Mapping[str, Unit],
        groups: Mapping[str, tuple[str, ...]] | None = None,
        **settings: object,
    ) -> None:
        self.units = dict(units)
        remote = tuple(
            name for names in (groups or {}).values() for name in names if name not in units
        )
        ders = tuple(DerPoints(n, {r: f"{n}.{r}" for r in ROLES}) for n in units)
        config = DermsConfig(
            "derms", ders, tuple(dict.fromkeys(remote)), groups or {"g": tuple(units)}, **settings
        )
        self.app = Derms(config)
        self.state = DermsState()
        self.book = StandingBook()
        self.now_ms = START_MS
        self.remotes: dict[str, RemoteSeen] = {}
        self.replies: list[GroupReply] = []
        self.refusals: list[tuple[str, str]] = []
        points = [f"{name}.{role}" for name in units for role in ROLES]
        self.index = {point: position for position, point in enumerate(points)}
        self.alarms: dict[str, str] = {}
        self.last: Decision[DermsState] | None = None
        self._numbers = 0

    @property
    def sum_w(self) -> float:
        return sum(unit.power_w for unit in self.units.values())

    @property
    def sum_var(self) -> float:
        return sum(unit.reactive_var for unit in self.units.values())

    def dispatch(self, value, quantity=Quantity.ACTIVE_POWER, group="g", asker=UTILITY, ends_ms=0):
        request = DispatchRequest(
            address=self._address(group), quantity=quantity, schedule=((0.0, value),)
        )
        return self._put(request, asker, ends_ms)

    def limit(self, value, group="g", direction=Direction.EXPORT):
        request = LimitRequest(address=self._address(group), limit_w=value, direction=direction)
        return self._put(request, UTILITY, 0)

    def run(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self._cycle()

    def held(self, kind: str = "p", group: str = "g"):
        return next(h for h in self.state.held if h.kind == kind and h.group_id == group)

    def _put(self, request, asker, ends_ms):
        order = Order(asker, request.address.message_id, "asked", ends_ms)
        return self.book.put(request, order)

    def _address(self, group: str) -> Address:
        self._numbers += 1
        return Address(
            message_id=f"m{self._numbers}", dms_id="dms", group_id=group, time_ms=self.now_ms
        )

    def _cycle(self) -> None:
        self.now_ms += 1000
        for unit in self.units.values():
            unit.run()
        refusals, self.refusals = tuple(self.refusals), []
        replies, self.replies = tuple(self.replies), []
        asked = Asked(self.book.at(self.now_ms), refusals, dict(self.remotes))
        made = self.app.step(self._image(), replies, self.state, self.now_ms, asked)
        self.state, self.last = made.state, made
        for alarm in made.alarms:
            if alarm.active:
                self.alarms[alarm.source] = alarm.text
            else:
                self.alarms.pop(alarm.source, None)
        for command in made.commands:
            name, _, role = command.point.partition(".")
            unit = self.units[name]
            if unit.refuses or unit.lost:
                self.refusals.append((name, "in local control"))
            else:
                unit.set_to[role] = command.value
        for unit in self.units.values():
            unit.run()

    def _image(self) -> ProcessImage:
        values, flags = np.zeros(len(self.index)), np.zeros(len(self.index), dtype=np.uint8)
        for name, unit in self.units.items():
            for role, value in unit.shown().items():
                at = self.index[f"{name}.{role}"]
                values[at] = np.nan_to_num(value)
                flags[at] = Quality.ONLINE if value == value else Quality.COMM_LOST  # noqa: PLR0124
                if unit.lost:
                    flags[at] |= Quality.COMM_LOST
        times = np.full(len(self.index), self.now_ms, dtype=np.int64)
        return ProcessImage(self.index, values, flags, times, self.now_ms)
