"""What we send as Wireshark reads it: no malformed frame, no bad CRC, no unknown object.

What Wireshark 4.0 does not know is left out: times of an unset clock (group 51 variation 2), so
binary events of py1815, which count from one; and yadnp3's answers, full of group 50 variation 4.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.links.dnp3.master import OutputPoint
from gateway.model.command import CommandMode, CommandStatus
from gateway.model.point import PointKind
from tests.interop.dnp3.master_face import eventually
from tests.interop.dnp3.master_rig import AO, BO, device, running, tcp, until
from tests.interop.dnp3.outstation_rig import TIME_MS, serving
from tests.interop.dnp3.peers_master import py1815_master, yadnp3_master
from tests.interop.dnp3.peers_outstation import (
    dnp3py_outstation,
    py1815_outstation,
    yadnp3_outstation,
)
from tests.interop.dnp3.tap import Dissection, Tap, dissected

pytestmark = [pytest.mark.interop, pytest.mark.needs("tshark")]
#: TIME_MS as Wireshark writes it, without the milliseconds.
SECOND = "Nov 14, 2023 22:13:20"
OUTPUTS = (
    OutputPoint("d.relay", BO, 1, style="trip-close"),
    OutputPoint("d.direct", BO, 2, mode=CommandMode.DIRECT_OPERATE),
    OutputPoint("d.setpoint", AO, 3, variation=3),
    OutputPoint("d.count", AO, 4, variation=1, mode=CommandMode.DIRECT_OPERATE),
)


async def outstation_seen(folder: Path) -> Dissection:
    """Our outstation, used by two masters for all it can do."""
    async with serving(counts={PointKind.AI: 1000, PointKind.DBI: 3}) as rig, Tap(rig.port) as tap:
        async with yadnp3_master(tap.port) as peer:
            await peer.enable_unsolicited()
            for n in range(50):
                rig.put(f"ai.{n}", n + 0.5, TIME_MS + n)
                rig.put("bi.1", n % 2, TIME_MS + n)
                rig.put("dbi.1", n % 4, TIME_MS + n)
                rig.put("ctr.1", n, TIME_MS + n)
            await eventually(lambda: rig.outstation.masters()[0].events == (0, 0, 0))
            await peer.integrity()
            assert await peer.operate("AO", 1, 2.5, select=True) == 0
            assert await peer.operate("BO", 9, 1, select=False) == 4
            await peer.cold_restart()
        async with py1815_master(tap.port) as other:
            await other.outstation.freeze(clear=True)
            await other.outstation.synchronize_time("lan")
            await other.outstation.synchronize_time("non_lan")
            await other.integrity()
    return await dissected(tap, folder)


async def test_wireshark_finds_nothing_wrong_with_our_outstation(tmp_path: Path) -> None:
    seen = await outstation_seen(tmp_path)
    assert len(seen.packets) > 30
    seen.assert_sound()
    assert seen.remarks() == {"IIN Abnormality"}  # of the output that is not there
    reports = seen.told("Unsolicited Response")
    analogs = [line for line in reports if line.startswith("32-Bit Floating Point Change Event")]
    assert "(Obj:32, Var:07)" in analogs[0]
    for n in (0, 7, 49):
        stamp = f"Timestamp: {SECOND}.{123 + n}000000"
        assert f"Point Number {n} (Quality: Online), Value: {n + 0.5:g}, {stamp}" in reports
    assert f"Point Number 1 (Quality: Online), Value: 1, Timestamp: {SECOND}.124000000" in reports
    answered = seen.told("Response")
    assert "Point Number 1, Value: 2.5 [Status: Req. Accepted/Init/Queued (0x00)]" in answered


@pytest.mark.parametrize(
    "start", [dnp3py_outstation, py1815_outstation, yadnp3_outstation],
    ids=["dnp3py", "py1815", "yadnp3"],
)  # fmt: skip
async def test_wireshark_finds_nothing_wrong_with_our_master(tmp_path: Path, start) -> None:
    settings = {"scans": ((0.05, (1, 2, 3)),), "time_sync": "non-lan"}
    async with start(1000) as peer, Tap(peer.port) as tap:
        async with running(tcp(tap.port), [device(1000, 0, OUTPUTS, **settings)]) as rig:
            await until(lambda: rig.state().integrity_polls > 0)
            peer.set_analog(7, 12.0, TIME_MS)
            peer.set_analog(700, -3.0, TIME_MS + 1)
            await until(lambda: rig.state().events >= 2)
            for point, value in (("relay", 1), ("direct", 0), ("setpoint", 2.5), ("count", -7)):
                result = await rig.operate(f"d.{point}", value)
                assert result.status is CommandStatus.SUCCESS, point
            assert rig.state().timeouts == rig.state().stale == 0
        seen = await dissected(tap, tmp_path)
    if start is yadnp3_outstation:
        seen = seen.masters_own()
    assert len(seen.packets) > 15
    seen.assert_sound()
    assert seen.remarks() == set()
    accepted = "[Status: Req. Accepted/Init/Queued (0x00)]"
    relay = ["Control Relay Output Block (Obj:12, Var:01) (0x0c01), 1 point"]
    setpoint = ["32-Bit Floating Point Output Block (Obj:41, Var:03) (0x2903), 1 point"]
    relay.append("Point Number 1 [Pulse On] [Close]")
    setpoint.append(f"Point Number 3, Value: 2.5 {accepted}")
    assert seen.told("Select") == seen.told("Operate") == relay + setpoint
    assert seen.told("Direct Operate") == [
        "Control Relay Output Block (Obj:12, Var:01) (0x0c01), 1 point",
        "Point Number 2 [Latch Off] [NUL]",
        "32-Bit Analog Output Block (Obj:41, Var:01) (0x2901), 1 point",
        f"Point Number 4, Value: -7 {accepted}",
    ]
    assert seen.told("Write")[0].startswith("Internal Indications (Obj:80, Var:01)")
