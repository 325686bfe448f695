"""Names a 2030.5 profile may use, checked where the schema is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gateway.links.sep2.resources import DERAvailability, DERCapability, DERSettings, DERStatus
from gateway.links.sep2.shape import parts
from gateway.links.sep2.southbound.orders import known_mode
from gateway.links.sep2.southbound.telemetry import PHASES, UNITS
from gateway.profiles.profile import DeviceProfile, ProfilePoint

#: Resources a DER posts, by the name a profile uses.
CLASSES: Mapping[str, type] = MappingProxyType(
    {cls.__name__: cls for cls in (DERStatus, DERCapability, DERSettings, DERAvailability)}
)


def field_of(cls: type, name: str) -> str:
    """The field that is an element of that name.

    Raises:
        KeyError: there is none.
    """
    return {part.mark.name: part.field for part in parts(cls)}[name]


def name_faults(profile: DeviceProfile) -> Sequence[str]:
    """What is wrong with the names of a 2030.5 profile's points."""
    return [f"point {p.point!r}: {fault}" for p in profile.points if (fault := _fault(p))]


def _fault(point: ProfilePoint) -> str:
    name = point.name or ""
    if point.kind.is_output != (point.resource == "DERControl"):
        return "outputs are DERControl's, inputs are not"
    if point.resource == "DERControl":
        mode, _, part = name.partition(".")
        return "" if known_mode(mode, part) else f"there is no {name!r} to command"
    if point.resource == "Reading":
        if name not in UNITS or point.phase not in PHASES:
            return f"there is no reading of {name!r} on phase {point.phase!r}"
        return ""
    cls = CLASSES[point.resource or ""]
    known = {part.mark.name for part in parts(cls)}
    return "" if name in known else f"{point.resource} has no {name!r}"
