"""The trail survives the death of the process that writes it."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys

from gateway.commands.audit import _cells
from gateway.history.audit import AuditTrail
from gateway.model.command import Command, Priority

_WRITER = """
import sys
from pathlib import Path
from gateway.history.audit import AuditTrail
from gateway.model.command import Command, CommandResult, CommandStatus, Priority
trail = AuditTrail(Path(sys.argv[1]))
for number in range(100):
    command = Command("d.sp", number, "op", Priority.OPERATOR)
    record = trail.intend(command, "granted", "passed", 1)
    if number < 99:
        trail.conclude(record, CommandResult(command, CommandStatus.SUCCESS, "", number), 2)
print("written", flush=True)
sys.stdin.read()
"""


def test_the_trail_survives_kill_9_and_shows_what_was_under_way(tmp_path):
    path = tmp_path / "audit.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(timeout=10)
    trail = AuditTrail(path)
    rows = list(trail.commands(limit=1000))
    trail.close()
    assert len(rows) == 100
    assert rows[0]["status"] is None  # intent on record, outcome unknown
    assert {row["status"] for row in rows[1:]} == {"SUCCESS"}


def test_a_refused_nan_is_shown_not_a_crash(tmp_path):
    trail = AuditTrail(tmp_path / "audit.sqlite")
    trail.intend(Command("d.sp", math.nan, "op", Priority.OPERATOR), "granted", "", 1)
    (row,) = trail.commands()
    trail.close()
    assert "nan" in _cells(row)
