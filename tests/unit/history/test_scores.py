"""Forecast scores over restarts."""

from __future__ import annotations

import sqlite3

from gateway.apps.forecast.scores import WINDOW, Key, Outcome, ScoreBook
from gateway.groups.messages import Quantity
from gateway.history.scores import ScoreFile

KEY = Key("pv", Quantity.ACTIVE_POWER, "persistence", 900)


def loaded(path) -> ScoreBook:
    file, book = ScoreFile(path), ScoreBook()
    file.load(book)
    file.close()
    return book


def test_what_was_scored_is_there_after_a_restart_in_its_order(tmp_path):
    path, book = tmp_path / "forecast.sqlite", ScoreBook()
    outcomes = [Outcome(1, 2.5, 1.0), Outcome(2, -1.0, 800.0, True, 0.25)]
    for one in outcomes:
        book.add(KEY, one)
    file = ScoreFile(path)
    file.save(book.take_new())
    file.save(book.take_new())  # nothing is written twice
    file.close()
    assert list(loaded(path)[KEY]) == outcomes


def test_the_file_keeps_a_window_of_each_and_no_more(tmp_path):
    path = tmp_path / "forecast.sqlite"
    file = ScoreFile(path)
    file.save([(KEY, Outcome(n, float(n), 1.0)) for n in range(3 * WINDOW)])
    file.close()
    assert [one.time_ms for one in loaded(path)[KEY]] == [*range(2 * WINDOW, 3 * WINDOW)]
    with sqlite3.connect(path) as database:
        (count,) = database.execute("SELECT count(*) FROM outcomes").fetchone()
    database.close()
    assert count == WINDOW


def test_a_file_that_cannot_be_written_is_noted_and_no_more(tmp_path):
    path = tmp_path / "forecast.sqlite"
    file = ScoreFile(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    file.save([(KEY, Outcome(1, 1.0, 1.0))])
    assert "cannot be written" in file.fault
    other.execute("ROLLBACK")
    other.close()
    file.save([(KEY, Outcome(1, 1.0, 1.0))])
    assert file.fault == ""
    file.close()
