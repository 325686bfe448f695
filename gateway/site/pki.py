"""A certificate authority of the site's own, made at its first start.

For the bench and for sites without a PKI: EC P-256, a server certificate and one per client, no
passwords. A site with its own authority puts its files in the same places; what is there is used
and never overwritten. ``ca.key`` issues certificates: move it off the box once every client has
its own.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.model.errors import ConfigError, ConfigIssue

_CA_LIFE, _LEAF_LIFE = dt.timedelta(days=3650), dt.timedelta(days=730)
#: Certificates begin a little earlier, for peers whose clocks are behind.
_SKEW = dt.timedelta(minutes=10)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: Addresses to listen on that nobody connects to.
_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - not bound here
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

#: Ours are elliptic; an authority of the operator's may have RSA.
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class PkiPaths:
    """The files of a site's PKI.

    Attributes:
        ca: the authority's certificate; its key beside it only where it issues here.
        server: the endpoint's.
        clients: by certificate name (CN).
    """

    ca: KeyPair
    server: KeyPair
    clients: Mapping[str, KeyPair]


def pki_paths(folder: Path, clients: Sequence[str] = ()) -> PkiPaths:
    """Where the files of a PKI are, whether they exist or not.

    Raises:
        ConfigError: a client's name that a file cannot have.
    """
    for name in clients:
        if _CLIENT.fullmatch(name) is None:
            raise _error(folder, f"client name {name!r} cannot be used", "use letters and digits")
    return PkiPaths(
        ca=_pair(folder, "ca"),
        server=_pair(folder, "server"),
        clients={name: _pair(folder, f"client-{name}") for name in clients},
    )


def ensure_pki(
    folder: Path, host: str, clients: Sequence[str], now: dt.datetime | None = None
) -> PkiPaths:
    """Make what is missing, check what is there.

    Args:
        folder: made with mode 0700; keys in it have 0600.
        host: a name or address under which clients reach the server, beside loopback.
        clients: names that get a client certificate each.
        now: the present time, UTC; the system's where absent.

    Raises:
        ConfigError: a file is unreadable, expired, readable by others, or does not fit the rest.
        OSError: the folder cannot be written.
    """
    moment = now or dt.datetime.now(dt.UTC)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths = pki_paths(folder, clients)
    authority = _Authority(paths.ca, moment)
    authority.ensure(paths.server, _server_profile(host))
    _check_host(paths.server.certificate, host)
    for name, pair in paths.clients.items():
        authority.ensure(pair, _Profile(name, ExtendedKeyUsageOID.CLIENT_AUTH, ()))
    return paths


@dataclass(frozen=True, slots=True)
class _Profile:
    """What a certificate is for."""

    name: str
    usage: x509.ObjectIdentifier
    alternatives: tuple[x509.GeneralName, ...]


class _Authority:
    """The CA: made where it is missing; issues where its key is here."""

    def __init__(self, pair: KeyPair, moment: dt.datetime) -> None:
        self._pair = pair
        self._moment = moment
        self._key: _Key | None = None
        if not pair.certificate.exists():
            self._key = _key(pair.key)
            _write_new(pair.certificate, _pem(self._self_signed(self._key)), 0o644)
        elif pair.key.exists():
            self._key = _key(pair.key)
        self.certificate = _certificate(pair.certificate, moment)
        if self._key is not None:
            _check_fits(pair, self.certificate, self._key)

    def ensure(self, pair: KeyPair, profile: _Profile) -> None:
        """Make the pair where it is missing, check it where it is not."""
        if not pair.certificate.exists():
            if self._key is None:
                raise _error(
                    pair.certificate,
                    f"is not there, and without {self._pair.key.name} none can be issued here",
                    "have it issued by the owner of the CA and put it there with its key",
                )
            _write_new(pair.certificate, _pem(self._issued(_key(pair.key), profile)), 0o644)
        elif not pair.key.exists():
            remedy = f"put the key of {pair.certificate.name} there, or remove that as well"
            raise _error(pair.key, "is not there", remedy)
        certificate = _certificate(pair.certificate, self._moment)
        _check_fits(pair, certificate, _key(pair.key))
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            message = f"was not issued by {self._pair.certificate.name}"
            raise _error(pair.certificate, message, _renew(pair)) from None

    def _self_signed(self, key: _Key) -> x509.Certificate:
        name = _name(f"Tieline site CA {secrets.token_hex(4)}")
        builder = _builder(name, name, key.public_key(), self._moment, _CA_LIFE)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        return (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(ca=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )

    def _issued(self, key: _Key, profile: _Profile) -> x509.Certificate:
        if self._key is None:
            raise RuntimeError("only an authority with a key issues")
        end = self.certificate.not_valid_after_utc - self._moment
        own, issuer = key.public_key(), self._key.public_key()
        builder = (
            _builder(
                _name(profile.name),
                self.certificate.subject,
                own,
                self._moment,
                min(_LEAF_LIFE, end),
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([profile.usage]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False
            )
        )
        if profile.alternatives:
            names = x509.SubjectAlternativeName(profile.alternatives)
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _server_profile(host: str) -> _Profile:
    names = dict.fromkeys((*_LOOPBACK, *([] if host in _ANY else [host])))
    alternatives = tuple(_general_name(name) for name in names)
    return _Profile("tieline", ExtendedKeyUsageOID.SERVER_AUTH, alternatives)


def _general_name(name: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: _PublicKey,
    moment: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - _SKEW)
        .not_valid_after(moment + life)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pair(folder: Path, stem: str) -> KeyPair:
    return KeyPair(folder / f"{stem}.crt", folder / f"{stem}.key")


def _key(path: Path) -> _Key:
    """The key in a file; a new one where there is no file."""
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        encoded = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write_new(path, encoded, 0o600)
    if path.stat().st_mode & 0o077:
        raise _error(path, "can be read by others than its owner", f"chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        # the library's own words may quote the file: keep them out of logs
        raise _error(path, "is not a PEM key without a password", "put the right file") from None
    if not isinstance(key, _Key):
        raise _error(path, "is neither an elliptic-curve nor an RSA key", "issue one on P-256")
    return key


def _certificate(path: Path, moment: dt.datetime) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        raise _error(path, "is not a PEM certificate", "put the right file") from None
    if moment > certificate.not_valid_after_utc:
        message = f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
        raise _error(path, message, _renew(KeyPair(path, path.with_suffix(".key"))))
    if moment < certificate.not_valid_before_utc:
        message = f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise _error(path, message, "check the clock")
    return certificate


def _check_fits(pair: KeyPair, certificate: x509.Certificate, key: _Key) -> None:
    if _spki(certificate.public_key()) != _spki(key.public_key()):
        raise _error(pair.certificate, f"does not belong to {pair.key.name}", _renew(pair))


def _check_host(path: Path, host: str) -> None:
    """A certificate for another host would fail at every client, so it fails here."""
    if host in _ANY or host in _LOOPBACK:
        return
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    if _general_name(host) not in names:
        pair = KeyPair(path, path.with_suffix(".key"))
        raise _error(path, f"is not for the host {host!r}", _renew(pair))


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_new(path: Path, content: bytes, mode: int) -> None:
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


def _renew(pair: KeyPair) -> str:
    return (
        f"remove {pair.certificate.name} and {pair.key.name} and start again, "
        "or put the right ones there"
    )


def _error(path: Path, message: str, remedy: str) -> ConfigError:
    return ConfigError([ConfigIssue(str(path), 0, 0, message, remedy)])
