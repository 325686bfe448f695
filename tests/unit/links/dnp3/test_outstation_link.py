"""Data link and transport of the outstation: FCB and FCV, reset, status, bad CRC, reassembly."""

from __future__ import annotations

import pytest

from tests.unit.links.dnp3.outstation_bench import Bench, answers, link_frame, octets

ACK, LINK_STATUS, NOT_SUPPORTED = 0x00, 0x0B, 0x0F
RESET, TEST, CONFIRMED, UNCONFIRMED, STATUS = 0xC0, 0xD2, 0xD3, 0xC4, 0xC9
FCB = 0x20
#: transport FIR FIN sequence 0, then READ of g30v0 index 0
READ = octets("C0 C0 01 1E 00 00 00 00")


def test_reset_link_is_acknowledged(bench: Bench) -> None:
    assert bench.send(link_frame(RESET)) == [(ACK, b"")]


def test_link_status_is_answered_without_a_reset(bench: Bench) -> None:
    assert bench.send(link_frame(STATUS)) == [(LINK_STATUS, b"")]


def test_confirmed_data_before_a_reset_is_dropped(bench: Bench) -> None:
    assert bench.send(link_frame(CONFIRMED | FCB, READ)) == []
    assert bench.session.link.dropped == 1


def test_confirmed_data_counts_frames(bench: Bench) -> None:
    bench.send(link_frame(RESET))
    first = bench.send(link_frame(CONFIRMED | FCB, READ))
    assert [control for control, _ in first] == [ACK, 0x44]  # acknowledged, then answered
    again = bench.send(link_frame(CONFIRMED | FCB, READ))
    assert again == [(ACK, b"")]  # the same frame: acknowledged, not processed
    second = bench.send(link_frame(CONFIRMED, octets("C1 C1 01 1E 00 00 00 00")))
    assert [control for control, _ in second] == [ACK, 0x44]


def test_a_reset_starts_the_count_again(bench: Bench) -> None:
    bench.send(link_frame(RESET))
    bench.send(link_frame(CONFIRMED | FCB, READ))
    bench.send(link_frame(RESET))
    frames = bench.send(link_frame(CONFIRMED | FCB, octets("C1 C1 01 1E 00 00 00 00")))
    assert [control for control, _ in frames] == [ACK, 0x44]


def test_test_link_counts_too(bench: Bench) -> None:
    bench.send(link_frame(RESET))
    assert bench.send(link_frame(TEST | FCB)) == [(ACK, b"")]
    assert bench.send(link_frame(TEST | FCB)) == [(ACK, b"")]
    assert bench.send(link_frame(TEST)) == [(ACK, b"")]


@pytest.mark.parametrize(
    ("control", "payload"),
    [
        (RESET | 0x10, b""),  # FCV where nothing counts
        (UNCONFIRMED | 0x10, READ),
        (STATUS | 0x10, b""),
        (CONFIRMED & ~0x10, READ),  # no FCV where frames count
        (TEST & ~0x10, b""),
        (UNCONFIRMED, b""),  # user data without any
        (RESET, READ),  # a reset with data
        (0x84, READ),  # a secondary frame
    ],
)
def test_a_frame_that_contradicts_itself_is_dropped(
    bench: Bench, control: int, payload: bytes
) -> None:
    bench.send(link_frame(RESET))
    assert bench.send(link_frame(control, payload)) == []


def test_an_unknown_function_is_not_supported(bench: Bench) -> None:
    assert bench.send(link_frame(0xC7)) == [(NOT_SUPPORTED, b"")]


@pytest.mark.parametrize(
    "frame",
    [
        link_frame(UNCONFIRMED, READ, to=1025),  # for somebody else
        link_frame(UNCONFIRMED, READ, of=2),  # from somebody else
        link_frame(UNCONFIRMED & ~0x80, READ),  # from an outstation
    ],
)
def test_frames_not_ours_are_dropped(bench: Bench, frame: bytes) -> None:
    assert bench.send(frame) == []
    assert bench.session.counts["frames not ours"] == 1


def test_a_bad_crc_costs_its_frame_and_no_other(bench: Bench) -> None:
    good = link_frame(UNCONFIRMED, READ)
    for place in (8, len(good) - 1):  # header's, then the block's
        bad = bytearray(good)
        bad[place] ^= 1
        assert bench.send(bytes(bad)) == []
        assert len(bench.send(link_frame(STATUS))) == 1


def test_frames_come_in_any_pieces_and_out_of_noise(bench: Bench) -> None:
    stream = b"\x05\x64\x05\x05noise" + link_frame(STATUS)
    frames = [frame for at in range(len(stream)) for frame in bench.send(stream[at : at + 1])]
    assert frames == [(LINK_STATUS, b"")]


def segments(*payloads: str) -> bytes:
    return b"".join(link_frame(UNCONFIRMED, octets(payload)) for payload in payloads)


def test_segments_are_joined(bench: Bench) -> None:
    # FIR, sequence 5; then FIN, sequence 6: C0 01 | 1E 00 00 00 00
    (answer,) = answers(bench.send(segments("45 C0 01 1E", "86 00 00 00 00")))
    assert answer.body[:2] == octets("1E 01")


@pytest.mark.parametrize(
    "payloads",
    [
        ("45 C0 01 1E", "87 00 00 00 00"),  # one is missing
        ("86 00 00 00 00",),  # no beginning
        ("45 C0 01 1E", "45 C0 01 1E", "87 00 00 00 00"),  # begun again, then one missing
        ("05 C0 01 1E", "86 00 00 00 00"),  # FIR is missing
    ],
)
def test_a_broken_series_is_dropped_and_the_next_is_not(
    bench: Bench, payloads: tuple[str, ...]
) -> None:
    assert bench.send(segments(*payloads)) == []
    assert len(answers(bench.send(segments("C0 C0 01 1E 00 00 00 00")))) == 1


def test_a_segment_sent_again_is_taken_once(bench: Bench) -> None:
    stream = segments("45 C0 01", "06 1E 00", "06 1E 00", "87 00 00 00")
    assert len(answers(bench.send(stream))) == 1


def test_a_reset_ends_an_unfinished_series(bench: Bench) -> None:
    bench.send(segments("45 C0 01 1E"))
    bench.send(link_frame(RESET))
    assert bench.send(segments("86 00 00 00 00")) == []


def test_our_segments_are_numbered_on(bench: Bench) -> None:
    payloads = [
        payload
        for n in range(70)
        for _, payload in bench.send(segments(f"C0 C{n % 16:X} 01 1E 00 00 00 00"))
    ]
    assert [payload[0] & 0x3F for payload in payloads] == [n % 64 for n in range(70)]
