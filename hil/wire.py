"""The bench's own wire between plant and devices: one JSON object a line over TCP on loopback.

==================  =============================================================================
device to plant     ``{"hello": NAME}`` once, then after each step what the device does:
                    a DER ``{"seq", "p_w", "q_var"}``, the feeder PLC ``{"seq", "taps": {NAME:
                    TAP}, "caps": {NAME: BOOL}}``, the switchgear ``{"seq", "switches": {NAME:
                    CLOSED}, "by_relay": [NAME], "locked": [NAME]}``: moved last by its relay
                    and not by a command, and locked out.
plant to device     ``{"seq", "time_s", "elapsed_s", "hz", ...}`` each step: a DER gets
                    ``v_v`` (V: to neutral by phase, or the one line-to-line voltage), ``v_pu``,
                    ``sun`` (0..1), ``p_w`` and ``q_var`` as solved; the feeder PLC gets
                    ``nodes_pu``, ``taps``, ``caps``, ``tap_ops``, ``cap_ops``, ``head_p_w`` and
                    ``head_q_var`` by phase; the switchgear gets ``switches``: by name
                    ``closed``, ``ops``, and by phase number ``amps`` and ``va`` ([W, var],
                    positive away from the substation).
==================  =============================================================================

Injection is positive, seen from the DER.
"""

from __future__ import annotations

import json
import math
from typing import Any

#: Longest line either side accepts, bytes.
MAX_LINE = 16_384
#: Bytes waiting for a device above which new steps are dropped for it.
MAX_BACKLOG = 65_536
#: Name under which the feeder PLC says hello.
FEEDER_PLC = "feeder_plc"
#: Name under which the controls of all switches together say hello.
SWITCHGEAR = "switchgear"

Message = dict[str, Any]


class WireError(ValueError):
    """The other side sent something that is no message."""


def encode(message: Message) -> bytes:
    """One message as a line.

    Raises:
        ValueError: it holds NaN or infinity.
    """
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Message:
    """A line as a message.

    Raises:
        WireError: too long, no JSON object, or numbers JSON does not know.
    """
    if len(line) > MAX_LINE:
        raise WireError(f"a line of {len(line)} bytes")
    try:
        message = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise WireError(f"no JSON: {error}") from error
    if not isinstance(message, dict):
        raise WireError("no JSON object")
    return message


def number(message: Message, key: str) -> float:
    """A finite number out of a message.

    Raises:
        WireError: missing, no number, or not finite.
    """
    value = message.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise WireError(f"{key!r} is no finite number")
    return float(value)


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")
