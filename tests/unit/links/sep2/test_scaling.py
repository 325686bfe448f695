"""Numbers as a whole number times a power of ten."""

from __future__ import annotations

import math

import pytest

from gateway.links.sep2.resources import (
    ActivePower,
    ApparentPower,
    PowerFactor,
    PowerFactorWithExcitation,
    VoltageRMS,
)


@pytest.mark.parametrize(
    ("number", "value", "multiplier"),
    [
        (0.0, 0, 0),
        (5230.0, 5230, 0),
        (-32768.0, -32768, 0),
        (32768.0, 3277, 1),  # 32770: the next there is
        (50_000.0, 5000, 1),
        (1_000_000.0, 10_000, 2),
        (0.1, 1, -1),
        (1234.5, 12345, -1),
        (3.2767e13, 32767, 9),
        (1e-12, 0, -9),  # below the least there is
    ],
)
def test_the_nearest_pair_is_found(number, value, multiplier):
    assert ActivePower.of(number) == ActivePower(multiplier=multiplier, value=value)


def test_the_number_comes_back_in_units():
    assert ActivePower(multiplier=3, value=-5).number == -5000.0
    assert ActivePower(multiplier=-3, value=950).number == 0.95
    assert VoltageRMS.of(240.7).number == 240.7
    assert ApparentPower.of(65_535).number == 65_535.0


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e14, -1e14])
def test_what_fits_no_power_is_refused(number):
    with pytest.raises(ValueError, match=r"finite|out of range"):
        ActivePower.of(number)


@pytest.mark.parametrize("number", [-1.0, -0.4, -1e-12])
def test_what_is_negative_is_no_apparent_power(number):
    with pytest.raises(ValueError, match="negative"):
        ApparentPower.of(number)


def test_a_power_factor_is_from_zero_to_one():
    assert PowerFactor.of(0.95).number == 0.95
    assert PowerFactor.of(1).number == 1.0
    absorbing = PowerFactorWithExcitation.of(0.9, excitation=True)
    assert (absorbing.number, absorbing.excitation) == (0.9, True)
    for wrong in (-0.1, 1.01, math.nan):
        with pytest.raises(ValueError, match="from 0 to 1"):
            PowerFactor.of(wrong)
