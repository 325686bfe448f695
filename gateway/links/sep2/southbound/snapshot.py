"""The server's state as it stands on disk, for looking at it beside a running server."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.links.sep2.codec import decode
from gateway.links.sep2.control_events import event_of
from gateway.links.sep2.events import EventState, EventStatusCode, statuses
from gateway.links.sep2.resources import DERControl, Response
from gateway.links.sep2.serving.journal import Record
from gateway.links.sep2.southbound.controls import KIND
from gateway.model.errors import ConfigError, ConfigIssue

_QUERY = "SELECT * FROM records WHERE kind = ? ORDER BY parent, number"


@dataclass(frozen=True, slots=True)
class ClientView:
    """One EndDevice.

    Attributes:
        number: in its path.
        lfdi: of its certificate.
        owner: LFDI of its aggregator; empty where it has none.
        registered_at: UTC s.
        in_band: whether a client made it.
        documents: what it told of itself, by the server's names (``dercap``).
        subscriptions: how many it has.
        responses: how many by status.
    """

    number: int
    lfdi: str
    owner: str
    registered_at: int
    in_band: bool
    documents: tuple[str, ...]
    subscriptions: int
    responses: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class ControlView:
    """One control.

    Attributes:
        program: number of its program.
        control: as it was made.
        state: its status now; None once it ran to its end.
        responses: statuses that came, in order, by LFDI.
    """

    program: int
    control: DERControl
    state: EventState | None
    responses: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it."""

    clients: tuple[ClientView, ...]
    controls: tuple[ControlView, ...]
    curves: Mapping[int, int]


def snapshot(path: Path, primacies: Mapping[int, int], now_s: int) -> Snapshot:
    """Read the state; the server may be running.

    Args:
        path: its SQLite file.
        primacies: of each program by number.
        now_s: UTC s; statuses are those of then.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return _read(database, primacies, now_s)
    except (sqlite3.Error, ValueError, TypeError) as error:
        issue = ConfigIssue(str(path), 0, 0, f"cannot be read: {error}", "run the site once")
        raise ConfigError([issue]) from error


def _read(database: sqlite3.Connection, primacies: Mapping[int, int], now_s: int) -> Snapshot:
    answers: dict[int, dict[str, list[int]]] = {}
    given: dict[str, Counter[int]] = {}
    for record in _records(database, "response"):
        response = decode(record.body, Response)
        status = response.status or 0
        given.setdefault(record.parent, Counter())[status] += 1
        of_control = answers.setdefault(response.subject, {})
        of_control.setdefault(record.parent, []).append(status)
    subscribed = Counter(record.parent for record in _records(database, "subscription"))
    told: dict[str, list[str]] = {}
    for record in _records(database, "document"):
        told.setdefault(record.parent, []).append(record.key)
    clients = []
    for record in _records(database, "device"):
        owner, registered_at, _, _, in_band = json.loads(record.note)
        number = str(record.number)
        clients.append(
            ClientView(
                record.number,
                record.key,
                owner,
                registered_at,
                in_band,
                tuple(told.get(number, ())),
                subscribed[number] + subscribed[record.key],
                given.get(record.key, {}),
            )
        )
    found = tuple(_controls(database, primacies, now_s, answers))
    curves = Counter(int(record.parent) for record in _records(database, "curve"))
    return Snapshot(tuple(clients), found, curves)


def _controls(
    database: sqlite3.Connection,
    primacies: Mapping[int, int],
    now_s: int,
    answers: Mapping[int, Mapping[str, list[int]]],
) -> Iterator[ControlView]:
    by_program: dict[int, list[tuple[DERControl, list[Any]]]] = {}
    for record in _records(database, KIND):
        made = decode(record.body, DERControl), json.loads(record.note)
        by_program.setdefault(int(record.parent), []).append(made)
    for program, own in by_program.items():
        primacy = primacies.get(program, 0)
        events = [
            replace(
                event_of(control, program, primacy),
                cancelled=cancelled,
                cancel_randomized=randomized,
            )
            for control, (cancelled, randomized, _) in own
        ]
        states = statuses(events, now_s)
        for control, (_, _, superseded) in own:
            state = states.get(control.mrid)
            if superseded is not None and state is not None:  # by what may be gone by now
                state = EventState(EventStatusCode.SUPERSEDED, superseded)
            heard = answers.get(control.mrid, {})
            responses = {lfdi: tuple(codes) for lfdi, codes in heard.items()}
            yield ControlView(program, control, state, responses)


def _records(database: sqlite3.Connection, kind: str) -> Iterator[Record]:
    for row in database.execute(_QUERY, (kind,)):
        yield Record(*row)
