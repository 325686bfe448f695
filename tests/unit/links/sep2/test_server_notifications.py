"""Subscriptions and what becomes of them: in time, bounded, retried, and never at a third party."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.links.sep2.codec import decode
from gateway.links.sep2.config import ClientConfig
from gateway.links.sep2.resources import Condition, DERStatus, Notification, Subscription
from gateway.links.sep2.server import ProgramSetup
from tests.unit.links.sep2.server_rig import CURTAIL, HOST, Peer, new_peer, serving, settings


class Ear:
    """Where notifications go: keeps them with their time, and answers as it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, Notification]] = []
        self.status = 201
        self.tries = 0
        self.uri = ""

    async def hear(self, request: web.BaseRequest) -> web.Response:
        self.tries += 1
        body = await request.read()
        assert request.headers["Content-Type"] == "application/sep+xml"
        if self.status == 201:
            self.heard.append((time.perf_counter(), decode(body, Notification)))
        return web.Response(status=self.status, headers={"Location": "http://127.0.0.1:1/"})


@asynccontextmanager
async def listening() -> AsyncIterator[Ear]:
    ear = Ear()
    http = web.Server(ear.hear)
    server = await asyncio.get_running_loop().create_server(http, HOST, 0)
    ear.uri = f"http://{HOST}:{server.sockets[0].getsockname()[1]}/n"
    try:
        yield ear
    finally:
        server.close()
        await http.shutdown(1.0)


def wish(ear_uri: str, resource: str = "/derp/1/derc", **more: object) -> Subscription:
    parts: dict = {
        "subscribed_resource": resource,
        "encoding": 0,
        "level": "+S1",
        "limit": 1,
        "notification_uri": ear_uri,
    }
    return Subscription(**(parts | more))


async def until(true, limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.005)


def listed(*peers: Peer) -> list[ClientConfig]:
    return [ClientConfig(lfdi=peer.lfdi) for peer in peers]


async def test_a_change_is_told_within_100_ms_and_to_the_limit(tmp_path):
    peer = new_peer()
    async with serving(settings(tmp_path, listed(peer))) as rig, listening() as ear:
        rig.connect(peer)
        place = await peer.post("/edev/1/sub", wish(ear.uri, limit=2))
        for count in (1, 2, 3):
            begun = time.perf_counter()
            await rig.server.add_control(1, CURTAIL, int(time.time()) + 3600 * count, 60)
            await until(lambda count=count: len(ear.heard) == count)
            assert ear.heard[-1][0] - begun < 0.1
        last = ear.heard[-1][1]
        assert (last.status, last.subscription_uri) == (0, place)
        assert (last.subscribed_resource, last.resource.href) == ("/derp/1/derc", "/derp/1/derc")
        assert (last.resource.all, last.resource.results, len(last.resource.items)) == (3, 2, 2)


async def test_a_status_that_changes_by_itself_is_told_when_it_does(tmp_path):
    peer = new_peer()
    async with serving(settings(tmp_path, listed(peer))) as rig, listening() as ear:
        rig.connect(peer)
        start = int(time.time()) + 2
        await rig.server.add_control(1, CURTAIL, start, 60)
        await peer.post("/edev/1/sub", wish(ear.uri))
        await until(lambda: ear.heard)
        assert start <= time.time() < start + 0.15
        (control,) = ear.heard[0][1].resource.items
        assert control.event_status.current_status == 1


async def test_only_who_may_read_is_told(tmp_path):
    inside, outside = new_peer(), new_peer()
    program = ProgramSetup(number=1, mrid=1, primacy=1, devices=frozenset({inside.lfdi}))
    config = settings(tmp_path, listed(inside, outside))
    async with serving(config, [program]) as rig, listening() as ear:
        rig.connect(inside), rig.connect(outside)
        path = (await outside.get("/edev")).items[0].href
        assert (await outside.ask("POST", f"{path}/sub", wish(ear.uri)))[0] == 400
        mine = (await inside.get("/edev")).items[0].href
        status = f"{mine}/der/1/derst"
        assert (await inside.ask("PUT", status, DERStatus(reading_time=1)))[0] == 204
        assert (await outside.ask("POST", f"{path}/sub", wish(ear.uri, status)))[0] == 400
        await inside.post(f"{mine}/sub", wish(ear.uri, status))
        assert (await inside.ask("PUT", status, DERStatus(reading_time=2)))[0] == 204
        await until(lambda: ear.heard)
        assert ear.heard[0][1].resource.reading_time == 2


ELSEWHERE = (
    "http://127.0.0.2:80/n",
    "http://example.invalid/n",
    "http://localhost:80/n",
    "http://169.254.169.254/latest",
    "ftp://127.0.0.1/n",
    "http://127.0.0.1@10.0.0.1/n",
    "http://127.0.0.1:99999/n",
    "file:///etc/passwd",
    "//127.0.0.1/n",
)


async def test_no_client_points_us_at_someone_else(tmp_path):
    peer = new_peer()
    async with serving(settings(tmp_path, listed(peer))) as rig:
        rig.connect(peer)
        for uri in ELSEWHERE:
            assert (await peer.ask("POST", "/edev/1/sub", wish(uri)))[0] == 400, uri
        assert (await peer.get("/edev/1/sub")).all == 0
    hosts = {"hosts": frozenset({"localhost"})}
    async with serving(settings(tmp_path, listed(peer), notification=hosts)) as rig:
        rig.connect(peer)
        assert await peer.post("/edev/1/sub", wish("http://localhost:80/n"))


@pytest.mark.parametrize("status", [500, 302])
async def test_failures_are_retried_redirects_not_followed(tmp_path, status):
    peer = new_peer()
    quick = {"retry_min_s": 0.02, "retry_max_s": 0.04, "queue": 2}
    config = settings(tmp_path, listed(peer), notification=quick)
    async with serving(config) as rig, listening() as ear:
        rig.connect(peer)
        await peer.post("/edev/1/sub", wish(ear.uri, limit=255))
        ear.status = status
        for at in range(5):
            await rig.server.add_control(1, CURTAIL, int(time.time()) + 3600 * (at + 1), 60)
        await until(lambda: ear.tries >= 4)
        assert rig.server.statistics.dropped["Notification"] == 3  # the queue holds two
        ear.status = 201
        await until(lambda: len(ear.heard) == 2)
        assert [n.resource.all for _, n in ear.heard] == [4, 5]


async def test_a_subscriber_that_is_dead_too_long_is_forgotten(tmp_path):
    peer = new_peer()
    quick = {"retry_min_s": 0.02, "retry_max_s": 0.02, "dead_after_s": 0.1}
    config = settings(tmp_path, listed(peer), notification=quick)
    async with serving(config) as rig:
        rig.connect(peer)
        place = await peer.post("/edev/1/sub", wish(f"http://{HOST}:1/n"))
        await rig.server.add_control(1, CURTAIL, int(time.time()) + 3600, 60)
        await until(lambda: rig.server.statistics.dropped["Subscription"] == 1)
        assert (await peer.ask("GET", place))[0] == 404
    async with serving(config) as rig:  # on disk, too
        rig.connect(peer)
        assert (await peer.get("/edev/1/sub")).all == 0


async def test_subscriptions_are_kept_capped_and_ended_by_delete(tmp_path):
    peer = new_peer()
    config = settings(tmp_path, listed(peer), storage={"subscriptions": 2})
    async with serving(config) as rig, listening() as ear:
        rig.connect(peer)
        first = await peer.post("/edev/1/sub", wish(ear.uri))
        assert await peer.post("/edev/1/sub", wish(ear.uri, limit=9)) == first  # in its place
        assert (await peer.get(first)).limit == 9
        second = await peer.post("/edev/1/sub", wish(ear.uri, "/edev"))
        over = await peer.ask("POST", "/edev/1/sub", wish(ear.uri, "/derp"))
        assert over[0] == 400
        assert b"<reasonCode>2<" in over[1]
        odd = wish(
            ear.uri,
            condition=Condition(attribute_identifier=0, lower_threshold=0, upper_threshold=1),
        )
        refused = await peer.ask("POST", "/edev/1/sub", odd)
        assert (refused[0], b"<reasonCode>3<" in refused[1]) == (400, True)
        assert (await peer.ask("DELETE", second))[0] == 204
    async with serving(config) as rig, listening() as ear:
        rig.connect(peer)
        assert [s.href for s in (await peer.get("/edev/1/sub?l=9")).items] == [first]
