"""One cycle of fault location, isolation and restoration: image and replies in, decision out.

A trip that clears by reclosing leaves a record and nothing else. A lockout is located, isolated
and restored step by step; before each step the field must stand as the plan expects, after it the
field must follow in time, and whatever trips on the way ends the plan. After the repair the feeder
goes back to how it stood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.apps.decision import Alarm, Decision
from gateway.apps.flisr.config import FlisrConfig
from gateway.apps.flisr.field import Field, look
from gateway.apps.flisr.graph import Edges
from gateway.apps.flisr.orders import Orders
from gateway.apps.flisr.plan import Action, Step
from gateway.apps.flisr.planning import NoPlanError, Plan, Planner
from gateway.apps.flisr.state import Calm, Entry, FlisrState, GroupState, Phase
from gateway.grid.powerflow import PowerFlow
from gateway.groups.messages import GroupReply, Quantity
from gateway.points.image import ProcessImage

#: Quiet moments kept, and how far apart: the oldest is from before any fault began.
_CALM_KEPT, _CALM_EVERY_MS = 4, 1000
_RECORD_KEPT = 200


@dataclass(frozen=True, slots=True)
class _Now:
    image: ProcessImage
    field: Field
    now_ms: int
    least_w: Mapping[str, float]


class Flisr:
    """The application. Holds the model; everything that changes is in the state.

    Args:
        config: bindings, limits, pace.
        model: the feeder as the DMS knows it.
    """

    def __init__(self, config: FlisrConfig, model: PowerFlow) -> None:
        self._config = config
        self._planner = Planner(config, model)
        self._orders = Orders(config)

    def step(
        self,
        image: ProcessImage,
        replies: Sequence[GroupReply],
        state: FlisrState,
        now_ms: int,
        least_w: Mapping[str, float] | None = None,
    ) -> Decision[FlisrState]:
        """Look, and take the next step of whatever is under way.

        Args:
            image: the frozen points of this cycle.
            replies: what groups answered since the last step, oldest first.
            state: what the last step gave back.
            now_ms: UTC ms.
            least_w: what DERs and groups are forecast to give at least while a repair lasts, by
                element of the model.
        """
        state = _remember(state, replies, now_ms)
        now = _Now(image, look(self._config, image), now_ms, least_w or {})
        handle = {
            Phase.NORMAL: self._watch,
            Phase.TRIPPED: self._wait_for_reclosing,
            Phase.LOCKED_OUT: self._plan,
            Phase.ADVISED: self._wait_for_others,
            Phase.SWITCHING: self._switch,
            Phase.RESTORED: self._wait_for_repair,
            Phase.RETURNING: self._switch,
            Phase.STOPPED: self._wait_for_others,
        }[state.phase]
        return self._orders.with_status(handle(now, state), now_ms)

    def _watch(self, now: _Now, state: FlisrState) -> Decision[FlisrState]:
        field = now.field
        if field.tripped or field.locked_out:
            if not state.calm:
                text = "a switch has tripped, and how the feeder stood before is not known"
                return self._stopped(now, state, text)
            names = self._names(field.tripped | field.locked_out)
            state = replace(state, event=state.event + 1, tripped=frozenset(), notes={})
            return self._enter(now, state, Phase.TRIPPED, f"{names} tripped")
        if state.calm and (behind := field.behind_pois & state.calm[0].pois):
            text = f"fault current into {self._names(behind)} through its POI"
            state = replace(state, event=state.event + 1, tripped=behind, notes={})
            return self._enter(now, state, Phase.LOCKED_OUT, text)
        if field.calm and (not state.calm or now.now_ms - state.calm[-1].at_ms >= _CALM_EVERY_MS):
            calm = Calm(
                now.now_ms,
                field.closed,
                field.flows_va,
                self._injected(now, state),
                frozenset(n for n, phases in field.flags.items() if phases),
                field.pois_closed,
                field.sags_v,
            )
            state = replace(state, calm=(*state.calm[-_CALM_KEPT + 1 :], calm))
        return self._decide(state)

    def _wait_for_reclosing(self, now: _Now, state: FlisrState) -> Decision[FlisrState]:
        field = now.field
        if field.locked_out:
            text = f"{self._names(field.locked_out)} locked out"
            state = replace(state, tripped=field.locked_out)
            return self._enter(now, state, Phase.LOCKED_OUT, text)
        if not field.tripped and state.calm[0].closed <= field.closed:
            return self._enter(now, state, Phase.NORMAL, "momentary: cleared by reclosing")
        return self._decide(state)

    def _plan(self, now: _Now, state: FlisrState) -> Decision[FlisrState]:
        if now.now_ms - state.since_ms < 1000 * self._config.settle_s:
            return self._decide(state)
        out = now.field.tripped | now.field.locked_out
        if out - state.tripped and min(state.tripped) not in range(len(self._config.switches)):
            # a POI was first, and the feeder's own protection after it
            return self._enter(now, state, Phase.TRIPPED, f"{self._names(out)} tripped as well")
        powers_w = self._powers_w(now, state)
        try:
            plan = self._planner.outage(
                now.image, now.field, state.calm[0], powers_w, state.tripped, state.stuck
            )
        except NoPlanError as error:
            return self._stopped(now, state, f"no plan: {error}")
        text = (
            f"fault beyond {plan.zone}, {100 * float(plan.notes['likelihood']):.0f} % likely; "
            f"{plan.notes['served_kw']} kW can be served, {plan.notes['out_kw']} kW stay out"
        )
        return self._begin(now, replace(state, zone=plan.zone), plan, Phase.SWITCHING, text)

    def _wait_for_repair(self, now: _Now, state: FlisrState) -> Decision[FlisrState]:
        if now.field.tripped or now.field.locked_out:
            names = self._names(now.field.tripped | now.field.locked_out)
            return self._stopped(now, state, f"{names} tripped after the restoration")
        if not self._is_mended(now, state):
            return self._decide(state)
        powers_w = self._powers_w(now, state)
        try:
            plan = self._planner.back(
                now.image, now.field, state.calm[0], powers_w, state.pois & state.calm[0].pois
            )
        except NoPlanError as error:
            return self._stopped(now, state, f"no way back: {error}")
        return self._begin(now, state, plan, Phase.RETURNING, "repaired: back to normal")

    def _is_mended(self, now: _Now, state: FlisrState) -> bool:
        """Permits are back, and the controllers of microgrids say that the fault is out of them."""
        field = now.field
        if (field.internal | field.pois_tripped) & state.pois or state.pois - field.readable:
            return False
        return field.repaired if self._config.repaired else bool(state.pois)

    def _wait_for_others(self, now: _Now, state: FlisrState) -> Decision[FlisrState]:
        """Somebody else has the feeder; once it stands as before, all is as before."""
        field = now.field
        if field.calm and (not state.calm or field.closed == state.calm[0].closed):
            state = replace(state, calm=(), steps=(), zone="", notes={}, pois=frozenset())
            return self._enter(now, state, Phase.NORMAL, "the feeder is back to normal")
        return self._decide(state)

    def _switch(self, now: _Now, state: FlisrState) -> Decision[FlisrState]:
        """The present step of the plan: send it, or see whether the field has followed."""
        if state.position == len(state.steps):
            return self._finished(now, state)
        step = state.steps[state.position]
        tripped = (now.field.tripped | now.field.locked_out) - state.tripped
        if tripped:
            names = self._names(tripped)
            return self._stopped(now, state, f"{names} tripped: {step.action} {step.target}")
        if not state.sent_ms:
            return self._send(now, state, step)
        done = self._is_done(now, state, step)
        if done is None:
            return self._decide(state)
        if not done:
            return self._not_done(now, state, step)
        state = _note(state, now.now_ms, step.action, step.target, "done", step.purpose)
        # a switch that FLISR closed again is no longer one that locked out
        tripped = state.tripped - (step.leads_to - step.expects)
        state = replace(state, position=state.position + 1, sent_ms=0, tripped=tripped)
        return self._switch(now, state)

    def _not_done(self, now: _Now, state: FlisrState, step: Step) -> Decision[FlisrState]:
        stuck = step.expects & state.pois - step.leads_to - state.stuck
        if not stuck:
            return self._stopped(now, state, f"{step.target} did not follow: {step.action}")
        text = f"the POI of {step.target} did not open: the zone before it is isolated"
        state = replace(state, stuck=state.stuck | stuck, sent_ms=0)
        return self._enter(now, state, Phase.LOCKED_OUT, text)

    def _send(self, now: _Now, state: FlisrState, step: Step) -> Decision[FlisrState]:
        closed, unknown = _stands(now.field, state)
        unlike = (closed ^ step.expects) - unknown
        if unlike:
            text = f"{self._names(unlike)} not as the plan expects before {step.target}"
            return self._stopped(now, state, text)
        if self._number(step) - now.field.ready:
            return self._stopped(now, state, f"{step.target} cannot be commanded now")
        sent = replace(state, sent_ms=now.now_ms)
        sent = _note(sent, now.now_ms, step.action, step.target, "sent", step.purpose)
        return self._orders.send(sent, step, now.now_ms)

    def _is_done(self, now: _Now, state: FlisrState, step: Step) -> bool | None:
        """Whether the field followed a step; None while it may still."""
        waited_ms, most_s = now.now_ms - state.sent_ms, self._config.follow_s
        wanted = step.action is Action.RECONNECT
        most_s = self._config.reconnect_s if wanted else most_s
        if moved := step.leads_to ^ step.expects:
            closed, unknown = _stands(now.field, state)
            followed = not (closed ^ step.leads_to) - unknown
            # what closes onto a fault trips at once: the next step waits for that
            rests = moved <= step.expects or waited_ms >= 1000 * self._config.dwell_s
            if followed and not moved & unknown and rests:
                return True
        else:
            group = state.groups.get(step.target)
            heard = group is not None and group.at_ms > state.sent_ms
            if heard and group is not None and group.connected is wanted:
                return True
        return False if waited_ms > 1000 * most_s else None

    def _number(self, step: Step) -> frozenset[int]:
        switches = enumerate(self._config.switches)
        return frozenset(n for n, switch in switches if switch.name == step.target)

    def _begin(
        self, now: _Now, state: FlisrState, plan: Plan, phase: Phase, text: str
    ) -> Decision[FlisrState]:
        acting = self._config.mode == "act"
        state = replace(
            state, steps=plan.steps, position=0, sent_ms=0, dead=plan.dead, blocked=plan.blocked,
            notes=plan.notes, pois=plan.pois,
        )  # fmt: skip
        decision = self._enter(now, state, phase if acting else Phase.ADVISED, text)
        state = decision.state
        for step in plan.steps:
            state = _note(state, now.now_ms, step.action, step.target, "planned", step.purpose)
        decision = replace(decision, state=state)
        if acting:
            return decision
        advice = self._orders.commands(state, plan.steps, now.now_ms)
        return replace(decision, advice=advice)

    def _finished(self, now: _Now, state: FlisrState) -> Decision[FlisrState]:
        took_s = (now.now_ms - state.since_ms) / 1000
        if state.phase is Phase.SWITCHING:
            text = f"restored in {took_s:.0f} s of switching; {state.zone} waits for its repair"
            return self._enter(now, state, Phase.RESTORED, text)
        resets = self._orders.resets(now.field, state, now.now_ms)
        state = replace(
            state, calm=(), steps=(), zone="", notes={}, blocked=frozenset(), pois=frozenset(),
            stuck=frozenset(),
        )  # fmt: skip
        decision = self._enter(now, state, Phase.NORMAL, f"back to normal in {took_s:.0f} s")
        return replace(decision, commands=resets)

    def _stopped(self, now: _Now, state: FlisrState, text: str) -> Decision[FlisrState]:
        decision = self._enter(now, state, Phase.STOPPED, text)
        return replace(decision, alarms=(Alarm("flisr", f"FLISR stopped: {text}"),))

    def _enter(self, now: _Now, state: FlisrState, phase: Phase, text: str) -> Decision[FlisrState]:
        state = replace(state, phase=phase, since_ms=now.now_ms)
        return self._decide(_note(state, now.now_ms, "", "", "seen", text))

    def _decide(self, state: FlisrState) -> Decision[FlisrState]:
        alarms: tuple[Alarm, ...] = ()
        if state.phase is Phase.NORMAL:
            ended = ("flisr", "flisr:outage", "flisr:poi")
            alarms = tuple(Alarm(source, "", active=False) for source in ended)
        elif state.phase is not Phase.STOPPED:
            place = f" beyond {state.zone}" if state.zone else ""
            alarms = (Alarm("flisr:outage", f"outage{place}: {state.phase}"),)
        if state.pois and state.phase is not Phase.NORMAL:
            stands = "does not open" if state.stuck & state.pois else "stays open until the repair"
            text = f"fault inside {self._names(state.pois)}: its POI {stands}"
            alarms = (*alarms, Alarm("flisr:poi", text))
        notes: dict[str, float | str] = {"phase": str(state.phase), "zone": state.zone}
        return Decision((), (), alarms, state, notes | dict(state.notes))

    def _injected(self, now: _Now, state: FlisrState) -> Mapping[str, float]:
        found = {
            element: power_w
            for element, point in self._config.ders
            if (power_w := now.image.good_value(point)) is not None
        }
        for group in self._config.groups:
            known = state.groups.get(group.group_id)
            found[group.element] = 0.0 if known is None else known.power_w
        return found

    def _powers_w(self, now: _Now, state: FlisrState) -> dict[str, float]:
        """What each DER and group gives, the least of now and of what is forecast."""
        present = self._injected(now, state)
        return {e: min(power_w, now.least_w.get(e, power_w)) for e, power_w in present.items()}

    def _names(self, switches: frozenset[int]) -> str:
        return ", ".join(self._config.devices[n].name for n in sorted(switches))


def _stands(field: Field, state: FlisrState) -> tuple[Edges, Edges]:
    """Closed and unknown edges as a plan sees them: of POIs only those it is about."""
    return (
        field.closed | field.pois_closed & state.pois,
        field.unknown | field.pois_unknown & state.pois,
    )


def _note(
    state: FlisrState, now_ms: int, action: str, target: str, how: str, text: str
) -> FlisrState:
    entry = Entry(now_ms, str(action), target, how, text)
    return replace(state, record=(*state.record, entry)[-_RECORD_KEPT:])


def _remember(state: FlisrState, replies: Sequence[GroupReply], now_ms: int) -> FlisrState:
    """Keep what groups said of their connection and power."""
    groups = dict(state.groups)
    for reply in replies:
        values = {p.quantity: p.value for p in reply.present if p.good}
        if Quantity.CONNECTED in values:
            power_w = values.get(Quantity.ACTIVE_POWER) or 0.0
            connected = values[Quantity.CONNECTED] == 1.0
            groups[reply.group_id] = GroupState(connected, power_w, now_ms)
    return replace(state, groups=groups)
