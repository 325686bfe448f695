"""The volt-VAR curve asked of a group: through its wish, and no steeper than the grid bears."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gateway.apps.vvo.requests import Poi, ask_reactive_power
from gateway.groups.messages import Address

ADDRESS = Address(message_id="m", dms_id="dms", group_id="g", time_ms=0)
RATING_VA = 500e3


@pytest.mark.parametrize("sensitivity", [1e-9, 2e-8, 1e-7, 1e-6], ids=str)
@pytest.mark.parametrize("wanted_var", [-500e3, -100e3, 0.0, 200e3, 500e3])
def test_the_loop_of_curve_and_grid_settles_and_its_flat_part_is_the_wish(sensitivity, wanted_var):
    poi = Poi(1.01, sensitivity)
    points = ask_reactive_power("curve", ADDRESS, wanted_var, 100e3, RATING_VA, poi).points
    volts, shares = zip(*points, strict=True)
    assert list(volts) == sorted(volts)
    assert list(shares) == sorted(shares, reverse=True)
    assert max(map(abs, shares)) <= 100.0
    assert shares[1] == shares[2] == pytest.approx(100 * wanted_var / RATING_VA, abs=0.05)
    assert volts[1] < 101.0 < volts[2]
    for (v1, q1), (v2, q2) in pairwise(points):
        if q1 != q2:
            slope_var_per_pu = (q1 - q2) * RATING_VA / (v2 - v1)
            assert slope_var_per_pu * sensitivity < 1.0
    assert volts[0] > 50.0
    assert volts[3] < 150.0


def test_a_stronger_grid_gets_a_steeper_curve():
    def slope(sensitivity):
        poi = Poi(1.0, sensitivity)
        (v1, q1), (v2, q2), *_ = ask_reactive_power("curve", ADDRESS, 0.0, 0.0, 1e6, poi).points
        return (q1 - q2) / (v2 - v1)

    assert slope(2e-8) > slope(4e-8) > slope(1e-7)
