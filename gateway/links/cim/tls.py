"""TLS contexts: both sides show a certificate of the site's CA; nothing below TLS 1.2."""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.model.errors import ConfigError, ConfigIssue

#: For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    """A context that asks every client for a certificate of ``ca``.

    Raises:
        ConfigError: a file is missing or does not fit the others.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, certificate, key, ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # a resumed session would outlive a change of the CA
    return context


def client_context(certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    """A context that shows ``certificate`` and takes servers of ``ca`` under their own name only.

    Raises:
        ConfigError: a file is missing or does not fit the others.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, certificate, key, ca)


def peer_name(certificate: object) -> str:
    """The one common name (CN) of a peer's certificate; empty where there is none, or several.

    Args:
        certificate: as :meth:`ssl.SSLSocket.getpeercert` gives it.
    """
    if not isinstance(certificate, dict):
        return ""
    subject = certificate.get("subject", ())
    names = [value for rdn in subject for key, value in rdn if key == "commonName"]
    return str(names[0]) if len(names) == 1 else ""


def _context(protocol: int, certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
        context.load_verify_locations(ca)
    except FileNotFoundError as error:
        missing = next((p for p in (certificate, key, ca) if not p.is_file()), certificate)
        issue = ConfigIssue(
            str(missing), 0, 0, "is not there", "start the gateway of the site once"
        )
        raise ConfigError([issue]) from error
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        message = f"cannot be used with {key.name} and {ca.name}: {error}"
        raise ConfigError([ConfigIssue(str(certificate), 0, 0, message)]) from error
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal."""
    raise ValueError("the key has a password; keep it without one, mode 0600")
