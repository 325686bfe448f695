"""TLS on both sides: everybody shows a certificate; nothing below TLS 1.2."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Protocol

from gateway.model.errors import ConfigError, ConfigIssue

#: For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class TlsFiles(Protocol):
    """Where our certificate, its key and the peers' CA are, PEM."""

    @property
    def certificate(self) -> Path:
        """Ours."""

    @property
    def key(self) -> Path:
        """Its key, without a password."""

    @property
    def ca(self) -> Path:
        """What the peer's certificate must come from."""


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """A context that asks every master for a certificate of the CA.

    Raises:
        ConfigError: a file is missing or does not fit the others.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # a resumed session would outlive a change of the CA
    return _furnished(context, files)


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """A context that shows our certificate and takes outstations of ``ca`` under their name only.

    Raises:
        ConfigError: a file is missing or does not fit the others.
    """
    return _furnished(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files)


def peer_name(certificate: object) -> str:
    """The one common name (CN) of a master's certificate; empty where there is none, or several.

    Args:
        certificate: as :meth:`ssl.SSLSocket.getpeercert` gives it.
    """
    if not isinstance(certificate, dict):
        return ""
    subject = certificate.get("subject", ())
    names = [value for rdn in subject for key, value in rdn if key == "commonName"]
    return str(names[0]) if len(names) == 1 else ""


def _furnished(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    missing = [p for p in (files.certificate, files.key, files.ca) if not p.is_file()]
    if missing:
        raise ConfigError([ConfigIssue(str(path), 0, 0, "is not there") for path in missing])
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
        context.load_verify_locations(files.ca)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        message = f"cannot be used with {files.key.name} and {files.ca.name}: {error}"
        raise ConfigError([ConfigIssue(str(files.certificate), 0, 0, message)]) from error
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal."""
    raise ValueError("the key has a password; keep it without one, mode 0600")
