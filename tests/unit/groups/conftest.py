"""A group over the real store, router, arbiter, interlock and trail.

Only the wire's far end is ours: a device that takes each value it is sent and shows it at its
next poll, as the emulated devices of the bench do over real bytes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.groups.backend import Asker
from gateway.groups.messages import Address
from gateway.groups.service import GroupService
from gateway.groups.settle import Settler
from gateway.history.audit import AuditTrail
from gateway.model.command import Command, CommandResult, CommandStatus, Priority
from gateway.model.point import Measurement
from gateway.model.quality import Quality
from gateway.points.arbiter import Arbiter
from gateway.points.interlock import Interlock
from gateway.points.router import Router
from gateway.points.store import PointStore
from gateway.site.forecasting import GroupForecaster
from gateway.site.groups import point_groups
from gateway.site.load import load_site

SITE = """\
name = "s1"
profiles = ["."]
[links.lan]
type = "modbus-tcp"
[groups.mg]
backend = "plc"
device = "mg"
[groups.pv]
backend = "members"
members = ["pv1", "pv2"]
[groups.wide]
backend = "members"
members = ["wide"]
[groups.mixed]
backend = "members"
members = ["wide", "pv2"]
"""
#: A DER that has every function there is a role for.
WIDE = """\
name = "wide_der"
title = "A DER with every function"
protocol = "modbus"
source = "made for tests"
[poll.fast]
period_s = 1.0
[der]
p = "p"
q = "q"
s_rated = "s_rtg"
p_rated_max = "p_rtg"
q_rated_max = "q_rtg"
ramp_up = "r_up"
ramp_down = "r_down"
v_set = "v_set"
v_deadband = "v_band"
v_enable = "v_ena"
price = "price"
price_enable = "price_ena"
vw_enable = "vw_ena"
fw_enable = "fw_ena"
"""
_WIDE_OUTPUTS = ("r_up", "r_down", "v_set", "v_band", "price")
_WIDE_ENABLES = ("v_ena", "price_ena", "vw_ena", "fw_ena")


def wide_profile(folder: Path) -> None:
    """Write the profile, its curves of four points among it."""
    axes = [f"{s}_{a}{n}" for s, a in (("vw", "vp"), ("fw", "fp")) for a in a for n in range(1, 5)]
    roles = "".join(f'{name} = "{name}"\n' for name in axes)
    (folder / "wide_der.toml").write_text(WIDE + roles)
    rows = ["point,kind,unit,table,register,type"]
    inputs = [("p", "W"), ("q", "var"), ("s_rtg", "VA"), ("p_rtg", "W"), ("q_rtg", "var")]
    rows += [f"{name},AI,{unit},holding,{2 * n},int32" for n, (name, unit) in enumerate(inputs)]
    outputs = (*_WIDE_OUTPUTS, *axes)
    rows += [f"{name},AO,1,holding,{100 + 2 * n},int32" for n, name in enumerate(outputs)]
    rows += [f"{name},BO,1,coil,{n}," for n, name in enumerate(_WIDE_ENABLES)]
    (folder / "wide_der.csv").write_text("\n".join(rows) + "\n")


DEVICES = """\
device,profile,link,address,unit
mg,mc_plc,lan,127.0.0.1:502,54
pv1,sunspec_inverter,lan,127.0.0.1:503,1
pv2,sunspec_inverter,lan,127.0.0.1:504,1
wide,wide_der,lan,127.0.0.1:505,1
"""
DMS = Asker("dms", Priority.GROUP_FUNCTION)


class Field:
    """Everything behind the groups, in virtual time."""

    def __init__(self, folder: Path, clock) -> None:
        (folder / "site.toml").write_text(SITE)
        (folder / "devices.csv").write_text(DEVICES)
        wide_profile(folder)
        self.clock = clock
        self.site = load_site(folder)
        self.store = PointStore([point.spec for point in self.site.points], clock)
        self.trail = AuditTrail(folder / "audit.sqlite")
        outputs = [p.spec.id for p in self.site.points if p.spec.kind.is_output]
        rules = {p.spec.id: p.rule for p in self.site.points if p.rule is not None}
        self.router = Router(
            self.store,
            Arbiter(),
            Interlock(rules),
            dict.fromkeys(outputs, self),
            self.trail,
            clock,
        )
        self.groups = point_groups(self.site, self.store, self.router)
        self.forecaster = GroupForecaster(self.groups)
        settler = Settler(self.store, clock, self.sleep)
        self.service = GroupService(self.groups, settler, self.forecaster, clock)
        self.sent: list[tuple[str, float]] = []
        self.dead: set[str] = set()
        self.follows = {
            "mg.req_p": "mg.held_p",
            "mg.req_q": "mg.held_q",
            "mg.req_limit": "mg.held_limit",
        }
        self._messages = 0
        self.start()

    def start(self) -> None:
        """Every point online at 0, then ratings and output."""
        for point in self.site.points:
            self.show(point.spec.id, max(point.spec.minimum, 0.0))
        self.show_all(
            mg__poi_closed=1, mg__p_min=-200e3, mg__p_max=330e3, mg__q_min=-300e3,
            mg__q_max=300e3, mg__p_min_rtg=-320e3, mg__p_max_rtg=330e3, mg__q_min_rtg=-300e3,
            mg__q_max_rtg=300e3, mg__s_rtg=400e3, mg__poi_p=120e3, mg__poi_q=-40e3, mg__state=1,
        )  # fmt: skip
        for name, rating_w in (("pv1", 400e3), ("pv2", 100e3)):
            ratings = {
                "p_max_rtg": rating_w, "s_max_rtg": rating_w * 1.1, "q_inj_rtg": rating_w * 0.44,
                "q_abs_rtg": rating_w * 0.44, "p": rating_w / 2, "q": 0.0, "conn": 1.0,
            }  # fmt: skip
            self.show_all(**{f"{name}__{point}": value for point, value in ratings.items()})
        self.show_all(wide__s_rtg=60e3, wide__p_rtg=50e3, wide__q_rtg=30e3, wide__p=20e3)

    def show(self, point: str, value: float, quality: Quality = Quality.ONLINE) -> None:
        self.store.update(point, Measurement(float(value), quality, self.clock.utc_ms()))

    def show_all(self, **values: float) -> None:
        for name, value in values.items():
            self.show(name.replace("__", "."), value)

    def lose(self, device: str) -> None:
        for point in self.site.points:
            if point.device.name == device:
                self.show(point.spec.id, 0.0, Quality.COMM_LOST)

    async def operate(self, command: Command) -> CommandResult:
        if command.point.partition(".")[0] in self.dead:
            return CommandResult(command, CommandStatus.TIMEOUT, "silent", command.value)
        self.sent.append((command.point, command.value))
        self.show(command.point, command.value)
        if (held := self.follows.get(command.point)) is not None:
            self.show(held, command.value)
        return CommandResult(command, CommandStatus.SUCCESS, "", command.value)

    async def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def address(self, group: str = "mg") -> Address:
        self._messages += 1
        return Address(
            message_id=f"m{self._messages}",
            dms_id="dms",
            group_id=group,
            time_ms=self.clock.utc_ms(),
        )

    def sent_to(self, device: str) -> dict[str, float]:
        return {p.partition(".")[2]: v for p, v in self.sent if p.partition(".")[0] == device}

    async def ask(self, request, asker: Asker = DMS):
        return await self.service.handle(request, asker)


@pytest.fixture
def field(tmp_path, clock):
    field = Field(tmp_path, clock)
    yield field
    field.trail.close()
