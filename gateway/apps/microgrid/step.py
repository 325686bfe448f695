"""One cycle of the microgrid controller: image and replies in, decision out.

The transition function speaks first and moves the phase by at most one row of its table; then the
phase's own rule says what it wants of the field, and only what differs is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.apps.decision import Alarm, Decision
from gateway.apps.microgrid.config import MicrogridConfig
from gateway.apps.microgrid.connected import connected, to_zero
from gateway.apps.microgrid.functions import FunctionTable
from gateway.apps.microgrid.islanded import islanded, reconnecting, separating
from gateway.apps.microgrid.loads import remembered_w
from gateway.apps.microgrid.orders import Orders, group_requests
from gateway.apps.microgrid.own import shown
from gateway.apps.microgrid.planning import Outlook, planned, price_now
from gateway.apps.microgrid.replies import heard
from gateway.apps.microgrid.requests import Requests, over, read_requests
from gateway.apps.microgrid.restart import restart
from gateway.apps.microgrid.seen import Seen, look
from gateway.apps.microgrid.situation import Situation
from gateway.apps.microgrid.state import Held, MicrogridState, Phase, Result
from gateway.apps.microgrid.sync import Steering
from gateway.apps.microgrid.targets import Targets
from gateway.apps.microgrid.transitions import Row, advance
from gateway.groups.messages import GroupReply, GroupRequest, StatusRequest
from gateway.model.command import Command
from gateway.points.image import ProcessImage


class Microgrid:
    """The application; everything that changes is in the state.

    Args:
        config: bindings, agreement, reserves, pace.
        functions: which requests are heeded and which orders may be sent in which state.
    """

    def __init__(self, config: MicrogridConfig, functions: FunctionTable) -> None:
        self._config = config
        self._functions = functions

    def step(
        self,
        image: ProcessImage,
        replies: Sequence[GroupReply],
        state: MicrogridState,
        now_ms: int,
        outlook: Outlook | None = None,
    ) -> Decision[MicrogridState]:
        """Look, move the phase, order.

        Args:
            image: the frozen points of this cycle.
            replies: what groups behind the POI answered since the last step, oldest first.
            state: what the last step gave back.
            now_ms: UTC ms.
            outlook: forecast load and renewables; None leaves economics aside.
        """
        groups = heard(state.groups, replies, now_ms)
        seen = look(self._config, image, groups, now_ms)
        asked, requests = read_requests(self._config, image)
        asked, _ = self._functions.heeded(state.phase, asked, requests)
        timed = _timed(self._config, replace(state, groups=groups), seen, now_ms)
        if asked.reconnect != bool(timed.asked_ms):
            timed = replace(timed, asked_ms=now_ms if asked.reconnect else 0)
        state, row = advance(Situation(self._config, seen, asked, timed, now_ms))
        _, requests = self._functions.heeded(state.phase, asked, requests)
        now = Situation(self._config, seen, asked, state, now_ms)
        economic = planned(now, requests, outlook)
        state = replace(state, plan=economic, price_per_kwh=price_now(now, requests))
        now = replace(now, state=state)
        targets, state = self._order(now, requests, image)
        return self._decide(now, targets, state, image, row)

    def _order(
        self, now: Situation, requests: Requests, image: ProcessImage
    ) -> tuple[Targets, MicrogridState]:
        """What this phase wants of the field."""
        steering, state = self._steering(now.seen, image), now.state
        if state.phase is None:
            return Targets(settings=now.seen.poi.settings or 0.0), state
        if state.phase is Phase.T4:
            progress = restart(now, steering)
            return progress.targets, progress.state
        economic = state.plan
        storage_w = None if economic is None else economic.storage_now_w(now.now_ms)
        rules: dict[Phase, Callable[[], Targets]] = {
            Phase.SS1: lambda: connected(now, requests, storage_w),
            Phase.T1: lambda: to_zero(now),
            Phase.T2: lambda: separating(now, steering),
            Phase.SS2: lambda: islanded(now, steering),
            Phase.T3: lambda: reconnecting(now, steering),
        }
        return rules[state.phase](), state

    def _decide(
        self,
        now: Situation,
        targets: Targets,
        state: MicrogridState,
        image: ProcessImage,
        row: Row | None,
    ) -> Decision[MicrogridState]:
        if state.phase is None:
            commands: tuple[Command, ...] = ()
        else:
            allowed = self._functions.row(state.phase).device
            orders = Orders(self._config, image, now.now_ms, allowed)
            commands = orders.commands(now.seen, targets)
        messages, asked = group_requests(self._config, targets, state, now.now_ms)
        state = _after(now, targets, replace(state, group_asks=asked), row, len(messages))
        readings = dict(shown(replace(now, state=state), targets))
        if row is not None and row.result is not None:
            readings |= over(now.asked)
        if row is not None and row.after in (Phase.T1, Phase.T2):
            readings |= dict.fromkeys(_SET_POINTS, 0.0)
        own = self._config.own
        return Decision(
            commands=commands if self._config.act else (),
            messages=messages if self._config.act else _looks(messages),
            alarms=_alarms(now, state),
            state=state,
            notes=_notes(now, state, targets),
            advice=() if self._config.act else commands,
            readings={own[role]: value for role, value in readings.items() if role in own},
        )

    def _steering(self, seen: Seen, image: ProcessImage) -> Steering:
        """What the source that forms the island is set to; nominal where there is none."""
        for storage in seen.storages.values():
            if storage.forming:
                hz = image.good_value(storage.points.hz_set)
                voltage_pu = image.good_value(storage.points.voltage_set)
                if hz is not None and voltage_pu is not None:
                    return Steering(hz, voltage_pu)
        for generator in seen.generators.values():
            hz = image.good_value(generator.points.hz_set)
            if generator.running and hz is not None:
                return Steering(hz, 1.0)
        return Steering(self._config.hz, 1.0)


#: Set points end with the connection: what was asked of a POI that is open is asked anew after.
_SET_POINTS = ("p_enable", "q_enable", "limit_enable", "pf_enable", "curve_enable")


def _timed(
    config: MicrogridConfig, state: MicrogridState, seen: Seen, now_ms: int
) -> MicrogridState:
    """Since when conditions hold, as far as this cycle shows."""
    power, reactive = seen.poi.power_w, seen.poi.reactive_power_var
    small_va = config.zero_share * config.agreement.apparent_power_va
    small = (
        power is not None and reactive is not None and max(abs(power), abs(reactive)) <= small_va
    )
    return replace(
        state,
        small_since_ms=(state.small_since_ms or now_ms) if small else 0,
        good_since_ms=(state.good_since_ms or now_ms) if seen.grid_good else 0,
    )


def _after(
    now: Situation, targets: Targets, state: MicrogridState, row: Row | None, messages: int
) -> MicrogridState:
    """The state the next cycle starts from."""
    opened = {name for name, close in targets.loads.items() if not close}
    # a load that is open without our order is somebody else's business
    closed = {name for name, load in now.seen.loads.items() if load.closed}
    shed = (state.shed | opened) - (closed - opened)
    result = state.result
    if targets.result is not None and (row is None or row.result is None):
        asked_for = any(value is not None for value in _values(targets.held))
        result = targets.result if asked_for else result
    return replace(
        state,
        last_ms=now.now_ms,
        stepped_ms=now.now_ms if targets.loads else state.stepped_ms,
        held=targets.held,
        result=result,
        shed=frozenset(shed),
        load_w=remembered_w(now),
        target_w=targets.target_w,
        sequence=state.sequence + messages,
    )


def _looks(messages: tuple[GroupRequest, ...]) -> tuple[GroupRequest, ...]:
    """The messages that only ask."""
    return tuple(message for message in messages if isinstance(message, StatusRequest))


def _values(held: Held) -> tuple[float | None, ...]:
    return held.power_w, held.reactive_power_var, held.limit_w


def _alarms(now: Situation, state: MicrogridState) -> tuple[Alarm, ...]:
    """What a person should know of this cycle."""
    name = now.config.name
    conditions = {
        "bus": ("the microgrid's bus is dead", now.seen.bus_dead),
        "poi": ("the POI breaker's position is not known", now.seen.poi.closed is None),
        "sources": ("a source cannot be read", now.seen.unread),
        "shed": (f"shed: {', '.join(sorted(state.shed))}", bool(state.shed)),
        "result": (
            "the last request was not permitted or timed out",
            state.result in (Result.NOT_PERMITTED, Result.NO_SYNC),
        ),
    }
    return tuple(Alarm(f"{name}:{key}", text, active) for key, (text, active) in conditions.items())


def _notes(now: Situation, state: MicrogridState, targets: Targets) -> dict[str, float | str]:
    last = state.record[-1] if state.record else None
    return {
        "state": "unknown" if state.phase is None else state.phase.name,
        "since_s": now.lasts_s(state.since_ms),
        "poi_kw": (now.seen.poi.power_w or 0.0) / 1e3,
        "load_kw": now.seen.load_w / 1e3,
        "shed": ", ".join(sorted(state.shed)),
        "rule": "" if last is None else last.rule,
        "held_kw": "" if targets.held.power_w is None else targets.held.power_w / 1e3,
    }
