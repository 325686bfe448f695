"""Modbus PDUs: bytes and typed messages, both directions.

Source: *MODBUS Application Protocol Specification V1.1b3* (Modbus Organization). Function codes
1, 2, 3, 4, 5, 6, 15 and 16 with their exception answers. Strict: any bytes give a message or
:class:`RemoteProtocolError`. The MBAP framing around a PDU is in :mod:`.framing`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from gateway.model.errors import LocalProtocolError, RemoteProtocolError

#: Most registers one read may ask for (functions 3 and 4).
MAX_READ_REGISTERS = 125
#: Most bits one read may ask for (functions 1 and 2).
MAX_READ_BITS = 2000
#: Most registers one write may carry (function 16).
MAX_WRITE_REGISTERS = 123
#: Most coils one write may carry (function 15).
MAX_WRITE_BITS = 1968
#: Longest PDU, bytes.
MAX_PDU = 253

_ON = 0xFF00
_EXCEPTION_BIT = 0x80


class AddressSpanError(RemoteProtocolError):
    """Address plus count passes 65536: exception 2, where other nonsense is exception 3."""


class Table(StrEnum):
    """The four address spaces of a Modbus device."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"

    @property
    def is_bits(self) -> bool:
        """True where an address holds one bit, not a 16-bit register."""
        return self in (Table.COIL, Table.DISCRETE)

    @property
    def is_writable(self) -> bool:
        """True for the tables a client may write."""
        return self in (Table.COIL, Table.HOLDING)


class Function(IntEnum):
    """Function codes spoken here."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_SINGLE_COIL = 5
    WRITE_SINGLE_REGISTER = 6
    WRITE_MULTIPLE_COILS = 15
    WRITE_MULTIPLE_REGISTERS = 16


class ExceptionCode(IntEnum):
    """Exception codes of the specification."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_DEVICE_BUSY = 6
    NEGATIVE_ACKNOWLEDGE = 7
    MEMORY_PARITY_ERROR = 8
    GATEWAY_PATH_UNAVAILABLE = 0x0A
    GATEWAY_TARGET_FAILED = 0x0B


READ_FUNCTION = {
    Table.COIL: Function.READ_COILS,
    Table.DISCRETE: Function.READ_DISCRETE_INPUTS,
    Table.HOLDING: Function.READ_HOLDING_REGISTERS,
    Table.INPUT: Function.READ_INPUT_REGISTERS,
}
READ_TABLE = {function: table for table, function in READ_FUNCTION.items()}


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Ask for ``count`` bits or registers from ``address`` on (functions 1 to 4)."""

    function: Function
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """What a read brought: register bytes big-endian, or bits packed low bit first."""

    function: Function
    data: bytes


@dataclass(frozen=True, slots=True)
class WriteSingle:
    """Write one coil (0 or 1) or one register; the answer is its echo (functions 5 and 6)."""

    function: Function
    address: int
    value: int


@dataclass(frozen=True, slots=True)
class WriteMultiple:
    """Write coils (0 or 1 each) or registers (functions 15 and 16)."""

    function: Function
    address: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WriteMultipleAnswer:
    """How many were written from where on (functions 15 and 16)."""

    function: Function
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class ExceptionAnswer:
    """A refusal. ``function`` and ``code`` as numbers: devices use codes of their own."""

    function: int
    code: int


Request = ReadRequest | WriteSingle | WriteMultiple
Answer = ReadAnswer | WriteSingle | WriteMultipleAnswer | ExceptionAnswer


def is_bit_function(function: Function) -> bool:
    """Whether a function reads or writes bits rather than registers."""
    return function in (
        Function.READ_COILS,
        Function.READ_DISCRETE_INPUTS,
        Function.WRITE_SINGLE_COIL,
        Function.WRITE_MULTIPLE_COILS,
    )


def read_byte_count(function: Function, count: int) -> int:
    """Bytes of data the answer to a read of ``count`` carries."""
    return (count + 7) // 8 if is_bit_function(function) else 2 * count


def pack_bits(bits: tuple[int, ...]) -> bytes:
    """Bits, first one in the lowest bit of the first byte, padded with zeros."""
    total = sum(1 << position for position, bit in enumerate(bits) if bit)
    return total.to_bytes((len(bits) + 7) // 8, "little")


def unpack_bits(data: bytes, count: int) -> tuple[int, ...]:
    """The first ``count`` bits of packed data."""
    total = int.from_bytes(data, "little")
    return tuple(total >> position & 1 for position in range(count))


def unpack_registers(data: bytes) -> tuple[int, ...]:
    """Registers of big-endian data of even length."""
    return struct.unpack(f">{len(data) // 2}H", data)


def encode_request(request: Request) -> bytes:
    """PDU of a request.

    Raises:
        LocalProtocolError: it breaks a limit of the specification, a bug of ours.
    """
    try:
        pdu = _encode_request(request)
        if parse_request(pdu) == request:
            return pdu
    except (struct.error, RemoteProtocolError, ValueError) as error:
        raise LocalProtocolError(f"cannot send {request}: {error}") from error
    raise LocalProtocolError(f"cannot send {request}: it does not survive the wire")


def encode_answer(answer: Answer) -> bytes:
    """PDU of an answer.

    Raises:
        LocalProtocolError: it breaks a limit of the specification, a bug of ours.
    """
    try:
        pdu = _encode_answer(answer)
        if parse_answer(pdu) == answer:
            return pdu
    except (struct.error, RemoteProtocolError, ValueError) as error:
        raise LocalProtocolError(f"cannot send {answer}: {error}") from error
    raise LocalProtocolError(f"cannot send {answer}: it does not survive the wire")


def parse_request(pdu: bytes) -> Request:
    """Request of a PDU, as a server sees it.

    Raises:
        RemoteProtocolError: unknown function, wrong length or a count outside the limits.
    """
    function = _function_of(pdu)
    if function in READ_TABLE:
        address, count = _two_words(pdu, len(pdu))
        limit = MAX_READ_BITS if is_bit_function(function) else MAX_READ_REGISTERS
        _check_span(address, count, limit)
        return ReadRequest(function, address, count)
    if function in (Function.WRITE_SINGLE_COIL, Function.WRITE_SINGLE_REGISTER):
        return _parse_single(function, pdu)
    return _parse_multiple(function, pdu)


def parse_answer(pdu: bytes) -> Answer:
    """Answer of a PDU, as a client sees it.

    Raises:
        RemoteProtocolError: unknown function, wrong length or a count outside the limits.
    """
    if pdu and pdu[0] & _EXCEPTION_BIT:
        if len(pdu) != 2 or pdu[1] == 0:
            raise RemoteProtocolError(f"malformed exception answer {pdu[:8].hex()}")
        return ExceptionAnswer(pdu[0] & ~_EXCEPTION_BIT, pdu[1])
    function = _function_of(pdu)
    if function in READ_TABLE:
        if len(pdu) < 3 or pdu[1] != len(pdu) - 2 or len(pdu) > MAX_PDU:
            raise RemoteProtocolError(f"byte count and length disagree in {pdu[:8].hex()}")
        if not is_bit_function(function) and pdu[1] % 2:
            raise RemoteProtocolError(f"odd byte count {pdu[1]} in a register answer")
        return ReadAnswer(function, bytes(pdu[2:]))
    if function in (Function.WRITE_SINGLE_COIL, Function.WRITE_SINGLE_REGISTER):
        return _parse_single(function, pdu)
    address, count = _two_words(pdu, len(pdu))
    _check_span(address, count, _write_limit(function))
    return WriteMultipleAnswer(function, address, count)


def _encode_request(request: Request) -> bytes:
    match request:
        case ReadRequest(function, address, count):
            return struct.pack(">BHH", function, address, count)
        case WriteSingle():
            return _encode_single(request)
        case WriteMultiple(function, address, values):
            if is_bit_function(function):
                data = pack_bits(values)
            else:
                data = struct.pack(f">{len(values)}H", *values)
            head = struct.pack(">BHHB", function, address, len(values), len(data))
            return head + data


def _encode_answer(answer: Answer) -> bytes:
    match answer:
        case ReadAnswer(function, data):
            return struct.pack(">BB", function, len(data)) + data
        case WriteSingle():
            return _encode_single(answer)
        case WriteMultipleAnswer(function, address, count):
            return struct.pack(">BHH", function, address, count)
        case ExceptionAnswer(refused, code):
            return struct.pack(">BB", refused | _EXCEPTION_BIT, code)


def _encode_single(message: WriteSingle) -> bytes:
    value = message.value
    if message.function is Function.WRITE_SINGLE_COIL:
        value = _ON if value else 0
    return struct.pack(">BHH", message.function, message.address, value)


def _function_of(pdu: bytes) -> Function:
    if not pdu:
        raise RemoteProtocolError("empty PDU")
    try:
        return Function(pdu[0])
    except ValueError:
        raise RemoteProtocolError(f"function code {pdu[0]} is not spoken here") from None


def _two_words(pdu: bytes, length: int) -> tuple[int, int]:
    if length != 5:
        raise RemoteProtocolError(f"function {pdu[0]} with {length} bytes instead of 5")
    first, second = struct.unpack_from(">HH", pdu, 1)
    return first, second


def _check_span(address: int, count: int, limit: int) -> None:
    if not 1 <= count <= limit:
        raise RemoteProtocolError(f"count {count} is outside 1..{limit}")
    if address + count > 0x10000:
        raise AddressSpanError(f"address {address} plus count {count} passes 65536")


def _write_limit(function: Function) -> int:
    return MAX_WRITE_BITS if is_bit_function(function) else MAX_WRITE_REGISTERS


def _parse_single(function: Function, pdu: bytes) -> WriteSingle:
    address, value = _two_words(pdu, len(pdu))
    if function is Function.WRITE_SINGLE_COIL:
        if value not in (0, _ON):
            raise RemoteProtocolError(f"coil value {value:#06x} is neither 0x0000 nor 0xFF00")
        value = 1 if value else 0
    return WriteSingle(function, address, value)


def _parse_multiple(function: Function, pdu: bytes) -> WriteMultiple:
    if len(pdu) < 7 or len(pdu) > MAX_PDU or pdu[5] != len(pdu) - 6:
        raise RemoteProtocolError(f"byte count and length disagree in {pdu[:8].hex()}")
    address, count = _two_words(pdu, 5)
    _check_span(address, count, _write_limit(function))
    data = bytes(pdu[6:])
    if is_bit_function(function):
        if len(data) != (count + 7) // 8:
            raise RemoteProtocolError(f"{len(data)} bytes for {count} coils")
        return WriteMultiple(function, address, unpack_bits(data, count))
    if len(data) != 2 * count:
        raise RemoteProtocolError(f"{len(data)} bytes for {count} registers")
    return WriteMultiple(function, address, unpack_registers(data))
