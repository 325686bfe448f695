"""Certificates by IEEE 2030.5's rules: for the bench, and for sites that issue their own.

A root that signs devices and servers, EC P-256 throughout, none with an expiry (edition not
verified). Where a utility or manufacturer has an authority of its own, its files are used instead.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID, ObjectIdentifier

from gateway.links.sep2.identity import HARDWARE_MODULE_NAME, INDEFINITE, lfdi
from gateway.site.pem_files import (
    KeyPair,
    PrivateKey,
    check_fits,
    load_certificate,
    load_key,
    pair_of,
    pem,
    pem_error,
    write_new,
)
from gateway.site.pki import general_name, key_usage

#: A device by its manufacturer, and a certificate made for tests (numbers as others use them).
_POLICIES = ("1.3.6.1.4.1.40732.1.1", "1.3.6.1.4.1.40732.2.1")
#: hwType: an arc of documentation, as we have no enterprise number of our own.
_HARDWARE_TYPE = bytes.fromhex("06092b0601040182be1c63")
_SKEW = dt.timedelta(minutes=10)
_MODULE_SERIAL_MAX = 64


def ensure_authority(folder: Path, moment: dt.datetime) -> KeyPair:
    """The test root in a folder (``ca.crt``, ``ca.key``); made where it is missing.

    Raises:
        ConfigError: what is there cannot be used.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = pair_of(folder, "ca")
    key = _own_key(pair)
    if not pair.certificate.exists():
        name = x509.NameAttribute(NameOID.COMMON_NAME, f"Tieline test SERCA {secrets.token_hex(4)}")
        subject = x509.Name([name])
        builder = (
            _builder(subject, subject, key, moment)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(key_usage(ca=True), critical=True)
        )
        write_new(pair.certificate, pem(builder.sign(key, hashes.SHA256())), 0o644)
    check_fits(pair, load_certificate(pair.certificate, moment), key)
    return pair


def ensure_device(
    folder: Path, stem: str, moment: dt.datetime, hosts: Sequence[str] = ()
) -> KeyPair:
    """A device's or server's certificate (``<stem>.crt``); made where it is missing.

    Args:
        folder: where the authority's ``ca.crt`` and ``ca.key`` are.
        stem: its name, and the serial number of its hardware module.
        moment: the present time, UTC.
        hosts: names or addresses a server is reached under, beside the hardware module's name.

    Raises:
        ConfigError: what is there cannot be used.
        OSError: the folder cannot be written.
    """
    pair, authority = pair_of(folder, stem), pair_of(folder, "ca")
    if not pair.certificate.exists():
        key, signer = _own_key(pair), load_key(authority.key)
        issuer = load_certificate(authority.certificate, moment)
        names = [_hardware_module(pair, stem), *(general_name(host) for host in hosts)]
        policies = [x509.PolicyInformation(ObjectIdentifier(oid), None) for oid in _POLICIES]
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = (
            _builder(x509.Name([]), issuer.subject, key, moment)
            .add_extension(key_usage(ca=False, agreement=True), critical=True)
            .add_extension(x509.CertificatePolicies(policies), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(identifier, critical=False)
        )
        write_new(pair.certificate, pem(builder.sign(signer, hashes.SHA256())), 0o644)
    check_fits(pair, load_certificate(pair.certificate, moment), load_key(pair.key))
    return pair


def certificate_lfdi(path: Path, moment: dt.datetime) -> str:
    """LFDI of the certificate in a PEM file.

    Raises:
        ConfigError: it cannot be read or is not valid now.
    """
    certificate = load_certificate(path, moment)
    return lfdi(certificate.public_bytes(serialization.Encoding.DER))


def _own_key(pair: KeyPair) -> ec.EllipticCurvePrivateKey:
    key: PrivateKey = load_key(pair.key)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise pem_error(pair.key, "is not an elliptic-curve key", "issue one on P-256")
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, moment: dt.datetime
) -> x509.CertificateBuilder:
    own = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(own)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _SKEW)
        .not_valid_after(INDEFINITE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
    )


def _hardware_module(pair: KeyPair, serial: str) -> x509.OtherName:
    """RFC 4108's HardwareModuleName: SEQUENCE of hwType and hwSerialNum, in DER by hand."""
    octets = serial.encode()
    if not 1 <= len(octets) <= _MODULE_SERIAL_MAX:
        raise pem_error(pair.certificate, f"{serial!r} is no serial number", "1 to 64 letters")
    body = _HARDWARE_TYPE + bytes([0x04, len(octets)]) + octets
    return x509.OtherName(HARDWARE_MODULE_NAME, bytes([0x30, len(body)]) + body)
