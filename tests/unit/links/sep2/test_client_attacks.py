"""A server that attacks: what it can take of us is bounded, counted, and over when it stops."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.links.sep2.client_config import ClientLimits
from gateway.links.sep2.codec import MEDIA_TYPE, encode
from gateway.links.sep2.resources import (
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERControlList,
    DERProgramList,
    DeviceCapability,
    EndDeviceList,
    EventStatus,
    Link,
    ListLink,
)
from tests.unit.links.sep2.certificates import Rules, device_certificate
from tests.unit.links.sep2.client_rig import Site, client_settings, following, until
from tests.unit.links.sep2.hostile_server import LIMIT, Handler, Hostile, hostile
from tests.unit.links.sep2.server_rig import HOST, Peer, new_peer

LIMITS = ClientLimits(
    connect_timeout_s=2,
    request_timeout_s=0.3,
    max_body_bytes=65_536,
    page=50,
    list_entries=100,
    controls=100,
    end_devices=200,
)


def fast(folder: Path, server: Hostile, peer: Peer, **more: Any) -> Any:
    return client_settings(folder, server.url, peer, [peer.lfdi], limits=LIMITS, **more)


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(
            status=status,
            body=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            content_type=MEDIA_TYPE,
        )

    return handle


def control(mrid: int) -> DERControl:
    return DERControl(
        mrid=mrid,
        creation_time=0,
        event_status=EventStatus(current_status=0, date_time=0, potentially_superseded=False),
        interval=DateTimeInterval(duration=60, start=1_800_000_000),
        der_control_base=DERControlBase(op_mod_max_lim_w=1),
    )


async def endless(request: web.BaseRequest) -> web.StreamResponse:
    """A list that always has another page."""
    start, length = int(request.query["s"]), int(request.query["l"])
    items = tuple(control(start + number + 1) for number in range(length))
    listed = DERControlList(all=4_000_000_000, results=length, items=items)
    return web.Response(body=encode(listed), content_type=MEDIA_TYPE)


async def stubborn(request: web.BaseRequest) -> web.StreamResponse:
    """A list that gives its first page whatever is asked for."""
    items = tuple(control(number + 1) for number in range(3))
    listed = DERControlList(all=50, results=3, items=items)
    return web.Response(body=encode(listed), content_type=MEDIA_TYPE)


async def trickle(request: web.BaseRequest) -> web.StreamResponse:
    """A body that never ends."""
    response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE})
    await response.prepare(request)
    for _ in range(100):
        await response.write(b" ")
        await asyncio.sleep(0.05)
    return response


async def flood(request: web.BaseRequest) -> web.StreamResponse:
    """A body without a length, larger than what is taken."""
    response = web.StreamResponse(headers={"Content-Type": MEDIA_TYPE})
    await response.prepare(request)
    for _ in range(64):
        await response.write(b" " * 16_384)
    return response


async def circle(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": request.path})


XXE = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Time>&b;</Time>'
PATHS = ("/edev", "/edev/1/fsa", "/derp", "/derp/1/derc", "/derp/1/dderc", "/tm")
ATTACKS: dict[str, tuple[Handler, str]] = {
    "wrong-type": (answer(body=encode(DeviceCapability())), "malformed"),
    "no-xml": (answer(body=b"<html>502</html>"), "malformed"),
    "xxe": (answer(body=XXE), "malformed"),
    "deep": (answer(body=b"<a>" * 5000 + b"</a>" * 5000), "malformed"),
    "server-error": (answer(500), "status-500"),
    "trickle": (trickle, "slow"),
    "flood": (flood, "too-large"),
    "compressed": (answer(body=b"x", Content_Encoding="gzip"), "encoding"),
    "redirect-circle": (circle, "redirects"),
    "redirect-away": (answer(302, Location="https://198.51.100.7/dcap"), "foreign-href"),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_on_every_resource_at_once_is_counted_and_survived(
    tmp_path: Path, name: str
) -> None:
    attack, reason = ATTACKS[name]
    peer, site = new_peer(), Site()
    async with hostile(tmp_path, peer.lfdi) as server:
        server.attacks = dict.fromkeys(PATHS, attack)
        async with following(fast(tmp_path, server, peer), site) as client:
            await until(lambda: client.statistics.refused[reason] >= 2)
            assert all(effective.modes == {} for _, effective in site.applied)
            server.attacks.clear()
            await until(lambda: site.values("op_mod_max_lim_w")[-1:] == [LIMIT])


@pytest.mark.parametrize("name", ["wrong-type", "server-error", "trickle"])
@pytest.mark.parametrize("path", ["/derp", "/derp/1/derc", "/derp/1/dderc", "/edev"])
async def test_what_was_known_holds_while_a_resource_is_under_attack(
    tmp_path: Path, name: str, path: str
) -> None:
    attack, reason = ATTACKS[name]
    peer, site = new_peer(), Site()
    async with (
        hostile(tmp_path, peer.lfdi) as server,
        following(fast(tmp_path, server, peer), site) as client,
    ):
        await until(lambda: site.values("op_mod_max_lim_w") == [LIMIT])
        server.attacks[path] = attack
        await until(lambda: client.statistics.refused[reason] >= 2)
        assert site.values("op_mod_max_lim_w") == [LIMIT]


async def test_an_endless_list_costs_no_more_than_its_cap(tmp_path: Path) -> None:
    peer, site = new_peer(), Site()
    async with hostile(tmp_path, peer.lfdi) as server:
        server.attacks["/derp/1/derc"] = endless
        async with following(fast(tmp_path, server, peer, poll_min_s=60), site) as client:
            await until(lambda: site.values("op_mod_max_lim_w") == [LIMIT])
            await until(lambda: len(client.states[peer.lfdi].following) == LIMITS.controls)
            assert server.asked["/derp/1/derc"] == LIMITS.controls // LIMITS.page
            assert client.statistics.dropped["DERControlList"] > 0


async def test_a_list_that_repeats_itself_ends(tmp_path: Path) -> None:
    peer, site = new_peer(), Site()
    async with hostile(tmp_path, peer.lfdi) as server:
        server.attacks["/derp/1/derc"] = stubborn
        async with following(fast(tmp_path, server, peer, poll_min_s=60), site) as client:
            await until(lambda: len(client.states[peer.lfdi].following) == 3)
            assert server.asked["/derp/1/derc"] <= 50 // 3 + 1


async def test_links_in_a_circle_end_where_their_type_does_not_fit(tmp_path: Path) -> None:
    peer, site = new_peer(), Site()
    async with hostile(tmp_path, peer.lfdi) as server:
        programs = server.documents["/derp"]
        assert isinstance(programs, DERProgramList)
        circular = replace(
            programs.items[0],
            der_control_list_link=ListLink("/derp"),
            default_der_control_link=Link("/edev/1/fsa"),
        )
        server.documents["/derp"] = replace(programs, items=(circular,))
        async with following(fast(tmp_path, server, peer, retry_min_s=60, retry_max_s=60), site):
            await until(lambda: bool(site.applied))
            assert site.applied[-1][1].modes == {}
            assert server.asked["/derp"] < 10


async def test_links_to_another_host_are_never_followed(tmp_path: Path) -> None:
    peer, site = new_peer(), Site()
    called: list[object] = []
    stranger = await asyncio.start_server(lambda *pair: called.append(pair), HOST, 0)
    port = stranger.sockets[0].getsockname()[1]
    away = f"https://{HOST}:{port}/edev"
    async with hostile(tmp_path, peer.lfdi) as server:
        capability: Any = server.documents["/dcap"]
        server.documents["/dcap"] = replace(capability, end_device_list_link=ListLink(away))
        async with following(fast(tmp_path, server, peer), site) as client:
            await until(lambda: client.statistics.refused["foreign-href"] >= 1)
            server.documents["/dcap"] = replace(
                capability, end_device_list_link=ListLink(f"https://{HOST}:{server.port}/edev")
            )
            await until(lambda: site.values("op_mod_max_lim_w") == [LIMIT])
    stranger.close()
    assert called == []


async def test_a_busy_server_is_left_alone_as_long_as_it_asks(tmp_path: Path) -> None:
    peer, site = new_peer(), Site()
    async with hostile(tmp_path, peer.lfdi) as server:
        server.attacks["/edev"] = answer(429, Retry_After="1")
        async with following(fast(tmp_path, server, peer), site):
            await until(lambda: server.asked["/edev"] == 1)
            before = server.asked.total()
            await asyncio.sleep(0.6)
            assert server.asked.total() == before
            server.attacks.clear()
            await until(lambda: site.values("op_mod_max_lim_w") == [LIMIT])


async def test_a_crowd_of_end_devices_is_cut(tmp_path: Path) -> None:
    peer = new_peer()
    async with hostile(tmp_path, peer.lfdi) as server:
        listed = server.documents["/edev"]
        assert isinstance(listed, EndDeviceList)
        server.documents["/edev"] = replace(listed, all=4_000_000_000, results=1)
        async with following(fast(tmp_path, server, peer, poll_min_s=60), Site()) as client:
            await until(lambda: client.statistics.dropped["EndDeviceList"] > 0)
            assert server.asked["/edev"] <= LIMITS.end_devices


@pytest.mark.parametrize("fault", ["expiring", "another-lfdi"])
async def test_a_server_without_the_right_certificate_is_told_nothing(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = new_peer()
    more: dict[str, Any] = {"server_lfdi": "AB" * 20} if fault == "another-lfdi" else {}
    if fault == "expiring":
        rules = Rules(not_after=Rules().not_after.replace(year=2090))
        monkeypatch.setattr(
            "tests.unit.links.sep2.hostile_server.device_certificate",
            lambda: device_certificate(rules),
        )
    async with (
        hostile(tmp_path, peer.lfdi) as server,
        following(fast(tmp_path, server, peer, **more), Site()) as client,
    ):
        await until(lambda: client.statistics.dropped["link"] >= 2)
        said = client.statistics.last_error
        assert ("LFDI" if fault == "another-lfdi" else "expires") in said
    assert server.asked.total() == 0
