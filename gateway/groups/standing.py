"""What groups are asked to hold: orders that stand until they end.

Pure: the time is an argument.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import StrEnum

from gateway.groups.backend import Asker, Order
from gateway.groups.messages import Direction, DispatchRequest, LimitRequest, Quantity
from gateway.groups.messages import SetPointRequest as Request

#: Orders whose askers are remembered after their end.
_REMEMBERED = 1000


class Kind(StrEnum):
    """What an order holds; also the stem of the roles it writes."""

    POWER = "p"
    REACTIVE = "q"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Standing:
    """One order that stands.

    Attributes:
        group_id: whom it was asked of.
        kind: what it holds.
        value: W, var, or W for a limit.
        direction: which flow a limit bounds.
        order: on whose behalf, until when.
        sequence: the later of two orders has the higher number.
    """

    group_id: str
    kind: Kind
    value: float
    direction: Direction
    order: Order
    sequence: int

    @property
    def rank(self) -> tuple[int, int]:
        """Of two orders the one of higher rank is held; of equals the newer."""
        return self.order.asker.priority, self.sequence


class StandingBook:
    """Orders by group, kind and asker."""

    def __init__(self) -> None:
        self._orders: dict[tuple[str, Kind, str], Standing] = {}
        self._askers: dict[str, Asker] = {}
        self._numbers = itertools.count(1)

    def put(self, request: DispatchRequest | LimitRequest, order: Order) -> Standing:
        """Take an order; it replaces what the same asker asked of that kind before."""
        kind, group_id = kind_of(request), request.address.group_id
        assert kind is not None  # noqa: S101 - these requests have one
        value = (
            request.schedule[0][1]
            if isinstance(request, DispatchRequest)
            else request.limit_w or 0.0
        )
        direction = getattr(request, "direction", Direction.EXPORT)
        standing = Standing(group_id, kind, value, direction, order, next(self._numbers))
        self._orders[group_id, kind, order.asker.name] = standing
        self._askers[order.correlation] = order.asker
        while len(self._askers) > _REMEMBERED:
            del self._askers[next(iter(self._askers))]
        return standing

    def end(self, group_id: str, kind: Kind, asker: str) -> None:
        """End an asker's order; nothing happens where there is none."""
        self._orders.pop((group_id, kind, asker), None)

    def at(self, now_ms: int) -> tuple[Standing, ...]:
        """Orders that stand, the one of highest rank first; those that have run out are dropped."""
        self._orders = {
            key: standing
            for key, standing in self._orders.items()
            if not standing.order.expires_ms or now_ms < standing.order.expires_ms
        }
        return tuple(sorted(self._orders.values(), key=lambda one: one.rank, reverse=True))

    def top(self, group_id: str, kind: Kind, now_ms: int) -> Standing | None:
        """The order of one kind that a group holds; None where there is none."""
        own = (o for o in self.at(now_ms) if o.group_id == group_id and o.kind is kind)
        return next(own, None)

    def asker(self, correlation: str) -> Asker | None:
        """Who gave the order of a correlation; None where that is long ago."""
        return self._askers.get(correlation)


def kind_of(request: Request) -> Kind | None:
    """Which kind of order a request is, or ends; None for functions that do not stand."""
    match request:
        case DispatchRequest(quantity=Quantity.ACTIVE_POWER):
            return Kind.POWER
        case DispatchRequest():
            return Kind.REACTIVE
        case LimitRequest():
            return Kind.LIMIT
        case _:
            return None
