"""Select, operate and direct operate of one master: what may go, and what was answered.

The session judges; whoever runs it carries out (:attr:`ControlDesk.request`) and says how it
ended. No control is ever carried out twice for one request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.links.dnp3.codec import RESPONSE_HEADER, Function, Iin
from gateway.links.dnp3.northbound.control_objects import ControlBody, ControlObject, parse_controls
from gateway.links.dnp3.northbound.station import Association, Reply, Request
from gateway.model.command import CommandMode, CommandStatus

_SEQUENCES = 16


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """Controls to be carried out, in order.

    Attributes:
        serial: names this request when it is completed.
        controls: what to do; those at ``due`` are left to do, the others are refused already.
        due: places of the controls to carry out.
        mode: select-before-operate or direct operate.
        deadline_s: monotonic time after which the master is told that the outcome is unknown.
    """

    serial: int
    controls: tuple[ControlObject, ...]
    due: tuple[int, ...]
    mode: CommandMode
    deadline_s: float


@dataclass(frozen=True, slots=True)
class _Selection:
    body: bytes
    sequence: int
    expires_s: float
    statuses: tuple[CommandStatus, ...]


@dataclass(frozen=True, slots=True)
class _UnderWay:
    request: ControlRequest
    origin: Request
    body: ControlBody
    statuses: tuple[CommandStatus, ...]


class ControlDesk:
    """One master's controls.

    Attributes:
        done: controls that ended, by status.
    """

    def __init__(self, association: Association) -> None:
        self._association = association
        self._config = association.station.config
        self._selection: _Selection | None = None
        self._under_way: _UnderWay | None = None
        self._serial = 0
        self.done: dict[CommandStatus, int] = {}

    @property
    def request(self) -> ControlRequest | None:
        """What is to be carried out, until :meth:`complete` or its deadline."""
        return None if self._under_way is None else self._under_way.request

    def clear_selection(self) -> None:
        """Anything between a select and its operate ends the selection."""
        self._selection = None

    def forget(self) -> None:
        """The connection is over: nobody waits for the answer any more."""
        self._selection = self._under_way = None

    def handle(self, request: Request) -> Reply | None:
        """Judge a control request; None where its answer waits for controls to be carried out.

        Raises:
            ObjectError: it is no sound request for controls.
        """
        selection, self._selection = self._selection, None
        body = parse_controls(request.body)
        if RESPONSE_HEADER + len(request.body) > self._config.max_fragment:
            return Reply(iin=Iin.PARAMETER_ERROR)  # its echo would not fit: nothing is done
        function = request.fragment.function
        if function == Function.OPERATE:
            statuses = self._selected(selection, request, body)
        else:
            statuses = [CommandStatus.SUCCESS] * len(body.controls)
        statuses = [
            self._judge(control, len(body.controls)) if status is CommandStatus.SUCCESS else status
            for control, status in zip(body.controls, statuses, strict=True)
        ]
        if function == Function.SELECT:
            self._select(request, statuses)
            return _reply(body, statuses)
        due = [n for n, status in enumerate(statuses) if status is CommandStatus.SUCCESS]
        if not due:
            self._count(statuses)
            return _reply(body, statuses)
        self._start(request, body, tuple(due), tuple(statuses))
        return None

    def complete(
        self, serial: int, statuses: Sequence[CommandStatus]
    ) -> tuple[Request, Reply] | None:
        """Controls ended; their request and its answer. None where nobody waits for it now.

        Args:
            serial: of the control request.
            statuses: of the controls at its ``due``, in order.
        """
        under_way = self._under_way
        if under_way is None or under_way.request.serial != serial:
            return None
        self._under_way = None
        every = list(under_way.statuses)
        for place, status in zip(under_way.request.due, statuses, strict=True):
            every[place] = status
        self._count(every)
        return under_way.origin, _reply(under_way.body, every)

    def expire(self, now_s: float) -> tuple[Request, Reply] | None:
        """The answer to a request whose controls took too long: their outcome is not known.

        TIMEOUT would say that an operate came too late to be carried out; UNDEFINED says
        what is true.
        """
        request = self.request
        if request is None or now_s < request.deadline_s:
            return None
        return self.complete(request.serial, [CommandStatus.UNDEFINED] * len(request.due))

    def _selected(
        self, selection: _Selection | None, request: Request, body: ControlBody
    ) -> list[CommandStatus]:
        """Whether an operate follows its selection: next request, same octets, in time."""
        count = len(body.controls)
        follows = selection is not None and (
            request.fragment.control.sequence == (selection.sequence + 1) % _SEQUENCES
            and request.body == selection.body
        )
        if selection is None or not follows:
            return [CommandStatus.NO_SELECT] * count
        if request.received_s > selection.expires_s:
            return [CommandStatus.TIMEOUT] * count
        return [
            status if status is CommandStatus.SUCCESS else CommandStatus.NO_SELECT
            for status in selection.statuses
        ]

    def _select(self, request: Request, statuses: Sequence[CommandStatus]) -> None:
        self._selection = _Selection(
            request.body,
            request.fragment.control.sequence,
            request.received_s + self._config.select_timeout_s,
            tuple(statuses),
        )

    def _judge(self, control: ControlObject, count: int) -> CommandStatus:
        """Whether a control may be carried out now."""
        station = self._association.station
        row = station.database.columns[control.type].row(control.index)
        verdicts = (
            (count > self._config.max_controls, CommandStatus.TOO_MANY_OBJS),
            (row < 0, CommandStatus.NOT_SUPPORTED),
            (control.fault is not CommandStatus.SUCCESS, control.fault),
            (station.surroundings.local(), CommandStatus.LOCAL),
            (station.surroundings.inhibited(), CommandStatus.AUTOMATION_INHIBIT),
        )
        for refused, status in verdicts:
            if refused:
                return status
        name = self._association.master.name
        return station.check(control.type, control.index, control.value, name)

    def _start(
        self,
        request: Request,
        body: ControlBody,
        due: tuple[int, ...],
        statuses: tuple[CommandStatus, ...],
    ) -> None:
        self._serial += 1
        operate = request.fragment.function == Function.OPERATE
        mode = CommandMode.SELECT_BEFORE_OPERATE if operate else CommandMode.DIRECT_OPERATE
        deadline_s = request.now_s + self._config.control_timeout_s
        todo = ControlRequest(self._serial, body.controls, due, mode, deadline_s)
        self._under_way = _UnderWay(todo, request, body, statuses)

    def _count(self, statuses: Sequence[CommandStatus]) -> None:
        for status in statuses:
            self.done[status] = self.done.get(status, 0) + 1


def _reply(body: ControlBody, statuses: Sequence[CommandStatus]) -> Reply:
    # a point that takes no control is a fault of the request, the indications say so too
    refused = CommandStatus.NOT_SUPPORTED in statuses
    return Reply(body.echo(statuses), Iin.PARAMETER_ERROR if refused else Iin.NONE)
