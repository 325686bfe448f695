"""Identities against the numbers others use for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py20305.security import compute_lfdi, compute_sfdi

from gateway.links.sep2.identity import lfdi, parse_lfdi, pin_is_valid, sfdi, with_check_digit
from tests.unit.links.sep2.certificates import device_certificate


def test_sfdi_of_the_standards_example() -> None:
    # the LFDI 3E4F-45AB-31ED-FE5B-67E3-43E5-E456-2E31-984E-23E5 has the SFDI 167261211391
    long_form = parse_lfdi("3e4f-45ab-31ed-fe5b-67e3-43e5-e456-2e31-984e-23e5")
    assert sfdi(long_form) == 167_261_211_391


def test_the_pin_everybody_tests_with() -> None:
    assert pin_is_valid(111_115)
    assert not pin_is_valid(111_114)
    assert not pin_is_valid(1_111_113)


@given(st.integers(0, 99_999))
def test_one_check_digit_fits(number: int) -> None:
    pin = with_check_digit(number)
    assert sum(int(digit) for digit in str(pin)) % 10 == 0
    assert [p for p in range(10 * number, 10 * number + 10) if pin_is_valid(p)] == [pin]


def test_lfdi_and_sfdi_as_another_stack_computes_them() -> None:
    made = device_certificate()
    assert lfdi(made.der) == compute_lfdi(made.pem.decode()).upper()
    assert sfdi(lfdi(made.der)) == compute_sfdi(lfdi(made.der))


@pytest.mark.parametrize("text", ["", "3E4F", "G" * 40, "A" * 41])
def test_what_is_no_lfdi(text: str) -> None:
    with pytest.raises(ValueError, match="40 hex digits"):
        parse_lfdi(text)
