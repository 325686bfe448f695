"""Certificates by 2030.5's rules, and with one of them broken, for the tests of both sides."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID, ObjectIdentifier

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
INDEFINITE = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
#: SEQUENCE { OID 1.3.6.1.4.1.40732.99, OCTET STRING "tieline" }: RFC 4108's HardwareModuleName.
_MODULE = bytes.fromhex("301406092b0601040182be1c6304077469656c696e65")
_POLICY = x509.PolicyInformation(ObjectIdentifier("1.3.6.1.4.1.40732.1.1"), None)


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        """What an LFDI is computed from."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        """What files hold."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def write(self, folder: Path, stem: str) -> tuple[Path, Path]:
        """Both as PEM files."""
        certificate, key = folder / f"{stem}.crt", folder / f"{stem}.key"
        certificate.write_bytes(self.pem)
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        key.chmod(0o600)
        return certificate, key


@dataclass(frozen=True)
class Rules:
    """What a test breaks; the defaults keep every rule."""

    key: Key = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    not_after: dt.datetime = INDEFINITE
    not_before: dt.datetime = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    names: tuple[x509.GeneralName, ...] = (
        x509.OtherName(ObjectIdentifier("1.3.6.1.5.5.7.8.4"), _MODULE),
    )
    usage_critical: bool = True
    policies: tuple[x509.PolicyInformation, ...] = (_POLICY,)
    digest: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)


@cache
def authority(name: str = "Test SERCA") -> Made:
    """A root of the tests' own; one for each name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(INDEFINITE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Made(builder.sign(key, hashes.SHA256()), key)


def device_certificate(rules: Rules | None = None, ca: Made | None = None) -> Made:
    """A device's (or a server's) certificate; see :class:`Rules` for what can be broken."""
    rules, ca = rules or Rules(), ca or authority()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ca.certificate.subject)
        .public_key(rules.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(rules.not_before)
        .not_valid_after(rules.not_after)
        .add_extension(_usage(ca=False), critical=rules.usage_critical)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False
        )
    )
    if rules.policies:
        builder = builder.add_extension(x509.CertificatePolicies(rules.policies), critical=True)
    if rules.names:
        names = x509.SubjectAlternativeName(rules.names)
        builder = builder.add_extension(names, critical=True)
    return Made(builder.sign(ca.key, rules.digest), rules.key)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
