"""The endpoint as peers we did not write see it: aiohttp, http.client over ssl, curl."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import http.client
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from lxml import etree

from gateway.groups.messages import (
    Address,
    DispatchRequest,
    GroupReply,
    GroupRequest,
    Quantity,
    Result,
    StatusRequest,
)
from gateway.groups.replies import failed, reply
from gateway.groups.xml import decode_reply, encode
from gateway.links.cim.client import GroupClient
from gateway.links.cim.config import ClientConfig, ServerConfig
from gateway.links.cim.server import GroupServer
from gateway.links.cim.tls import client_context, server_context
from gateway.model.errors import LinkError, RemoteProtocolError
from gateway.site.clock import SystemClock
from gateway.site.pki import KeyPair, PkiPaths, ensure_pki

pytestmark = pytest.mark.interop

#: curl: TLS error, nothing could be sent or read, or (TLS 1.3) closed instead of an answer.
REFUSED_BY_TLS = (35, 52, 55, 56)
XML = {"Content-Type": "application/xml"}


class Endpoint:
    """A running server, whom it heard, and how to reach it."""

    def __init__(self, pki: PkiPaths) -> None:
        self.pki = pki
        self.heard: list[tuple[GroupRequest, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.server: GroupServer

    async def handle(self, request: GroupRequest, peer: str) -> GroupReply:
        self.heard.append((request, peer))
        await self.gate.wait()
        if request.address.group_id == "broken":
            raise ZeroDivisionError
        if request.address.group_id != "mg":
            return failed(request.address, 5, "no such group")
        return reply(request.address, 5, Result.OK)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}/groups"

    def tls(self, name: str = "dms") -> ssl.SSLContext:
        own = self.pki.clients[name]
        return client_context(own.certificate, own.key, self.pki.ca.certificate)

    def bare_tls(self, pair: KeyPair | None = None) -> ssl.SSLContext:
        """The standard library's own defaults, with or without a certificate."""
        context = ssl.create_default_context(cafile=str(self.pki.ca.certificate))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    def client(self, name: str = "dms", **config: float) -> GroupClient:
        return GroupClient(self.url, self.tls(name), ClientConfig(**config))


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> PkiPaths:
    return ensure_pki(tmp_path_factory.mktemp("pki"), "127.0.0.1", ["dms", "operator"])


@contextlib.asynccontextmanager
async def serving(pki: PkiPaths, **config: object) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(pki)
    context = server_context(pki.server.certificate, pki.server.key, pki.ca.certificate)
    endpoint.server = GroupServer(
        ServerConfig.model_validate({"port": 0, **config}),
        context,
        endpoint.handle,
        SystemClock(),
        {"/status": lambda: {"points": 3}},
    )
    running = asyncio.ensure_future(endpoint.server.run())
    await asyncio.wait_for(endpoint.server.listening.wait(), 10)
    try:
        yield endpoint
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def endpoint(pki) -> AsyncIterator[Endpoint]:
    async with serving(pki) as found:
        yield found


def status(group: str = "mg", number: int = 1) -> StatusRequest:
    address = Address(message_id=f"m{number}", dms_id="dms", group_id=group, time_ms=1)
    return StatusRequest(address=address)


async def post(endpoint: Endpoint, body: bytes, headers: dict[str, str] = XML, **more):
    """What a bare aiohttp client gets: status, headers, body."""
    connector = aiohttp.TCPConnector(ssl=endpoint.tls())
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.post(endpoint.url, data=body, headers=headers, **more) as response,
    ):
        return response.status, response.headers, await response.read()


def reasons(document: bytes) -> str:
    answer = decode_reply(document)
    assert answer.result is Result.FAILED
    return "; ".join(f"{error.code} {error.reason}" for error in answer.errors)


async def test_a_request_gets_its_reply_and_the_handler_knows_the_certificate(endpoint):
    async with endpoint.client("operator") as client:
        answer = await client.send(status())
    assert answer.result is Result.OK
    assert answer.correlation_id == "m1"
    assert endpoint.heard == [(status(), "operator")]


async def test_one_connection_serves_many_requests(endpoint):
    async with endpoint.client() as client:
        for number in range(5):
            assert (await client.send(status(number=number))).correlation_id == f"m{number}"
    assert endpoint.server.statistics.connections == 1


async def test_a_failed_reply_travels_as_one(endpoint):
    async with endpoint.client() as client:
        answer = await client.send(status("nobody"))
    assert answer.result is Result.FAILED
    assert answer.errors[0].reason == "no such group"


def ask_with_http_client(endpoint: Endpoint, context: ssl.SSLContext) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection(
        "127.0.0.1", endpoint.server.port, context=context, timeout=5
    )
    with contextlib.closing(connection):
        connection.request("POST", "/groups", encode(status()), XML)
        answer = connection.getresponse()
        return answer.status, answer.read()


async def test_the_standard_library_as_client_gets_xml(endpoint):
    context = endpoint.bare_tls(endpoint.pki.clients["dms"])
    code, body = await asyncio.to_thread(ask_with_http_client, endpoint, context)
    assert code == 200
    root = etree.fromstring(body)
    assert root.findtext("{*}Reply/{*}Result") == "OK"
    assert root.findtext("{*}Header/{*}CorrelationID") == "m1"


async def test_the_certificates_pass_the_strict_rules_of_rfc_5280(endpoint):
    context = endpoint.bare_tls(endpoint.pki.clients["dms"])
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    code, _ = await asyncio.to_thread(ask_with_http_client, endpoint, context)
    assert code == 200


async def curl(endpoint: Endpoint, folder: Path, *options: str) -> subprocess.CompletedProcess:
    (folder / "request.xml").write_bytes(encode(status()))
    command = [
        "curl", "--silent", "--show-error", "--max-time", "5", "--cacert",
        str(endpoint.pki.ca.certificate), "--data-binary", f"@{folder}/request.xml",
        "--header", "Content-Type: application/xml", *options, endpoint.url,
    ]  # fmt: skip
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)


def with_certificate(pair: KeyPair) -> tuple[str, ...]:
    return ("--cert", str(pair.certificate), "--key", str(pair.key))


@pytest.mark.parametrize(
    "versions", [(), ("--tls-max", "1.2"), ("--tlsv1.3",), ("--header", "Expect: 100-continue")]
)
async def test_curl_gets_a_reply(endpoint, tmp_path, versions):
    own = with_certificate(endpoint.pki.clients["dms"])
    done = await curl(endpoint, tmp_path, *own, *versions)
    assert done.returncode == 0, done.stderr
    assert decode_reply(done.stdout).result is Result.OK


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_without_a_certificate_the_handshake_fails(endpoint, tmp_path, version):
    done = await curl(endpoint, tmp_path, "--tls-max", version, f"--tlsv{version}")
    assert done.returncode in REFUSED_BY_TLS, done.stderr
    assert not done.stdout
    assert endpoint.heard == []
    assert endpoint.server.statistics.handshakes_failed == 1
    assert endpoint.server.statistics.connections == 0


async def test_a_certificate_of_another_ca_is_refused(endpoint, tmp_path):
    other = ensure_pki(tmp_path / "other", "127.0.0.1", ["dms"])
    done = await curl(endpoint, tmp_path, *with_certificate(other.clients["dms"]))
    assert done.returncode in REFUSED_BY_TLS, done.stderr
    assert endpoint.heard == []
    assert endpoint.server.statistics.handshakes_failed == 1


async def test_an_expired_client_certificate_is_refused(tmp_path):
    then = dt.datetime.now(dt.UTC) - dt.timedelta(days=1000)
    old = ensure_pki(tmp_path / "pki", "127.0.0.1", ["dms"], now=then)
    old.server.certificate.unlink()
    pki = ensure_pki(tmp_path / "pki", "127.0.0.1", ["operator"])
    async with serving(pki) as endpoint:
        done = await curl(endpoint, tmp_path, *with_certificate(old.clients["dms"]))
        assert done.returncode in REFUSED_BY_TLS, done.stderr
        done = await curl(endpoint, tmp_path, *with_certificate(pki.clients["operator"]))
        assert done.returncode == 0
        assert len(endpoint.heard) == 1


async def test_a_server_certificate_is_no_client_certificate(endpoint, tmp_path):
    done = await curl(endpoint, tmp_path, *with_certificate(endpoint.pki.server))
    assert done.returncode in REFUSED_BY_TLS, done.stderr
    assert endpoint.heard == []


async def test_nothing_below_tls_1_2(endpoint, tmp_path):
    own = with_certificate(endpoint.pki.clients["dms"])
    done = await curl(
        endpoint, tmp_path, *own, "--tlsv1.1", "--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0"
    )
    assert done.returncode == 35
    assert endpoint.heard == []


async def test_our_client_does_not_take_a_server_of_another_ca(endpoint, tmp_path):
    other = ensure_pki(tmp_path / "other", "127.0.0.1", ["dms"])
    own = other.clients["dms"]
    context = client_context(own.certificate, own.key, other.ca.certificate)
    async with GroupClient(endpoint.url, context) as client:
        with pytest.raises(LinkError, match="nothing was sent"):
            await client.send(status())


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
