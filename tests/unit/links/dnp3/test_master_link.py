"""The link layer of the master, the facade's refusals, and connections that misbehave."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.links.dnp3 import frames
from gateway.links.dnp3.config import AssociationConfig, ChannelConfig
from gateway.links.dnp3.frame_reader import Frame, FrameReader
from gateway.links.dnp3.master import Dnp3Device, Dnp3Master, OutputPoint, PolledPoint
from gateway.links.dnp3.objects import PointType
from gateway.links.dnp3.southbound.exchange import Now
from gateway.links.dnp3.southbound.master_link import MasterLink
from gateway.model.command import Command, CommandStatus, Priority
from gateway.model.point import PointKind, PointSpec
from gateway.points.store import PointStore
from gateway.site.clock import SystemClock
from tests.unit.links.dnp3.master_desk import AI, BO, analogs, binary_event, desk

T0 = 1_700_000_000_000


def only(octets: bytes) -> Frame:
    (frame,) = FrameReader().feed(octets)
    return frame


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        (frames.REQUEST_STATUS, frames.LINK_STATUS),
        (frames.RESET_LINK, frames.ACK),
        (frames.TEST_LINK, frames.ACK),
    ],
)
def test_an_outstations_own_questions_are_answered(clock, function, answer):
    link = MasterLink(desk(clock).association, 1)
    asked = only(frames.link_frame(function, 1, 10, from_master=False, primary=True))
    said = only(link.receive(asked, Now(0.0, 0)))
    assert (said.function, said.is_primary, said.from_master) == (answer, False, True)
    assert (said.destination, said.source) == (10, 1)


def test_confirmed_user_data_is_acknowledged_and_a_repeat_taken_once(clock):
    d = desk(clock)
    d.start()
    link = MasterLink(d.association, 1)
    link.receive(only(frames.link_frame(0, 1, 10, from_master=False, primary=True)), d.now)
    payload = b"\xc0" + b"\xf5\x82\x00\x00" + binary_event(0, 1, T0)
    for repeat in range(2):
        # PRM, FCB, FCV, confirmed user data from an outstation
        said = link.receive(Frame(0x73, 1, 10, payload), d.now)
        read = FrameReader().feed(said)
        assert read[0].function == frames.ACK
        assert len(read) == 2 - repeat
    assert d.state.unsolicited == 1


def test_a_silent_link_is_asked_and_a_status_is_an_answer(clock):
    d = desk(clock, keepalive_s=10.0, integrity_s=0)
    link = MasterLink(d.association, 1)
    d.start()
    clock.advance(10.0)
    asked = only(link.poll(d.now))
    assert (asked.function, asked.is_primary) == (frames.REQUEST_STATUS, True)
    assert link.poll(d.now) == b""
    link.receive(only(frames.link_frame(11, 1, 10, from_master=False, primary=False)), d.now)
    assert not d.association.is_busy
    assert d.state.timeouts == 0


# ------------------------------------------------------------------ the facade


def made(devices=(), channels=None, clock=None):
    store = PointStore([PointSpec(f"p{at}", PointKind.AI) for at in range(9)], SystemClock())
    channels = [ChannelConfig(name="c", host="127.0.0.1")] if channels is None else channels
    return Dnp3Master(channels, devices, store, clock or SystemClock(), random.Random(1))


def one(name="d", address=10, channel="c", points=(), outputs=()):
    return Dnp3Device(
        AssociationConfig(name=name, channel=channel, address=address), points, outputs
    )


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ([one(channel="x")], "no channel"),
        ([one(), one(address=11)], "called 'd'"),
        ([one(), one("e")], "share an address"),
        ([one(address=1)], "share an address"),
        ([one(points=(PolledPoint(0, AI, 1), PolledPoint(1, AI, 1)))], "d: two points share"),
        ([one(points=(PolledPoint(0, PointType.OCTET_STRING, 1),))], "octet strings"),
        ([one(outputs=(OutputPoint("o", AI, 1),))], "is no output"),
        ([one(outputs=(OutputPoint("o", BO, 70_000),))], "index"),
        ([one(outputs=(OutputPoint("o", PointType.ANALOG_OUTPUT, 1, variation=5),))], "variation"),
        ([one(outputs=(OutputPoint("o", BO, 1, count=0),))], "count"),
        ([one(outputs=(OutputPoint("o", BO, 1, scale=0.0),))], "scale"),
        ([one(outputs=(OutputPoint("o", BO, 1), OutputPoint("o", BO, 2)))], "two outputs"),
    ],
)
def test_what_cannot_work_is_refused_at_once(devices, message):
    with pytest.raises(ValueError, match=message):
        made(devices)


@pytest.mark.parametrize(
    "settings",
    [
        {"transport": "serial"},
        {"transport": "tls", "host": "h"},
        {"host": ""},
        {"host": "h", "reconnect_min_s": 9.0, "reconnect_max_s": 1.0},
        {"host": "h", "master_address": 65_520},
        {"host": "h", "speed": 1},
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings):
    with pytest.raises(ValueError, match=r"."):
        ChannelConfig.model_validate({"name": "c", **settings})


async def test_a_command_without_a_connection_or_an_output_ends_at_once():
    master = made([one(outputs=(OutputPoint("d.o", BO, 1),))])
    assert master.commandable == ("d.o",)
    for point, value, status in (
        ("d.o", 1.0, CommandStatus.DOWNSTREAM_FAIL),
        ("d.o", 0.5, CommandStatus.OUT_OF_RANGE),
        ("d.x", 1.0, CommandStatus.NOT_SUPPORTED),
    ):
        result = await master.operate(Command(point, value, "t", Priority.OPERATOR))
        assert (result.status, result.value_sent) == (status, None)


# ------------------------------------------------------------------ connections


async def until(condition, within_s=5.0):
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


class Served:
    """A TCP peer that does what a test says with each chunk it hears."""

    def __init__(self, answer):
        self.answer = answer
        self.connections = 0

    async def __call__(self, reader, writer):
        self.connections += 1
        while octets := await reader.read(4096):
            said = self.answer(octets)
            if said is None:
                break
            writer.write(said)
        writer.close()


async def against(answer, check, **settings):
    served = Served(answer)
    server = await asyncio.start_server(served, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    channel = ChannelConfig(
        name="c", host="127.0.0.1", port=port, reconnect_min_s=0.02, reconnect_max_s=0.05
    )
    config = AssociationConfig(
        name="d", channel="c", address=10, **{"timeout_s": 0.1, "timeouts_to_lost": 2, **settings}
    )
    master = made([Dnp3Device(config, (PolledPoint(0, AI, 0),))], [channel])
    running = asyncio.create_task(master.run())
    try:
        await check(master, served)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()


async def test_a_peer_that_says_nothing_is_left_and_tried_again():
    async def check(master, served):
        await until(lambda: served.connections >= 3)
        assert master.channel_states["c"].last_error == "no outstation answers"
        assert not master.states["d"].connected

    await against(lambda _: b"", check)


async def test_a_peer_that_hangs_up_is_tried_again():
    async def check(master, served):
        await until(lambda: served.connections >= 3)
        assert master.channel_states["c"].losses >= 2
        assert master.states["d"].losses == 0  # it never answered

    await against(lambda _: None, check)


async def test_strangers_and_echoes_are_counted_and_not_heard():
    stranger, _ = frames.user_data(
        b"\xc0\x81\x00\x00" + analogs(66), 1, 99, from_master=False, first_sequence=0
    )
    elsewhere, _ = frames.user_data(
        b"\xc0\x81\x00\x00" + analogs(66), 2, 10, from_master=False, first_sequence=0
    )

    async def check(master, served):
        await until(lambda: master.channel_states["c"].strange_frames >= 3)
        assert master.states["d"].fragments == 0

    await against(lambda octets: stranger + elsewhere + octets, check)


async def test_noise_is_counted():
    async def check(master, served):
        await until(lambda: served.connections >= 2)
        assert master.channel_states["c"].unframed > 100

    await against(lambda _: b"HTTP/1.1 400 Bad Request\r\n" * 20, check)
