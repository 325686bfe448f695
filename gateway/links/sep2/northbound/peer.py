"""Who the server is, by its certificate: looked at in every handshake of a context."""

from __future__ import annotations

import ssl

from gateway.links.sep2 import identity


class ServerIdentity:
    """Judges the server's certificate and keeps its LFDI.

    Args:
        expected: LFDI it must have; empty takes the first one seen, and whichever comes later.
        check_rules: whether it must keep 2030.5's rules.

    Attributes:
        lfdi: of the last certificate that passed; empty before.
    """

    def __init__(self, expected: str, *, check_rules: bool) -> None:
        self._expected = expected
        self._check_rules = check_rules
        self.lfdi = expected

    def judge(self, certificate: bytes) -> None:
        """Look at a certificate (DER) whose chain TLS has verified.

        Raises:
            ssl.SSLCertVerificationError: it is not the one, or breaks the rules.
        """
        seen = identity.lfdi(certificate)
        if self._expected and seen != self._expected:
            raise ssl.SSLCertVerificationError("the server has another LFDI than it must have")
        fault = identity.check_device_certificate(certificate) if self._check_rules else None
        if fault is not None:
            raise ssl.SSLCertVerificationError(f"the server's certificate: {fault}")
        self.lfdi = seen

    def watch(self, context: ssl.SSLContext) -> None:
        """Judge in each handshake of a context, before a byte of HTTP is sent."""
        judge = self.judge

        class Watched(ssl.SSLObject):
            def do_handshake(self) -> None:
                super().do_handshake()
                certificate = self.getpeercert(binary_form=True)
                if certificate is None:
                    raise ssl.SSLCertVerificationError("the server shows no certificate")
                judge(certificate)

        context.sslobject_class = Watched
