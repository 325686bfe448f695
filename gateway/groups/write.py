"""One value for one point of a DER, and what every group function's writes are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.groups.der_points import DerPoints, DerView

#: Reactive power functions of which one at a time may be on.
REACTIVE = ("q_enable", "pf_enable", "curve_enable", "v_enable")


@dataclass(frozen=True, slots=True)
class Write:
    """One value for one point.

    Attributes:
        resets_to: what the point falls back to when the claim on it ends; None for nothing.
        momentary: it starts something and is over then; a claim kept on it would start that
            again when a later one ends.
        setting: it has no enable: ``resets_to`` is what stood there before anybody claimed it,
            and counts only while nobody has.
    """

    point: str
    value: float
    resets_to: float | None = None
    momentary: bool = False
    setting: bool = False


class UnsupportedError(Exception):
    """The DER has no points for this; the message says which function."""


def points_of(der: DerPoints, roles: Sequence[str]) -> Iterator[str]:
    """Points that play these roles, those that exist."""
    yield from (der.points[role] for role in roles if role in der.points)


def need(der: DerPoints, *roles: str) -> None:
    """Make sure that a DER has points for every role.

    Raises:
        UnsupportedError: naming those it lacks.
    """
    missing = [role for role in roles if role not in der.points]
    if missing:
        raise UnsupportedError(f"{der.name} has no {', '.join(missing)}")


def rating(view: DerView, letter: str) -> float:
    """What 100 % of a set point means: the device's own setting, else its nameplate.

    Raises:
        UnsupportedError: neither is known.
    """
    setting = view.value("p_setting") if letter == "p" else None
    if setting is not None and setting > 0:
        return setting
    plate = view.nameplate()
    known = None if plate is None else plate.power_w if letter == "p" else plate.reactive_power_var
    if known is None or known.maximum <= 0:
        raise UnsupportedError(f"the rating of {view.der.name} is not known")
    return known.maximum


def presets(view: DerView, role: str) -> list[Write]:
    """What the profile wants written before a role's point."""
    return [Write(point, value) for point, value in view.der.presets.get(role, ())]


def others_off(view: DerView, wanted: str) -> list[Write]:
    """Reactive functions that are on and must not be, for another's sake."""
    return [
        write(view.der, role, 0.0)
        for role in REACTIVE
        if role != wanted and view.value(role) == 1.0
    ]


def enable(der: DerPoints, role: str) -> Write:
    """Switch a function on; off again once nobody claims it."""
    return Write(der.points[role], 1.0, resets_to=0.0)


def write(der: DerPoints, role: str, value: float) -> Write:
    """A value for a role's point."""
    return Write(der.points[role], value)
