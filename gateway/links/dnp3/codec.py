"""DNP3 application fragments: bytes and typed parts, both directions.

Source: IEEE 1815-2012 (edition not verified). Strict: any bytes give parts or say where and why
they stop making sense. The octets of objects stay as they are; :mod:`.values` reads them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from gateway.links.dnp3.objects import packed_bits_of, size_of
from gateway.model.errors import LocalProtocolError, RemoteProtocolError

REQUEST_HEADER, RESPONSE_HEADER = 2, 4
#: Largest link address a station may have; above are broadcast, self and reserved addresses.
MAX_ADDRESS = 0xFFEF
#: Octets of one fragment that every station takes; what we send and take unless set otherwise.
DEFAULT_FRAGMENT = 2048


class Function(IntEnum):
    """Application function codes."""

    CONFIRM = 0
    READ = 1
    WRITE = 2
    SELECT = 3
    OPERATE = 4
    DIRECT_OPERATE = 5
    DIRECT_OPERATE_NO_ACK = 6
    IMMEDIATE_FREEZE = 7
    IMMEDIATE_FREEZE_NO_ACK = 8
    FREEZE_CLEAR = 9
    FREEZE_CLEAR_NO_ACK = 10
    FREEZE_AT_TIME = 11
    FREEZE_AT_TIME_NO_ACK = 12
    COLD_RESTART = 13
    WARM_RESTART = 14
    ENABLE_UNSOLICITED = 20
    DISABLE_UNSOLICITED = 21
    ASSIGN_CLASS = 22
    DELAY_MEASURE = 23
    RECORD_CURRENT_TIME = 24
    RESPONSE = 129
    UNSOLICITED_RESPONSE = 130


class Iin(IntFlag):
    """Internal indications: IIN1 in the low octet, IIN2 in the high one, as on the wire."""

    NONE = 0
    ALL_STATIONS = 0x0001
    CLASS_1_EVENTS = 0x0002
    CLASS_2_EVENTS = 0x0004
    CLASS_3_EVENTS = 0x0008
    NEED_TIME = 0x0010
    LOCAL_CONTROL = 0x0020
    DEVICE_TROUBLE = 0x0040
    DEVICE_RESTART = 0x0080
    NO_FUNC_CODE_SUPPORT = 0x0100
    OBJECT_UNKNOWN = 0x0200
    PARAMETER_ERROR = 0x0400
    EVENT_BUFFER_OVERFLOW = 0x0800
    ALREADY_EXECUTING = 0x1000
    CONFIG_CORRUPT = 0x2000


#: Every indication there is; the two bits above are reserved and say nothing.
ALL_INDICATIONS = 0x3FFF


class Qualifier(IntEnum):
    """Qualifiers spoken here: how a header says which objects it means."""

    START_STOP_8 = 0x00
    START_STOP_16 = 0x01
    ALL = 0x06
    COUNT_8 = 0x07
    COUNT_16 = 0x08
    COUNT_8_INDEX_8 = 0x17
    COUNT_16_INDEX_16 = 0x28
    FREE_FORMAT = 0x5B


@dataclass(frozen=True, slots=True)
class Control:
    """Application control octet."""

    sequence: int
    first: bool = True
    final: bool = True
    confirm: bool = False
    unsolicited: bool = False

    @classmethod
    def of(cls, octet: int) -> Control:
        """The octet's parts."""
        return cls(
            octet & 0x0F, bool(octet & 0x80), bool(octet & 0x40), bool(octet & 0x20),
            bool(octet & 0x10),
        )  # fmt: skip

    def octet(self) -> int:
        """The parts as on the wire."""
        bits = (self.first << 7) | (self.final << 6) | (self.confirm << 5)
        return bits | (self.unsolicited << 4) | (self.sequence & 0x0F)


@dataclass(frozen=True, slots=True)
class Fragment:
    """One application fragment; ``iin`` is None in a request.

    ``function`` is the plain octet: an unknown one is the receiver's to refuse.
    """

    control: Control
    function: int
    body: bytes = b""
    iin: Iin | None = None

    def octets(self) -> bytes:
        """The fragment as on the wire."""
        head = bytes((self.control.octet(), self.function))
        return head + (b"" if self.iin is None else struct.pack("<H", self.iin)) + self.body


@dataclass(frozen=True, slots=True)
class Block:
    """One object header with what followed it.

    Attributes:
        group, variation, qualifier: as on the wire.
        start: first index of a range; 0 otherwise.
        count: objects meant; None for "all".
        indices: index of each object where each has its own, else None.
        data: the objects' octets without prefixes: ``count`` of them, or packed bits, or for
            free format each object's octets (see ``sizes``).
        sizes: octets of each object in free format.
        head: octets of the header itself, for an echo.
    """

    group: int
    variation: int
    qualifier: Qualifier
    start: int = 0
    count: int | None = None
    indices: tuple[int, ...] | None = None
    data: bytes = b""
    sizes: tuple[int, ...] = ()
    head: bytes = b""

    @property
    def stop(self) -> int:
        """Last index of a range."""
        return self.start + (self.count or 0) - 1

    def points(self) -> Sequence[int]:
        """Indices meant, in order; empty for "all"."""
        return self.indices or range(self.start, self.start + (self.count or 0))


class ObjectError(RemoteProtocolError):
    """Where a walk had to stop; ``iin`` is what an outstation answers, ``offset`` where it was."""

    def __init__(self, reason: str, offset: int, iin: Iin = Iin.PARAMETER_ERROR) -> None:
        super().__init__(f"{reason} (object data, octet {offset})")
        self.offset = offset
        self.iin = iin


def parse_request(octets: bytes) -> Fragment:
    """A request's parts.

    Raises:
        RemoteProtocolError: not a request: too short, not one whole fragment, or marked
            unsolicited without being a confirmation.
    """
    if len(octets) < REQUEST_HEADER:
        raise RemoteProtocolError("a request has at least two octets")
    control = Control.of(octets[0])
    if not (control.first and control.final):
        raise RemoteProtocolError("a request is one fragment, first and final")
    if control.unsolicited and octets[1] != Function.CONFIRM:
        raise RemoteProtocolError("only a confirmation may carry UNS towards an outstation")
    return Fragment(control, octets[1], octets[REQUEST_HEADER:])


def parse_response(octets: bytes) -> Fragment:
    """A response's parts.

    Raises:
        RemoteProtocolError: not a response.
    """
    if len(octets) < RESPONSE_HEADER:
        raise RemoteProtocolError("a response has at least four octets")
    control, function = Control.of(octets[0]), octets[1]
    if function not in (Function.RESPONSE, Function.UNSOLICITED_RESPONSE):
        raise RemoteProtocolError(f"function code {function} is not a response")
    if control.unsolicited != (function == Function.UNSOLICITED_RESPONSE):
        raise RemoteProtocolError("function code and UNS bit disagree")
    if function == Function.UNSOLICITED_RESPONSE and not (control.first and control.final):
        raise RemoteProtocolError("an unsolicited response is one fragment")
    (iin,) = struct.unpack_from("<H", octets, 2)
    return Fragment(control, function, octets[RESPONSE_HEADER:], Iin(iin & ALL_INDICATIONS))


def walk(body: bytes, *, carries_objects: bool) -> Iterator[Block]:
    """Every object header with its objects, in order.

    Args:
        body: what follows the fragment's header.
        carries_objects: whether objects follow their headers (responses, writes, controls), or
            headers stand alone (reads, freezes, class assignment, unsolicited switches).

    Raises:
        ObjectError: at the first header that cannot be understood; those before it were given.
    """
    at = 0
    while at < len(body):
        block, at = _block(body, at, carries_objects=carries_objects)
        yield block


def _block(body: bytes, at: int, *, carries_objects: bool) -> tuple[Block, int]:
    begin = at
    if at + 3 > len(body):
        raise ObjectError("the object header is cut off", begin)
    group, variation, raw = body[at : at + 3]
    try:
        qualifier = Qualifier(raw)
    except ValueError:
        raise ObjectError(f"qualifier 0x{raw:02x} is not spoken here", begin) from None
    start, count, at = _range(body, at + 3, qualifier)
    head = body[begin:at]
    if qualifier is Qualifier.FREE_FORMAT:
        data, sizes, at = _free_format(body, at, count or 0)
        return Block(group, variation, qualifier, 0, count, None, data, sizes, head), at
    width = _PREFIX.get(qualifier, 0)
    if not carries_objects:
        indices, at = _index_list(body, at, count or 0, width)
        return Block(group, variation, qualifier, start, count, indices, head=head), at
    if count is None:
        return Block(group, variation, qualifier, head=head), at
    size, bits = size_of(group, variation), packed_bits_of(group, variation)
    if size is None or (bits and width):
        reason = f"group {group} variation {variation} has no size known here"
        raise ObjectError(reason, begin, Iin.OBJECT_UNKNOWN)
    span = (count * bits + 7) // 8 if bits else count * (width + size)
    if at + span > len(body):
        raise ObjectError(f"group {group} declares {count} objects, fewer are here", begin)
    data = body[at : at + span]
    indices = None
    if width:
        indices, data = _unprefix(data, count, width, size)
    return Block(group, variation, qualifier, start, count, indices, data, (), head), at + span


_PREFIX = {Qualifier.COUNT_8_INDEX_8: 1, Qualifier.COUNT_16_INDEX_16: 2}
_RANGES = {
    Qualifier.START_STOP_8: struct.Struct("<BB"),
    Qualifier.START_STOP_16: struct.Struct("<HH"),
    Qualifier.COUNT_8: struct.Struct("<B"),
    Qualifier.COUNT_16: struct.Struct("<H"),
    Qualifier.COUNT_8_INDEX_8: struct.Struct("<B"),
    Qualifier.COUNT_16_INDEX_16: struct.Struct("<H"),
    Qualifier.FREE_FORMAT: struct.Struct("<B"),
}


def _range(body: bytes, at: int, qualifier: Qualifier) -> tuple[int, int | None, int]:
    layout = _RANGES.get(qualifier)
    if layout is None:
        return 0, None, at
    if at + layout.size > len(body):
        raise ObjectError("the range is cut off", at)
    numbers = layout.unpack_from(body, at)
    if len(numbers) == 1:
        return 0, numbers[0], at + layout.size
    start, stop = numbers
    if stop < start:
        raise ObjectError(f"range {start}..{stop} ends before it begins", at)
    return start, stop - start + 1, at + layout.size


def _index_list(body: bytes, at: int, count: int, width: int) -> tuple[tuple[int, ...] | None, int]:
    if not width:
        return None, at
    end = at + count * width
    if end > len(body):
        raise ObjectError("the index list is cut off", at)
    return struct.unpack_from(f"<{count}{'BH'[width - 1]}", body, at), end


def _unprefix(data: bytes, count: int, width: int, size: int) -> tuple[tuple[int, ...], bytes]:
    """Indices and objects of a block whose objects each carry their index."""
    step = width + size
    indices = tuple(
        int.from_bytes(data[at : at + width], "little") for at in range(0, count * step, step)
    )
    objects = b"".join(data[at + width : at + step] for at in range(0, count * step, step))
    return indices, objects


def _free_format(body: bytes, at: int, count: int) -> tuple[bytes, tuple[int, ...], int]:
    sizes: list[int] = []
    data: list[bytes] = []
    for _ in range(count):
        if at + 2 > len(body):
            raise ObjectError("a free-format object is cut off", at)
        size = int.from_bytes(body[at : at + 2], "little")
        if at + 2 + size > len(body):
            raise ObjectError("a free-format object is cut off", at)
        sizes.append(size)
        data.append(body[at + 2 : at + 2 + size])
        at += 2 + size
    return b"".join(data), tuple(sizes), at


def all_header(group: int, variation: int) -> bytes:
    """A header that means every object of a group and variation."""
    return bytes((group, variation, Qualifier.ALL))


def class_headers(classes: Sequence[int]) -> bytes:
    """Headers for classes 0..3, in the order given."""
    return b"".join(all_header(60, number + 1) for number in classes)


def range_header(group: int, variation: int, start: int, stop: int) -> bytes:
    """A header of a range of indices, in the shorter form that fits.

    Raises:
        LocalProtocolError: no range.
    """
    if not 0 <= start <= stop <= 0xFFFF:
        raise LocalProtocolError(f"range {start}..{stop} is none")
    if stop <= 0xFF:
        return bytes((group, variation, Qualifier.START_STOP_8, start, stop))
    return struct.pack("<BBBHH", group, variation, Qualifier.START_STOP_16, start, stop)


def count_header(group: int, variation: int, count: int) -> bytes:
    """A header of a count of objects without indices (times, delays)."""
    return bytes((group, variation, Qualifier.COUNT_8, count))


def indexed_header(group: int, variation: int, count: int, *, wide: bool) -> bytes:
    """A header of objects that each carry their index, one octet wide or two."""
    if wide:
        return struct.pack("<BBBH", group, variation, Qualifier.COUNT_16_INDEX_16, count)
    return bytes((group, variation, Qualifier.COUNT_8_INDEX_8, count))
