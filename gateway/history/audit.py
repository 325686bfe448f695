"""The audit trail: every command and every group message, in SQLite.

The intent is committed before anything is sent, the outcome after it. In WAL mode a commit
survives the death of the process, so after a kill the trail shows which command was under way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.history.database import open_database
from gateway.model.command import Command, CommandResult, CommandStatus
from gateway.model.errors import AuditError

#: Rows kept a table; older ones go when the file is opened and every so many entries.
MAX_ROWS = 1_000_000
_PRUNE_EVERY = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    asked_ms INTEGER NOT NULL,
    point TEXT NOT NULL,
    value REAL,
    origin TEXT NOT NULL,
    priority TEXT NOT NULL,
    mode TEXT NOT NULL,
    correlation TEXT NOT NULL,
    reason TEXT NOT NULL,
    arbiter TEXT NOT NULL,
    interlock TEXT NOT NULL,
    status TEXT,
    detail TEXT,
    value_sent REAL,
    ended_ms INTEGER
);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time_ms INTEGER NOT NULL,
    direction TEXT NOT NULL,
    peer TEXT NOT NULL,
    group_id TEXT NOT NULL,
    function TEXT NOT NULL,
    correlation TEXT NOT NULL,
    result TEXT NOT NULL,
    summary TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS commands_by_correlation ON commands (correlation);
"""


@dataclass(frozen=True, slots=True)
class MessageEntry:
    """One group request and its reply, as the trail keeps them."""

    time_ms: int
    direction: str
    peer: str
    group_id: str
    function: str
    correlation: str
    result: str
    summary: str


class AuditTrail:
    """Writes and reads the trail.

    Args:
        path: the SQLite file; its folder must exist.

    Attributes:
        fault: why the last write failed; empty after one that did not.

    Raises:
        sqlite3.Error: the file is no SQLite database or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._database = open_database(path, _SCHEMA)
        self._database.row_factory = sqlite3.Row
        self.fault = ""
        self._entries = 0
        self._prune()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def intend(self, command: Command, arbiter: str, interlock: str, time_ms: int) -> int:
        """Record a command with both verdicts before it is sent; returns the record's id.

        Raises:
            AuditError: it is not on record, so it must not be sent.
        """
        return self._write(
            "INSERT INTO commands (asked_ms, point, value, origin, priority, mode, correlation,"
            " reason, arbiter, interlock) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                time_ms,
                command.point,
                command.value,
                command.origin,
                command.priority.name,
                command.mode,
                command.correlation,
                command.reason,
                arbiter,
                interlock,
            ),
        )

    def conclude(self, record: int, result: CommandResult, time_ms: int) -> None:
        """Record how a command ended.

        Raises:
            AuditError: the record still shows the command as under way.
        """
        self._write(
            "UPDATE commands SET status = ?, detail = ?, value_sent = ?, ended_ms = ? WHERE id = ?",
            (result.status.name, result.detail, result.value_sent, time_ms, record),
        )

    def message(self, entry: MessageEntry) -> None:
        """Record one group request with its outcome.

        Raises:
            AuditError: it is not on record.
        """
        self._write(
            "INSERT INTO messages (time_ms, direction, peer, group_id, function, correlation,"
            " result, summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.time_ms,
                entry.direction,
                entry.peer,
                entry.group_id,
                entry.function,
                entry.correlation,
                entry.result,
                entry.summary,
            ),
        )

    def commands(self, limit: int = 50, point: str = "") -> Iterator[dict[str, Any]]:
        """The latest commands, newest first; a NULL status is one cut off by a crash."""
        rows = self._database.execute(
            "SELECT * FROM commands WHERE ? IN ('', point) ORDER BY id DESC LIMIT ?",
            (point, limit),
        )
        yield from (dict(row) for row in rows)

    def messages(self, limit: int = 50) -> Iterator[dict[str, Any]]:
        """The latest group messages, newest first."""
        rows = self._database.execute("SELECT * FROM messages ORDER BY id DESC LIMIT ?", (limit,))
        yield from (dict(row) for row in rows)

    def commands_sent(self) -> int:
        """How many commands a device took."""
        (count,) = self._database.execute(
            "SELECT count(*) FROM commands WHERE status = ? AND value_sent IS NOT NULL",
            (CommandStatus.SUCCESS.name,),
        ).fetchone()
        return int(count)

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        """Write one row; returns its id. Prunes every so many."""
        try:
            self._entries += 1
            if self._entries % _PRUNE_EVERY == 0:
                self._prune()
            row = self._database.execute(statement, values).lastrowid
        except sqlite3.Error as error:
            self.fault = f"the audit trail cannot be written: {error}"
            raise AuditError(self.fault) from error
        self.fault = ""
        return int(row or 0)

    def _prune(self) -> None:
        for table in ("commands", "messages"):
            self._database.execute(
                f"DELETE FROM {table} WHERE id <= (SELECT max(id) FROM {table}) - ?",  # noqa: S608
                (MAX_ROWS,),
            )
