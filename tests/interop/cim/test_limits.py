"""What the endpoint refuses, and how it and its client fail."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest

from gateway.groups.messages import (
    DispatchRequest,
    Quantity,
    Result,
)
from gateway.groups.replies import reply
from gateway.groups.xml import decode_reply, encode
from gateway.links.cim.client import GroupClient
from gateway.links.cim.config import ServerConfig
from gateway.links.cim.server import GroupServer
from gateway.links.cim.tls import client_context, server_context
from gateway.model.errors import LinkError, RemoteProtocolError
from gateway.site.clock import SystemClock
from tests.interop.cim.conftest import Endpoint, post, reasons, serving, status

pytestmark = pytest.mark.interop


async def test_only_allowed_names_may_ask(pki):
    async with serving(pki, allow={"operator"}) as endpoint:
        code, _, body = await post(endpoint, encode(status()))
        assert code == 403
        assert "'dms' may not ask" in reasons(body)
        async with endpoint.client("dms") as client:
            with pytest.raises(LinkError, match="may not ask"):
                await client.send(status())
            with pytest.raises(LinkError, match="403"):
                await client.query("/status")
        async with endpoint.client("operator") as client:
            assert (await client.send(status())).result is Result.OK
        assert endpoint.server.statistics.refused == {"not-allowed": 3}
        assert len(endpoint.heard) == 1


async def test_an_invalid_message_gets_400_and_a_report_that_says_where(endpoint):
    body = encode(status()).replace(b"<Timing>LATEST<", b"<Timing>SOON<")
    code, headers, answer = await post(endpoint, body)
    assert code == 400
    assert headers["Content-Type"].startswith("application/xml")
    told = reasons(answer)
    line = body[: body.index(b"SOON")].count(b"\n") + 1
    assert f"line {line}, column 7: /RequestMessage/Payload/StatusQuery/Timing" in told
    assert "LATEST" in told
    assert "tieline:invalid-message" in told
    refused = decode_reply(answer)
    assert (refused.correlation_id, refused.dms_id, refused.group_id) == ("m1", "dms", "mg")
    assert endpoint.heard == []


async def test_a_reply_is_no_request(endpoint):
    code, _, body = await post(endpoint, encode(reply(status().address, 1, Result.OK)))
    assert code == 400
    assert "RequestMessage was expected" in reasons(body)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "application/xml; charset=utf-16"},
        {"Content-Type": "application/xml", "Content-Encoding": "gzip"},
        {"Content-Type": ""},
    ],
)
async def test_other_content_is_415(endpoint, headers):
    code, _, body = await post(endpoint, encode(status()), headers)
    assert code == 415
    assert reasons(body)
    assert endpoint.heard == []


async def test_other_methods_are_405_and_other_paths_404(endpoint):
    connector = aiohttp.TCPConnector(ssl=endpoint.tls())
    async with aiohttp.ClientSession(connector=connector) as session:
        for method in ("GET", "PUT", "DELETE", "HEAD"):
            async with session.request(method, endpoint.url) as response:
                assert response.status == 405
                assert response.headers["Allow"] == "POST"
        async with session.post(endpoint.url + "/x", data=b"") as response:
            assert response.status == 404


async def test_a_status_route_answers_json(endpoint):
    async with endpoint.client() as client:
        assert await client.query("/status") == {"points": 3}
        with pytest.raises(LinkError, match="404"):
            await client.query("/nothing")
    assert endpoint.server.statistics.queries == 1


async def test_when_saturated_it_says_503_and_the_others_are_answered(pki):
    async with serving(pki, max_requests=1) as endpoint:
        endpoint.gate.clear()
        async with endpoint.client() as busy, endpoint.client() as late:
            first = asyncio.ensure_future(busy.send(status()))
            while not endpoint.heard:
                await asyncio.sleep(0.01)
            code, headers, body = await post(endpoint, encode(status(number=2)))
            assert (code, headers["Retry-After"]) == (503, "1")
            assert decode_reply(body).correlation_id == "m2"
            with pytest.raises(LinkError, match="503"):
                await late.send(status(number=3))
            endpoint.gate.set()
            assert (await first).result is Result.OK
            assert (await late.send(status(number=4))).result is Result.OK
        assert endpoint.server.statistics.refused == {"busy": 2}
        assert endpoint.server.statistics.answered == 2


async def test_a_handler_that_takes_too_long_leaves_the_outcome_open(pki):
    async with serving(pki, answer_timeout_s=0.2) as endpoint:
        endpoint.gate.clear()
        async with endpoint.client() as client:
            with pytest.raises(LinkError, match="ask for the status"):
                await client.send(status())
        assert endpoint.server.statistics.refused == {"timeout": 1}


async def test_a_client_that_gives_up_has_sent_its_set_point_once(endpoint):
    endpoint.gate.clear()
    request = DispatchRequest(
        address=status().address, quantity=Quantity.ACTIVE_POWER, schedule=((0.0, 1e5),)
    )
    async with endpoint.client(answer_timeout_s=0.3) as client:
        with pytest.raises(LinkError, match="not known"):
            await client.send(request)
    endpoint.gate.set()
    await asyncio.sleep(0.1)
    assert endpoint.heard == [(request, "dms")]


async def test_a_set_point_is_not_sent_again_when_the_connection_breaks(pki):
    """A server that takes the request and closes: aiohttp would retry a GET here."""
    bodies = []

    async def take_and_close(reader, writer):
        bodies.append(await reader.readuntil(b"</RequestMessage>"))
        writer.close()

    context = server_context(pki.server.certificate, pki.server.key, pki.ca.certificate)
    server = await asyncio.start_server(take_and_close, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    own = pki.clients["dms"]
    tls = client_context(own.certificate, own.key, pki.ca.certificate)
    async with server, GroupClient(f"https://127.0.0.1:{port}/groups", tls) as client:
        with pytest.raises(LinkError, match="not known"):
            await client.send(status())
    assert len(bodies) == 1


async def test_a_reply_to_something_else_is_not_taken(pki):
    async def other(request, peer):
        address = status(number=99).address
        return reply(address, 1, Result.OK)

    async with serving(pki) as endpoint:
        endpoint.server._handler = other
        async with endpoint.client() as client:
            with pytest.raises(RemoteProtocolError, match="m99"):
                await client.send(status())


async def test_an_endpoint_that_is_not_there_is_a_lost_link(pki):
    async with serving(pki) as endpoint:
        client = endpoint.client()
    with pytest.raises(LinkError, match="nothing was sent"):
        await client.send(status())
    await client.close()


async def test_a_bug_in_the_handler_ends_the_server(pki):
    endpoint = Endpoint(pki)
    context = server_context(pki.server.certificate, pki.server.key, pki.ca.certificate)
    endpoint.server = GroupServer(ServerConfig(port=0), context, endpoint.handle, SystemClock())
    running = asyncio.ensure_future(endpoint.server.run())
    await asyncio.wait_for(endpoint.server.listening.wait(), 10)
    code, _, _ = await post(endpoint, encode(status("broken")))
    assert code == 500
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(running, 5)


async def test_a_port_in_use_is_said_so(pki, endpoint):
    context = server_context(pki.server.certificate, pki.server.key, pki.ca.certificate)
    config = ServerConfig(port=endpoint.server.port)
    second = GroupServer(config, context, endpoint.handle, SystemClock())
    with pytest.raises(LinkError, match="cannot listen"):
        await second.run()


async def test_one_peer_cannot_take_every_connection(pki):
    async with serving(pki, max_connections_per_peer=2) as endpoint:
        place = ("127.0.0.1", endpoint.server.port)
        held = [await asyncio.open_connection(*place, ssl=endpoint.tls()) for _ in range(2)]
        third, writer = await asyncio.open_connection(*place, ssl=endpoint.tls())
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(third.read(), 5) == b""
        async with endpoint.client("operator") as client:
            assert (await client.send(status())).result is Result.OK
        for _, open_writer in (*held, (third, writer)):
            open_writer.close()
        assert endpoint.server.statistics.connections_refused == 1
