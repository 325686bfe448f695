"""MQTT topics and payloads: JSON both ways. Pure.

``BASE/SITE/DEVICE``            one object a device and period: ``{"t": ms, "v": {point: value},
                                "q": {point: flags}}``; ``q`` has only points that are not plain
                                ONLINE, ``v`` null for what is no number
``BASE/SITE/DEVICE/set/POINT``  a command: ``{"value": 5, "id": "...", "expires_ms": ...}``
``BASE/SITE/DEVICE/ack/POINT``  how it ended: ``{"id": "...", "status": "SUCCESS", ...}``
``BASE/SITE/online``            ``true``, retained; ``false`` as the last will
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.model.command import CommandResult
from gateway.model.errors import RemoteProtocolError
from gateway.model.point import Measurement
from gateway.model.quality import Quality

#: Longest command payload looked at, bytes.
MAX_COMMAND_BYTES = 1024
_KEYS = {"value", "id", "expires_ms"}


@dataclass(frozen=True, slots=True)
class CommandMessage:
    """A command as it came.

    Attributes:
        point: point id.
        value: engineering units.
        id: the sender's, comes back in the acknowledgement; empty if none.
        expires_ms: UTC ms; 0 for the link's default.
    """

    point: str
    value: float
    id: str = ""
    expires_ms: int = 0


def encode_measurements(measurements: Mapping[str, Measurement], time_ms: int) -> bytes:
    """One device's values; keys are point names without the device.

    Args:
        measurements: by point name.
        time_ms: when the message is made, UTC ms.
    """
    values = {name: m.value if math.isfinite(m.value) else None for name, m in measurements.items()}
    flags = {
        name: int(m.quality) for name, m in measurements.items() if m.quality != Quality.ONLINE
    }
    return json.dumps({"t": time_ms, "v": values, "q": flags}, separators=(",", ":")).encode()


def decode_measurements(payload: bytes) -> tuple[int, dict[str, tuple[float | None, Quality]]]:
    """The reverse: time and (value, flags) by point name.

    Raises:
        RemoteProtocolError: not such a message.
    """
    data = _object(payload)
    values, flags = data.get("v"), data.get("q", {})
    if not isinstance(values, dict) or not isinstance(flags, dict):
        raise RemoteProtocolError("a measurement message has objects v and q")
    time_ms = _integer(data.get("t"))
    if time_ms is None:
        raise RemoteProtocolError("a measurement message has a time t in ms")
    return time_ms, {
        name: (_number(value), Quality(_flags(flags.get(name, 1))))
        for name, value in values.items()
    }


def decode_command(topic: str, payload: bytes, base: str) -> CommandMessage:
    """A command from its topic and payload; a bare number will do as payload.

    Args:
        topic: ``BASE/SITE/DEVICE/set/POINT``.
        payload: JSON.
        base: ``BASE/SITE``.

    Raises:
        RemoteProtocolError: with what is wrong.
    """
    levels = topic.removeprefix(f"{base}/").split("/")
    if not topic.startswith(f"{base}/") or len(levels) != 3 or levels[1] != "set":
        raise RemoteProtocolError(f"{topic!r} is not {base}/DEVICE/set/POINT")
    if len(payload) > MAX_COMMAND_BYTES:
        raise RemoteProtocolError(f"the command has {len(payload)} bytes, {MAX_COMMAND_BYTES} go")
    point = f"{levels[0]}.{levels[2]}"
    data = _json(payload)
    if isinstance(data, dict):
        unknown = data.keys() - _KEYS
        if unknown:
            raise RemoteProtocolError(f"unknown keys: {', '.join(sorted(unknown))}")
    else:
        data = {"value": data}
    value, expires_ms = _number(data.get("value")), _integer(data.get("expires_ms", 0))
    if value is None:
        raise RemoteProtocolError("a command has a number as value")
    if expires_ms is None or not 0 <= expires_ms < 2**53:
        raise RemoteProtocolError("expires_ms is UTC milliseconds")
    identity = data.get("id", "")
    if not isinstance(identity, str) or len(identity) > 100:
        raise RemoteProtocolError("id is a text of at most 100 characters")
    return CommandMessage(point, value, identity, expires_ms)


def encode_command(message: CommandMessage) -> bytes:
    """Payload of a command."""
    data: dict[str, Any] = {"value": message.value}
    if message.id:
        data["id"] = message.id
    if message.expires_ms:
        data["expires_ms"] = message.expires_ms
    return json.dumps(data).encode()


def encode_acknowledgement(identity: str, result: CommandResult) -> bytes:
    """How a command ended."""
    data = {
        "id": identity,
        "status": result.status.name,
        "detail": result.detail,
        "value": result.value_sent,
    }
    return json.dumps(data).encode()


def _object(payload: bytes) -> dict[str, Any]:
    data = _json(payload)
    if not isinstance(data, dict):
        raise RemoteProtocolError("not a JSON object")
    return data


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(f"not JSON: {error}") from error


def _number(value: object) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _flags(value: object) -> int:
    flags = _integer(value)
    if flags is None or not 0 <= flags <= 0x7F:
        raise RemoteProtocolError(f"flags {value!r} are not an IEEE 1815 flag octet")
    return flags


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
