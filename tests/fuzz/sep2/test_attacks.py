"""Bodies made to harm are refused, and quickly."""

from __future__ import annotations

import time

import pytest

from gateway.links.sep2.codec import LIMITS, Sep2DecodeError, decode
from gateway.links.sep2.resources import LogEvent, Time
from gateway.links.sep2.schema import validator

NS = b'xmlns="urn:ieee:std:2030.5:ns"'
TIME = (
    b"<Time %b><currentTime>%%b</currentTime><dstEndTime>0</dstEndTime><dstOffset>0</dstOffset>"
    b"<dstStartTime>0</dstStartTime><quality>4</quality><tzOffset>0</tzOffset></Time>" % NS
)
LAUGHS = b"".join(
    b'<!ENTITY l%d "%b">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10)
)

ATTACKS = {
    "an external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + TIME % b"&x;",
    "a billion laughs": b'<!DOCTYPE a [<!ENTITY l0 "ha">%b]>' % LAUGHS + TIME % b"&l9;",
    "an undeclared entity": TIME % b"&x;",
    "a parameter entity": b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/">%x;]>'
    + TIME % b"1",
    "nested 100,000 deep": b"<a>" * 100_000 + b"</a>" * 100_000,
    "nested below the parser's own limit": b"<Time %b>" % NS + b"<a>" * 200 + b"</a>" * 200
    + b"</Time>",
    "64 MB of text": TIME % (b"1" * (64 << 20)),
    "200,000 elements": b"<Time %b>" % NS + b"<a/>" * 200_000 + b"</Time>",
    "attributes by the thousand": b"<Time %b %b/>"
    % (NS, b" ".join(b'a%d="1"' % number for number in range(20_000))),
    "namespaces by the thousand": b"<Time %b %b/>"
    % (NS, b" ".join(b'xmlns:a%d="u:%d"' % (number, number) for number in range(20_000))),
    "UTF-16": (TIME % b"1").decode().encode("utf-16"),
    "UTF-16 without a mark": (TIME % b"1").decode().encode("utf-16-le"),
    "another encoding": b'<?xml version="1.0" encoding="ISO-8859-1"?>' + TIME % b"1",
    "bytes that are not UTF-8": TIME % b"\xff",
    "a NUL": TIME % b"1\x00",
    "a NUL as a reference": TIME % b"1&#0;",
    "a control character": TIME % b"1\x07",
    "digits of another script": TIME % "\u0661".encode(),
    "an underscore": TIME % b"1_000",
    "a number of a million digits": TIME % (b"9" * 1_000_000),
    "zeros of a million digits": TIME % (b"0" * 1_000_000),
    "cut short": (TIME % b"1")[:-3],
    "two roots": TIME % b"1" + TIME % b"1",
    "an inclusion": TIME
    % b'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>',
    "nothing": b"",
    "blanks": b" \n",
    "JSON": b'{"Time": 1}',
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_at_once(name):
    schema = validator()
    for judge in (None, schema):
        started = time.process_time()
        with pytest.raises(Sep2DecodeError) as caught:
            decode(ATTACKS[name], schema=judge)
        assert time.process_time() - started < 0.5
        assert len(str(caught.value)) < 1000


def test_the_harmless_document_is_taken():
    assert decode(TIME % b"999", Time, schema=validator()).current_time == 999


@pytest.mark.parametrize("inside", [b"9<!--x-->99", b"9<?x y?>99", b"<![CDATA[999]]>", b"&#57;99"])
def test_a_number_is_the_same_to_every_reader(inside):
    # refusing them would be as good; reading 9 would not
    assert decode(TIME % inside, Time, schema=validator()).current_time == 999


def test_a_body_at_the_limit_is_read_and_one_byte_more_is_not():
    body = TIME % b"1"
    padded = body.replace(b"<Time ", b"<Time" + b" " * (LIMITS.max_bytes - len(body) + 1), 1)
    assert len(padded) == LIMITS.max_bytes
    assert decode(padded, Time).current_time == 1
    with pytest.raises(Sep2DecodeError, match="larger than 1024 KiB"):
        decode(padded.replace(b"<Time", b"<Time ", 1))


def test_text_of_a_peer_cannot_flood_the_message():
    name = b"x" * 10_000
    body = b"<%b %b/>" % (name, NS)
    with pytest.raises(Sep2DecodeError) as caught:
        decode(body, LogEvent)
    assert len(str(caught.value)) < 300
