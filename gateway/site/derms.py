"""The role of DERMS: orders that stand, the application that holds them, and the way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.groups.backend import Applied, Asker, Order, PointGroup
from gateway.groups.functions import FunctionRunner
from gateway.groups.messages import (
    POWER_QUANTITIES,
    CurveRequest,
    DispatchRequest,
    GroupReply,
    GroupRequest,
    Held,
    LimitRequest,
    PowerFactorRequest,
    Quantity,
    SetPointRequest,
)
from gateway.groups.remote import RemoteGroup
from gateway.groups.replies import failed, outcome, same
from gateway.groups.settle import Settler
from gateway.groups.standing import Kind, StandingBook, kind_of
from gateway.model.clock import Clock
from gateway.model.command import CommandResult, Priority
from gateway.points.image import ProcessImage
from gateway.points.router import Router
from gateway.points.store import PointStore
from gateway.site.cycle import ControlCycle
from gateway.site.derms_tables import DermsTable
from gateway.site.groups import der_points
from gateway.site.site import Site
from gateway.site.worker import Step, StepWorker

if TYPE_CHECKING:
    from gateway.apps.derms.config import DermsConfig
    from gateway.apps.derms.state import Asked, DermsState, HeldOrder, RemoteSeen

#: Longest step before its worker is cut, and how long an asker waits for the cycle at most.
_LIMIT_S, _ANSWER_S = 2.0, 10.0
_ENABLES = tuple(f"{kind}_enable" for kind in Kind)
#: Asks a group on somebody's behalf.
Ask = Callable[[GroupRequest, Asker], Awaitable[GroupReply]]


def derms_config(site: Site, table: DermsTable) -> DermsConfig:
    """The application's terms of a site's groups of members."""
    from gateway.apps.derms.config import DermsConfig  # noqa: PLC0415 - only a DERMS box has it

    held = [name for name, group in site.file.groups.items() if group.backend == "members"]
    devices = {device.name: device for name in held for device in site.members(name)}
    others = dict.fromkeys(other for name in held for other in site.remote_members(name))
    return DermsConfig(
        name=f"{site.file.name}:derms",
        members=tuple(der_points(device) for device in devices.values()),
        others=tuple(others),
        groups={
            name: (*(device.name for device in site.members(name)), *site.remote_members(name))
            for name in held
        },
        lost_holds=table.lost_members == "hold",
        **table.model_dump(exclude={"cycle_s", "lost_members"}),
    )


def build_derms(config: DermsConfig) -> Step:
    """Build the application; runs in the worker process."""
    from gateway.apps.derms.step import Derms  # noqa: PLC0415 - as above

    return Derms(config).step


class DermsRole:
    """A running DERMS.

    Args:
        site: where it is.
        table: its settings.
        groups: the site's groups by id.
        store, router, clock: where it looks and commands.
        ask: asks groups of other boxes.

    Attributes:
        cycle: its control cycle.
        runner: carries out what groups are asked.
    """

    def __init__(
        self,
        site: Site,
        table: DermsTable,
        groups: Mapping[str, PointGroup | RemoteGroup],
        store: PointStore,
        router: Router,
        ask: Ask,
        clock: Clock,
    ) -> None:
        from gateway.apps.derms.state import DermsState  # noqa: PLC0415 - as above

        config = derms_config(site, table)
        self._clock = clock
        self._ask = ask
        self._book = StandingBook()
        self._refusals: list[tuple[str, str]] = []
        self._remotes = {
            name: group
            for name, group in groups.items()
            if name in config.others and isinstance(group, RemoteGroup)
        }
        for der in config.members:  # when the last order on it ends, a member is let go
            for role in _ENABLES:
                if role in der.points:
                    router.set_default(der.points[role], 0.0, "no order stands")
        worker = StepWorker(partial(build_derms, config))
        self.cycle: ControlCycle[DermsState] = ControlCycle(
            table.cycle_s, worker, DermsState(), store, router, self._forward, clock
        )
        self.cycle.limit_s = max(table.cycle_s, _LIMIT_S)
        self.cycle.forecast = self._asked
        self.cycle.heard = self._hear
        self.runner = StandingRunner(
            self._book,
            self.cycle,
            frozenset(config.groups),
            lambda: self._refusals,
            Settler(store, clock),
            clock,
        )

    def _asked(self, _: ProcessImage) -> Asked:
        from gateway.apps.derms.state import Asked  # noqa: PLC0415 - as above

        refusals, self._refusals = tuple(self._refusals), []
        heard = ((name, _remote(group)) for name, group in self._remotes.items())
        return Asked(
            self._book.at(self._clock.utc_ms()),
            refusals,
            {name: seen for name, seen in heard if seen is not None},
        )

    def _hear(self, result: CommandResult) -> None:
        """A refusal changes the shares of the others."""
        if not result.ok:
            name = result.command.point.partition(".")[0]
            self._refusals.append((name, result.detail or result.status.name))

    async def _forward(self, message: GroupRequest) -> GroupReply:
        """Ask a group of another box, at the rank of whoever asked us."""
        correlation = message.address.message_id.rsplit(".", 3)[0]
        asker = self._book.asker(correlation)
        return await self._ask(message, asker or Asker("derms", Priority.GROUP_FUNCTION))

    def report(self) -> dict[str, Any]:
        """What is held, what is not, and what each group could do."""
        record, state = self.cycle.record, self.cycle.state
        return {
            "cycles": record.cycles,
            "late": record.late,
            "fault": record.fault,
            "alarms": [alarm.text for alarm in record.alarms.values()],
            "held": [
                asdict(one) | {"complete": same(one.requested, one.held)} for one in state.held
            ],
            "regions": {name: [list(c) for c in region] for name, region in state.regions.items()},
            "refused": {name: why for name, (_, why) in state.refused.items()},
        }


class StandingRunner(FunctionRunner):
    """Runs set-point functions of groups that a DERMS holds.

    A dispatch or a limit becomes an order that stands; the reply says what the next cycle made of
    it. All else is carried out once, as without a DERMS.

    Args:
        book: where orders stand.
        cycle: what holds them.
        groups: ids of the groups held.
        refusals: member and reason of each order refused since the cycle's last look.
        settler: waits for the cycle.
        clock: stamps replies.
    """

    def __init__(
        self,
        book: StandingBook,
        cycle: ControlCycle[DermsState],
        groups: frozenset[str],
        refusals: Callable[[], Sequence[tuple[str, str]]],
        settler: Settler,
        clock: Clock,
    ) -> None:
        super().__init__(settler, clock)
        self._refusals = refusals
        self._book = book
        self._cycle = cycle
        self._held = groups

    async def run(self, group: PointGroup, request: SetPointRequest, order: Order) -> GroupReply:
        """Carry out a request whose time has come."""
        if group.group_id not in self._held:
            return await super().run(group, request, order)
        kind, asker = kind_of(request), order.asker.name
        if isinstance(request, PowerFactorRequest | CurveRequest):
            self._book.end(group.group_id, Kind.REACTIVE, asker)
        if kind is None or not isinstance(request, DispatchRequest | LimitRequest):
            return await super().run(group, request, order)
        if _is_end(request):
            self._book.end(group.group_id, kind, asker)
            self._cycle.wake()
            return await super().run(group, request, order)
        return await self._stand(group, request, order)

    async def _stand(
        self, group: PointGroup, request: DispatchRequest | LimitRequest, order: Order
    ) -> GroupReply:
        standing = self._book.put(request, order)
        group_id, kind, address = group.group_id, standing.kind, request.address
        rival = self._book.top(group_id, kind, self._clock.utc_ms())
        if rival is not None and rival != standing:
            self._book.end(group_id, kind, order.asker.name)
            why = f"held by {rival.order.asker.name}"
            return failed(address, self._clock.utc_ms(), why)
        held = await self._cycled(standing.sequence)
        if held is not None and self._refusals():  # the others are told in the next cycle
            held = await self._cycled(standing.sequence)
        if held is None:
            return failed(address, self._clock.utc_ms(), "no cycle has taken it yet")
        names = (*group.views, *(other.group_id for other in group.others))
        refusals = dict(held.refusals) | {n: why for n, why in self._refusals() if n in names}
        taken = tuple(name for name in names if name not in refusals)
        quantity = Quantity.REACTIVE_POWER if kind is Kind.REACTIVE else Quantity.ACTIVE_POWER
        shown = Held(quantity=quantity, requested=standing.value, held=held.held)
        return outcome(address, self._clock.utc_ms(), Applied(taken, refusals), shown)

    async def _cycled(self, sequence: int) -> HeldOrder | None:
        """What the next cycle that knows an order makes of it, all of it sent; None if too late."""
        before = self._cycle.state.cycles
        self._cycle.wake()

        def found() -> HeldOrder | None:
            state = self._cycle.state
            if state.cycles == before or self._cycle.record.cycles < state.cycles:
                return None
            return next((one for one in state.held if one.sequence == sequence), None)

        await self._settler.until(lambda: found() is not None, _ANSWER_S)
        return found()


def _is_end(request: DispatchRequest | LimitRequest) -> bool:
    if isinstance(request, DispatchRequest):
        return not request.schedule
    return request.limit_w is None


def _remote(group: RemoteGroup) -> RemoteSeen | None:
    """What a group of another box shows; None where that is not known, or old."""
    from gateway.apps.derms.state import RemoteSeen  # noqa: PLC0415 - as above

    power = group.present(Quantity.ACTIVE_POWER)
    reactive = group.present(Quantity.REACTIVE_POWER)
    if power.value is None or reactive.value is None or not (power.good and reactive.good):
        return None
    ranges = [group.ranges(quantity) for quantity in POWER_QUANTITIES]
    known = [entry.now for entry in ranges if entry is not None and entry.now is not None]
    if len(known) < len(POWER_QUANTITIES):
        return None
    return RemoteSeen(power.value, reactive.value, known[0], known[1], known[2].maximum)
