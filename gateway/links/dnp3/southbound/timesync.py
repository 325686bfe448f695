"""Setting an outstation's clock, both ways of IEEE 1815 (edition not verified)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from gateway.links.dnp3.codec import Function, ObjectError, count_header, walk
from gateway.links.dnp3.southbound.exchange import Conversation, End, Failure, Now, Reply, Request

_TIME, _ABSOLUTE, _LAST_RECORDED = 50, 1, 3
_DELAY, _COARSE = 52, 1


def over_lan() -> Conversation:
    """The outstation notes when the first request comes; the second says what time that was."""
    recorded = yield Request(Function.RECORD_CURRENT_TIME)
    if not isinstance(recorded, Reply):
        return End.NOT_YET
    if recorded.is_refused:
        return End.REFUSED
    return _end((yield Request(Function.WRITE, _time(_LAST_RECORDED, recorded.sent.utc_ms))))


def over_slow_line() -> Conversation:
    """The way there is half of what a round trip takes without the outstation's own time."""
    measured = yield Request(Function.DELAY_MEASURE)
    if not isinstance(measured, Reply):
        return End.NOT_YET
    turnaround_ms = _turnaround_ms(measured.body)
    if measured.is_refused or turnaround_ms is None:
        return End.REFUSED
    round_trip_ms = 1000 * (measured.received.s - measured.sent.s)
    delay_ms = max(0, round((round_trip_ms - turnaround_ms) / 2))

    def body(now: Now) -> bytes:
        return _time(_ABSOLUTE, now.utc_ms + delay_ms)

    return _end((yield Request(Function.WRITE, body)))


#: By the name a configuration gives them.
TIME_SYNCS: Mapping[str, Callable[[], Conversation]] = MappingProxyType(
    {"lan": over_lan, "non-lan": over_slow_line}
)


def _end(answer: object) -> End:
    if not isinstance(answer, Reply):
        return End.NOT_YET if isinstance(answer, Failure) else End.REFUSED
    return End.REFUSED if answer.is_refused else End.DONE


def _time(variation: int, utc_ms: int) -> bytes:
    return count_header(_TIME, variation, 1) + (utc_ms & 0xFFFF_FFFF_FFFF).to_bytes(6, "little")


def _turnaround_ms(body: bytes) -> int | None:
    """What the outstation says it took to answer; None where it does not."""
    try:
        for block in walk(body, carries_objects=True):
            if block.group == _DELAY and len(block.data) >= 2:
                delay = int.from_bytes(block.data[:2], "little")
                return 1000 * delay if block.variation == _COARSE else delay
    except ObjectError:
        pass
    return None
