"""Opening the SQLite files that history is kept in."""

from __future__ import annotations

import sqlite3
from pathlib import Path

#: How long another process may lock the file before a write fails; the loop waits that long.
_LOCKED_S = 0.1


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Open a file for one writer and readers beside it, its tables made where they are missing.

    Raises:
        sqlite3.Error: the file is no SQLite database or cannot be written.
    """
    database = sqlite3.connect(path, timeout=_LOCKED_S, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    # NORMAL: a commit survives the process; the last ones may be lost with the machine's power
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(schema)
    return database
