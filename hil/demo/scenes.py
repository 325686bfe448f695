"""What a demo can play: a scenario, the site it belongs to, and the pace that suits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_HIL = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Scene:
    """One of them.

    Attributes:
        scenario, site: the scenario file and the site folder.
        time_scale: simulated seconds a wall second, unless asked otherwise.
        is_outage: whether it is about customers out rather than voltages.
    """

    scenario: Path
    site: Path
    time_scale: float
    is_outage: bool = True


SCENES = {
    "day": Scene(_HIL / "scenarios/ieee13_day.toml", _HIL / "sites/ieee13", 10.0, is_outage=False),
    "fault": Scene(_HIL / "scenarios/ieee123_fault.toml", _HIL / "sites/ieee123", 5.0),
    "mg_fault": Scene(_HIL / "scenarios/ieee123_mg_fault.toml", _HIL / "sites/ieee123", 5.0),
    "momentary": Scene(_HIL / "scenarios/ieee123_momentary.toml", _HIL / "sites/ieee123", 5.0),
}
