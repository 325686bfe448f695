"""Our outstation judged by the masters of three other stacks."""

from __future__ import annotations

import pytest

from gateway.links.dnp3.outstation_config import MasterConfig
from gateway.model.command import CommandMode, CommandStatus
from gateway.model.point import PointKind
from tests.interop.dnp3.master_face import Event, eventually
from tests.interop.dnp3.outstation_rig import LOOPBACK, TIME_MS, serving
from tests.interop.dnp3.peers_master import MASTERS, py1815_master, yadnp3_master

pytestmark = pytest.mark.interop
RESTART, CLASSES, OVERFLOW = 0x80, 0x0E, 0x0800


@pytest.fixture(params=sorted(MASTERS))
def master(request: pytest.FixtureRequest):
    return MASTERS[request.param]


async def test_integrity_poll_reads_every_type(master) -> None:
    async with serving() as rig, master(rig.port) as peer:
        for n in range(5):
            rig.put(f"ai.{n}", 1.5 * n - 3.0)
            rig.put(f"ctr.{n}", 70_000.0 + n)
            rig.put(f"bi.{n}", n % 2)
            rig.put(f"ao.{n}", 0.25 * n)
        await peer.integrity()
        values = peer.seen.values
        for n in range(5):
            assert values["AI", n] == 1.5 * n - 3.0
            assert values["CTR", n] == 70_000 + n
            assert values["BI", n] == n % 2
            assert values["AO", n] == 0.25 * n


async def test_events_come_in_order_with_their_source_times(master) -> None:
    async with serving() as rig, master(rig.port) as peer:
        await peer.integrity()
        peer.seen.events.clear()
        for n in range(6):
            rig.put("ai.1", 10.0 + n, TIME_MS + 10 * n)
            rig.put("bi.2", (n + 1) % 2, TIME_MS + 10 * n + 5)
        await peer.poll()
        wanted = [
            event
            for n in range(6)
            for event in (
                Event("AI", 1, 10.0 + n, TIME_MS + 10 * n),
                Event("BI", 2, (n + 1) % 2, TIME_MS + 10 * n + 5),
            )
        ]
        await eventually(lambda: len(peer.seen.events) >= len(wanted))
        assert peer.seen.events == wanted
        await eventually(lambda: rig.outstation.masters()[0].events == (0, 0, 0))
        await peer.poll()
        assert len(peer.seen.events) == len(wanted)
        assert peer.seen.iin & CLASSES == 0


async def test_events_come_unsolicited_once_enabled(master) -> None:
    async with serving() as rig, master(rig.port) as peer:
        await peer.integrity()
        await peer.enable_unsolicited()
        peer.seen.events.clear()
        for n in range(3):
            rig.put("bi.0", (n + 1) % 2, TIME_MS + n)
        await peer.listen()
        wanted = [Event("BI", 0, (n + 1) % 2, TIME_MS + n) for n in range(3)]
        await eventually(lambda: len(peer.seen.events) >= 3)
        assert peer.seen.events == wanted
        await eventually(lambda: rig.outstation.masters()[0].events == (0, 0, 0))


@pytest.mark.parametrize("select", [True, False], ids=["select", "direct"])
async def test_controls_reach_the_router_and_its_status_comes_back(master, select: bool) -> None:
    mode = CommandMode.SELECT_BEFORE_OPERATE if select else CommandMode.DIRECT_OPERATE
    async with serving() as rig, master(rig.port) as peer:
        assert await peer.operate("BO", 3, 1, select=select) == CommandStatus.SUCCESS
        assert await peer.operate("AO", 2, 12.0, select=select) == CommandStatus.SUCCESS
        assert rig.outputs.taken == [("bo.3", 1.0, mode, "dms"), ("ao.2", 12.0, mode, "dms")]
        await peer.integrity()
        assert peer.seen.values["BO", 3] == 1
        assert peer.seen.values["AO", 2] == 12.0
        rig.outputs.verdict = CommandStatus.OUT_OF_RANGE
        assert await peer.operate("AO", 2, 1e6, select=select) == CommandStatus.OUT_OF_RANGE
        assert await peer.operate("BO", 77, 1, select=select) == CommandStatus.NOT_SUPPORTED


async def test_a_thousand_analogs_take_several_fragments(master) -> None:
    async with serving(counts={PointKind.AI: 1000}) as rig, master(rig.port) as peer:
        for n in range(0, 1000, 7):
            rig.put(f"ai.{n}", float(n))
        await peer.integrity()
        analogs = {i: v for (kind, i), v in peer.seen.values.items() if kind == "AI"}
        assert analogs == {n: (float(n) if n % 7 == 0 else 0.0) for n in range(1000)}
        assert sum(event.kind == "AI" for event in peer.seen.events) == len(range(7, 1000, 7))


async def test_restart_is_said_until_it_is_cleared(master) -> None:
    async with serving() as rig, master(rig.port) as peer:
        await peer.integrity()
        await peer.clear_restart()
        await peer.integrity()
        assert peer.seen.iin & RESTART == 0
        assert await peer.cold_restart() == 250
        assert rig.outstation.station.associations[1].starts == 2


async def test_double_bits_and_frozen_counters() -> None:
    async with serving(counts={PointKind.DBI: 5}) as rig, yadnp3_master(rig.port) as peer:
        await peer.enable_unsolicited()
        for n in range(4):
            rig.put(f"dbi.{n}", float(n), TIME_MS + n)
        wanted = [Event("DBI", n, float(n), TIME_MS + n) for n in range(1, 4)]
        await eventually(lambda: len(peer.seen.events) >= 3)
        assert peer.seen.events == wanted
        await peer.integrity()
        assert [peer.seen.values["DBI", n] for n in range(5)] == [0, 1, 2, 3, 0]


async def test_two_masters_each_see_every_event() -> None:
    masters = tuple(MasterConfig(name=f"m{a}", address=a, hosts=LOOPBACK) for a in (1, 2))
    async with (
        serving(masters) as rig,
        py1815_master(rig.port, 1) as first,
        yadnp3_master(rig.port, 2) as second,
    ):
        await first.integrity()
        await second.enable_unsolicited()
        for n in range(500):
            rig.put("ai.0", n + 1.0, TIME_MS + n)
        await first.poll()
        wanted = [Event("AI", 0, n + 1.0, TIME_MS + n) for n in range(500)]
        await eventually(lambda: len(second.seen.events) >= 500)
        assert first.seen.events == wanted
        assert second.seen.events == wanted


async def test_events_outlive_the_connection() -> None:
    async with serving() as rig:
        async with py1815_master(rig.port) as peer:
            await peer.integrity()
        for n in range(10):
            rig.put("ai.3", n + 1.0, TIME_MS + n)
        async with py1815_master(rig.port) as peer:
            await peer.poll()
            assert [event.value for event in peer.seen.events] == [n + 1.0 for n in range(10)]


async def test_a_source_without_a_set_clock_is_not_given_a_set_time() -> None:
    async with serving() as rig, py1815_master(rig.port) as peer:
        rig.put("bi.1", 1, TIME_MS, set_clock=False)
        await peer.poll()
        exchange = await peer.outstation.scan("class1")
        assert peer.seen.events == [Event("BI", 1, 1, TIME_MS)]
        assert exchange.complete


async def test_a_static_value_is_present_though_its_change_was_no_event() -> None:
    async with serving(deadband=5.0) as rig, py1815_master(rig.port) as peer:
        rig.put("ai.0", 4.0)
        await peer.poll()
        assert peer.seen.events == []
        await peer.integrity()
        assert peer.seen.values["AI", 0] == 4.0


async def test_overflow_is_said_and_cleared() -> None:
    async with serving(events_per_class=10) as rig, py1815_master(rig.port) as peer:
        for n in range(15):
            rig.put("ai.0", n + 1.0)
        await peer.poll()
        assert peer.seen.iin & OVERFLOW
        assert [event.value for event in peer.seen.events] == [n + 1.0 for n in range(5, 15)]
        await eventually(lambda: rig.outstation.masters()[0].events == (0, 0, 0))
        await peer.poll()
        assert peer.seen.iin & OVERFLOW == 0
        assert rig.outstation.masters()[0].discarded == 5


@pytest.mark.parametrize(
    "deviation",
    [
        "corrupt_header_crc", "corrupt_body_crc", "truncate", "overstate_length",
        "orphan_segment", "endless_series", "second_master_address",
    ],
)  # fmt: skip
async def test_what_a_master_sends_wrong_draws_nothing_and_does_no_harm(deviation: str) -> None:
    async with serving() as rig, py1815_master(rig.port, patience_s=0.2) as peer:
        await peer.integrity()
        rig.put("ai.0", 7.0)
        peer.outstation.deviations.set(deviation, True)
        assert not (await peer.outstation.scan("events")).complete
        peer.outstation.deviations.clear()
        for _ in range(2):  # octets of a frame that never ended may take the next one with them
            exchange = await peer.outstation.scan("events")
        assert exchange.complete
        assert [event.value for event in peer.seen.events] == [7.0]


@pytest.mark.parametrize(
    "deviation", ["withhold_confirmation", "wrong_confirmation_sequence", "late_confirmation"]
)
async def test_events_are_kept_until_rightly_confirmed(deviation: str) -> None:
    async with serving() as rig, py1815_master(rig.port) as peer:
        rig.put("ai.0", 7.0)
        peer.outstation.deviations.set(deviation, True)
        for _ in range(3):
            await peer.poll()
        assert [event.value for event in peer.seen.events] == [7.0] * 3
        peer.outstation.deviations.clear()
        await peer.poll()
        await eventually(lambda: rig.outstation.masters()[0].events == (0, 0, 0))
