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
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.site.pem_files import (
    KeyPair,
    PrivateKey,
    check_fits,
    load_certificate,
    load_key,
    pair_of,
    pem,
    pem_error,
    renew,
    write_new,
)

_CA_LIFE, _LEAF_LIFE = dt.timedelta(days=3650), dt.timedelta(days=730)
#: Certificates begin a little earlier, for peers whose clocks are behind.
_SKEW = dt.timedelta(minutes=10)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
#: Addresses to listen on that nobody connects to.
_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - not bound here
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


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
            raise pem_error(
                folder, f"client name {name!r} cannot be used", "use letters and digits"
            )
    return PkiPaths(
        ca=pair_of(folder, "ca"),
        server=pair_of(folder, "server"),
        clients={name: pair_of(folder, f"client-{name}") for name in clients},
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
        self._key: PrivateKey | None = None
        if not pair.certificate.exists():
            self._key = load_key(pair.key)
            write_new(pair.certificate, pem(self._self_signed(self._key)), 0o644)
        elif pair.key.exists():
            self._key = load_key(pair.key)
        self.certificate = load_certificate(pair.certificate, moment)
        if self._key is not None:
            check_fits(pair, self.certificate, self._key)

    def ensure(self, pair: KeyPair, profile: _Profile) -> None:
        """Make the pair where it is missing, check it where it is not."""
        if not pair.certificate.exists():
            if self._key is None:
                raise pem_error(
                    pair.certificate,
                    f"is not there, and without {self._pair.key.name} none can be issued here",
                    "have it issued by the owner of the CA and put it there with its key",
                )
            write_new(pair.certificate, pem(self._issued(load_key(pair.key), profile)), 0o644)
        elif not pair.key.exists():
            remedy = f"put the key of {pair.certificate.name} there, or remove that as well"
            raise pem_error(pair.key, "is not there", remedy)
        certificate = load_certificate(pair.certificate, self._moment)
        check_fits(pair, certificate, load_key(pair.key))
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            message = f"was not issued by {self._pair.certificate.name}"
            raise pem_error(pair.certificate, message, renew(pair)) from None

    def _self_signed(self, key: PrivateKey) -> x509.Certificate:
        name = _name(f"Tieline site CA {secrets.token_hex(4)}")
        builder = _builder(name, name, key.public_key(), self._moment, _CA_LIFE)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        return (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(ca=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )

    def _issued(self, key: PrivateKey, profile: _Profile) -> x509.Certificate:
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
            .add_extension(key_usage(ca=False), critical=True)
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
    alternatives = tuple(general_name(name) for name in names)
    return _Profile("tieline", ExtendedKeyUsageOID.SERVER_AUTH, alternatives)


def general_name(name: str) -> x509.GeneralName:
    """A host's name or address as a certificate's alternative name."""
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


def key_usage(*, ca: bool, agreement: bool = False) -> x509.KeyUsage:
    """What a key may do: an authority signs certificates, others prove who they are."""
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=agreement,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _check_host(path: Path, host: str) -> None:
    """A certificate for another host would fail at every client, so it fails here."""
    if host in _ANY or host in _LOOPBACK:
        return
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    if general_name(host) not in names:
        pair = KeyPair(path, path.with_suffix(".key"))
        raise pem_error(path, f"is not for the host {host!r}", renew(pair))
