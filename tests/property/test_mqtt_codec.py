"""MQTT payloads: round trips, and any bytes give a message or RemoteProtocolError."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links.mqtt.codec import (
    CommandMessage,
    decode_command,
    decode_measurements,
    encode_command,
    encode_measurements,
)
from gateway.model.errors import RemoteProtocolError
from gateway.model.point import Measurement
from gateway.model.quality import Quality

names = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(names, st.tuples(numbers, st.integers(0, 0x7F))), st.integers(0, 2**50))
def test_measurements_round_trip(values, time_ms):
    sent = {n: Measurement(v, Quality(q), 0) for n, (v, q) in values.items()}
    got_ms, got = decode_measurements(encode_measurements(sent, time_ms))
    assert got_ms == time_ms
    assert got == {n: (v, Quality(q)) for n, (v, q) in values.items()}


@given(names, names, numbers, st.text(max_size=100), st.integers(0, 2**50))
def test_commands_round_trip(device, point, value, identity, expires_ms):
    message = CommandMessage(f"{device}.{point}", value, identity, expires_ms)
    topic = f"base/s1/{device}/set/{point}"
    assert decode_command(topic, encode_command(message), "base/s1") == message


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_protocol_error(payload):
    with suppress(RemoteProtocolError):
        decode_command("b/s/d/set/p", payload, "b/s")
    with suppress(RemoteProtocolError):
        decode_measurements(payload)


@pytest.mark.parametrize("payload", [b"[" * 900, b"1e999", b"true", b"null", b"NaN", b"9" * 1000])
def test_what_is_no_finite_number_is_no_command(payload):
    with pytest.raises(RemoteProtocolError):
        decode_command("b/s/d/set/p", payload, "b/s")


@pytest.mark.parametrize("topic", ["b/s/d/p", "b/s/d/ack/p", "x/s/d/set/p", "b/s/d/set/p/q"])
def test_other_topics_are_no_commands(topic):
    with pytest.raises(RemoteProtocolError):
        decode_command(topic, b"1", "b/s")
