"""What the plant is and the DMS's model is not, in words."""

from __future__ import annotations

from hil.scenario import Scenario


def plant_notes(scenario: Scenario) -> tuple[str, ...]:
    """What the plant is and the DMS's model is not."""
    off, noise = scenario.mismatch, scenario.noise
    plant = (
        "The plant is not the model the DMS holds: line lengths differ by up to "
        f"{off.line_length_pct:g} %, each load by up to {off.load_pct:g} % and a slow wobble of "
        f"{off.load_wobble_pct:g} %, each PV site's sun by {off.sun_wobble_pct:g} %."
    )
    meters = (
        f"Devices measure with noise: {noise.voltage_pct:g} % of voltage, {noise.power_pct:g} % of "
        f"power, {noise.frequency_hz:g} Hz (standard deviations). Seed {scenario.seed}."
    )
    return plant, meters
