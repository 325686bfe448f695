"""One request and what became of it: the strict check every answer passes.

Pure: no socket, no clock. The native client and pymodbus use the same check.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from gateway.links.modbus.codec import (
    READ_FUNCTION,
    ExceptionCode,
    Function,
    ReadRequest,
    Request,
    Table,
    WriteMultiple,
    WriteSingle,
    encode_request,
    read_byte_count,
)
from gateway.model.command import CommandStatus
from gateway.model.errors import TielineError


class Outcome(Enum):
    """How an exchange ended."""

    OK = "answered"
    EXCEPTION = "refused by the device"
    BUSY = "device busy"
    MISMATCH = "answer did not fit the request"
    TIMEOUT = "no answer in time"
    LOST = "connection lost"
    EXPIRED = "waited too long to be sent"


class Result(NamedTuple):
    """The end of an exchange.

    Attributes:
        outcome: how it ended.
        data: register or bit bytes of a good read, valid only during the call; else empty.
        code: exception code, 0 where there was none.
        sent: whether the request went out at all.
    """

    outcome: Outcome
    data: memoryview = memoryview(b"")
    code: int = 0
    sent: bool = True

    def describe(self) -> str:
        """One line for logs and the audit trail."""
        text = self.outcome.value
        if self.code:
            text = f"{text}, {exception_text(self.code)}"
        return text if self.sent else f"not sent: {text}"


class ModbusExceptionError(TielineError):
    """The device refused a read.

    Attributes:
        code: Modbus exception code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(exception_text(code))
        self.code = code


class Exchange:
    """One request under way. Subclasses say in :meth:`finish` what the end means.

    Attributes:
        unit: unit id.
        request: PDU sent.
        function: its function code.
        is_write: whether it changes the device; such a one is sent once, never again.
        expires_s: monotonic time after which it may no longer be sent; infinite for polls.
        deadline_s: monotonic time by which the answer is due, set when sent.
        abandoned: whoever asked is gone; not sent if it still waits.
    """

    __slots__ = (
        "_byte_count",
        "_echo",
        "abandoned",
        "deadline_s",
        "expires_s",
        "function",
        "is_write",
        "request",
        "unit",
    )

    def __init__(self, unit: int, request: Request) -> None:
        self.unit = unit
        self.request = encode_request(request)
        self.function = int(request.function)
        self.is_write = not isinstance(request, ReadRequest)
        self._byte_count = 0
        self._echo = b""
        match request:
            case ReadRequest(function, _, count):
                self._byte_count = read_byte_count(function, count)
            case WriteSingle():
                self._echo = self.request
            case WriteMultiple():
                self._echo = self.request[:5]
        self.expires_s = float("inf")
        self.deadline_s = 0.0
        self.abandoned = False

    def judge(self, pdu: memoryview) -> Result:
        """Whether an answer is the answer to this request: function, byte count, echo."""
        function = pdu[0]
        if function == self.function:
            if self.is_write:
                if pdu == self._echo:
                    return Result(Outcome.OK)
            elif len(pdu) == self._byte_count + 2 and pdu[1] == self._byte_count:
                return Result(Outcome.OK, pdu[2:])
        elif function == self.function | 0x80 and len(pdu) == 2 and pdu[1]:
            code = pdu[1]
            busy = code == ExceptionCode.SERVER_DEVICE_BUSY
            return Result(Outcome.BUSY if busy else Outcome.EXCEPTION, code=code)
        return Result(Outcome.MISMATCH)

    def finish(self, result: Result) -> None:
        """Take the end; called exactly once each time it was submitted."""
        raise NotImplementedError


def read_request(table: Table, address: int, count: int) -> ReadRequest:
    """Request for a span of a table."""
    return ReadRequest(READ_FUNCTION[table], address, count)


def write_request(table: Table, address: int, values: tuple[int, ...], *, single: bool) -> Request:
    """Request that writes values from an address on.

    Args:
        table: COIL or HOLDING.
        address: first address.
        values: registers, or coils as 0 and 1.
        single: use function 5 or 6; only for one value.

    Raises:
        ValueError: the table cannot be written.
    """
    if not table.is_writable:
        raise ValueError(f"table {table} cannot be written")
    if single and len(values) == 1:
        one = Function.WRITE_SINGLE_COIL if table.is_bits else Function.WRITE_SINGLE_REGISTER
        return WriteSingle(one, address, values[0])
    many = Function.WRITE_MULTIPLE_COILS if table.is_bits else Function.WRITE_MULTIPLE_REGISTERS
    return WriteMultiple(many, address, values)


def exception_text(code: int) -> str:
    """``exception 2 (illegal data address)``."""
    try:
        name = ExceptionCode(code).name.lower().replace("_", " ")
    except ValueError:
        name = "not in the specification"
    return f"exception {code} ({name})"


_STATUS_OF_EXCEPTION = {
    ExceptionCode.ILLEGAL_FUNCTION: CommandStatus.NOT_SUPPORTED,
    ExceptionCode.ILLEGAL_DATA_ADDRESS: CommandStatus.NOT_SUPPORTED,
    ExceptionCode.ILLEGAL_DATA_VALUE: CommandStatus.OUT_OF_RANGE,
    ExceptionCode.SERVER_DEVICE_FAILURE: CommandStatus.HARDWARE_ERROR,
    # the device took the request and is still at it: whether it will succeed is not known
    ExceptionCode.ACKNOWLEDGE: CommandStatus.UNDEFINED,
    ExceptionCode.SERVER_DEVICE_BUSY: CommandStatus.PROCESSING_LIMITED,
    ExceptionCode.NEGATIVE_ACKNOWLEDGE: CommandStatus.BLOCKED,
    ExceptionCode.MEMORY_PARITY_ERROR: CommandStatus.HARDWARE_ERROR,
    ExceptionCode.GATEWAY_PATH_UNAVAILABLE: CommandStatus.DOWNSTREAM_FAIL,
    ExceptionCode.GATEWAY_TARGET_FAILED: CommandStatus.DOWNSTREAM_FAIL,
}


def command_status(result: Result) -> CommandStatus:
    """IEEE 1815 status of a write that ended so."""
    match result.outcome:
        case Outcome.OK:
            return CommandStatus.SUCCESS
        case Outcome.EXCEPTION | Outcome.BUSY if result.code:
            known = {int(code): status for code, status in _STATUS_OF_EXCEPTION.items()}
            return known.get(result.code, CommandStatus.UNDEFINED)
        case Outcome.TIMEOUT if result.sent:
            return CommandStatus.TIMEOUT
        case Outcome.EXPIRED:
            return CommandStatus.TIMEOUT
        case Outcome.BUSY:
            return CommandStatus.PROCESSING_LIMITED
        case _:
            return CommandStatus.DOWNSTREAM_FAIL
