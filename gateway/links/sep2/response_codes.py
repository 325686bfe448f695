"""``Response.status`` of the DER function set (edition not verified)."""

from __future__ import annotations

from enum import IntEnum


class ResponseCode(IntEnum):
    """What a DER says of a control."""

    RECEIVED = 1
    STARTED = 2
    COMPLETED = 3
    OPT_OUT = 4
    OPT_IN = 5
    CANCELLED = 6
    SUPERSEDED = 7
    NOT_APPLICABLE = 252
    INVALID = 253
    EXPIRED = 254
