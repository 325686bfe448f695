"""Keys and certificates as PEM files: made whole or not at all, checked before they are used."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from gateway.model.errors import ConfigError, ConfigIssue

#: Ours are elliptic; an authority of the operator's may have RSA.
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, PEM."""

    certificate: Path
    key: Path


def pair_of(folder: Path, stem: str) -> KeyPair:
    """Where a pair of that name is, whether it exists or not."""
    return KeyPair(folder / f"{stem}.crt", folder / f"{stem}.key")


def load_key(path: Path) -> PrivateKey:
    """The key in a file; a new one on P-256 where there is no file.

    Raises:
        ConfigError: others can read it, or it is no key that can be used.
    """
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        encoded = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_new(path, encoded, 0o600)
    if path.stat().st_mode & 0o077:
        raise pem_error(path, "can be read by others than its owner", f"chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        # the library's own words may quote the file: keep them out of logs
        raise pem_error(path, "is not a PEM key without a password", "put the right file") from None
    if not isinstance(key, PrivateKey):
        raise pem_error(path, "is neither an elliptic-curve nor an RSA key", "issue one on P-256")
    return key


def load_certificate(path: Path, moment: dt.datetime) -> x509.Certificate:
    """The certificate in a file, valid at ``moment``.

    Raises:
        ConfigError: it cannot be read, has expired or is not valid yet.
    """
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        raise pem_error(path, "is not a PEM certificate", "put the right file") from None
    if moment > certificate.not_valid_after_utc:
        message = f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
        raise pem_error(path, message, renew(KeyPair(path, path.with_suffix(".key"))))
    if moment < certificate.not_valid_before_utc:
        message = f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise pem_error(path, message, "check the clock")
    return certificate


def check_fits(pair: KeyPair, certificate: x509.Certificate, key: PrivateKey) -> None:
    """Raise ConfigError where a certificate and a key do not belong together."""
    if _spki(certificate.public_key()) != _spki(key.public_key()):
        raise pem_error(pair.certificate, f"does not belong to {pair.key.name}", renew(pair))


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as files hold it."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is whole or absent, and leave one that is there as it is."""
    with _temporary(path) as draft:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its file counts
            os.link(draft, path)


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def renew(pair: KeyPair) -> str:
    """What to do about a pair that cannot be used."""
    return (
        f"remove {pair.certificate.name} and {pair.key.name} and start again, "
        "or put the right ones there"
    )


def pem_error(path: Path, message: str, remedy: str) -> ConfigError:
    """A fault of one file."""
    return ConfigError([ConfigIssue(str(path), 0, 0, message, remedy)])
