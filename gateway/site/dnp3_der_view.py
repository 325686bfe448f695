"""What a group says of itself, as points of the DNP3 DER profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.groups.backend import PointGroup
from gateway.groups.messages import Quantity

Shown = tuple[str, float | None]


def shown_points(group: PointGroup, held: Mapping[str, float]) -> Iterator[Shown]:
    """Each point of the profile that is known, by name; None where it should be and is not.

    Args:
        group: the group shown.
        held: present setting of each output.
    """
    yield from held.items()
    yield from _read_backs(group, held)
    yield from _ratings(group)
    quantities = {
        "p": Quantity.ACTIVE_POWER, "q": Quantity.REACTIVE_POWER,
        "s": Quantity.APPARENT_POWER, "pf": Quantity.POWER_FACTOR,
        "hz": Quantity.FREQUENCY, "soc": Quantity.STATE_OF_CHARGE,
    }  # fmt: skip
    for name, quantity in quantities.items():
        present = group.present(quantity)
        yield name, present.value if present.good else None
    power = group.present(Quantity.ACTIVE_POWER)
    connected = group.present(Quantity.CONNECTED)
    if connected.good and connected.value is not None and power.value is not None:
        closed = connected.value >= 1.0
        yield "conn", float(closed)
        yield "started", float(closed)
        yield "stopped", float(not closed)
        yield "conn_idle", float(closed and power.value == 0)
        yield "conn_generating", float(closed and power.value > 0)
        yield "conn_charging", float(closed and power.value < 0)
    yield "islanded", float(group.islanded)
    yield "local", 0.0
    yield "may_start", 1.0


def _read_backs(group: PointGroup, held: Mapping[str, float]) -> Iterator[Shown]:
    names = ("p_limit", "p_limit_charge", "p_set", "q_set", "pf_set", "pf_cha", "vv_index",
             "vv_select", "vv_points")  # fmt: skip
    for name in names:
        yield f"{name}_held", held[name]
    for name in held:
        if name.endswith("_ena"):
            yield f"{name.removesuffix('_ena')}_on", held[name]
    yield "pf_under", held["pf_ext"]
    views = group.views.values()
    for name, role in (("can_limit", "limit_enable"), ("can_p", "p_enable"),
                       ("can_q", "q_enable"), ("can_pf", "pf_enable"),
                       ("can_vv", "curve_enable")):  # fmt: skip
        yield name, float(all(view.der.has(role) for view in views))


def _ratings(group: PointGroup) -> Iterator[Shown]:
    names = {
        Quantity.ACTIVE_POWER: (("p_max_rtg", "p_max"), ("p_min_rtg", "p_cha_max"),
                                "p_avail_max", "p_avail_min"),
        Quantity.REACTIVE_POWER: (("q_max_rtg", "q_inj_max"), ("q_min_rtg", "q_abs_max"),
                                  "q_avail_max", "q_avail_min"),
    }  # fmt: skip
    for quantity, (most, least, now_most, now_least) in names.items():
        entry = group.ranges(quantity)
        plate = None if entry is None else entry.nameplate
        now = None if entry is None else entry.now
        for name in most:
            yield name, None if plate is None else plate.maximum
        for name in least:
            yield name, None if plate is None else min(plate.minimum, 0.0)
        yield now_most, None if now is None else now.maximum
        yield now_least, None if now is None else now.minimum
    apparent = group.ranges(Quantity.APPARENT_POWER)
    plate = None if apparent is None else apparent.nameplate
    for name in ("s_max_rtg", "s_max"):
        yield name, None if plate is None else plate.maximum
