"""``tieline outstation --conformance`` as a user starts it, moved over its control socket."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import asynccontextmanager

import pytest

from gateway.model.command import CommandStatus
from tests.interop.dnp3.master_face import eventually
from tests.interop.dnp3.peers_master import yadnp3_master

pytestmark = pytest.mark.interop


@asynccontextmanager
async def started():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "outstation", "--conformance", "--port", "0",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode()
        port, control = map(int, re.fullmatch(r"port=(\d+) control=(\d+)\n", line).groups())
        reader, writer = await asyncio.open_connection("127.0.0.1", control)

        async def command(text: str) -> str:
            writer.write(f"{text}\n".encode())
            async with asyncio.timeout(5):
                return (await reader.readline()).decode().strip()

        try:
            yield port, command
            assert await command("quit") == "ok"
        finally:
            writer.close()
        async with asyncio.timeout(10):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_it_serves_five_of_each_and_moves_as_told() -> None:
    async with started() as (port, command), yadnp3_master(port) as peer:
        await peer.enable_unsolicited()
        kinds = {"BI", "DBI", "BO", "CTR", "AI", "AO"}
        await peer.integrity()
        assert set(peer.seen.values) == {(kind, n) for kind in kinds for n in range(5)}
        peer.seen.events.clear()
        assert await command("set ai 2 17.5") == "ok"
        assert await command("set bi 0 1") == "ok"
        assert await command("set dbi 4 2") == "ok"
        await eventually(lambda: len(peer.seen.events) == 3)
        told = [(event.kind, event.index, event.value) for event in peer.seen.events]
        assert told == [("AI", 2, 17.5), ("BI", 0, 1), ("DBI", 4, 2)]
        assert await peer.operate("AO", 3, 2.5, select=True) == CommandStatus.SUCCESS
        await eventually(lambda: peer.seen.values["AO", 3] == 2.5)
        assert await command("local on") == "ok"
        assert await peer.operate("BO", 3, 1, select=False) == CommandStatus.LOCAL
        assert await command("inhibit on") == "ok"
        assert await command("local off") == "ok"
        assert await peer.operate("BO", 3, 1, select=False) == CommandStatus.AUTOMATION_INHIBIT


async def test_commands_that_make_no_sense_are_refused() -> None:
    async with started() as (_, command):
        for text in (
            "set ai 9 1",
            "set",
            "set ai 1 x",
            "flags bi 1",
            "local",
            "dance",
            "string 9 x",
        ):
            assert (await command(text)).startswith("error: "), text
        assert "set TYPE INDEX VALUE" in await command("help")  # whoever asks is told what there is
        assert await command("string 0 hello world") == "ok"
        assert await command("flags ai 2 5") == "ok"
