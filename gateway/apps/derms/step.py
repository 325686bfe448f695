"""One cycle: what stands is shared anew among the members as they are now, and only changes go out.

A member that is lost, comes back, refuses or gives less than it was told changes the shares of all
others in the next cycle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gateway.apps.decision import Alarm, Decision
from gateway.apps.derms.config import DermsConfig
from gateway.apps.derms.fleet import Able, able, with_remotes
from gateway.apps.derms.orders import Sender, Sent, forget
from gateway.apps.derms.plan import Fleet, Plan, Planner
from gateway.apps.derms.state import Asked, DermsState, HeldOrder, Told
from gateway.groups.areas import Column
from gateway.groups.columns import Columns, Seen
from gateway.groups.messages import GroupReply, Result
from gateway.groups.region import region
from gateway.groups.replies import same
from gateway.groups.standing import Kind
from gateway.points.image import ProcessImage

_SET_POINTS = {Kind.POWER: "p_set", Kind.REACTIVE: "q_set", Kind.LIMIT: "limit"}


class Derms:
    """The application; everything that changes is in the state.

    Args:
        config: fleet, reserves, pace.
    """

    def __init__(self, config: DermsConfig) -> None:
        self._config = config
        self._names = (*(der.name for der in config.members), *config.others)
        self._takes = {
            kind: np.array(
                [
                    *(der.has(set_point, f"{kind}_enable") for der in config.members),
                    *(kind is not Kind.LIMIT for _ in config.others),
                ],
                dtype=np.bool_,
            )
            for kind, set_point in _SET_POINTS.items()
        }
        self._columns: Columns | None = None

    def step(
        self,
        image: ProcessImage,
        replies: Sequence[GroupReply],
        state: DermsState,
        now_ms: int,
        asked: Asked = Asked(),  # noqa: B008 - frozen
    ) -> Decision[DermsState]:
        """Look, share, order.

        Args:
            image: the frozen points of this cycle.
            replies: what groups of other boxes answered since the last step.
            state: what the last step gave back.
            now_ms: UTC ms.
            asked: orders that stand, refusals since the last step, groups of other boxes.
        """
        if self._columns is None:
            self._columns = Columns(self._config.members, image.index)
        others = [asked.remotes.get(name) for name in self._config.others]
        seen = with_remotes(self._columns.look(image), others)
        state = self._begun(state)
        refused = self._refused(state, replies, asked, now_ms)
        can = able(self._config, seen, state, now_ms)
        elapsed_s = (now_ms - state.last_ms) / 1000.0 if state.last_ms else 0.0
        away = {name: why for name, (_, why) in refused.items()}
        fleet = Fleet(self._names, seen, can, self._takes, away, elapsed_s)
        # whoever was lost or refused is told anew once it can be told again
        gone = ~seen.online | np.array([name in away for name in self._names], dtype=np.bool_)
        state = replace(state, told=forget(state.told, gone), refused=refused)
        planner = Planner(self._config, fleet, state)
        plan = planner.make(asked.orders)
        sent = Sender(self._config, image, now_ms).send(plan, fleet, state, asked.orders)
        held = tuple(plan.held)
        after = replace(
            self._after(state, seen, can, sent),
            cycles=state.cycles + 1,
            last_ms=now_ms,
            cut_h=self._cut_h(state, can, plan, seen, elapsed_s),
            refused=refused | {name: (now_ms, why) for name, why in sent.unable},
            held=held,
            regions={
                group_id: region(can.areas.at(planner.rows(group_id) & seen.able))
                for group_id in self._config.groups
            },
        )
        return Decision(
            commands=sent.commands,
            messages=sent.messages,
            alarms=self._alarms(state.held, held),
            state=after,
            notes=_notes(held, seen),
        )

    def _after(self, state: DermsState, seen: Seen, can: Able, sent: Sent) -> DermsState:
        """What is known of members from now on; of those not heard, what was known before."""
        limits = np.abs(sent.told[Kind.LIMIT].value)
        return replace(
            state,
            told=sent.told,
            power_w=_kept(seen.power_w, state.power_w),
            most_w=_kept(can.most_w, state.most_w),
            least_w=_kept(can.least_w, state.least_w),
            allowed_w=_kept(np.fmin(limits, seen.plate.power_max_w), state.allowed_w),
            remote_orders=sent.remote_orders,
        )

    def _begun(self, state: DermsState) -> DermsState:
        """The state with a row for each member."""
        if state.told:
            return state
        count = len(self._names)
        nothing: Column = np.full(count, np.nan)
        return replace(
            state,
            told={kind: Told.nothing(count) for kind in Kind},
            cut_h=np.zeros(count),
            power_w=nothing,
            most_w=nothing,
            least_w=nothing,
            allowed_w=nothing,
        )

    def _refused(
        self, state: DermsState, replies: Sequence[GroupReply], asked: Asked, now_ms: int
    ) -> dict[str, tuple[int, str]]:
        """Members that refused lately, and why; each is asked again after a while."""
        retry_ms = 1000 * self._config.retry_s
        refused = {
            name: entry for name, entry in state.refused.items() if now_ms - entry[0] < retry_ms
        }
        for name, why in asked.refusals:
            refused[name] = (now_ms, why)
        for reply in replies:
            if reply.result is Result.FAILED and reply.group_id in self._config.others:
                why = "; ".join(error.reason for error in reply.errors) or "refused"
                refused[reply.group_id] = (now_ms, why)
        return refused

    def _cut_h(
        self, state: DermsState, can: Able, plan: Plan, seen: Seen, elapsed_s: float
    ) -> Column:
        """The ledger of fairness: hours of full power each was held back, fading."""
        before = np.zeros(len(self._names)) if state.cut_h is None else state.cut_h
        hours = elapsed_s / 3600.0
        told = np.fmin(plan.value[Kind.POWER], plan.value[Kind.LIMIT])
        size = np.maximum(seen.plate.apparent_va, 1.0)
        cut = np.nan_to_num((can.areas.power_max_w - told) / size)
        faded: Column = before * math.exp(-hours / self._config.fair_h) + np.maximum(cut, 0) * hours
        return faded

    def _alarms(
        self, before: tuple[HeldOrder, ...], held: tuple[HeldOrder, ...]
    ) -> tuple[Alarm, ...]:
        """What is not held, and the end of what was not."""
        name = self._config.name
        alarms = [
            Alarm(
                f"{name}:{one.group_id}:{one.kind}",
                f"{one.group_id}: asked {one.requested:g}, held {one.held:g}",
                active=not same(one.requested, one.held),
            )
            for one in held
        ]
        kept = {(one.group_id, one.kind) for one in held}
        alarms += [
            Alarm(f"{name}:{one.group_id}:{one.kind}", "ended", active=False)
            for one in before
            if (one.group_id, one.kind) not in kept
        ]
        return tuple(alarms)


def _kept(column: Column, before: Column | None) -> Column:
    """A column, with what was known before where nothing is known now."""
    return column if before is None else np.where(np.isnan(column), before, column)


def _notes(held: Sequence[HeldOrder], seen: Seen) -> dict[str, float | str]:
    notes: Mapping[str, float | str] = {
        f"{one.group_id} {one.kind}": one.held / 1e3 for one in held
    }
    return {"lost": float(np.count_nonzero(~seen.online)), **notes}
