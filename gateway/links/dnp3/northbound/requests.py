"""What the outstation does about each function code, apart from reads and controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from gateway.links.dnp3.codec import Function, Iin, ObjectError
from gateway.links.dnp3.northbound import writes
from gateway.links.dnp3.northbound.station import Association, Reply, Request
from gateway.links.dnp3.northbound.unsolicited import Unsolicited

CONTROLS = frozenset(
    {
        Function.SELECT, Function.OPERATE, Function.DIRECT_OPERATE,
        Function.DIRECT_OPERATE_NO_ACK,
    }
)  # fmt: skip
RESTARTS = frozenset({Function.COLD_RESTART, Function.WARM_RESTART})
#: Functions that are never answered, whatever comes of them.
_AUTHENTICATION_NO_ACK = 33
SILENT = frozenset(
    {
        Function.DIRECT_OPERATE_NO_ACK, Function.IMMEDIATE_FREEZE_NO_ACK,
        Function.FREEZE_CLEAR_NO_ACK, Function.FREEZE_AT_TIME_NO_ACK, _AUTHENTICATION_NO_ACK,
    }
)  # fmt: skip
_SWITCHES = frozenset({Function.ENABLE_UNSOLICITED, Function.DISABLE_UNSOLICITED})
_FREEZES = frozenset(
    {
        Function.IMMEDIATE_FREEZE, Function.IMMEDIATE_FREEZE_NO_ACK, Function.FREEZE_CLEAR,
        Function.FREEZE_CLEAR_NO_ACK,
    }
)  # fmt: skip
#: What is done when it is said to everybody. A control is not: nobody would learn how it went.
BROADCAST = _FREEZES | _SWITCHES | {
    Function.WRITE, Function.RECORD_CURRENT_TIME, Function.ASSIGN_CLASS,
}  # fmt: skip

_HANDLERS: Mapping[int, Callable[[Association, Request], Reply]] = MappingProxyType(
    {
        Function.WRITE: writes.write,
        Function.DELAY_MEASURE: writes.delay_measure,
        Function.RECORD_CURRENT_TIME: writes.record_current_time,
        Function.ASSIGN_CLASS: writes.assign_class,
        **dict.fromkeys(_FREEZES, writes.freeze),
    }
)


def handle(association: Association, unsolicited: Unsolicited, request: Request) -> Reply:
    """Do what a request asks for; what it cannot be asked for is said in the indications."""
    function = request.fragment.function
    try:
        if function in _SWITCHES and association.master.unsolicited:
            return unsolicited.switch(request)
        if function in RESTARTS and association.station.config.allow_restart:
            return _restart(association, request)
        handler = _HANDLERS.get(function)
        if handler is None:
            return Reply(iin=Iin.NO_FUNC_CODE_SUPPORT)
        return handler(association, request)
    except ObjectError as error:
        return Reply(iin=error.iin)


def _restart(association: Association, request: Request) -> Reply:
    if request.body:
        return Reply(iin=Iin.PARAMETER_ERROR)
    return Reply(writes.delay(association.station.config.restart_delay_ms))
