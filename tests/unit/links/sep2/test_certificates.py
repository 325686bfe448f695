"""Certificates by the rules, and with each rule broken."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.links.sep2.identity import check_device_certificate
from tests.unit.links.sep2.certificates import Rules, device_certificate


def test_a_certificate_by_the_rules() -> None:
    assert check_device_certificate(device_certificate().der) is None


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        (lambda: Rules(key=ec.generate_private_key(ec.SECP384R1())), "secp384r1"),
        (lambda: Rules(key=rsa.generate_private_key(65537, 2048)), "elliptic"),
        (lambda: Rules(digest=hashes.SHA384()), "SHA-256"),
        (lambda: Rules(not_after=dt.datetime(2049, 1, 1, tzinfo=dt.UTC)), "expires"),
        (lambda: Rules(usage_critical=False), "key usage"),
        (lambda: Rules(policies=()), "policies"),
        (lambda: Rules(names=()), "alternative name"),
        (lambda: Rules(names=(x509.DNSName("inverter"),)), "HardwareModuleName"),
    ],
)
def test_a_broken_rule_is_named(rules: object, fault: str) -> None:
    assert callable(rules)
    reason = check_device_certificate(device_certificate(rules()).der)
    assert reason is not None
    assert fault in reason


def test_what_is_no_certificate() -> None:
    assert "cannot be read" in (check_device_certificate(b"0\x03\x02\x01\x00") or "")
