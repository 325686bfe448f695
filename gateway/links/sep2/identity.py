"""Who a device is: LFDI, SFDI and PIN, and what its certificate must say. Pure.

IEEE 2030.5 device certificates (edition not verified): EC on P-256, signed with ECDSA and SHA-256,
never expiring, critical key usage and policies, the hardware module's name as the subject's
alternative name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, ObjectIdentifier

#: RFC 4108's HardwareModuleName, as an ``otherName`` of the alternative name.
HARDWARE_MODULE_NAME = ObjectIdentifier("1.3.6.1.5.5.7.8.4")
#: "No well-defined expiration": GeneralizedTime 99991231235959Z of RFC 5280.
INDEFINITE = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
_LFDI = re.compile(r"[0-9A-F]{40}")
_SFDI_DIGITS_HEX = 9


def lfdi(certificate_der: bytes) -> str:
    """Long-form device identifier: 20 bytes of SHA-256 over the certificate, 40 hex digits."""
    return hashlib.sha256(certificate_der).hexdigest()[:40].upper()


def parse_lfdi(text: str) -> str:
    """An LFDI as people write it (small letters, dashes, colons, spaces), as 40 capital digits.

    Raises:
        ValueError: it has not 40 hex digits.
    """
    plain = re.sub(r"[\s:-]", "", text).upper()
    if _LFDI.fullmatch(plain) is None:
        raise ValueError(f"{text!r} is no LFDI: 40 hex digits")
    return plain


def sfdi(device_lfdi: str) -> int:
    """Short-form device identifier: the LFDI's first 36 bits and a check digit."""
    return with_check_digit(int(device_lfdi[:_SFDI_DIGITS_HEX], 16))


def with_check_digit(number: int) -> int:
    """A number with the digit appended that makes the sum of all digits a multiple of 10."""
    return 10 * number + -sum(int(digit) for digit in str(number)) % 10


def pin_is_valid(pin: int) -> bool:
    """Whether a registration PIN (five digits and a check digit) is one: 111115 is."""
    return 0 <= pin <= 999_999 and pin == with_check_digit(pin // 10)


def check_device_certificate(certificate_der: bytes) -> str | None:
    """What is wrong with a device's certificate by 2030.5's rules; None where nothing is.

    The chain and the dates are TLS's business; this judges what TLS lets pass.
    """
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        return _key_fault(certificate) or _extension_fault(certificate)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        return f"cannot be read: {error}"


def _key_fault(certificate: x509.Certificate) -> str | None:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return "its key is not an elliptic-curve key"
    if not isinstance(key.curve, ec.SECP256R1):
        return f"its key is on {key.curve.name}, not on P-256"
    if not isinstance(certificate.signature_hash_algorithm, hashes.SHA256):
        return "it is not signed with SHA-256"
    if certificate.not_valid_after_utc.replace(microsecond=0) != INDEFINITE:
        return "it expires; a device's certificate does not (99991231235959Z)"
    return None


def _extension_fault(certificate: x509.Certificate) -> str | None:
    extensions = {extension.oid: extension for extension in certificate.extensions}
    usage = extensions.get(ExtensionOID.KEY_USAGE)
    if usage is None or not usage.critical:
        return "it has no critical key usage"
    assert isinstance(usage.value, x509.KeyUsage)  # noqa: S101 - for the type checker
    if not usage.value.digital_signature or usage.value.key_cert_sign:
        return "its key usage is not a device's: digital signature, no signing of certificates"
    policies = extensions.get(ExtensionOID.CERTIFICATE_POLICIES)
    if policies is None or not policies.critical:
        return "it has no critical certificate policies"
    name = extensions.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    if name is None:
        return "it has no subject alternative name"
    assert isinstance(name.value, x509.SubjectAlternativeName)  # noqa: S101 - the same
    if not any(other.type_id == HARDWARE_MODULE_NAME for other in _others(name.value)):
        return "its subject alternative name has no HardwareModuleName"
    return None


def _others(name: x509.SubjectAlternativeName) -> list[x509.OtherName]:
    return [entry for entry in name if isinstance(entry, x509.OtherName)]
