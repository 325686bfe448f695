"""Bench and gateway together, as the demo and its drills run them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from hil.bench import DEFAULT_PORT_BASE, Bench, BenchError, port_layout
from hil.demo.client import ClientError, Credentials, OperatorClient
from hil.demo.errors import DemoError
from hil.demo.gateway import GatewayProcess
from hil.demo.ports import check_free, moved
from hil.demo.sitecopy import SiteFacts, copy_site, read_site
from hil.scenario import DEFAULT_SCENARIO

DEFAULT_SITE = Path(__file__).parents[1] / "sites" / "ieee13"
_READY_S, _LOOK_EVERY_S = 30.0, 0.1
GATEWAY = "gateway"
#: IEEE 1815 flags: good, never read, source lost.
ONLINE, RESTART, COMM_LOST = 0x01, 0x02, 0x04
UNREAD = RESTART | COMM_LOST


@dataclass(slots=True)
class Session:
    """A bench whose clock stands until told, and a gateway that runs a copy of its site.

    Args:
        folder: gets logs and the truth log; made where it is missing. The copy of the site,
            with the keys the gateway makes there, is temporary.
        port_base: first port; 0 takes free ones.
        time_scale: simulated seconds a wall second.
    """

    folder: Path
    port_base: int = DEFAULT_PORT_BASE
    time_scale: float = 10.0
    scenario_path: Path = DEFAULT_SCENARIO
    site_path: Path = DEFAULT_SITE
    bench: Bench = field(init=False)
    gateway: GatewayProcess = field(init=False)
    facts: SiteFacts = field(init=False)
    ports: dict[str, int] = field(init=False)
    _sites: TemporaryDirectory[str] | None = None

    def __post_init__(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        for old in self.logs.glob("*.log"):
            old.unlink()
        self.facts = read_site(self.site_path)
        self.bench = Bench(
            scenario_path=self.scenario_path,
            port_base=self.port_base,
            time_scale=self.time_scale,
            truth=self.truth,
            paused=True,
            logs=self.logs,
        )

    @property
    def truth(self) -> Path:
        """The plant's truth log."""
        return self.folder / "truth.jsonl"

    @property
    def logs(self) -> Path:
        """What the processes said on standard error."""
        return self.folder / "logs"

    async def start(self) -> None:
        """Start everything; the gateway has been started, not awaited.

        Raises:
            DemoError: a port is taken, or a process did not get ready.
        """
        listeners = self.facts.listeners
        targets = moved(listeners.values(), self.port_base)
        self.ports = {name: targets[port] for name, port in listeners.items()}
        check_free(self.ports | self.bench.ports)
        try:
            await self.bench.start()
        except BenchError as error:
            raise DemoError(str(error)) from error
        written = port_layout(self.bench.scenario, DEFAULT_PORT_BASE)
        targets |= {port: self.bench.ports[name] for name, port in written.items()}
        self._sites = TemporaryDirectory(prefix="tieline-")
        site = copy_site(self.site_path, Path(self._sites.name), targets)
        self.gateway = GatewayProcess(site, self.logs / f"{GATEWAY}.log")
        await self.gateway.start()

    async def stop(self) -> None:
        """Stop the gateway first, so that it does not see its devices die."""
        if hasattr(self, "gateway"):
            await self.gateway.stop()
        await self.bench.stop()
        if self._sites is not None:
            self._sites.cleanup()
            self._sites = None

    @asynccontextmanager
    async def client(self) -> AsyncIterator[OperatorClient]:
        """A client to the gateway's endpoint, once the gateway has made its certificates.

        Raises:
            DemoError: it does not within 30 s.
        """
        credentials = Credentials.of_site(self.gateway.site)
        try:
            async with asyncio.timeout(_READY_S):
                while not credentials.exist:  # noqa: ASYNC110 - made by another process
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError as error:
            raise DemoError(f"the {GATEWAY} made no certificates in time") from error
        async with OperatorClient(self.ports["https"], credentials) as client:
            yield client

    async def connected(self, client: OperatorClient) -> dict[str, Any]:
        """The first status in which every point has been read.

        Raises:
            DemoError: some have not within 30 s.
        """
        missing = "its endpoint does not answer"
        try:
            async with asyncio.timeout(_READY_S):
                while True:
                    try:
                        status = await client.status()
                    except ClientError:
                        status = {}
                    if status:
                        unread = [p for p, (_, f, _) in status["points"].items() if f & UNREAD]
                        if not unread:
                            return status
                        missing = f"{len(unread)} points are not read, {unread[0]} among them"
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError as error:
            raise DemoError(f"the {GATEWAY} is not connected: {missing}") from error

    async def first_death(self) -> str:
        """Name of the first process that ends by itself; waits until one does."""
        gateway = asyncio.create_task(self.gateway.wait())
        bench = asyncio.create_task(self.bench.first_death())
        try:
            await asyncio.wait((gateway, bench), return_when=asyncio.FIRST_COMPLETED)
            return GATEWAY if gateway.done() else bench.result()
        finally:
            gateway.cancel()
            bench.cancel()

    async def __aenter__(self) -> Self:
        """Start."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()
