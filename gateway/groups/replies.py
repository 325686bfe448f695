"""Making replies: the envelope's result follows from what happened, never from hope."""

from __future__ import annotations

from dataclasses import replace

from gateway.groups.backend import Applied
from gateway.groups.messages import (
    Address,
    ErrorLevel,
    GroupReply,
    Held,
    ReplyError,
    Result,
)

#: Refused by a business rule: the one error code of the envelope known to us beside 0.0.
REFUSED = "6.1"
OK_CODE = "0.0"
#: A held value may differ from the asked one by this share before the reply says PARTIAL.
_SAME = 0.005


def reply(address: Address, now_ms: int, result: Result) -> GroupReply:
    """A bare reply to the message at ``address``; its own id is derived from that."""
    return GroupReply(
        message_id=f"{address.message_id}-r",
        correlation_id=address.message_id,
        dms_id=address.dms_id,
        group_id=address.group_id,
        time_ms=now_ms,
        result=result,
    )


def failed(address: Address, now_ms: int, reason: str) -> GroupReply:
    """A reply that says no, and why."""
    errors = (refusal(reason, ErrorLevel.FATAL),)
    return replace(reply(address, now_ms, Result.FAILED), errors=errors)


def refusal(reason: str, level: ErrorLevel = ErrorLevel.WARNING) -> ReplyError:
    """A business-rule error."""
    return ReplyError(code=REFUSED, level=level, reason=reason)


def outcome(
    address: Address, now_ms: int, applied: Applied, held: Held | None = None
) -> GroupReply:
    """Reply to a set point: OK, PARTIAL with what is held, or FAILED.

    Args:
        address: of the request.
        now_ms: UTC ms.
        applied: how far it was carried out.
        held: what is held; None for what no quantity stands for, a ramp or a price.
    """
    errors = [refusal(f"{member}: {text}") for member, text in applied.refusals.items()]
    if not applied.taken:
        reasons = "; ".join(error.reason for error in errors)
        return failed(address, now_ms, reasons or "the group has no members")
    if held is not None and not same(held.requested, held.held):
        errors.append(refusal(f"asked {held.requested:g}, held {_text(held.held)}"))
    result = Result.PARTIAL if errors else Result.OK
    bare = replace(reply(address, now_ms, result), errors=tuple(errors))
    if held is None:
        return bare
    members = len(applied.taken) + len(applied.refusals)
    counted = replace(held, members_ok=len(applied.taken), members=members)
    return replace(bare, held=(counted,))


def same(requested: float | None, held: float | None) -> bool:
    """Whether what is held is what was asked."""
    if requested is None or held is None:
        return requested is held
    return abs(held - requested) <= _SAME * max(abs(requested), abs(held), 1.0)


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
