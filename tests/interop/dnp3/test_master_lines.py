"""Several outstations behind one connection: TCP and a serial line (a pseudo-terminal pair)."""

from __future__ import annotations

import pytest

from gateway.links.dnp3.config import ChannelConfig
from gateway.links.dnp3.master import OutputPoint
from gateway.model.command import CommandMode, CommandStatus
from tests.interop.dnp3.lines import serial_line, tcp_line
from tests.interop.dnp3.master_rig import BO, device, running, tcp, until
from tests.interop.dnp3.peers_outstation import Py1815Peer

pytestmark = pytest.mark.interop

COUNT = 4
POLLED = {"unsolicited": (), "scans": ((0.05, (1, 2, 3)),)}


def drops(*addresses, outputs=(), **settings):
    parts = []
    for at, address in enumerate(addresses):
        name = f"d{address}"
        parts.append(
            device(
                COUNT, at * 5 * COUNT, outputs if at == 0 else (),
                name=name, address=address, **{**POLLED, **settings},
            )
        )  # fmt: skip
    return parts


def peers(*addresses, unsolicited=False):
    return [Py1815Peer(COUNT, address, unsolicited=unsolicited) for address in addresses]


def serial(line):
    return ChannelConfig(
        name="c", transport="serial", serial_port=line.path, baudrate=115200, reconnect_min_s=0.05
    )


@pytest.mark.parametrize("kind", ["tcp", "serial"])
async def test_two_outstations_share_a_connection(kind):
    both = peers(10, 11)
    both[1].points.analogs[0] = 99.0
    lined = tcp_line if kind == "tcp" else serial_line
    outputs = (OutputPoint("d10.go", BO, 1, mode=CommandMode.SELECT_BEFORE_OPERATE),)
    async with lined(both) as line:
        channel = tcp(line.port) if kind == "tcp" else serial(line)
        async with running(channel, drops(10, 11, outputs=outputs)) as rig:
            await until(lambda: all(s.integrity_polls for s in rig.master.states.values()))
            assert (rig.value("d10.AI0"), rig.value("d11.AI0")) == (0.0, 99.0)
            both[0].set_analog(1, 12.0, 1_700_000_000_000)
            both[1].set_binary(0, True, 1_700_000_000_001)
            await until(lambda: rig.value("d10.AI1") == 12.0 and rig.value("d11.BI0") == 1.0)
            assert (await rig.operate("d10.go", 1.0)).status is CommandStatus.SUCCESS
            assert both[0].controls == [("select", 1, 3.0), ("operate", 1, 3.0)]
            assert not both[1].controls
            for state in rig.master.states.values():
                assert (state.timeouts, state.stale, state.malformed) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["tcp", "serial"])
async def test_a_silent_outstation_is_lost_alone_and_comes_back(kind):
    both = peers(10, 11)
    lined = tcp_line if kind == "tcp" else serial_line
    settings = {"timeout_s": 0.1, "timeouts_to_lost": 2, "retry_min_s": 0.1, "retry_max_s": 0.2}
    async with lined(both) as line:
        channel = tcp(line.port) if kind == "tcp" else serial(line)
        async with running(channel, drops(10, 11, **settings)) as rig:
            await until(lambda: rig.good("d10.AI0") and rig.good("d11.AI0"))
            line.deaf.add(11)
            await until(lambda: not rig.good("d11.AI0"))
            assert rig.state("d11").losses == 1
            polled = rig.state("d10").fragments
            await until(lambda: rig.state("d10").fragments > polled + 3)
            assert rig.good("d10.AI0")
            assert rig.state("d10").losses == 0
            both[1].set_analog(0, 5.0, 1_700_000_000_000)
            line.deaf.clear()
            await until(lambda: rig.good("d11.AI0"))
            assert rig.value("d11.AI0") == 5.0
            assert rig.master.channel_states["c"].losses == 0


async def test_on_a_serial_line_nobody_speaks_out_of_turn():
    three = peers(10, 11, 12)
    async with serial_line(three) as line:
        async with running(serial(line), drops(10, 11, 12)) as rig:
            await until(lambda: all(s.fragments > 20 for s in rig.master.states.values()))
        # 0x0564 begins a frame: a chunk heard holds at most a confirmation and one request
        assert max(octets.count(b"\x05\x64") for octets in line.requests) <= 2


async def test_noise_on_a_serial_line_costs_no_more_than_a_request():
    one = peers(10)
    settings = {"timeout_s": 0.2, "timeouts_to_lost": 5}
    async with (
        serial_line(one) as line,
        running(serial(line), drops(10, **settings)) as rig,
    ):
        await until(lambda: rig.good("d10.AI0"))
        hear, noise = line.hear, [b"\x05\x64\xff\xc4noise", b"\x00" * 40]
        line.hear = lambda octets: (noise.pop() if noise else b"") + hear(octets)  # type: ignore[method-assign]
        before = rig.state("d10").fragments
        await until(lambda: not noise and rig.state("d10").fragments > before + 5)
        assert rig.state("d10").losses == 0
        assert rig.good("d10.AI0")


async def test_a_port_that_is_gone_is_opened_again_and_its_points_are_lost_meanwhile(tmp_path):
    link = tmp_path / "tty"
    one = peers(10)
    settings = {"timeout_s": 0.3}
    async with serial_line(one) as line:
        link.symlink_to(line.path)
        channel = serial(line).model_copy(update={"serial_port": str(link)})
        async with running(channel, drops(10, **settings)) as rig:
            await until(lambda: rig.good("d10.AI0"))
            async with serial_line(one) as second:
                link.unlink()
                link.symlink_to(second.path)
                rig.master._channels["c"]._wire.close()  # as if the adapter were pulled
                rig.master._channels["c"].lost("pulled")
                assert not rig.good("d10.AI0")
                await until(lambda: rig.good("d10.AI0"))
