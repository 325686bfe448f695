"""What a group is asked stays held, whatever becomes of its members."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gateway.apps.derms.state import RemoteSeen
from gateway.groups.messages import Direction, GroupReply, Quantity, ReplyError, Result
from gateway.groups.region import holds
from gateway.groups.standing import Kind
from gateway.model.der import Range
from gateway.model.errors import ConfigError
from gateway.site.load import load_site
from tests.unit.derms.fleet import OPERATOR, UTILITY, Fleet, Unit


def mixed() -> dict[str, Unit]:
    return {
        "pv1": Unit(100e3, source_w=60e3),
        "pv2": Unit(50e3, source_w=50e3),
        "bat": Unit(80e3, charge_w=80e3),
    }


def test_an_order_is_shared_and_held():
    fleet = Fleet(mixed())
    fleet.run()
    fleet.dispatch(90e3)
    fleet.run(2)
    assert fleet.sum_w == pytest.approx(90e3, abs=700)
    assert fleet.held().held == pytest.approx(90e3, abs=700)
    assert fleet.held().members_ok == 3
    fleet.run(60)
    assert fleet.sum_w == pytest.approx(90e3, rel=0.005)
    fleet.units["pv1"].set_to["p_enable"] = 0.0  # somebody switched it off at the device
    fleet.run(7)
    assert fleet.units["pv1"].set_to["p_enable"] == 1.0


def test_a_member_lost_is_made_up_for_by_the_others_and_takes_its_part_again():
    fleet = Fleet(mixed())
    fleet.run()
    fleet.dispatch(70e3)
    fleet.run(2)
    fleet.units["bat"].lost = True
    fleet.run(2)
    assert fleet.units["pv1"].power_w + fleet.units["pv2"].power_w == pytest.approx(70e3, abs=700)
    assert ("bat", "is not online") in fleet.held().refusals
    assert not fleet.alarms
    fleet.units["bat"].lost = False
    fleet.units["bat"].set_to = {}  # it started anew, and knows nothing
    fleet.run(2)
    assert fleet.sum_w == pytest.approx(70e3, abs=700)
    assert fleet.units["bat"].set_to["p_enable"] == 1.0
    assert fleet.held().refusals == ()


def test_a_site_may_take_a_lost_member_to_go_on():
    fleet = Fleet(mixed(), lost_holds=True)
    fleet.run()
    fleet.dispatch(70e3)
    fleet.run(2)
    fleet.units["bat"].lost = True
    fleet.run(3)
    assert fleet.sum_w == pytest.approx(70e3, abs=700)


def test_what_cannot_be_held_is_said_and_alarmed():
    fleet = Fleet(mixed())
    fleet.run()
    fleet.dispatch(500e3)
    fleet.run(2)
    assert fleet.held().held == pytest.approx(190e3, abs=700)
    assert "asked 500000, held 190" in fleet.alarms["derms:g:p"]
    fleet.book.end("g", Kind.POWER, UTILITY.name)
    fleet.run()
    assert not fleet.alarms


def test_a_member_that_refuses_is_left_out_and_asked_again_later():
    fleet = Fleet(mixed())
    fleet.units["bat"].refuses = True
    fleet.run()
    fleet.dispatch(80e3)
    fleet.run(3)
    assert fleet.sum_w == pytest.approx(80e3, abs=700)
    assert ("bat", "in local control") in fleet.held().refusals
    fleet.units["bat"].refuses = False
    fleet.run(15)
    assert fleet.held().members_ok == 3
    assert fleet.sum_w == pytest.approx(80e3, abs=700)


def test_a_cloud_over_a_member_that_is_held_back_is_found_and_made_up_for():
    fleet = Fleet(mixed())
    fleet.run()
    fleet.dispatch(100e3)
    fleet.run(3)
    assert fleet.units["pv1"].power_w > 35e3
    fleet.units["pv1"].source_w = 10e3
    fleet.run(6)
    assert fleet.sum_w == pytest.approx(100e3, abs=1.5e3)
    fleet.units["pv1"].source_w = 60e3
    fleet.run(120)  # it is asked for a little more at a time
    assert fleet.units["pv1"].power_w > 20e3
    assert fleet.sum_w == pytest.approx(100e3, abs=1.5e3)


def test_reserves_are_kept():
    fleet = Fleet(mixed(), reserve_pct=20.0, full_pct=90.0, spinning_share=0.1)
    fleet.units["bat"].soc_pct = 19.0
    fleet.run()
    fleet.dispatch(500e3)
    fleet.run(2)
    assert fleet.units["bat"].power_w <= 0
    assert fleet.units["pv2"].power_w == pytest.approx(45e3, abs=700)
    fleet.units["bat"].soc_pct = 95.0
    fleet.dispatch(-70e3)
    fleet.run(3)
    assert fleet.units["bat"].power_w >= 0


def test_no_member_moves_faster_than_its_ramp():
    fleet = Fleet(mixed(), ramp_share_per_s=0.05)
    fleet.run()
    fleet.dispatch(-60e3)
    before = {name: unit.power_w for name, unit in fleet.units.items()}
    for _ in range(60):
        fleet.run()
        for name, unit in fleet.units.items():
            assert abs(unit.power_w - before[name]) <= 0.05 * unit.apparent_va + 1e-6
            before[name] = unit.power_w
    assert fleet.sum_w == pytest.approx(-60e3, abs=700)
    assert fleet.held().held == pytest.approx(-60e3, abs=700)


def test_who_was_cut_more_is_cut_less_next():
    fleet = Fleet(
        {"a": Unit(50e3, 50e3), "b": Unit(50e3, 50e3)}, {"one": ("a",), "all": ("a", "b")}
    )
    fleet.run()
    fleet.dispatch(0.0, group="one")
    fleet.run(1200)
    fleet.book.end("one", Kind.POWER, UTILITY.name)
    fleet.units["a"].set_to = {}
    fleet.run()
    fleet.dispatch(50e3, group="all")
    fleet.run(3)
    assert fleet.units["a"].power_w > fleet.units["b"].power_w + 5e3
    assert fleet.sum_w == pytest.approx(50e3, abs=700)


def test_vars_stay_inside_the_circle_and_move_no_watts_where_only_they_are_asked():
    fleet = Fleet(mixed())
    fleet.run()
    fleet.dispatch(40e3, Quantity.REACTIVE_POWER)
    fleet.run(2)
    assert fleet.sum_var == pytest.approx(40e3, abs=700)
    assert fleet.sum_w == pytest.approx(110e3, abs=700)
    fleet.dispatch(150e3)
    fleet.run(3)
    for unit in fleet.units.values():
        assert math.hypot(unit.power_w, unit.reactive_var) <= unit.apparent_va + 1e-3
    assert fleet.sum_w == pytest.approx(150e3, rel=0.01)
    assert fleet.sum_var == pytest.approx(40e3, rel=0.01)
    assert holds(fleet.state.regions["g"], fleet.sum_w, fleet.sum_var, slack=1.0)


def test_a_limit_binds_the_group_and_counts_on_the_worst_of_who_is_lost():
    fleet = Fleet(mixed())
    fleet.run()
    fleet.limit(60e3)
    fleet.run(2)
    assert fleet.sum_w == pytest.approx(60e3, abs=700)
    fleet.units["pv2"].lost = True
    fleet.run(2)
    fleet.units["pv2"].source_w = 50e3  # not heard: it may give all that its limit allows
    assert fleet.sum_w <= 60e3 + 1.0
    fleet.dispatch(100e3)
    fleet.run(3)
    assert fleet.sum_w <= 60e3 + 1.0
    assert fleet.held().held <= 60e3 + 1.0


def test_a_limit_of_import_holds_a_dispatch():
    fleet = Fleet(mixed())
    fleet.run()
    fleet.limit(20e3, direction=Direction.IMPORT)
    fleet.dispatch(-70e3)
    fleet.run(3)
    assert fleet.sum_w == pytest.approx(-20e3, abs=700)


def test_ranks_and_inner_groups():
    groups = {"inner": ("pv1", "pv2"), "all": ("pv1", "pv2", "bat")}
    fleet = Fleet(mixed(), groups)
    fleet.run()
    fleet.dispatch(60e3, group="all")
    fleet.run(2)
    assert fleet.sum_w == pytest.approx(60e3, abs=700)
    fleet.dispatch(20e3, group="inner", asker=OPERATOR)
    fleet.run(2)
    assert fleet.units["pv1"].power_w + fleet.units["pv2"].power_w == pytest.approx(20e3, abs=700)
    assert fleet.sum_w == pytest.approx(60e3, abs=700)  # the battery makes up for it
    assert ("pv1", "held by an order of higher rank") in fleet.held(group="all").refusals


def test_an_order_ends_in_its_time():
    fleet = Fleet(mixed())
    fleet.run()
    fleet.dispatch(20e3, ends_ms=fleet.now_ms + 5000)
    fleet.run(2)
    assert all(command.expires_ms for command in fleet.last.commands)
    fleet.run(5)
    assert fleet.state.held == ()


def test_a_group_of_another_box_has_its_part():
    fleet = Fleet(mixed(), {"g": ("pv1", "pv2", "bat", "far")})
    seen = RemoteSeen(10e3, 0.0, Range(-50e3, 50e3), Range(-20e3, 20e3), 60e3)
    fleet.remotes["far"] = seen
    fleet.run()
    fleet.dispatch(200e3)
    fleet.run()
    (message,) = fleet.last.messages
    assert message.address.group_id == "far"
    seconds, value = message.schedule[0]
    assert seconds == 30.0
    assert fleet.sum_w + value == pytest.approx(200e3, abs=700)
    fleet.replies.append(refusal("far", fleet.now_ms))
    fleet.run(2)
    assert ("far", "not now") in fleet.held().refusals
    assert fleet.held().held == pytest.approx(
        200e3, abs=700
    )  # ten of it are what the other box gives
    fleet.remotes.clear()
    fleet.run()
    assert ("far", "is not online") in fleet.held().refusals
    assert fleet.held().held == pytest.approx(190e3, abs=700)


def refusal(group: str, now_ms: int) -> GroupReply:
    return GroupReply(
        message_id="r", correlation_id="c", dms_id="derms", group_id=group, time_ms=now_ms,
        result=Result.FAILED,
        errors=(ReplyError(code="6.1", level="WARNING", reason="not now"),),
    )  # fmt: skip


SITE = """\
name = "s1"
[links.lan]
type = "modbus-tcp"
[groups.outer]
backend = "members"
members = ["inner", "pv2"]
[groups.inner]
backend = "members"
members = {inner}
"""
DEVICES = """\
device,profile,link,address,unit
pv1,sunspec_inverter,lan,127.0.0.1:503,1
pv2,sunspec_inverter,lan,127.0.0.1:504,1
"""


def site(folder: Path, inner: str, more: str = ""):
    (folder / "site.toml").write_text(SITE.replace("{inner}", inner) + more)
    (folder / "devices.csv").write_text(DEVICES)
    return load_site(folder)


def test_groups_within_groups(tmp_path):
    loaded = site(tmp_path, '["pv1", "pv2"]')
    assert [device.name for device in loaded.members("outer")] == ["pv1", "pv2"]
    with pytest.raises(ConfigError) as caught:
        site(tmp_path, '["outer"]')
    first = caught.value.issues[0]
    assert (Path(first.file).name, first.line) == ("site.toml", 6)
    assert "outer > inner > outer" in first.message
    members = ["g1", "g2", "g3", "g4", "pv1"]
    chain = "".join(
        f'[groups.g{number}]\nbackend = "members"\nmembers = ["{member}"]\n'
        for number, member in enumerate(members)
    )
    with pytest.raises(ConfigError, match=r"levels of groups"):
        site(tmp_path, '["pv1"]', chain)
