"""TLS towards masters: they show a certificate of the site's CA; nothing below TLS 1.2."""

from __future__ import annotations

import ssl

from gateway.links.dnp3.outstation_config import TlsConfig
from gateway.model.errors import ConfigError, ConfigIssue

#: For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(config: TlsConfig) -> ssl.SSLContext:
    """A context that asks every master for a certificate of the CA.

    Raises:
        ConfigError: a file is missing or does not fit the others.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.verify_mode = ssl.CERT_REQUIRED
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0  # a resumed session would outlive a change of the CA
    try:
        context.load_cert_chain(config.certificate, config.key, password=_no_password)
        context.load_verify_locations(config.ca)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        message = f"cannot be used with {config.key.name} and {config.ca.name}: {error}"
        raise ConfigError([ConfigIssue(str(config.certificate), 0, 0, message)]) from error
    return context


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


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal."""
    raise ValueError("the key has a password; keep it without one, mode 0600")
