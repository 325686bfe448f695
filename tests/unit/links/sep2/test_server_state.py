"""What outlives the process, and what becomes of a state that cannot be used."""

from __future__ import annotations

import sqlite3

import pytest

from gateway.links.sep2.config import ClientConfig
from gateway.links.sep2.resources import (
    ActivePower,
    CurveData,
    DERControlBase,
    DERControlResponse,
    DERCurve,
    Link,
    LogEvent,
    MirrorMeterReading,
    MirrorUsagePoint,
    Reading,
    ReadingType,
)
from gateway.links.sep2.server import ProgramFullError, ProgramSetup, Sep2Server
from gateway.model.errors import ConfigError, LinkError, LocalProtocolError
from tests.conftest import VirtualClock
from tests.unit.links.sep2.server_rig import CURTAIL, PROGRAM, Peer, new_peer, serving, settings

NOW = 1_800_000_000
CURVE = DERCurve(
    mrid=0xC0,
    creation_time=NOW,
    curve_data=(CurveData(xvalue=95, yvalue=30), CurveData(xvalue=105, yvalue=-30)),
    curve_type=11,
    x_multiplier=0,
    y_multiplier=0,
    y_ref_type=3,
)


def log_event(at: int) -> LogEvent:
    return LogEvent(
        created_date_time=NOW + at,
        function_set=11,
        log_event_code=1,
        log_event_id=at,
        log_event_pen=0,
        profile_id=2,
    )


def listed(*peers: Peer) -> list[ClientConfig]:
    return [ClientConfig(lfdi=peer.lfdi) for peer in peers]


async def test_controls_curves_and_responses_outlive_the_process(tmp_path):
    peer, clock = new_peer(), VirtualClock(NOW)
    config = settings(tmp_path, listed(peer))
    async with serving(config, clock=clock) as rig:
        rig.connect(peer)
        href = await rig.server.add_curve(1, CURVE)
        base = DERControlBase(op_mod_volt_var=Link(href))
        running = await rig.server.add_control(1, base, NOW, 900, randomize_start=-10)
        cancelled = await rig.server.add_control(1, CURTAIL, NOW + 1000, 900)
        await rig.server.cancel_control(cancelled.mrid)
        old = await rig.server.add_control(1, CURTAIL, NOW + 3000, 900)
        clock.now_s = NOW + 5
        winner = await rig.server.add_control(1, CURTAIL, NOW + 3000, 100)
        clock.now_s = NOW + 3001
        before = await peer.get("/derp/1/derc?l=9")
        assert {c.mrid: c.event_status.current_status for c in before.items}[old.mrid] == 4
        response = DERControlResponse(end_device_lfdi=peer.lfdi, status=2, subject=winner.mrid)
        place = await peer.post("/rsps/1/rsp", response)
    clock.now_s = NOW + 3101  # what superseded is over; what it superseded does not come back
    async with serving(config, clock=clock) as rig:
        rig.connect(peer)
        found = {c.mrid: c for c in (await peer.get("/derp/1/derc?l=9")).items}
        assert found[old.mrid].event_status.current_status == 4
        assert (await peer.get("/derp/1/actderc")).all == 0
        assert (await peer.get(place)).subject == winner.mrid
        assert (await peer.get(href)).curve_data == CURVE.curve_data
        assert [c.mrid for c in rig.server.controls(1)] == [winner.mrid, old.mrid]
    clock.now_s = NOW + 100
    async with serving(config, clock=clock) as rig:
        rig.connect(peer)
        found = {c.mrid: c for c in (await peer.get("/derp/1/derc?l=9")).items}
        assert found[cancelled.mrid].event_status.current_status == 2
        assert found[running.mrid].event_status.current_status == 1
        assert found[running.mrid].der_control_base == base
        assert found[running.mrid].randomize_start == -10


async def test_ended_controls_are_kept_for_late_responses_and_then_dropped(tmp_path):
    peer, clock = new_peer(), VirtualClock(NOW)
    config = settings(tmp_path, listed(peer), retain_s=3600)
    async with serving(config, clock=clock) as rig:
        rig.connect(peer)
        control = await rig.server.add_control(1, CURTAIL, NOW, 60)
        clock.now_s = NOW + 60 + 3599
        late = DERControlResponse(end_device_lfdi=peer.lfdi, status=3, subject=control.mrid)
        assert await peer.post("/rsps/1/rsp", late)
        clock.now_s = NOW + 60 + 3602
        too_late = DERControlResponse(end_device_lfdi=peer.lfdi, status=4, subject=control.mrid)
        assert (await peer.ask("POST", "/rsps/1/rsp", too_late))[0] == 400
    with sqlite3.connect(config.database) as database:
        found = database.execute("SELECT count(*) FROM records WHERE kind = 'control'")
        assert found.fetchone() == (0,)
    database.close()


async def test_only_so_much_is_kept_of_a_client(tmp_path):
    peer = new_peer()
    caps = {"readings": 3, "log_events": 2, "mirror_usage_points": 1, "meter_readings": 1}
    config = settings(tmp_path, listed(peer), storage=caps | {"responses": 2, "controls": 4})

    def point(mrid: int) -> MirrorUsagePoint:
        kind = MirrorMeterReading(mrid=8, reading_type=ReadingType(uom=38))
        return MirrorUsagePoint(
            mrid=mrid,
            role_flags=1,
            service_category_kind=0,
            status=1,
            device_lfdi=peer.lfdi,
            mirror_meter_reading=(kind,),
        )

    async with serving(config) as rig:
        rig.connect(peer)
        await peer.post("/mup", point(1))
        over = await peer.ask("POST", "/mup", point(2))
        assert (over[0], b"<reasonCode>2<" in over[1]) == (400, True)
        more = MirrorMeterReading(mrid=9, reading_type=ReadingType(uom=63))
        assert (await peer.ask("POST", "/mup/1", more))[0] == 400
        for value in range(5):
            reading = MirrorMeterReading(mrid=8, reading=Reading(value=value))
            assert (await peer.ask("POST", "/mup/1", reading))[0] == 204
        for at in range(3):
            await peer.post("/edev/1/lel", log_event(at))
        made = [await rig.server.add_control(1, CURTAIL, NOW, 60) for _ in range(4)]
        for control in made[:3]:
            answer = DERControlResponse(end_device_lfdi=peer.lfdi, status=1, subject=control.mrid)
            await peer.post("/rsps/1/rsp", answer)
        with pytest.raises(ProgramFullError):
            await rig.server.add_control(1, CURTAIL, NOW, 60)
        assert [e.log_event_id for e in (await peer.get("/edev/1/lel?l=9")).items] == [2, 1]
        assert (await peer.get("/rsps/1/rsp")).all == 2
        assert rig.server.statistics.dropped == {
            "MirrorUsagePoint": 1,
            "MirrorMeterReading": 1,
            "LogEvent": 1,
            "Response": 1,
            "DERControl": 1,
        }
    with sqlite3.connect(config.database) as database:
        rows = database.execute("SELECT kind, count(*) FROM records GROUP BY kind").fetchall()
    database.close()
    assert dict(rows) | {"reading": 3, "log": 2, "response": 2, "mup": 1} == dict(rows)


async def test_csip_aus_elements_go_only_to_clients_set_so(tmp_path):
    plain, australian = new_peer(), new_peer()
    clients = [*listed(plain), ClientConfig(lfdi=australian.lfdi, csip_aus=True)]
    base = DERControlBase(op_mod_exp_lim_w=ActivePower.of(5000.0), op_mod_max_lim_w=5000)
    async with serving(settings(tmp_path, clients)) as rig:
        rig.connect(plain), rig.connect(australian)
        await rig.server.add_control(1, base, NOW, 60)
        _, without, _ = await plain.ask("GET", "/derp/1/derc")
        assert b"csipaus" not in without
        (control,) = (await australian.get("/derp/1/derc")).items
        assert control.der_control_base.op_mod_exp_lim_w.number == 5000.0


async def test_what_cannot_be_ordered_is_a_bug_of_ours(tmp_path):
    async with serving(settings(tmp_path)) as rig:
        made = await rig.server.add_control(1, CURTAIL, NOW, 60)
        for wrong in (
            {"program": 9},
            {"mrid": made.mrid},
            {"base": DERControlBase(op_mod_max_lim_w=70_000)},
            {"duration": -1},
            {"randomize_start": 3601},
        ):
            asked = {"program": 1, "base": CURTAIL, "start": NOW, "duration": 60} | wrong
            with pytest.raises(LocalProtocolError):
                await rig.server.add_control(**asked)
        with pytest.raises(LocalProtocolError):
            await rig.server.cancel_control(12345)
        assert len(rig.server.controls(1)) <= 1


def test_two_programs_cannot_be_the_same(tmp_path):
    twin = ProgramSetup(number=1, mrid=99, primacy=1)
    with pytest.raises(LocalProtocolError):
        Sep2Server(settings(tmp_path), [PROGRAM, twin], VirtualClock(NOW))


async def damaged(config) -> None:
    async with serving(config):
        pass
    raw = bytearray(config.database.read_bytes())
    raw[4096:8192] = b"\xa5" * 4096
    config.database.write_bytes(raw)


async def foreign(config) -> None:
    with sqlite3.connect(config.database) as database:
        database.execute("CREATE TABLE other (a)")
    database.close()


async def newer(config) -> None:
    async with serving(config):
        pass
    with sqlite3.connect(config.database) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


async def text(config) -> None:
    config.database.write_text("no database at all, but long enough to be read as one\n" * 50)


async def wrong_row(config) -> None:
    async with serving(config):
        pass
    with sqlite3.connect(config.database) as database:
        row = ("control", "1", 1, "00", "[null, false, null]", b"<Time/>")
        database.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", row)
    database.close()


@pytest.mark.parametrize("spoil", [damaged, foreign, newer, text, wrong_row])
async def test_a_state_that_is_not_ours_is_refused_with_what_to_do(tmp_path, spoil):
    config = settings(tmp_path)
    await spoil(config)
    with pytest.raises(ConfigError) as caught:
        Sep2Server(config, [PROGRAM], VirtualClock(NOW))
    (issue,) = caught.value.issues
    assert issue.file == str(config.database)
    assert "backup" in issue.remedy


async def test_a_state_that_cannot_be_written_ends_the_server_and_answers_nothing(tmp_path):
    peer = new_peer()
    config, event = settings(tmp_path, listed(peer)), log_event(0)

    async def broken() -> None:
        async with serving(config) as rig:
            rig.connect(peer)
            await peer.get("/tm")
            with sqlite3.connect(config.database, isolation_level=None) as other:
                other.execute("DROP TABLE records")
            other.close()
            assert (await peer.ask("POST", "/edev/1/lel", event))[0] == 500
            await rig.running

    with pytest.raises(LinkError):
        await broken()
