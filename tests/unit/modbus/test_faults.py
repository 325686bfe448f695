"""Every way a device lies or dies: nothing wrong is published as good, neighbours keep going."""

from __future__ import annotations

import asyncio
import struct

import pytest

from gateway.model.quality import Quality
from tests.unit.modbus.conftest import ADDRESSES, MakeRig, eventually, frame, honest

GOOD_DATA = struct.pack(">BB3H", 3, 6, *ADDRESSES)
WRONG = struct.pack(">BB3H", 3, 6, 7, 7, 7)


async def test_polls_and_publishes(make_rig: MakeRig) -> None:
    rig = await make_rig(units=(1, 2))
    await eventually(lambda: rig.good("dev1") and rig.good("dev2"))
    rig.assert_nothing_wrong()
    assert rig["dev1.r101"].value == 101.0
    assert rig["dev1.r101"].quality == Quality.ONLINE
    # three neighbouring registers are one request
    assert {pdu for _, _, pdu in rig.server.requests} == {struct.pack(">BHH", 3, 100, 3)}
    assert rig.server.connections == 1


LIES = {
    "fewer registers than asked": lambda t, u: frame(t, u, struct.pack(">BB2H", 3, 4, 7, 7)),
    "more registers than asked": lambda t, u: frame(t, u, struct.pack(">BB4H", 3, 8, 7, 7, 7, 7)),
    "byte count too low": lambda t, u: frame(t, u, struct.pack(">BB3H", 3, 4, 7, 7, 7)),
    "byte count too high": lambda t, u: frame(t, u, struct.pack(">BB3H", 3, 8, 7, 7, 7)),
    "no data": lambda t, u: frame(t, u, bytes([3])),
    "wrong function": lambda t, u: frame(t, u, b"\x04" + WRONG[1:]),
    "wrong unit": lambda t, u: frame(t, u + 1, WRONG),
    "a write's answer": lambda t, u: frame(t, u, struct.pack(">BHH", 6, 100, 7)),
    "exception of another function": lambda t, u: frame(t, u, b"\x84\x02"),
    "exception without a code": lambda t, u: frame(t, u, b"\x83"),
    "exception code 0": lambda t, u: frame(t, u, b"\x83\x00"),
    "a vendor's exception code": lambda t, u: frame(t, u, b"\x83\xe7"),
    "wrong transaction": lambda t, u: frame(t ^ 0x5555, u, WRONG),
    "transaction 0": lambda t, u: frame(0, u, WRONG),
    "silence": lambda t, u: b"",
    "half a frame": lambda t, u: frame(t, u, WRONG)[:9],
    "another protocol": lambda t, u: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "protocol id not 0": lambda t, u: struct.pack(">HHHB", t, 1, 9, u) + WRONG,
    "oversized length": lambda t, u: struct.pack(">HHHB", t, 0, 0xFFFF, u) + WRONG * 90,
    "length 0": lambda t, u: struct.pack(">HHHB", t, 0, 0, u) + WRONG,
    "illegal address": lambda t, u: frame(t, u, b"\x83\x02"),
    "device failure": lambda t, u: frame(t, u, b"\x83\x04"),
    "gateway path unavailable": lambda t, u: frame(t, u, b"\x83\x0a"),
    "gateway target failed": lambda t, u: frame(t, u, b"\x83\x0b"),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_lying_unit_turns_comm_lost_and_recovers(make_rig: MakeRig, lie) -> None:
    rig = await make_rig()
    await eventually(lambda: rig.good("dev1"))
    rig.server.answer = lambda t, u, pdu: lie(t, u)
    await eventually(lambda: rig.lost("dev1"))
    # the last good value stays, marked
    assert rig["dev1.r100"].value == 100.0
    assert Quality.COMM_LOST in rig["dev1.r100"].quality
    rig.server.answer = honest
    await eventually(lambda: rig.good("dev1"))
    rig.assert_nothing_wrong()


@pytest.mark.parametrize(
    "lie", ["silence", "wrong function", "fewer registers than asked", "wrong transaction"]
)
async def test_neighbours_on_the_connection_keep_their_cycle(make_rig: MakeRig, lie: str) -> None:
    rig = await make_rig(units=(1, 2), unit_backoff_min_s=5.0, unit_backoff_max_s=5.0)
    await eventually(lambda: rig.good("dev1") and rig.good("dev2"))
    rig.server.answer = lambda t, u, pdu: LIES[lie](t, u) if u == 1 else honest(t, u, pdu)
    await eventually(lambda: rig.lost("dev1"))
    asked = sum(unit == 1 for _, unit, _ in rig.server.requests)
    before = rig.unit(2).missed
    cycles = rig.unit(2).cycles
    await eventually(lambda: rig.unit(2).cycles >= cycles + 20)
    assert rig.unit(2).missed == before
    assert rig.good("dev2")
    assert rig.server.connections == 1
    # at most one request a back-off period goes to the bad unit
    assert sum(unit == 1 for _, unit, _ in rig.server.requests) == asked
    assert rig.unit(1).timeouts <= 1


async def test_silent_unit_is_probed_once_a_period(make_rig: MakeRig) -> None:
    rig = await make_rig(units=(1, 2), unit_backoff_min_s=0.2, unit_backoff_max_s=0.2)
    await eventually(lambda: rig.good("dev1"))
    rig.server.answer = lambda t, u, pdu: b"" if u == 1 else honest(t, u, pdu)
    rig.server.requests.clear()
    await asyncio.sleep(0.6)
    probes = sum(unit == 1 for _, unit, _ in rig.server.requests)
    # time-out 80 ms plus 100..200 ms of back-off: a few probes in 600 ms, not thirty
    assert 2 <= probes <= 5
    assert rig.unit(1).missed > probes


async def test_stale_and_right_answer_in_one_segment(make_rig: MakeRig) -> None:
    """The late answer of a timed-out request is dropped, the right one beside it counts."""
    rig = await make_rig(unit_backoff_min_s=0.02, unit_backoff_max_s=0.02)
    await eventually(lambda: rig.good("dev1"))
    held: list[bytes] = []

    def late(transaction: int, unit: int, pdu: bytes) -> bytes:
        if not held:
            held.append(frame(transaction, unit, WRONG))
            return b""
        return held[0] + honest(transaction, unit, pdu)

    before = rig.unit(1).timeouts
    rig.server.answer = late
    await eventually(lambda: rig.unit(1).late >= 2 and rig.good("dev1"))
    rig.assert_nothing_wrong()
    assert rig.unit(1).timeouts == before + 1
    assert rig.server.connections == 1


async def test_duplicated_answers_count_once(make_rig: MakeRig) -> None:
    rig = await make_rig()
    rig.server.answer = lambda t, u, pdu: honest(t, u, pdu) + frame(t, u, WRONG)
    await eventually(lambda: rig.unit(1).late >= 5)
    assert rig.good("dev1")
    rig.assert_nothing_wrong()
    assert rig.unit(1).missed <= 1


async def test_unasked_answers_are_dropped(make_rig: MakeRig) -> None:
    rig = await make_rig()
    await eventually(lambda: rig.good("dev1"))
    rig.server.send(b"".join(frame(t, 9, WRONG) for t in range(300)))
    await eventually(lambda: rig.poller.statistics.lines["plant"].strays >= 299)
    rig.assert_nothing_wrong()
    assert rig.server.connections == 1


async def test_answers_in_one_byte_chunks(make_rig: MakeRig) -> None:
    rig = await make_rig(units=(1, 2), timeout_s=1.0)
    rig.server.chunk_bytes = 1
    await eventually(lambda: rig.good("dev1") and rig.good("dev2"))
    rig.assert_nothing_wrong()


async def test_busy_device_gets_a_pause_and_keeps_its_values_for_their_age(
    make_rig: MakeRig,
) -> None:
    rig = await make_rig(unit_backoff_min_s=5.0, unit_backoff_max_s=5.0)
    await eventually(lambda: rig.good("dev1"))
    rig.server.answer = lambda t, u, pdu: frame(t, u, b"\x83\x06")
    await eventually(lambda: rig.unit(1).exceptions == 1)
    asked = len(rig.server.requests)
    cycles = rig.unit(1).cycles
    await eventually(lambda: rig.unit(1).cycles >= cycles + 10)
    assert len(rig.server.requests) == asked
    assert rig.good("dev1")


async def test_reset_marks_everything_at_once_and_reconnects(make_rig: MakeRig) -> None:
    rig = await make_rig(units=(1, 2), timeout_s=30.0)
    await eventually(lambda: rig.good("dev1") and rig.good("dev2"))
    rig.server.answer = lambda t, u, pdu: b""  # requests hang, far from their time-out
    await asyncio.sleep(0.05)
    rig.server.answer = honest
    await rig.server.stop()
    await eventually(lambda: rig.lost("dev1") and rig.lost("dev2"), within_s=1.0)
    assert rig.unit(1).timeouts == 0
    await rig.server.start(rig.server.port)
    await eventually(lambda: rig.good("dev1") and rig.good("dev2"))
    line = rig.poller.statistics.lines["plant"]
    assert line.losses == 1
    assert line.reconnects == 1
    rig.assert_nothing_wrong()


async def test_half_open_connection_is_given_up(make_rig: MakeRig) -> None:
    """A peer that vanished without a word: time-outs in a row end the connection."""
    rig = await make_rig(unit_backoff_min_s=0.02, unit_backoff_max_s=0.02)
    await eventually(lambda: rig.good("dev1"))
    rig.server.answer = lambda t, u, pdu: b""
    await eventually(lambda: rig.server.connections >= 2)
    assert rig.unit(1).timeouts >= 3


async def test_bytes_not_decoded_yet_do_not_outlive_their_connection(make_rig: MakeRig) -> None:
    """An answer and the loss in one slot: the points must end lost, not live."""
    rig = await make_rig(period_s=0.2)
    rig.server.answer = honest

    def answer_then_die(transaction: int, unit: int, pdu: bytes) -> bytes:
        rig.server.answer = refuse
        rig.server.send(honest(transaction, unit, pdu))
        raise ConnectionResetError

    def refuse(transaction: int, unit: int, pdu: bytes) -> bytes:
        raise ConnectionResetError

    rig.server.answer = answer_then_die
    await eventually(lambda: rig.poller.statistics.lines["plant"].losses >= 2)
    assert rig.lost("dev1")


async def test_stopping_marks_every_point(make_rig: MakeRig) -> None:
    rig = await make_rig()
    await eventually(lambda: rig.good("dev1"))
    rig.poller.remove_device("dev1")
    assert rig.lost("dev1")
    asked = len(rig.server.requests)
    await asyncio.sleep(0.06)
    assert len(rig.server.requests) <= asked + 1
