"""The endpoint as peers we did not write see it: aiohttp, http.client over ssl, curl."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import http.client
import ssl
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from gateway.groups.messages import (
    Result,
)
from gateway.groups.replies import reply
from gateway.groups.xml import decode_reply, encode
from gateway.links.cim.client import GroupClient
from gateway.links.cim.tls import client_context
from gateway.model.errors import LinkError, RemoteProtocolError
from gateway.site.pem_files import KeyPair
from gateway.site.pki import ensure_pki
from tests.interop.cim.conftest import XML, Endpoint, serving, status

pytestmark = [pytest.mark.interop, pytest.mark.needs("curl")]

#: curl: TLS error, nothing could be sent or read, or (TLS 1.3) closed instead of an answer.
REFUSED_BY_TLS = (35, 52, 55, 56)


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


async def test_a_status_that_leaves_out_what_was_asked_for_is_none(endpoint):
    async def silent(request, peer):
        return reply(request.address, 5, Result.OK)

    endpoint.server._handler = silent
    async with endpoint.client() as client:
        with pytest.raises(RemoteProtocolError, match="a status without P, Q, S"):
            await client.send(status())
