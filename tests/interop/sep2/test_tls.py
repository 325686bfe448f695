"""Our TLS contexts against a newer OpenSSL than the interpreter's: the one of pyOpenSSL."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
from pathlib import Path

import pytest
from OpenSSL import SSL

from gateway.links.sep2.tls import CIPHERS, client_context, server_context
from gateway.model.errors import ConfigError
from gateway.site.sep2_pki import ensure_authority, ensure_device

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    ensure_authority(folder, NOW)
    ensure_device(folder, "server", NOW, ("gateway.test",))
    ensure_device(folder, "inverter", NOW)
    return folder


def foreign(pki: Path, stem: str, ciphers: str, *, certificate: bool = True) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_cipher_list(ciphers.encode())
    context.load_verify_locations(str(pki / "ca.crt"))
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    if certificate:
        context.use_certificate_file(str(pki / f"{stem}.crt"))
        context.use_privatekey_file(str(pki / f"{stem}.key"))
    return context


def handshake(ours: ssl.SSLContext, theirs: SSL.Context, *, we_serve: bool) -> ssl.SSLObject:
    """Both sides in memory, bytes carried to and fro until both are done.

    Raises:
        ssl.SSLError: our side refused.
        OpenSSL.SSL.Error: theirs did.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    name = None if we_serve else "gateway.test"
    our_side = ours.wrap_bio(incoming, outgoing, server_side=we_serve, server_hostname=name)
    their_side = SSL.Connection(theirs, None)
    (their_side.set_connect_state if we_serve else their_side.set_accept_state)()
    done = [False, False]
    for _ in range(20):
        for index, step in enumerate((our_side.do_handshake, their_side.do_handshake)):
            try:
                step()
                done[index] = True
            except (ssl.SSLWantReadError, SSL.WantReadError):
                pass
            their_side.bio_write(outgoing.read() or b"") if outgoing.pending else None
            with contextlib.suppress(SSL.WantReadError):
                incoming.write(their_side.bio_read(65536))
    assert all(done)
    return our_side


def test_the_peer_is_of_the_generation_that_wants_level_0() -> None:
    number = ssl.OPENSSL_VERSION_INFO[:2]
    newer = SSL.OPENSSL_VERSION_NUMBER
    assert newer >= 0x3020_0000, f"{newer:x} beside {number}"
    ccm8 = SSL.Context(SSL.TLS_METHOD)
    ccm8.set_options(SSL.OP_NO_TLSv1_3)
    ccm8.set_cipher_list(b"ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=1")
    peer = SSL.Connection(ccm8, None)
    peer.set_connect_state()
    with pytest.raises(SSL.Error, match="no ciphers"):  # without level 0 there is no CCM8 there
        peer.do_handshake()


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES256-GCM-SHA384"])
def test_both_suites_as_server_and_as_client(pki: Path, suite: str) -> None:
    server = server_context(pki / "server.crt", pki / "server.key", pki / "ca.crt")
    client = client_context(pki / "inverter.crt", pki / "inverter.key", pki / "ca.crt")
    served = handshake(server, foreign(pki, "inverter", f"{suite}:@SECLEVEL=0"), we_serve=True)
    asked = handshake(client, foreign(pki, "server", f"{suite}:@SECLEVEL=0"), we_serve=False)
    for side in (served, asked):
        assert (side.cipher() or ("",))[0] == suite
        assert side.version() == "TLSv1.2"
    assert served.getpeercert(binary_form=True)


def test_ccm8_is_what_a_client_that_has_both_gets(pki: Path) -> None:
    server = server_context(pki / "server.crt", pki / "server.key", pki / "ca.crt")
    both = foreign(pki, "inverter", f"ECDHE-ECDSA-AES256-GCM-SHA384:{CIPHERS}")
    assert (handshake(server, both, we_serve=True).cipher() or ("",))[0].endswith("CCM8")


def test_our_cipher_string_is_one_for_the_newer_openssl(pki: Path) -> None:
    context = foreign(pki, "server", CIPHERS)
    offered = SSL.Connection(context, None).get_cipher_list()
    assert {"ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES256-GCM-SHA384"} <= set(offered)


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"])
def test_no_other_suite(pki: Path, suite: str) -> None:
    server = server_context(pki / "server.crt", pki / "server.key", pki / "ca.crt")
    theirs = foreign(pki, "inverter", suite)
    theirs.set_options(SSL.OP_NO_TLSv1_3)
    with pytest.raises((ssl.SSLError, SSL.Error)):
        handshake(server, theirs, we_serve=True)


def test_no_client_without_a_certificate(pki: Path) -> None:
    server = server_context(pki / "server.crt", pki / "server.key", pki / "ca.crt")
    theirs = foreign(pki, "inverter", CIPHERS, certificate=False)
    with pytest.raises((ssl.SSLError, SSL.Error)):
        handshake(server, theirs, we_serve=True)


def test_a_missing_file_is_named(pki: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        server_context(pki / "nowhere.crt", pki / "server.key", pki / "ca.crt")
