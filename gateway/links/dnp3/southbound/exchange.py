"""Requests and their ends: what a conversation with an outstation is made of.

A conversation is a generator: it yields a :class:`Request` and is given its :class:`Reply`, or why
there is none; a :class:`Wait` gives the line to others for a while. So a select and its operate,
or the two steps of a time synchronisation, read as what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from gateway.links.dnp3.codec import Function, Iin

#: Indications that refuse a request.
REFUSALS = (
    Iin.NO_FUNC_CODE_SUPPORT
    | Iin.OBJECT_UNKNOWN
    | Iin.PARAMETER_ERROR
    | Iin.ALREADY_EXECUTING
)  # fmt: skip


class Now(NamedTuple):
    """One instant on both clocks.

    Attributes:
        s: monotonic seconds.
        utc_ms: UTC milliseconds since 1970.
    """

    s: float
    utc_ms: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request; a body that depends on when it goes out is a function of that."""

    function: Function
    body: bytes | Callable[[Now], bytes] = b""


@dataclass(frozen=True, slots=True)
class Wait:
    """Leave the line to others until then, monotonic seconds."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request, its last fragment where it had several.

    Attributes:
        iin: internal indications.
        body: objects.
        sent, received: when the request went out and the answer came in.
        cut: some of it could not be read and must be asked for in another way.
    """

    iin: Iin
    body: bytes
    sent: Now
    received: Now
    cut: bool = False

    @property
    def is_refused(self) -> bool:
        """Whether the outstation says that it did not do what was asked."""
        return bool(self.iin & REFUSALS)


class Failure(Enum):
    """Why there is no answer."""

    TIMEOUT = "no answer in time"
    LOST = "connection lost"


class End(Enum):
    """How a conversation ended."""

    DONE = "done"
    REFUSED = "refused"
    NOT_YET = "to be asked again"


#: A wait is answered with the time at which it ended.
Answer = Reply | Failure | Now
Conversation = Generator[Request | Wait, Answer, End]


class Run:
    """A conversation under way.

    Args:
        conversation: not yet begun.
        whole: nothing else may go out between its requests.

    Attributes:
        end: how it ended; None while it runs.
    """

    __slots__ = ("_begun", "_conversation", "_step", "end", "whole")

    def __init__(self, conversation: Conversation, *, whole: bool = False) -> None:
        self._conversation = conversation
        self._step: Request | Wait | None = None
        self._begun = False
        self.whole = whole
        self.end: End | None = None

    @property
    def until_s(self) -> float:
        """When it goes on by itself, monotonic seconds; 0 where it does so at once."""
        return self._step.until_s if isinstance(self._step, Wait) else 0.0

    @property
    def is_inside(self) -> bool:
        """Whether it is between two requests that belong together."""
        return self.whole and isinstance(self._step, Request)

    def request(self, now: Now) -> Request | None:
        """What it wants to send now; None while it waits, and once it has ended."""
        if not self._begun:
            self._begun = True
            self._advance(None)
        while isinstance(self._step, Wait) and now.s >= self._step.until_s:
            self._advance(now)
        return self._step if isinstance(self._step, Request) else None

    def answer(self, answer: Answer) -> None:
        """Go on with the end of what was sent."""
        self._advance(answer)

    def _advance(self, answer: Answer | None) -> None:
        try:
            step = next(self._conversation) if answer is None else self._conversation.send(answer)
        except StopIteration as ended:
            self._step, self.end = None, ended.value
        else:
            self._step = step
