"""A microgrid PLC of registers only, in its own process: says when each register was written.

``python plc_stub.py``: prints its port, then a line ``ADDRESS VALUE MONOTONIC_NS`` a write.
Ends with its standard input. Raw bytes on purpose: nothing of Tieline judges Tieline here.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time

#: Input registers of devices/mc_plc.csv that a dispatch needs, raw.
STATUS = {
    2101: 1, 2102: 1, 2104: 1200, 2114: 600, 2115: -3200, 2116: 3300, 2117: -3000, 2118: 3000,
    2119: -3200, 2120: 3300, 2121: -3000, 2122: 3000, 2123: 4000,
}  # fmt: skip


class Plc(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.inputs = {address: STATUS.get(address, 0) for address in range(2100, 2134)}
        self.holdings = dict.fromkeys(range(2000, 2025), 0)
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        arrived_ns = time.monotonic_ns()
        self.buffer += data
        while len(self.buffer) >= 8:
            size = 6 + struct.unpack(">H", self.buffer[4:6])[0]
            if len(self.buffer) < size:
                return
            frame, self.buffer = self.buffer[:size], self.buffer[size:]
            pdu = self.answer(frame[7:], arrived_ns)
            head = frame[:4] + struct.pack(">HB", len(pdu) + 1, frame[6])
            self.transport.write(head + pdu)

    def answer(self, pdu: bytes, arrived_ns: int) -> bytes:
        function, address, value = struct.unpack(">BHH", pdu[:5])
        if function == 6:
            self.holdings[address] = value
            if address == 2012:  # real power asked for: held at once
                self.inputs[2124] = value * 10 & 0xFFFF
            print(address, value, arrived_ns, flush=True)
            return pdu
        table = self.inputs if function == 4 else self.holdings
        words = [table.get(address + n, 0) & 0xFFFF for n in range(value)]
        return struct.pack(f">BB{value}H", function, 2 * value, *words)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Plc, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
