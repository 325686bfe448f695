"""TLS contexts for 2030.5, and for nothing else: TLS 1.2 with the standard's two cipher suites.

OpenSSL 3.2 and newer allow CCM8 at security level 0 only. That level would let weak keys and
signatures pass as well, so keys and certificates are judged by :mod:`gateway.links.sep2.identity`.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.model.errors import ConfigError, ConfigIssue

#: The mandatory suite first, then the optional one; no other.
CIPHERS = "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES256-GCM-SHA384:@SECLEVEL=0"


def server_context(certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    """A context that asks every client for a certificate of ``ca``.

    Raises:
        ConfigError: a file is missing or does not fit the others.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, certificate, key, ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_ecdh_curve("prime256v1")
    context.num_tickets = 0  # a resumed session would outlive a change of the CA
    context.options |= ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def client_context(
    certificate: Path, key: Path, ca: Path, *, check_hostname: bool = True
) -> ssl.SSLContext:
    """A context that shows ``certificate`` and takes servers of ``ca`` only.

    Args:
        certificate: ours, PEM.
        key: its key, without a password.
        ca: who signs servers, PEM; an intermediate may stand for its root.
        check_hostname: whether the server's certificate must carry the name it is reached under;
            a device's certificate often has its hardware module's name alone.

    Raises:
        ConfigError: a file is missing or does not fit the others.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, certificate, key, ca)
    context.check_hostname = check_hostname
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _context(protocol: int, certificate: Path, key: Path, ca: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
        context.load_verify_locations(ca)
    except FileNotFoundError as error:
        missing = next((p for p in (certificate, key, ca) if not p.is_file()), certificate)
        remedy = "make one with tieline cert, or name the authority's own"
        raise ConfigError([ConfigIssue(str(missing), 0, 0, "is not there", remedy)]) from error
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        message = f"cannot be used with {key.name} and {ca.name}: {error}"
        raise ConfigError([ConfigIssue(str(certificate), 0, 0, message)]) from error
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal."""
    raise ValueError("the key has a password; keep it without one, mode 0600")
