"""Steps of a plan as commands and group functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.apps.decision import Decision
from gateway.apps.flisr.config import FlisrConfig
from gateway.apps.flisr.field import Field
from gateway.apps.flisr.plan import Action, Step
from gateway.apps.flisr.state import FlisrState, Phase
from gateway.groups.messages import (
    Address,
    ConnectRequest,
    GroupRequest,
    IslandAction,
    IslandRequest,
    Quantity,
    StatusRequest,
)
from gateway.model.command import Command, CommandMode, Priority

_STATUS = (Quantity.ACTIVE_POWER, Quantity.CONNECTED)
#: While a group is waited for it is asked this often.
_WAITING_MS = 500


class Orders:
    """Makes what is sent; one command a step.

    Args:
        config: bindings and pace.
    """

    def __init__(self, config: FlisrConfig) -> None:
        self._config = config
        self._switches = {switch.name: switch for switch in config.switches}

    def send(self, state: FlisrState, step: Step, now_ms: int) -> Decision[FlisrState]:
        """One step, sent."""
        notes: dict[str, float | str] = {"phase": str(state.phase), "zone": state.zone}
        if step.action in (Action.OPEN, Action.CLOSE):
            return Decision(self.commands(state, (step,), now_ms), (), (), state, notes)
        state, message = self._request(state, step, now_ms)
        return Decision((), (message,), (), state, notes)

    def commands(
        self, state: FlisrState, steps: Sequence[Step], now_ms: int
    ) -> tuple[Command, ...]:
        """The commands of some steps; group functions are none."""
        return tuple(
            Command(
                point=self._switches[step.target].command,
                value=float(step.action is Action.CLOSE),
                origin=f"{self._config.dms_id}:flisr",
                priority=Priority.PROTECTION_FLISR,
                mode=CommandMode.SELECT_BEFORE_OPERATE,
                expires_ms=now_ms + round(1000 * self._config.hold_s),
                correlation=f"flisr-{state.event}-{step.action}-{step.target}",
                reason=f"FLISR: {step.purpose}",
            )
            for step in steps
            if step.target in self._switches and self._switches[step.target].command
        )

    def resets(self, field: Field, state: FlisrState, now_ms: int) -> tuple[Command, ...]:
        """Commands that clear the indicators of an outage that is over."""
        return tuple(
            Command(
                point=switch.reset,
                value=1.0,
                origin=f"{self._config.dms_id}:flisr",
                priority=Priority.PROTECTION_FLISR,
                expires_ms=now_ms + round(1000 * self._config.follow_s),
                correlation=f"flisr-{state.event}-reset-{switch.name}",
                reason="FLISR: the fault is mended",
            )
            for number, switch in enumerate(self._config.devices)
            if switch.reset and switch.act and field.flags.get(number)
        )

    def with_status(self, decision: Decision[FlisrState], now_ms: int) -> Decision[FlisrState]:
        """Ask groups how they stand, when it is time to."""
        state = decision.state
        waiting = state.phase in (Phase.SWITCHING, Phase.RETURNING) and bool(state.sent_ms)
        every_ms = _WAITING_MS if waiting else 1000 * self._config.status_every_s
        if not self._config.groups or 0 <= now_ms - state.asked_ms < every_ms:
            return decision
        asks: list[GroupRequest] = []
        sequence = state.sequence
        for group in self._config.groups:
            sequence += 1
            address = self._address(group.group_id, sequence, now_ms)
            asks.append(StatusRequest(address=address, quantities=_STATUS))
        state = replace(state, asked_ms=now_ms, sequence=sequence)
        return replace(decision, messages=(*decision.messages, *asks), state=state)

    def _request(
        self, state: FlisrState, step: Step, now_ms: int
    ) -> tuple[FlisrState, GroupRequest]:
        state = replace(state, sequence=state.sequence + 1)
        address = self._address(step.target, state.sequence, now_ms)
        if step.action is Action.DISCONNECT:
            return state, ConnectRequest(address=address, connect=False)
        planned = IslandAction.PLANNED if state.phase is Phase.RETURNING else IslandAction.EMERGENCY
        action = IslandAction.RECONNECT if step.action is Action.RECONNECT else planned
        return state, IslandRequest(address=address, action=action, reason=step.purpose)

    def _address(self, group: str, sequence: int, now_ms: int) -> Address:
        dms = self._config.dms_id
        message_id = f"{dms}-flisr-{now_ms:x}-{sequence}"
        return Address(message_id=message_id, dms_id=dms, group_id=group, time_ms=now_ms)
