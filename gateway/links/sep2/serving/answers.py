"""What is asked and what is answered, once HTTP is off it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from gateway.links.sep2.resources import Resource
from gateway.links.sep2.serving.access import Client
from gateway.links.sep2.serving.paging import Page

#: reasonCode of an Error.
INVALID_FORMAT, INVALID_VALUES, LIMIT_REACHED, CONDITION_NOT_SUPPORTED, TOO_OFTEN = range(5)


@dataclass(frozen=True, slots=True)
class Ask:
    """A GET or HEAD.

    Attributes:
        client: whose.
        path: what for, without the query.
        free: the segments of the path that its pattern left open.
        page: which entries, where it is a list.
    """

    client: Client
    path: str
    free: tuple[str, ...]
    page: Page


@dataclass(frozen=True, slots=True)
class Post:
    """A POST, PUT or DELETE.

    Attributes:
        client: whose.
        path: where to, without the query.
        free: the segments of the path that its pattern left open.
        resource: the body; None for DELETE.
    """

    client: Client
    path: str
    free: tuple[str, ...]
    resource: Resource | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back.

    Attributes:
        status: of HTTP.
        body: document; empty for none.
        location: of what was made.
    """

    status: int = 200
    body: bytes = b""
    location: str = ""


#: The same for what does not exist and for what is another client's.
NOT_FOUND = Answer(HTTPStatus.NOT_FOUND)
NO_CONTENT = Answer(HTTPStatus.NO_CONTENT)


class RefusedError(Exception):
    """A request that is not carried out.

    Attributes:
        status: of HTTP.
        reason: what is counted.
        code: reasonCode of the Error in the body; None for no body.
        body_unread: whether the body was left unread, so that the connection has no next request.
    """

    def __init__(
        self, status: int, reason: str, code: int | None = None, *, body_unread: bool = False
    ) -> None:
        self.status = status
        self.reason = reason
        self.code = code
        self.body_unread = body_unread
        super().__init__(f"{status} {reason}")


def invalid(reason: str) -> RefusedError:
    """A body that is well formed and says what cannot be."""
    return RefusedError(HTTPStatus.BAD_REQUEST, reason, INVALID_VALUES)


def full(reason: str) -> RefusedError:
    """A client has all that it may have of something."""
    return RefusedError(HTTPStatus.BAD_REQUEST, reason, LIMIT_REACHED)


def forbidden(reason: str) -> RefusedError:
    """A client may not do that."""
    return RefusedError(HTTPStatus.FORBIDDEN, reason)
