"""TLS towards an outstation: both sides show certificates; nothing below TLS 1.2."""

from __future__ import annotations

import ssl

from gateway.links.dnp3.config import TlsConfig
from gateway.model.errors import ConfigError, ConfigIssue

#: For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def client_context(config: TlsConfig) -> ssl.SSLContext:
    """A context that shows our certificate and takes outstations of ``ca`` under their name only.

    Raises:
        ConfigError: a file is missing or does not fit the others.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    files = (config.certificate, config.key, config.ca)
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise ConfigError([ConfigIssue(str(path), 0, 0, "is not there") for path in missing])
    try:
        context.load_cert_chain(config.certificate, config.key, password=_no_password)
        context.load_verify_locations(config.ca)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        message = f"cannot be used with {config.key.name} and {config.ca.name}: {error}"
        raise ConfigError([ConfigIssue(str(config.certificate), 0, 0, message)]) from error
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking on the terminal."""
    raise ValueError("the key has a password; keep it without one, mode 0600")
