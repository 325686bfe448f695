"""What the endpoint refuses by itself, before any group was asked: still a proper reply."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from gateway.groups.forms import Form
from gateway.groups.messages import ErrorLevel, GroupReply, ReplyError, Result
from gateway.groups.xml_faults import Identity

#: Prefix of error codes of ours; the envelope's own numbers are not extended.
PREFIX = "tieline:"


class RefusedError(Exception):
    """A request that never reaches the handler.

    Attributes:
        status: of the HTTP answer.
        code: of the reply's errors, without :data:`PREFIX`; also what is counted.
        reasons: one error each.
        identity: whom the reply is to, as far as known.
        form: in which the refusal is told.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        reasons: Sequence[str],
        identity: Identity | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.reasons = tuple(reasons)
        self.identity = identity or Identity()
        self.form = Form()
        super().__init__(f"{status.value} {code}: {'; '.join(reasons)}")

    @property
    def body_unread(self) -> bool:
        """Whether the body was left unread, so that the connection has no next request."""
        return self.code not in ("invalid-message", "timeout", "busy")

    def reply(self, number: int, now_ms: int) -> GroupReply:
        """The refusal as a FAILED reply.

        Args:
            number: makes the reply's id.
            now_ms: its time, UTC ms.
        """
        return GroupReply(
            message_id=f"refused-{number}",
            correlation_id=self.identity.message_id,
            dms_id=self.identity.dms_id,
            group_id=self.identity.group_id,
            time_ms=now_ms,
            result=Result.FAILED,
            errors=tuple(
                ReplyError(code=PREFIX + self.code, level=ErrorLevel.FATAL, reason=reason)
                for reason in self.reasons
            ),
        )
