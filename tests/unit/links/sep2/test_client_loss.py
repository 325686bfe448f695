"""Silence of the server, responses that do not get through, notifications of strangers."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from gateway.links.sep2 import tls
from gateway.links.sep2.client import Effective, ModeOutcome, Outcome, Taken
from gateway.links.sep2.client_config import (
    ClientLimits,
    NotificationListenerConfig,
    Sep2ClientConfig,
)
from gateway.links.sep2.codec import MEDIA_TYPE, decode, encode
from gateway.links.sep2.northbound.follower import Follower
from gateway.links.sep2.northbound.memory import Memory
from gateway.links.sep2.northbound.notifications import NotificationListener
from gateway.links.sep2.northbound.outbox import Outbox
from gateway.links.sep2.northbound.peer import ServerIdentity
from gateway.links.sep2.northbound.statistics import ClientStatistics, EndDeviceState
from gateway.links.sep2.resources import (
    DefaultDERControl,
    DERControlBase,
    DERControlList,
    DERControlResponse,
    Notification,
)
from tests.unit.links.sep2.certificates import authority, device_certificate
from tests.unit.links.sep2.client_rig import Site, client_settings, following, until
from tests.unit.links.sep2.hostile_server import hostile
from tests.unit.links.sep2.server_rig import HOST, Peer, new_peer
from tests.unit.links.sep2.test_client_rules import LIMIT, control, program

LFDI = "AB" * 20


class Rig:
    """A follower in virtual time."""

    def __init__(self, folder: Path, **more: object) -> None:
        self.config = Sep2ClientConfig(
            url="https://utility.example/dcap",
            certificate=folder,
            key=folder,
            ca=folder,
            state=folder / "state",
            comm_loss_s=100,
            **{"devices": ({"lfdi": LFDI},), **more},  # type: ignore[arg-type]
        )
        self.states = {LFDI: EndDeviceState(LFDI)}
        self.memory = Memory(self.config.state, random.Random(1))
        limits, statistics = self.config.limits, ClientStatistics()
        self.outbox = Outbox(limits.responses, self.memory.posted, self.states, statistics)
        self.limits: list[int | None] = []
        self.follower = Follower(self.config, self.memory, self.outbox, self.apply, self.states)

    async def apply(self, lfdi: str, effective: Effective) -> Outcome:
        setting = effective.modes.get(LIMIT)
        self.limits.append(None if setting is None else setting.value)
        return Outcome(dict.fromkeys(effective.modes, ModeOutcome(Taken.TAKEN)))

    def codes(self) -> list[int]:
        return [noted.code for noted in self.memory.waiting()]


def schedule() -> dict[str, object]:
    default = DefaultDERControl(mrid=1, der_control_base=DERControlBase(op_mod_max_lim_w=9000))
    return {"/derp/1": program(1, 1, control(7, 50, 200), control(8, 400, 50), default=default)}


@pytest.mark.parametrize("run_known_events", [True, False])
async def test_silence_ends_in_the_default_control(tmp_path: Path, run_known_events: bool) -> None:
    rig = Rig(tmp_path, run_known_events=run_known_events)
    try:
        rig.follower.take(schedule(), {LFDI: frozenset({"/derp/1"})}, 0)  # type: ignore[arg-type]
        for now in range(0, 500, 10):
            await rig.follower.step(now, float(now))  # not a word since 0
    finally:
        rig.memory.close()
    if run_known_events:  # each to its end, as CSIP has it
        assert rig.limits == [9000, 5000, 9000, 5000, 9000]
        assert rig.codes() == [1, 1, 2, 3, 2, 3]
    else:  # dropped when the silence has lasted long enough, and that is told
        assert rig.limits == [9000, 5000, 9000]
        assert rig.codes() == [1, 1, 2, 4, 4]


async def test_contact_again_takes_the_event_up_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path, run_known_events=False)
    try:
        rig.follower.take(schedule(), {LFDI: frozenset({"/derp/1"})}, 0)  # type: ignore[arg-type]
        for now, silent_s in ((60, 0.0), (170, 110.0), (180, 0.0), (260, 0.0)):
            await rig.follower.step(now, silent_s)
        assert rig.limits == [5000, 9000, 5000, 9000]
        assert rig.codes() == [1, 2, 1, 4, 5, 3]
    finally:
        rig.memory.close()


async def test_opting_in_and_out_without_end_is_cut(tmp_path: Path) -> None:
    rig = Rig(tmp_path, limits=ClientLimits(responses_per_event=8))
    try:
        rig.follower.take(schedule(), {LFDI: frozenset({"/derp/1"})}, 0)  # type: ignore[arg-type]
        for now in range(60, 160):
            await rig.follower.step(now, 0.0)
            taken = Taken.TAKEN if now % 2 else Taken.REFUSED
            rig.follower.report(LFDI, Outcome({LIMIT: ModeOutcome(taken)}))
        assert len(rig.memory.told(LFDI, 7)) == 8
        assert rig.states[LFDI].dropped > 0
        await rig.follower.step(250, 0.0)
    finally:
        rig.memory.close()


async def test_a_response_is_sent_until_it_is_taken_and_then_no_more(tmp_path: Path) -> None:
    peer, site, got = new_peer(), Site(), []
    answers = iter([500, 503, 201, 500, 201])

    async def take(request: web.BaseRequest) -> web.Response:
        response = decode(await request.read(), DERControlResponse)
        status = next(answers, 201)
        got.append((response.status, response.created_date_time, status))
        return web.Response(status=status)

    async with hostile(tmp_path, peer.lfdi) as server:
        server.documents.pop("/tm")  # events are in our own time then
        running = control(7, int(time.time()) - 5, 600)
        server.documents["/derp/1/derc"] = DERControlList(all=1, results=1, items=(running,))
        server.attacks["/rsp"] = take
        ours = client_settings(tmp_path, server.url, peer, [peer.lfdi])
        async with following(ours, site) as client:
            await until(lambda: len(got) == 5)
            await until(lambda: not client.states[peer.lfdi].waiting)
            assert [(code, status) for code, _, status in got] == [
                (1, 500),
                (1, 503),
                (1, 201),
                (2, 500),
                (2, 201),
            ]
            assert len({at for code, at, _ in got if code == 1}) == 1
            before = server.asked["/dcap"]
            await until(lambda: server.asked["/dcap"] > before)
            assert len(got) == 5


async def test_a_response_that_is_refused_for_good_holds_up_no_other(tmp_path: Path) -> None:
    peer, got = new_peer(), []

    async def take(request: web.BaseRequest) -> web.Response:
        response = decode(await request.read(), DERControlResponse)
        got.append(response.subject)
        return web.Response(status=403 if response.subject == 7 else 201)

    async with hostile(tmp_path, peer.lfdi) as server:
        server.documents.pop("/tm")
        now = int(time.time())
        elsewhere = control(9, now + 300, 600, reply_to="https://198.51.100.7/rsp")
        items = (control(7, now + 100, 10), elsewhere, control(8, now + 200, 10))
        server.documents["/derp/1/derc"] = DERControlList(all=3, results=3, items=items)
        server.attacks["/rsp"] = take
        ours = client_settings(tmp_path, server.url, peer, [peer.lfdi])
        async with following(ours, Site()) as client:
            await until(lambda: client.states[peer.lfdi].responses.total() == 1)
            assert got == [7, 7, 7, 8]
            assert client.statistics.dropped["Response"] == 2
            assert client.statistics.refused["foreign-href"] == 1


async def test_only_the_servers_own_certificate_may_notify(tmp_path: Path) -> None:
    server, stranger, us = new_peer(), new_peer(), Peer(device_certificate())
    certificate, key = us.made.write(tmp_path, "us")
    (tmp_path / "ca.pem").write_bytes(authority().pem)
    identity = ServerIdentity(server.lfdi, check_rules=True)
    taken: list[Notification] = []
    statistics = ClientStatistics()

    def notified(notification: Notification) -> bool:
        taken.append(notification)
        return notification.subscribed_resource == "/derp/1/derc"

    listener = NotificationListener(
        NotificationListenerConfig(),
        65_536,
        tls.server_context(certificate, key, tmp_path / "ca.pem"),
        identity,
        notified,
        statistics,
    )
    running = asyncio.ensure_future(listener.run())

    async def post(peer: Peer, body: bytes, method: str = "POST") -> int:
        files = peer.made.write(tmp_path, "peer")
        context = tls.client_context(*files, tmp_path / "ca.pem", check_hostname=False)
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(
                method, listener.uri, data=body, headers={"Content-Type": MEDIA_TYPE}
            ) as answer,
        ):
            return answer.status

    def about(path: str) -> bytes:
        return encode(
            Notification(subscribed_resource=path, status=0, subscription_uri="/edev/1/sub/1")
        )

    try:
        assert listener.uri.startswith(f"https://{HOST}:")
        assert await post(stranger, about("/derp/1/derc")) == 403
        assert taken == []
        assert await post(server, b"<nonsense/>") == 400
        assert await post(server, b" " * 70_000) == 413
        assert await post(server, b"", "GET") == 405
        assert await post(server, about("/elsewhere")) == 404
        assert await post(server, about("/derp/1/derc")) == 204
        assert statistics.notifications == 1
        assert statistics.refused["notification-stranger"] == 1
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_program_taken_from_one_device_of_two_ends_for_that_one_alone(
    tmp_path: Path,
) -> None:
    other = "CD" * 20
    rig = Rig(tmp_path, devices=({"lfdi": LFDI}, {"lfdi": other}))
    rig.states[other] = EndDeviceState(other)
    now_limits: dict[str, int | None] = {}

    async def apply(lfdi: str, effective: Effective) -> Outcome:
        now_limits[lfdi] = effective.base.op_mod_max_lim_w
        return Outcome(dict.fromkeys(effective.modes, ModeOutcome(Taken.TAKEN)))

    rig.follower = Follower(rig.config, rig.memory, rig.outbox, apply, rig.states)
    both = dict.fromkeys((LFDI, other), frozenset({"/derp/1"}))
    try:
        rig.follower.take(schedule(), both, 0)  # type: ignore[arg-type]
        await rig.follower.step(60, 0.0)
        assert now_limits == {LFDI: 5000, other: 5000}
        rig.follower.take(schedule(), {**both, LFDI: frozenset()}, 70)  # type: ignore[arg-type]
        await rig.follower.step(70, 0.0)
        assert now_limits == {LFDI: None, other: 5000}
        assert rig.memory.told(LFDI, 7) == [1, 2, 6]
        assert rig.memory.told(other, 7) == [1, 2]
        await rig.follower.step(250, 0.0)
        assert rig.memory.told(other, 7) == [1, 2, 3]
    finally:
        rig.memory.close()
