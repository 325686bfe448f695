"""What we send as Wireshark reads it: no malformed frame, no bad CRC, no unknown object.

Times of an unset clock are left out: Wireshark 4.0 does not know group 51 variation 2.
"""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
from pathlib import Path
from typing import Self

import pytest

from gateway.model.point import PointKind
from tests.interop.dnp3.master_face import eventually
from tests.interop.dnp3.outstation_rig import TIME_MS, serving
from tests.interop.dnp3.peers_master import py1815_master, yadnp3_master

pytestmark = [pytest.mark.interop, pytest.mark.needs("tshark")]
MASTER_PORT, OUTSTATION_PORT = 40_000, 20_000


class Tap:
    """A relay that keeps what passes, in order."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.passed: list[tuple[bool, bytes]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(
            self._pass(reader, inner_writer, from_master=True),
            self._pass(inner_reader, writer, from_master=False),
        )

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_master: bool
    ) -> None:
        while octets := await reader.read(16_384):
            self.passed.append((from_master, octets))
            writer.write(octets)
        writer.close()

    def capture(self) -> bytes:
        """What passed as one TCP conversation in a pcap file (Ethernet, IPv4; no checksums)."""
        file = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
        sequence = {True: 1000, False: 5000}
        for number, (from_master, octets) in enumerate(self.passed, 1):
            ports = (MASTER_PORT, OUTSTATION_PORT)[:: 1 if from_master else -1]
            tcp = struct.pack(
                ">HHIIBBHHH", *ports, sequence[from_master], sequence[not from_master],
                0x50, 0x18, 8192, 0, 0,
            )  # fmt: skip
            sequence[from_master] += len(octets)
            size = 20 + len(tcp) + len(octets)
            ip = struct.pack(
                ">BBHHHBBH4s4s", 0x45, 0, size, number & 0xFFFF, 0, 64, 6, 0,
                b"\x7f\0\0\1", b"\x7f\0\0\1",
            )  # fmt: skip
            packet = b"\0" * 12 + b"\x08\0" + ip + tcp + octets
            file += struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet
        return file


async def dissected(tap: Tap, folder: Path) -> list[dict]:
    path = folder / "dnp3.pcap"
    path.write_bytes(tap.capture())
    done = await asyncio.to_thread(
        subprocess.run,
        ["tshark", "-r", path, "-d", f"tcp.port=={OUTSTATION_PORT},dnp3", "-T", "json",
         "--no-duplicate-keys", "-Y", "dnp3"],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return [packet["_source"]["layers"] for packet in json.loads(done.stdout)]


async def test_wireshark_finds_nothing_wrong(tmp_path: Path) -> None:
    async with serving(counts={PointKind.AI: 1000, PointKind.DBI: 3}) as rig, Tap(rig.port) as tap:
        async with yadnp3_master(tap.port) as peer:
            await peer.enable_unsolicited()
            for n in range(50):
                rig.put(f"ai.{n}", n + 0.5, TIME_MS + n)
                rig.put("bi.1", n % 2, TIME_MS + n)
                rig.put("dbi.1", n % 4, TIME_MS + n)
                rig.put("ctr.1", n, TIME_MS + n)
            await eventually(lambda: rig.outstation.masters()[0].events == (0, 0, 0))
            await peer.integrity()
            assert await peer.operate("AO", 1, 2.5, select=True) == 0
            assert await peer.operate("BO", 9, 1, select=False) == 4
            await peer.cold_restart()
        async with py1815_master(tap.port) as other:
            await other.outstation.freeze(clear=True)
            await other.outstation.synchronize_time("lan")
            await other.outstation.synchronize_time("non_lan")
            await other.integrity()
    packets = await dissected(tap, tmp_path)
    everything = json.dumps(packets)
    assert len(packets) > 30
    assert "_ws.malformed" not in everything
    assert set(_remarks(packets)) == {"IIN Abnormality"}  # of the output that is not there
    for bad in ('"dnp.hdr.CRC.status": "0"', '"dnp.data_chunk.CRC.status": "0"'):
        assert bad not in everything
    assert '"dnp.hdr.CRC.status": "1"' in everything
    assert '"dnp.data_chunk.CRC.status": "1"' in everything


def _remarks(node: object) -> list[str]:
    """What Wireshark remarks on, anywhere in a dissection."""
    if isinstance(node, list):
        return [text for entry in node for text in _remarks(entry)]
    if not isinstance(node, dict):
        return []
    own = [node["_ws.expert.message"]] if "_ws.expert.message" in node else []
    return own + [text for entry in node.values() for text in _remarks(entry)]
