"""Commands of a DER become controls, and end as the DER answers them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gateway.links.sep2.resources import (
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERControlResponse,
    DERCurve,
    EventStatus,
)
from gateway.links.sep2.response_codes import ResponseCode
from gateway.links.sep2.southbound.desk import Desk, Pace
from gateway.links.sep2.southbound.orders import DerOutput
from gateway.model.command import Command, CommandResult, CommandStatus, Priority
from gateway.model.point import PointKind, PointSpec
from gateway.points.store import PointStore
from tests.conftest import VirtualClock
from tests.virtual_loop import run

POINTS = {
    "limit": ("opModMaxLimW", "value"),
    "limit_ena": ("opModMaxLimW", "enable"),
    "q": ("opModFixedVar", "value"),
    "q_ena": ("opModFixedVar", "enable"),
    "vv_v1": ("opModVoltVar", "v1"),
    "vv_q1": ("opModVoltVar", "q1"),
    "vv_v2": ("opModVoltVar", "v2"),
    "vv_q2": ("opModVoltVar", "q2"),
    "vv_ena": ("opModVoltVar", "enable"),
}
LFDI = "A" * 40

#: What a DER answers to a control: codes in order.
Answers = Callable[[DERControl], tuple[int, ...]]


def follows(_: DERControl) -> tuple[int, ...]:
    return (ResponseCode.RECEIVED, ResponseCode.STARTED)


@dataclass
class Der:
    """The server's program, and a DER that answers what is put there.

    Attributes:
        live: controls neither superseded nor cancelled, by mRID, in the order made.
        made: all controls, in the order made.
    """

    clock: VirtualClock
    answers: Answers = follows
    live: dict[int, DERControl] = field(default_factory=dict)
    made: list[DERControl] = field(default_factory=list)
    curves: list[DERCurve] = field(default_factory=list)
    desk: Desk | None = None

    async def add_control(
        self, base: DERControlBase, *, start: int, duration: int, mrid: int
    ) -> DERControl:
        now = self.clock.utc_ms() // 1000
        control = DERControl(
            mrid=mrid,
            creation_time=now,
            event_status=EventStatus(current_status=1, date_time=now, potentially_superseded=False),
            interval=DateTimeInterval(start=start, duration=duration),
            der_control_base=base,
        )
        self.made.append(control)
        self.live[mrid] = control
        for code in self.answers(control):
            self._say(mrid, code)
        return control

    async def cancel_control(self, mrid: int) -> None:
        if self.live.pop(mrid, None) is not None:
            self._say(mrid, ResponseCode.CANCELLED)

    async def add_curve(self, made: DERCurve) -> str:
        self.curves.append(made)
        return f"/derp/1/dc/{len(self.curves)}"

    def in_force(self) -> DERControl | None:
        return next(reversed(self.live.values()), None)

    def told(self) -> DERControlBase:
        """What the DER is told by the newest control that is live."""
        assert self.in_force() is not None
        return next(reversed(self.live.values())).der_control_base

    def _say(self, mrid: int, code: int) -> None:
        assert self.desk is not None
        response = DERControlResponse(end_device_lfdi=LFDI, status=code, subject=mrid)
        asyncio.get_running_loop().call_soon(self.desk.respond, response)


@dataclass
class Rig:
    clock: VirtualClock
    store: PointStore
    der: Der
    desk: Desk

    async def operate(self, name: str, value: float) -> CommandResult:
        command = Command(f"pv.{name}", value, "test", Priority.OPERATOR)
        return await self.desk.operate(command)

    def shown(self, name: str) -> float:
        measurement = self.store[f"pv.{name}"]
        assert measurement.is_good
        return measurement.value


@pytest.fixture
def rig(clock: VirtualClock) -> Rig:
    specs = [PointSpec(f"pv.{name}", PointKind.AO, max_age_s=900.0) for name in POINTS]
    store = PointStore(specs, clock)
    outputs = [
        DerOutput(f"pv.{name}", store.index[f"pv.{name}"], mode, part, 100.0 * (name == "limit"))
        for name, (mode, part) in POINTS.items()
    ]
    der = Der(clock)
    numbers = itertools.count(1)
    desk = Desk(
        "pv", outputs, der, store, clock, Pace(control_s=900, answer_s=30.0), lambda: next(numbers)
    )
    der.desk = desk
    return Rig(clock, store, der, desk)


def test_a_set_point_alone_asks_nothing_of_the_der(rig: Rig) -> None:
    async def main() -> None:
        assert (await rig.operate("q", 34.0)).ok

    run(rig.clock, main())
    assert not rig.der.made
    assert rig.shown("q") == 34.0


def test_its_enable_makes_a_control_and_succeeds_when_the_der_follows(rig: Rig) -> None:
    async def main() -> CommandResult:
        await rig.operate("q", 34.09)
        return await rig.operate("q_ena", 1.0)

    result = run(rig.clock, main())
    assert result.ok
    base = rig.der.told()
    assert base.op_mod_fixed_var is not None
    assert (base.op_mod_fixed_var.ref_type, base.op_mod_fixed_var.value) == (2, 3409)
    assert base.op_mod_max_lim_w is None
    assert rig.shown("q_ena") == 1.0


def test_one_control_carries_every_mode_that_is_on(rig: Rig) -> None:
    async def main() -> None:
        for name, value in (("q", -20.0), ("q_ena", 1.0), ("limit", 60.0), ("limit_ena", 1.0)):
            assert (await rig.operate(name, value)).ok

    run(rig.clock, main())
    base = rig.der.told()
    assert base.op_mod_fixed_var is not None
    assert (base.op_mod_fixed_var.value, base.op_mod_max_lim_w) == (-2000, 6000)


def test_no_two_controls_are_made_in_one_second(rig: Rig) -> None:
    """creationTime says which wins, and has whole seconds."""

    async def main() -> None:
        await rig.operate("q_ena", 1.0)
        for value in (10.0, 20.0, 30.0):
            assert (await rig.operate("q", value)).ok

    run(rig.clock, main())
    times = [control.creation_time for control in rig.der.made]
    assert len(times) == 4
    assert sorted(set(times)) == times


def test_what_is_held_already_is_not_asked_again(rig: Rig) -> None:
    async def main() -> None:
        await rig.operate("q", 5.0)
        await rig.operate("q_ena", 1.0)
        assert (await rig.operate("q_ena", 1.0)).ok
        assert (await rig.operate("q", 5.0)).ok

    run(rig.clock, main())
    assert len(rig.der.made) == 1


def test_a_mode_switched_off_ends_the_control_that_had_it(rig: Rig) -> None:
    """A newer control without the mode would leave the older one's limit in force."""

    async def main() -> None:
        for name, value in (("limit_ena", 1.0), ("q_ena", 1.0), ("limit_ena", 0.0)):
            assert (await rig.operate(name, value)).ok

    run(rig.clock, main())
    assert all(c.der_control_base.op_mod_max_lim_w is None for c in list(rig.der.live.values())[1:])
    assert not [
        c
        for c in rig.der.live.values()
        if c.der_control_base.op_mod_max_lim_w is not None
        and c.der_control_base.op_mod_fixed_var is not None
    ]


def test_the_last_mode_off_leaves_the_der_at_its_default(rig: Rig) -> None:
    async def main() -> None:
        await rig.operate("q_ena", 1.0)
        assert (await rig.operate("q_ena", 0.0)).ok

    run(rig.clock, main())
    assert not rig.der.live
    assert rig.shown("q_ena") == 0.0


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ResponseCode.OPT_OUT, CommandStatus.DOWNSTREAM_LOCAL),
        (ResponseCode.NOT_APPLICABLE, CommandStatus.NOT_SUPPORTED),
        (ResponseCode.INVALID, CommandStatus.FORMAT_ERROR),
        (ResponseCode.EXPIRED, CommandStatus.TIMEOUT),
    ],
)
def test_a_refusal_is_told_and_what_held_before_is_offered_again(
    rig: Rig, code: ResponseCode, status: CommandStatus
) -> None:
    def refuses_vars(control: DERControl) -> tuple[int, ...]:
        has_vars = control.der_control_base.op_mod_fixed_var is not None
        return (ResponseCode.RECEIVED, code) if has_vars else follows(control)

    async def main() -> CommandResult:
        await rig.operate("limit", 80.0)
        await rig.operate("limit_ena", 1.0)
        rig.der.answers = refuses_vars
        return await rig.operate("q_ena", 1.0)

    assert run(rig.clock, main()).status is status
    base = rig.der.told()
    assert (base.op_mod_max_lim_w, base.op_mod_fixed_var) == (8000, None)
    assert all(c.der_control_base.op_mod_fixed_var is None for c in rig.der.live.values())
    assert (rig.shown("limit_ena"), rig.shown("q_ena")) == (1.0, 0.0)


def test_a_der_that_does_not_fetch_it_is_a_timeout_and_will_not_follow_it_later(rig: Rig) -> None:
    rig.der.answers = lambda _: ()

    async def main() -> CommandResult:
        return await rig.operate("q_ena", 1.0)

    began = rig.clock.now_s
    result = run(rig.clock, main())
    assert (result.status, result.value_sent) == (CommandStatus.TIMEOUT, None)
    assert 30.0 <= rig.clock.now_s - began < 32.0
    assert not rig.der.live


def test_a_control_is_renewed_while_it_is_wanted(rig: Rig) -> None:
    async def main() -> None:
        await rig.operate("q_ena", 1.0)
        for _ in range(40):
            await asyncio.sleep(60.0)
            await rig.desk.renew()
            control = rig.der.in_force()
            assert control is not None
            now = rig.clock.utc_ms() // 1000
            assert control.interval.start + control.interval.duration - now >= 450

    run(rig.clock, main())
    assert 4 <= len(rig.der.made) <= 8


def test_a_der_that_opts_out_later_is_shown_as_not_following(rig: Rig) -> None:
    async def main() -> None:
        await rig.operate("q", 12.0)
        await rig.operate("q_ena", 1.0)
        current = rig.der.in_force()
        assert current is not None
        response = DERControlResponse(
            end_device_lfdi=LFDI, status=ResponseCode.OPT_OUT, subject=current.mrid
        )
        rig.desk.respond(response)

    run(rig.clock, main())
    assert rig.shown("q_ena") == 0.0


def test_a_curve_is_stored_once_and_anew_when_it_changes(rig: Rig) -> None:
    async def main() -> None:
        for name, value in (("vv_v1", 95.0), ("vv_q1", 44.0), ("vv_v2", 105.0), ("vv_q2", -44.0)):
            assert (await rig.operate(name, value)).ok
        assert (await rig.operate("vv_ena", 1.0)).ok
        assert (await rig.operate("q", 1.0)).ok
        assert (await rig.operate("vv_q1", 30.0)).ok

    run(rig.clock, main())
    first, second = rig.der.curves
    pairs = [(p.xvalue, p.yvalue) for p in first.curve_data]
    assert pairs == [(9500, 4400), (10500, -4400)]
    assert (first.curve_type, first.x_multiplier, first.y_multiplier) == (11, -2, -2)
    assert second.curve_data[0].yvalue == 3000
    link = rig.der.told().op_mod_volt_var
    assert link is not None
    assert link.href == "/derp/1/dc/2"


def test_a_restart_takes_over_what_is_in_force(rig: Rig, clock: VirtualClock) -> None:
    async def main() -> None:
        await rig.operate("limit", 55.0)
        await rig.operate("limit_ena", 1.0)
        again = Desk(
            "pv", rig.desk.outputs, rig.der, rig.store, clock, Pace(900, 30.0), lambda: 1 << 20
        )
        rig.der.desk = again
        again.adopt()
        again.show()
        assert (rig.shown("limit"), rig.shown("limit_ena"), rig.shown("q_ena")) == (55.0, 1.0, 0.0)
        command = Command("pv.limit", 55.0, "test", Priority.OPERATOR)
        assert (await again.operate(command)).ok

    run(rig.clock, main())
    assert len(rig.der.made) == 1


@pytest.mark.parametrize(("name", "value"), [("limit", 101.0), ("limit", -1.0), ("q", 150.0)])
def test_what_cannot_be_written_is_refused_and_not_held(rig: Rig, name: str, value: float) -> None:
    async def main() -> CommandResult:
        await rig.operate(f"{name}_ena", 1.0)
        return await rig.operate(name, value)

    assert run(rig.clock, main()).status is CommandStatus.OUT_OF_RANGE
    assert rig.shown(name) != value
