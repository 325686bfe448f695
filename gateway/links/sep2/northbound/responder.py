"""Posts responses, one after the other, until the server has them."""

from __future__ import annotations

from gateway.links.sep2.northbound.ground import Ground, back_off_s
from gateway.links.sep2.northbound.outbox import Outbox, document
from gateway.links.sep2.northbound.transport import RefusedError, Transport
from gateway.model.errors import RemoteProtocolError

#: Refusals in a row after which a response is given up where the server means it.
_GIVE_UP_AFTER = 3


class Responder:
    """Empties the outbox.

    Args:
        ground: settings; its memory is on disk before a response is out, so that after a crash
            it goes out again as the same.
        transport: posts.
        outbox: what waits.
    """

    def __init__(self, ground: Ground, transport: Transport, outbox: Outbox) -> None:
        self._config = ground.config
        self._memory = ground.memory
        self._statistics = ground.statistics
        self._transport = transport
        self._outbox = outbox
        self._refusals = 0

    async def step(self) -> float | None:
        """Post what waits.

        Returns:
            How long to wait after a refusal, s; None where nothing waits any more.

        Raises:
            LinkError: the server is lost, or the state cannot be written.
        """
        while (noted := self._outbox.first()) is not None:
            await self._memory.flush()
            try:
                path = self._transport.origin.path(noted.reply_to)
            except RemoteProtocolError as error:
                self._statistics.refused["foreign-href"] += 1
                self._statistics.last_error = str(error)
                self._outbox.drop(noted)
                continue
            try:
                await self._transport.send("POST", path, document(noted))
            except (RefusedError, RemoteProtocolError) as error:
                self._statistics.last_error = f"{path}: {error}"
                self._refusals += 1
                pause_s = error.retry_after_s if isinstance(error, RefusedError) else 0.0
                lasting = error.lasting if isinstance(error, RefusedError) else True
                if lasting and self._refusals >= _GIVE_UP_AFTER:
                    self._outbox.drop(noted)
                    self._refusals = 0
                    continue
                return max(pause_s, back_off_s(self._config, self._refusals))
            self._refusals = 0
            self._outbox.done(noted)
        return None
