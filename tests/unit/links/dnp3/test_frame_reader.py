"""Our frame reader finds what py1815's finds, in any stream cut anywhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from py1815 import link

from gateway.links.dnp3.frame_reader import FrameReader

frames = st.builds(
    link.build,
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.binary(max_size=link.MAX_USER_DATA),
)
noise = st.one_of(
    st.binary(max_size=40),
    st.just(link.START),
    st.just(link.START * 3 + b"\x05"),
    frames.map(lambda frame: frame[:-1] + bytes((frame[-1] ^ 1,))),
    frames.map(lambda frame: frame[: len(frame) // 2]),
)


@given(st.lists(st.one_of(frames, noise), max_size=8), st.data())
def test_any_stream_gives_the_frames_that_py1815_finds(parts, data):
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    ours, theirs = FrameReader(), link.FrameReader()
    found = [frame for chunk in chunks for frame in ours.feed(chunk)]
    assert found == [frame for chunk in chunks for frame in theirs.feed(chunk)]
    assert ours.frames == len(found)
    read = sum(link.frame_size(len(frame.payload)) for frame in found)
    assert ours.unframed == len(stream) - read


full_runs = st.builds(
    lambda payloads, control: b"".join(link.build(control, 1, 1024, one) for one in payloads),
    st.lists(st.binary(min_size=link.MAX_USER_DATA, max_size=link.MAX_USER_DATA), max_size=12),
    st.integers(0, 255),
)


@given(st.lists(st.one_of(full_runs, frames, noise), max_size=4), st.data())
def test_runs_of_full_frames_are_read_as_py1815_reads_them(parts, data):
    stream = bytearray(b"".join(parts))
    for at in data.draw(st.lists(st.integers(0, 20_000), max_size=2)):
        if stream:
            stream[at % len(stream)] ^= 0x10
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=3)))
    chunks = [bytes(stream[a:b]) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    ours, theirs = FrameReader(), link.FrameReader()
    found = [frame for chunk in chunks for frame in ours.feed(chunk)]
    assert found == [frame for chunk in chunks for frame in theirs.feed(chunk)]
    assert ours.unframed == len(stream) - sum(
        link.frame_size(len(frame.payload)) for frame in found
    )


@given(frames, st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_octet_is_no_frame_or_another_length(frame, at, change):
    octets = bytearray(frame)
    octets[at % len(octets)] ^= change
    assert FrameReader().feed(bytes(octets)) == []


def test_what_is_kept_has_a_limit():
    reader = FrameReader()
    for _ in range(1000):
        reader.feed(link.START * 500)
    assert len(reader._rest) <= link.MAX_FRAME


def test_a_cut_off_frame_does_not_swallow_the_next_one():
    whole = link.build(0xC4, 1024, 1, bytes(range(20)))
    reader = FrameReader()
    assert reader.feed(whole[:17], 10.0) == []
    (frame,) = reader.feed(whole, 10.6)  # its sender has begun anew
    assert frame.payload == bytes(range(20))
    assert (reader.frames, reader.unframed) == (1, 17)


def test_the_late_rest_of_a_frame_still_completes_it():
    inside = link.build(0xC4, 1024, 1, b"")
    whole = link.build(0xC4, 1024, 1, b"\0" * 16 + inside)
    reader = FrameReader()
    assert reader.feed(whole[:20], 10.0) == []
    (frame,) = reader.feed(whole[20:], 13.0)  # a segment sent again by TCP
    assert frame.payload.endswith(inside)
