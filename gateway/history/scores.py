"""Forecast scores over restarts: one row an outcome, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from gateway.apps.forecast.scores import WINDOW, Key, Outcome, ScoreBook
from gateway.groups.messages import Quantity
from gateway.history.database import open_database

#: Outcomes kept in the file after pruning, and how many are written between two prunings.
MAX_ROWS, _PRUNE_EVERY = 1_000_000, 50_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS outcomes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    quantity TEXT NOT NULL,
    model TEXT NOT NULL,
    horizon_s INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    error REAL NOT NULL,
    scale REAL NOT NULL,
    inside INTEGER,
    pinball REAL
);
"""
_LAST_OF_EACH = """
DELETE FROM outcomes WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (
            PARTITION BY source, quantity, model, horizon_s ORDER BY id DESC
        ) AS age FROM outcomes
    ) WHERE age > ?
)
"""


class ScoreFile:
    """Keeps a score book.

    Args:
        path: the SQLite file; its folder must exist.

    Attributes:
        fault: why the last write failed; empty after one that did not.

    Raises:
        sqlite3.Error: the file is no SQLite database or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._database = open_database(path, _SCHEMA)
        self.fault = ""
        self._written = 0
        self._prune()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def load(self, book: ScoreBook) -> None:
        """Put every outcome back, oldest first."""
        rows = self._database.execute(
            "SELECT source, quantity, model, horizon_s, time_ms, error, scale, inside, pinball"
            " FROM outcomes ORDER BY id"
        )
        known = {quantity.value for quantity in Quantity}
        for source, quantity, model, horizon_s, time_ms, error, scale, inside, loss in rows:
            if quantity not in known:  # a later version's
                continue
            key = Key(source, Quantity(quantity), model, horizon_s)
            within = None if inside is None else bool(inside)
            book.add(key, Outcome(time_ms, error, scale, within, loss))
        book.take_new()

    def save(self, outcomes: Sequence[tuple[Key, Outcome]]) -> None:
        """Write outcomes, all or none. A failure is noted: a score must not stop the site."""
        rows = [
            (k.source, k.quantity.value, k.model, k.horizon_s,
             one.time_ms, one.error, one.scale, one.inside, one.pinball)
            for k, one in outcomes
        ]  # fmt: skip
        try:
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT INTO outcomes (source, quantity, model, horizon_s, time_ms, error, scale,"
                " inside, pinball) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._database.execute("COMMIT")
            self._written += len(rows)
            if self._written >= _PRUNE_EVERY:
                self._prune()
        except sqlite3.Error as error:
            self.fault = f"forecast scores cannot be written: {error}"
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        else:
            self.fault = ""

    def _prune(self) -> None:
        self._written = 0
        self._database.execute(_LAST_OF_EACH, (WINDOW,))
        self._database.execute(
            "DELETE FROM outcomes WHERE id <= (SELECT max(id) FROM outcomes) - ?", (MAX_ROWS,)
        )
