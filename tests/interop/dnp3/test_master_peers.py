"""Our master against outstations of three other stacks, over TCP."""

from __future__ import annotations

import contextlib
import time

import pytest

from gateway.links.dnp3.master import OutputPoint
from gateway.model.command import CommandMode, CommandStatus
from tests.interop.dnp3.master_rig import AO, BO, device, running, tcp, until
from tests.interop.dnp3.peers_outstation import (
    dnp3py_outstation,
    py1815_outstation,
    yadnp3_outstation,
)

pytestmark = pytest.mark.interop

PEERS = {
    "dnp3py": dnp3py_outstation,
    "py1815": py1815_outstation,
    "yadnp3": yadnp3_outstation,
}
ALL = pytest.mark.parametrize("start", PEERS.values(), ids=PEERS)
SBO, DIRECT = CommandMode.SELECT_BEFORE_OPERATE, CommandMode.DIRECT_OPERATE


@contextlib.asynccontextmanager
async def rigged(start, count=5, outputs=(), **settings):
    async with start(count) as peer:
        parts = [device(count, 0, outputs, **settings)]
        async with running(tcp(peer.port), parts) as rig:
            await until(lambda: rig.state().integrity_polls > 0)
            yield peer, rig


@ALL
async def test_an_integrity_poll_brings_every_point(start):
    async with rigged(start) as (_, rig):
        assert [rig.value(f"d.AI{at}") for at in range(5)] == [0, 1, 2, 3, 4]
        assert [rig.value(f"d.BI{at}") for at in range(5)] == [0, 1, 0, 1, 0]
        assert all(rig.good(f"d.AI{at}") and rig.good(f"d.BI{at}") for at in range(5))
        assert rig.state().connected
        assert rig.state().restarts == 1  # all three begin with the restart indication


@ALL
async def test_a_thousand_analogs_come_in_many_fragments(start):
    async with rigged(start, 1000) as (_, rig):
        assert [rig.value(f"d.AI{at}") for at in range(1000)] == list(range(1000))
        assert rig.state().fragments > 4
        assert rig.state().stale == rig.state().malformed == rig.state().timeouts == 0


# yadnp3's events carry no time, and of dnp3py's only counters' do
async def test_every_event_of_py1815_comes_in_order_with_its_source_time():
    settings = {"unsolicited": (), "scans": ((0.05, (1, 2, 3)),)}
    async with rigged(py1815_outstation, **settings) as (peer, rig):
        rig.changes.clear()
        began_ms = time.time_ns() // 1_000_000 - 60_000
        for step in range(4):
            peer.set_analog(2, 100.0 + step, began_ms + step)
        peer.set_binary(0, True, began_ms + 10)
        await until(lambda: len(rig.seen("d.AI2")) >= 4 and bool(rig.seen("d.BI0")))
        seen = [(one.value, one.time_ms) for one in rig.seen("d.AI2")]
        assert seen == [(100.0 + step, began_ms + step) for step in range(4)]
        state = rig.seen("d.BI0")[0]
        assert (state.value, state.time_ms, state.synchronised) == (1.0, began_ms + 10, True)


async def test_every_event_of_dnp3py_comes_in_order_with_its_source_time():
    settings = {"unsolicited": (), "scans": ((0.05, (1, 2, 3)),)}
    async with rigged(dnp3py_outstation, **settings) as (peer, rig):
        await until(lambda: rig.state().time_syncs > 0)
        await until(lambda: not rig.state().iin & 0x10)
        rig.changes.clear()
        began_ms = time.time_ns() // 1_000_000 - 60_000
        for step in range(4):
            peer.set_counter(2, 100 + step, began_ms + step)
        await until(lambda: len(rig.seen("d.CTR2")) >= 4)
        seen = [(one.value, one.time_ms, one.synchronised) for one in rig.seen("d.CTR2")]
        assert seen == [(100.0 + step, began_ms + step, True) for step in range(4)]


@ALL
async def test_events_come_by_polls_where_nothing_is_unsolicited(start):
    settings = {"unsolicited": (), "scans": ((0.05, (1, 2, 3)),)}
    async with rigged(start, **settings) as (peer, rig):
        peer.set_analog(1, 55.0, 1000)
        peer.set_binary(2, True, 1000)
        await until(lambda: rig.value("d.AI1") == 55.0 and rig.value("d.BI2") == 1.0)
        assert rig.state().unsolicited == 0 or "unsolicited" not in peer.lacks


# dnp3py never sends unsolicited responses over TCP
@pytest.mark.parametrize("name", ["py1815", "yadnp3"])
async def test_changes_are_reported_unsolicited(name):
    async with rigged(PEERS[name]) as (peer, rig):
        before = rig.state().unsolicited
        for step in range(3):
            peer.set_analog(3, 70.0 + step, 1_700_000_000_000 + step)
        await until(lambda: rig.value("d.AI3") == 72.0, 3.0)
        assert [one.value for one in rig.seen("d.AI3")][-3:] == [70.0, 71.0, 72.0]
        assert rig.state().unsolicited > before
        assert rig.state().duplicates == rig.state().malformed == 0


OUTPUTS = (
    OutputPoint("d.latch", BO, 1, style="latch", mode=DIRECT),
    OutputPoint("d.breaker", BO, 2, style="trip-close", mode=SBO),
    OutputPoint("d.pulse", BO, 3, style="pulse", mode=SBO),
    OutputPoint("d.i32", AO, 0, variation=1, mode=SBO, scale=0.1),
    OutputPoint("d.i16", AO, 1, variation=2, mode=DIRECT),
    OutputPoint("d.f32", AO, 2, variation=3, mode=DIRECT),
    OutputPoint("d.f64", AO, 3, variation=4, mode=SBO),
)
#: point, value, what the peer is told, and how: select first or not
CONTROLS = [
    ("d.latch", 1.0, 0x03, DIRECT), ("d.latch", 0.0, 0x04, DIRECT),
    ("d.breaker", 1.0, 0x41, SBO), ("d.breaker", 0.0, 0x81, SBO), ("d.pulse", 1.0, 0x01, SBO),
    ("d.i32", 1234.5, 12345.0, SBO), ("d.i16", -42.0, -42.0, DIRECT),
    ("d.f32", 2.5, 2.5, DIRECT), ("d.f64", 3.25, 3.25, SBO),
]  # fmt: skip


@ALL
async def test_controls_arrive_as_meant_and_once(start):
    async with rigged(start, outputs=OUTPUTS) as (peer, rig):
        for point, value, told, mode in CONTROLS:
            peer.controls.clear()
            result = await rig.operate(point, value)
            assert result.status is CommandStatus.SUCCESS, (point, result)
            assert result.value_sent == value
            index = next(output.index for output in OUTPUTS if output.point == point)
            if mode is SBO:
                assert peer.controls == [("select", index, told), ("operate", index, told)]
            else:
                assert peer.controls == [("direct_operate", index, told)]


@ALL
async def test_an_index_that_is_not_there_is_refused(start):
    outputs = (OutputPoint("d.x", BO, 77, mode=SBO), OutputPoint("d.y", AO, 300, mode=DIRECT))
    async with rigged(start, outputs=outputs) as (peer, rig):
        for point in ("d.x", "d.y"):
            result = await rig.operate(point, 1.0)
            assert result.status is CommandStatus.NOT_SUPPORTED, result
        operated = [control for control in peer.controls if control[0] == "operate"]
        assert not operated


@ALL
async def test_a_restart_is_cleared_and_read_anew(start):
    settings = {"unsolicited": (), "scans": ((0.05, (1, 2, 3)),)}
    async with rigged(start, **settings) as (peer, rig):
        polls = rig.state().integrity_polls
        peer.restart()
        await until(lambda: rig.state().restarts == 2 and rig.state().integrity_polls > polls)
        await until(lambda: not rig.state().iin & 0x80)
        assert rig.state().losses == 0


# yadnp3's outstation speaks absolute time only (g50v1), dnp3py both
@pytest.mark.parametrize(
    ("name", "how"), [("dnp3py", "lan"), ("dnp3py", "non-lan"), ("yadnp3", "non-lan")]
)
async def test_the_clock_is_set_when_asked_for(name, how):
    settings = {"unsolicited": (), "scans": ((0.05, (1, 2, 3)),), "time_sync": how}
    async with rigged(PEERS[name], **settings) as (peer, rig):
        if name == "yadnp3":
            peer.application.needs_time = True
        await until(lambda: rig.state().time_syncs > 0)
        assert abs(peer.times[0] - time.time_ns() // 1_000_000) < 2000
        await until(lambda: not rig.state().iin & 0x10)


@pytest.mark.parametrize("how", ["lan", "non-lan"])
async def test_py1815_has_its_clock_set(how):
    async with (
        py1815_outstation(3, need_time=True) as peer,
        running(tcp(peer.port), [device(3, 0, time_sync=how)]) as rig,
    ):
        await until(lambda: rig.state().time_syncs > 0)
        assert abs(peer.times[0] - time.time_ns() // 1_000_000) < 2000
        assert len(peer.times) == 1
