"""The IEEE 2030.5 server: programs and controls out to DERs, what they tell and measure in.

A client whose certificate fails the standard's rules, or that is neither registered nor may
register, gets 403 for everything. One that may register but has not yet gets /dcap, /tm and /edev
(which is empty then) and may POST there: that is what registration in-band needs, and no more.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence

from aiohttp import web

from gateway.links.sep2 import identity, tls
from gateway.links.sep2.config import Sep2ServerConfig
from gateway.links.sep2.resources import (
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERCurve,
    Resource,
)
from gateway.links.sep2.schema import validator
from gateway.links.sep2.serving.connection import ClientConnection
from gateway.links.sep2.serving.intake import Intake
from gateway.links.sep2.serving.journal import Journal
from gateway.links.sep2.serving.listener import Listener
from gateway.links.sep2.serving.statistics import ServerStatistics
from gateway.links.sep2.southbound.exchange import Exchange
from gateway.links.sep2.southbound.notifier import Notifier
from gateway.links.sep2.southbound.programs import ProgramFullError, ProgramSetup
from gateway.links.sep2.southbound.subscriptions import Subscriber
from gateway.links.sep2.southbound.tree import Hooks, Tree
from gateway.model.clock import Clock
from gateway.model.errors import ConfigError, ConfigIssue, LinkError

__all__ = ["Hooks", "ProgramFullError", "ProgramSetup", "Sep2Server"]

#: How long the rest of a refused body is read and thrown away, so that the refusal arrives.
_LINGER_S = 1.0


class Sep2Server:
    """One server with its state.

    Args:
        config: settings.
        programs: what its clients are in.
        clock: time.
        hooks: what the gateway wants to be told of.

    Attributes:
        port: in use once :meth:`run` listens; 0 before.
        listening: set while the server listens.

    Raises:
        ConfigError: a file cannot be used: certificate, key, CA, schema or state.
        LocalProtocolError: two programs have the same number or mRID.
    """

    def __init__(
        self,
        config: Sep2ServerConfig,
        programs: Sequence[ProgramSetup],
        clock: Clock,
        hooks: Hooks | None = None,
    ) -> None:
        self.config = config
        self.port = 0
        self.listening = asyncio.Event()
        self._context = tls.server_context(config.certificate, config.key, config.ca)
        self._client_context = tls.client_context(
            config.certificate, config.key, config.ca, check_hostname=False
        )
        self._intake = Intake(config.transport, validator(config.sep_xsd))
        self.lfdi = identity.lfdi(_der(config))
        self._journal = Journal(config.database)
        try:
            self._tree = Tree(config, clock, self._journal, self.lfdi, programs, hooks or Hooks())
        except BaseException:
            self._journal.close()
            raise
        self._listener: Listener | None = None
        self._bug: asyncio.Future[None] | None = None

    @property
    def statistics(self) -> ServerStatistics:
        """What is counted, live."""
        return self._tree.ground.statistics

    def close(self) -> None:
        """Write what is queued and close the state; the server is of no use any more."""
        self._journal.close()

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            LinkError: the address cannot be listened on, or the state cannot be written. After
                the latter the live view is ahead of the disk: make a new server.
            Exception: what a hook raised, which is a bug.
        """
        tree, config = self._tree, self.config
        await tree.registrations.preset()
        exchange = Exchange(
            tree.ground,
            tree.access,
            tree.registrations,
            tree.routes,
            self._intake,
            self._connection,
            self._report_bug,
        )
        http = web.Server(
            exchange.handle,
            access_log=None,
            logger=_quiet(),
            auto_decompress=False,
            keepalive_timeout=2 * config.transport.idle_timeout_s,  # ours comes first
            lingering_time=_LINGER_S,
        )
        try:
            self._listener = Listener(
                (config.host, config.port),
                config.transport,
                self._context,
                http,
                tree.access.identify,
                self.statistics,
            )
        except OSError as error:
            place = f"{config.host}:{config.port}"
            raise LinkError(f"cannot listen on {place}: {error}") from error
        try:
            await self._serve(self._listener)
        finally:
            self.listening.clear()
            self.port = 0
            self._listener.close()
            await http.shutdown(1.0)

    async def add_control(
        self,
        program: int,
        base: DERControlBase,
        start: int,
        duration: int,
        *,
        randomize_start: int | None = None,
        randomize_duration: int | None = None,
        mrid: int | None = None,
    ) -> DERControl:
        """Order something of a program's EndDevices; durable once it returns.

        Args:
            program: its number.
            base: what they are to do.
            start: UTC s.
            duration: s.
            randomize_start: widest random offset of the start, s, signed.
            randomize_duration: the same of the duration.
            mrid: identity; made here by default.

        Raises:
            ProgramFullError: the program holds as many controls as it may.
            LocalProtocolError: there is no such program, the mRID is taken, or a value does not
                fit its type.
            LinkError: it is not on disk.
        """
        interval = DateTimeInterval(duration=duration, start=start)
        randomize = (randomize_start, randomize_duration)
        return await self._tree.programs.add_control(program, base, interval, randomize, mrid)

    async def cancel_control(self, mrid: int, *, randomized: bool = False) -> None:
        """Take an order back; durable once it returns. One that ended otherwise stays as it is.

        Args:
            mrid: of the control.
            randomized: whether clients are to spread the end out.

        Raises:
            LocalProtocolError: there is no such control.
            LinkError: it is not on disk.
        """
        await self._tree.programs.cancel_control(mrid, randomized=randomized)

    async def add_curve(self, program: int, curve: DERCurve) -> str:
        """Publish a curve; durable once it returns. Gives its path, for the links of controls.

        Raises:
            ProgramFullError: the program holds as many curves as it may.
            LocalProtocolError: there is no such program, or a value does not fit its type.
            LinkError: it is not on disk.
        """
        return await self._tree.programs.add_curve(program, curve)

    def latest(self, lfdi: str, kind: str) -> Resource | None:
        """What an EndDevice told last; None where nothing.

        Args:
            lfdi: of the EndDevice.
            kind: ``dercap``, ``derg``, ``derst``, ``dera``, ``di`` or ``ds``.
        """
        return self._tree.documents.latest(lfdi, kind)

    def controls(self, program: int) -> tuple[DERControl, ...]:
        """The controls of a program that clients are shown, each with its status of now.

        Raises:
            LocalProtocolError: there is no such program.
        """
        return self._tree.programs.controls(program)

    async def _serve(self, listener: Listener) -> None:
        tree = self._tree
        self._bug = asyncio.get_running_loop().create_future()
        notifier = Notifier(
            self.config.notification,
            self._client_context,
            tree.subscriptions,
            tree.notification,
            self._end,
            self.statistics,
        )
        tree.notifier = notifier
        tasks = [
            asyncio.ensure_future(part)
            for part in (listener.run(), notifier.run(), tree.programs.run())
        ]
        try:
            self.port = listener.port
            self.listening.set()
            done, _ = await asyncio.wait((*tasks, self._bug), return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            tree.notifier = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _connection(self, request: web.BaseRequest) -> ClientConnection | None:
        return self._listener.connection(request.transport) if self._listener else None

    def _end(self, subscriber: Subscriber) -> None:
        self._journal.write(self._tree.subscriptions.remove(subscriber))
        self.statistics.dropped["Subscription"] += 1

    def _report_bug(self, error: Exception) -> None:
        if self._bug is not None and not self._bug.done():
            self._bug.set_exception(error)


def _der(config: Sep2ServerConfig) -> bytes:
    """The server's own certificate."""
    try:
        text = config.certificate.read_text(encoding="ascii")
        start = text.index("-----BEGIN CERTIFICATE-----")
        end = text.index("-----END CERTIFICATE-----", start) + len("-----END CERTIFICATE-----")
        return ssl.PEM_cert_to_DER_cert(text[start:end])
    except (OSError, ValueError) as error:
        issue = ConfigIssue(str(config.certificate), 0, 0, f"is no PEM certificate: {error}")
        raise ConfigError([issue]) from error


def _quiet() -> logging.Logger:
    """What peers send wrong is counted: a traceback for each would let them fill the disk."""
    logger = logging.getLogger("tieline.http")
    logger.setLevel(logging.CRITICAL)
    return logger
