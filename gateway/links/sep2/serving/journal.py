"""The state on disk: SQLite, written by one thread that commits in groups.

Everything that must outlive the process is a :class:`Record`. What the live view does in one go
is written in one go: the records of one :meth:`Journal.write` are on disk together or not at all.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.model.errors import ConfigError, ConfigIssue, LinkError

#: Marks the file as ours ("T205") and tells its layout.
_APPLICATION_ID = 0x54323035
_LAYOUT = 1
#: Most writes that share a commit.
_GROUP = 512

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL,
    parent TEXT NOT NULL,
    number INTEGER NOT NULL,
    key TEXT NOT NULL,
    note TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, parent, number)
) WITHOUT ROWID
"""
_PUT = "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)"
_DROP = "DELETE FROM records WHERE kind = ? AND parent = ? AND number = ?"
_LOAD = "SELECT * FROM records WHERE kind = ? ORDER BY parent, number"


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that is kept.

    Attributes:
        kind: what it is; each room of the server has its own kinds.
        parent: what it belongs to.
        number: which of its parent's; with kind and parent its identity.
        key: what it is found by: an LFDI, an mRID.
        note: what the server knows of it beyond its document.
        body: its document.
    """

    kind: str
    parent: str
    number: int
    key: str = ""
    note: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Drop:
    """A record that is no longer kept."""

    kind: str
    parent: str
    number: int


Change = Record | Drop
_Job = tuple[Sequence[Change], asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Journal:
    """Writes records and reads them back.

    Args:
        path: the SQLite file; its folder must exist.

    Attributes:
        fault: why the last group could not be written; empty while all could. From then on every
            write fails: the live view is ahead of the disk, so the server must start anew.

    Raises:
        ConfigError: the file is not ours, of another layout, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.fault = ""
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        try:
            self._database = _opened(path)
        except sqlite3.Error as error:
            raise _unusable(path, f"cannot be used: {error}") from error
        self._thread = threading.Thread(target=self._run, name="sep2-journal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is queued and close the file."""
        self._jobs.put(None)
        self._thread.join()
        self._database.close()

    def load(self, kind: str) -> Iterator[Record]:
        """Records of a kind by parent and number; for the start, before anything is written.

        Raises:
            ConfigError: the file is damaged.
        """
        try:
            for row in self._database.execute(_LOAD, (kind,)):
                yield Record(*row)
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise self.damaged(error) from error

    def damaged(self, error: Exception) -> ConfigError:
        """What to say of a record that cannot be understood."""
        return _unusable(self._path, f"is damaged: {error}")

    def write(self, *changes: Change) -> asyncio.Future[None]:
        """Queue changes, in the order of the calls; the future is done once they are on disk.

        Raises (from the future):
            LinkError: they are not on disk, and later ones will not be either.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._jobs.put((changes, loop, done))
        return done

    def _run(self) -> None:
        closing = False
        while not closing:
            group: list[_Job] = []
            job = self._jobs.get()
            while job is not None:
                group.append(job)
                if len(group) >= _GROUP:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            closing = job is None
            if group:
                self._commit(group)

    def _commit(self, group: Sequence[_Job]) -> None:
        if not self.fault:
            try:
                with self._database:
                    for changes, _, _ in group:
                        for change in changes:
                            self._database.execute(*_statement(change))
            except sqlite3.Error as error:
                self.fault = f"{self._path.name} cannot be written: {error}"
        for loop in {loop for _, loop, _ in group}:
            futures = [future for _, own, future in group if own is loop]
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, futures, self.fault)


def _settle(futures: Sequence[asyncio.Future[None]], fault: str) -> None:
    for future in futures:
        if future.done():  # whoever waited was cancelled
            continue
        if fault:
            future.set_exception(LinkError(fault))
            future.exception()  # whoever does not wait finds ``fault`` set
        else:
            future.set_result(None)


def _statement(change: Change) -> tuple[str, tuple[object, ...]]:
    if isinstance(change, Drop):
        return _DROP, (change.kind, change.parent, change.number)
    return _PUT, (
        change.kind,
        change.parent,
        change.number,
        change.key,
        change.note,
        change.body,
    )


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        if (fault := _fault(database)) is not None:
            raise _unusable(path, fault)  # noqa: TRY301 - the file is closed in either case
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {_LAYOUT}")
        database.execute(_SCHEMA)
        database.commit()
    except BaseException:
        database.close()
        raise
    return database


def _fault(database: sqlite3.Connection) -> str | None:
    application = database.execute("PRAGMA application_id").fetchone()[0]
    layout = database.execute("PRAGMA user_version").fetchone()[0]
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and (application, layout) != (_APPLICATION_ID, _LAYOUT):
        return f"is no state of this server (layout {layout}, ours {_LAYOUT})"
    report = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    return None if report == "ok" else f"is damaged: {report}"


def _unusable(path: Path, message: str) -> ConfigError:
    remedy = "restore it from a backup, or move it away to start without its state"
    return ConfigError([ConfigIssue(str(path), 0, 0, message, remedy)])
