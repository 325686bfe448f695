"""What the benches share."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Ports of a running Modbus server in C."""
    program = tmp_path_factory.mktemp("server") / "modbus_server"
    source = Path(__file__).parent / "modbus_server.c"
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source],
        check=True,
        timeout=60,
    )
    with subprocess.Popen(
        [program, "8"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        yield server.stdout.readline().split()
        server.stdin.close()  # the server ends with its standard input
