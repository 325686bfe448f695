"""Documents and clients made to harm, against the endpoint in a process of its own.

Each is refused clearly, in under 200 ms, with under 32 MB more memory at the peak, and the
endpoint keeps serving others meanwhile.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time

import pytest

from gateway.groups.messages import Address, DispatchRequest, Quantity, Result
from gateway.groups.xml import decode, decode_reply, encode
from gateway.groups.xml_guard import MAX_BYTES

ALLOWED_S, ALLOWED_KIB = 0.2, 32 * 1024

DISPATCH = encode(
    DispatchRequest(
        address=Address(message_id="m1", dms_id="dms", group_id="mg", time_ms=1),
        quantity=Quantity.ACTIVE_POWER,
        schedule=((60.0, 1e5),),
    )
)
DECLARATION, DOCUMENT = DISPATCH.split(b"\n", 1)
INTERVAL = DOCUMENT[DOCUMENT.index(b"<Interval>") : DOCUMENT.index(b"</Schedule>")].strip()
VALUE = b"<Value>100000</Value>"
NAMESPACE = b'xmlns="urn:tieline:der-group-functions:1"'


def with_dtd(dtd: bytes, value: bytes) -> bytes:
    return DECLARATION + dtd + DOCUMENT.replace(VALUE, b"<Value>" + value + b"</Value>")


def laughs() -> bytes:
    entities = b'<!ENTITY a0 "99999999">' + b"".join(
        b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)
    )
    return with_dtd(b"<!DOCTYPE r [" + entities + b"]>", b"&a9;")


def many_attributes(count: int) -> bytes:
    names = b" ".join(b'a%d=""' % number for number in range(count))
    return DISPATCH.replace(b"<Interval>", b"<Interval " + names + b">")


def many_namespaces(count: int) -> bytes:
    names = b" ".join(b'xmlns:a%d="u"' % number for number in range(count))
    return DISPATCH.replace(NAMESPACE, NAMESPACE + b" " + names)


def in_value(value: bytes) -> bytes:
    return DISPATCH.replace(VALUE, b"<Value>" + value + b"</Value>")


XSI = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
ATTACKS = {
    "external entity": with_dtd(b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>', b"&x;"),
    "external DTD": with_dtd(b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">', b"1"),
    "parameter entity": with_dtd(
        b'<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]>', b"1"
    ),
    "billion laughs": laughs(),
    "quadratic blow-up": with_dtd(
        b'<!DOCTYPE r [<!ENTITY a "' + b"9" * 50_000 + b'">]>', b"&a;" * 30_000
    ),
    "an empty DTD": with_dtd(b"<!DOCTYPE r>", b"1"),
    "undeclared entity": in_value(b"&nothing;"),
    "deep nesting": b"<a>" * (MAX_BYTES // 4),
    "deep and closed": b"<a>" * 30_000 + b"</a>" * 30_000,
    "deep in a message": in_value(b"<a>" * 200 + b"</a>" * 200),
    "UTF-16": DISPATCH.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
    "UTF-16 without a declaration": DOCUMENT.decode().encode("utf-16-le"),
    "UTF-7": DISPATCH.replace(b"UTF-8", b"UTF-7"),
    "Latin-1": DISPATCH.replace(b"UTF-8", b"ISO-8859-1"),
    "broken UTF-8": in_value(b"\xc3\x28"),
    "overlong UTF-8": in_value(b"\xc0\xbc"),
    "a NUL": in_value(b"1\x00"),
    "a NUL by reference": in_value(b"1&#0;"),
    "schema location": DISPATCH.replace(
        NAMESPACE, NAMESPACE + b" " + XSI + b'xsi:schemaLocation="urn:x file:///etc/passwd"'
    ),
    "xsi:type": DISPATCH.replace(b"<Value>", b"<Value " + XSI + b'xsi:type="Seconds">'),
    "xsi:nil": DISPATCH.replace(VALUE, b"<Value " + XSI + b'xsi:nil="true"/>'),
    "many elements": b"<r>" + b"<a/>" * (MAX_BYTES // 4 - 2) + b"</r>",
    "many faults": DISPATCH.replace(
        INTERVAL, b"<Interval><DurationSeconds>x</DurationSeconds><Value>y</Value></Interval>" * 600
    ),
    "many intervals": DISPATCH.replace(INTERVAL, INTERVAL * 600),
    "many attributes": many_attributes(20_000),
    "some more attributes than any": many_attributes(13),
    "many namespaces": many_namespaces(12_000),
    "a long name": b"<" + b"a" * 250_000 + b"/>",
    "a long number": in_value(b"9" * 250_000),
    "a long fraction": in_value(b"0." + b"9" * 250_000),
    "a long attribute": DISPATCH.replace(b'unit="W"', b'unit="' + b"W" * 240_000 + b'"'),
    "not a number": in_value(b"NaN"),
    "infinite": in_value(b"INF"),
    "an exponent": in_value(b"1e400"),
    "a value split by a comment, out of range": in_value(b"999999999<!--x-->999"),
    "empty": b"",
    "white space": b" " * MAX_BYTES,
    "not XML": bytes(range(256)) * 100,
    "half a message": DISPATCH[: len(DISPATCH) // 2],
    "two messages": DOCUMENT + DOCUMENT,
    "another namespace": DISPATCH.replace(b"tieline:der", b"somebody:der"),
    "no namespace": DISPATCH.replace(NAMESPACE, b""),
    "XInclude": in_value(
        b'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>'
    ),
    "a style sheet": DECLARATION + b'<?xml-stylesheet href="x.xsl"?>' + b"<r/>",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_quickly_and_cheaply(victim, name):
    victim.post(victim.request())  # what a first request costs is not the attack's
    before = victim.memory_kib("VmRSS")
    victim.forget_peak()
    code, answer, took_s = victim.post(ATTACKS[name])
    grown = victim.memory_kib("VmHWM") - before
    assert code == 400
    reply = decode_reply(answer)
    assert reply.result is Result.FAILED
    assert reply.errors
    assert all(error.reason for error in reply.errors)
    assert b"root:" not in answer, "a file was read"
    assert took_s < ALLOWED_S
    assert grown < ALLOWED_KIB


@pytest.mark.parametrize("inside", [b"9<!--x-->99", b"9<?x y?>99", b"9<![CDATA[9]]>9"])
def test_what_a_value_reads_as_does_not_depend_on_what_is_hidden_in_it(inside):
    message = decode(in_value(inside))
    assert isinstance(message, DispatchRequest)
    assert message.schedule == ((60.0, 999.0),)


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 64 * 1024 * 1024])
def test_an_oversize_body_is_413_before_it_is_read(victim, size):
    before = victim.memory_kib("VmRSS")
    victim.forget_peak()
    code, answer, took_s = victim.post(b"", **{"Content-Length": str(size)})
    assert code == 413
    assert "larger" in decode_reply(answer).errors[0].reason
    assert took_s < ALLOWED_S
    assert victim.memory_kib("VmHWM") - before < ALLOWED_KIB


def test_an_oversize_body_without_a_length_is_413_when_it_gets_there(victim):
    """64 MB in chunks; the server stops reading after 256 KiB and says why."""
    before = victim.memory_kib("VmRSS")
    victim.forget_peak()
    channel = victim.raw()
    head = (
        b"POST /groups HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = b""
    with channel:
        channel.sendall(head)
        with contextlib.suppress(OSError):
            for _ in range(1024):
                channel.sendall(chunk)
        with contextlib.suppress(OSError):
            answer = channel.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413") or answer == b""
    assert victim.counts()["refused"]["too-large"] >= 1
    assert victim.memory_kib("VmHWM") - before < ALLOWED_KIB
    assert victim.serves() < 1.0


def test_a_compressed_bomb_is_not_unpacked(victim):
    bomb = gzip.compress(b" " * 50_000_000)
    before = victim.memory_kib("VmRSS")
    victim.forget_peak()
    code, _, took_s = victim.post(bomb, **{"Content-Encoding": "gzip"})
    assert code == 415
    assert took_s < ALLOWED_S
    assert victim.memory_kib("VmHWM") - before < ALLOWED_KIB


@pytest.mark.parametrize(
    "head",
    [
        b"POST /groups HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"POST /groups HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5_000 + b"\r\n",
        b"POST /" + b"g" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /groups HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\n",
        b"POST /groups HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"\x16\x03\x01 rubbish \r\n\r\n",
    ],
    ids=["long field", "many fields", "long line", "two lengths", "length and chunks", "rubbish"],
)
def test_a_bad_head_is_refused_and_the_connection_closed(victim, head):
    before = victim.counts()["connections_broken"]
    with victim.raw() as channel:
        began = time.perf_counter()
        channel.sendall(head)
        answer = channel.recv(65536)
        assert answer.startswith(b"HTTP/1.")
        assert answer.split()[1][:1] == b"4"
        assert time.perf_counter() - began < ALLOWED_S
        with contextlib.suppress(ConnectionResetError):
            while channel.recv(65536):
                pass
    assert victim.counts()["connections_broken"] == before + 1


def drip(victim, text: bytes, took_s: list[float], pause_s: float = 0.05) -> None:
    """Send a byte at a time until the peer has had enough; note the seconds it took."""
    with victim.raw() as channel:
        began = time.perf_counter()
        channel.settimeout(pause_s)
        for number in range(len(text)):
            try:
                channel.send(text[number : number + 1])
                if channel.recv(65536) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        took_s.append(time.perf_counter() - began)


def test_slow_heads_are_cut_and_the_others_served_meanwhile(victim):
    """Slowloris: most connections that one peer may have, each a byte at a time."""
    before = victim.counts()["connections_slow"]
    text = b"POST /groups HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 1000
    took_s: list[float] = []
    threads = [threading.Thread(target=drip, args=(victim, text, took_s)) for _ in range(6)]
    for thread in threads:
        thread.start()
    waits = [victim.serves("operator") for _ in range(10)]
    for thread in threads:
        thread.join(timeout=10)
    assert max(waits) < 1.0
    assert len(took_s) == 6
    assert max(took_s) < 2.5, "idle_timeout_s is 1 s here"
    assert victim.counts()["connections_slow"] == before + 6


def test_a_slow_body_gets_408_and_the_others_served_meanwhile(victim):
    head = (
        b"POST /groups HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\n"
        b"Content-Length: 1000\r\n\r\n"
    )
    answers: list[bytes] = []

    def attack() -> None:
        with victim.raw() as channel:
            channel.sendall(head + b"<")
            channel.settimeout(5)
            answers.append(channel.recv(65536))

    threads = [threading.Thread(target=attack) for _ in range(6)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    waits = [victim.serves("operator") for _ in range(5)]
    for thread in threads:
        thread.join(timeout=10)
    assert time.perf_counter() - began < 2.5, "body_timeout_s is 1 s here"
    assert max(waits) < 1.0
    assert len(answers) == 6
    assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers)


def test_an_idle_connection_is_closed(victim):
    before = victim.counts()["connections_idle"]
    with victim.raw() as channel:
        channel.settimeout(5)
        began = time.perf_counter()
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            assert channel.recv(1) == b""
        assert 0.8 < time.perf_counter() - began < 2.5
    assert victim.counts()["connections_idle"] > before


def test_stalled_handshakes_are_bounded_and_do_not_lock_others_out(victim):
    """Peers without a certificate that only open sockets, four times as many as may wait."""
    before = victim.counts()
    stalled = [socket.create_connection(("127.0.0.1", victim.port)) for _ in range(32)]
    try:
        waits = [victim.serves("operator") for _ in range(5)]
        assert max(waits) < 1.0
        after = victim.counts()
        assert after["handshakes_dropped"] >= before["handshakes_dropped"] + 24
        time.sleep(1.2)  # handshake_timeout_s is 1 s here
        assert victim.counts()["handshakes_failed"] > before["handshakes_failed"]
    finally:
        for connection in stalled:
            connection.close()
    assert victim.serves() < 1.0


def test_many_attacks_at_once_leave_the_endpoint_serving(victim):
    before = victim.memory_kib("VmRSS")
    victim.forget_peak()
    chosen = ["many elements", "many faults", "a long number", "billion laughs"]
    codes: list[int] = []

    def attack(name: str) -> None:
        codes.extend(victim.post(ATTACKS[name])[0] for _ in range(5))

    threads = [threading.Thread(target=attack, args=(name,)) for name in chosen]
    for thread in threads:
        thread.start()
    waits = [victim.serves("operator") for _ in range(10)]
    for thread in threads:
        thread.join(timeout=20)
    assert codes == [400] * 20
    assert max(waits) < 1.0
    assert victim.memory_kib("VmHWM") - before < ALLOWED_KIB
