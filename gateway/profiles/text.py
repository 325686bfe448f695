"""Reading TOML and CSV so that every fault can be pointed at: file, line and column.

The standard library parses TOML but keeps no positions, so a small scan of the same text finds
where each key stands. It is used for error messages only; the values come from ``tomllib``.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.model.errors import ConfigError, ConfigIssue

#: Larger configuration files are refused: a point map of this size is a mistake.
MAX_FILE_BYTES = 16 * 1024 * 1024

_HEADER = re.compile(r"\s*(\[{1,2})\s*([^\]#]+?)\s*\]{1,2}")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=""")
_TOML_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class TomlText:
    """A parsed TOML file that knows where its keys stand.

    Attributes:
        file: path as errors show it.
        data: what ``tomllib`` made of it.
        places: key path to (line, column), 1-based.
    """

    file: str
    data: dict[str, Any]
    places: Mapping[KeyPath, tuple[int, int]] = field(repr=False)

    def issue(self, path: KeyPath, message: str, remedy: str = "") -> ConfigIssue:
        """An issue at a key, or at the nearest table above it that is written out."""
        for length in range(len(path), 0, -1):
            if (place := self.places.get(path[:length])) is not None:
                return ConfigIssue(self.file, *place, message, remedy)
        return ConfigIssue(self.file, 1, 1, message, remedy)


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row of a CSV file; empty cells are absent.

    Attributes:
        file: path as errors show it.
        line: 1-based line.
        cells: column name to text.
        columns: column name to the 1-based character where its cell begins.
    """

    file: str
    line: int
    cells: dict[str, str]
    columns: Mapping[str, int] = field(repr=False)

    def issue(self, column: str, message: str, remedy: str = "") -> ConfigIssue:
        """An issue at one cell of the row."""
        return ConfigIssue(self.file, self.line, self.columns.get(column, 1), message, remedy)


def read_text(path: Path) -> str:
    """The file's text.

    Raises:
        ConfigError: it cannot be read, is not UTF-8 or is too large.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            issue = ConfigIssue(str(path), 0, 0, "file is larger than 16 MiB", "split the site")
            raise ConfigError([issue])
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        issue = ConfigIssue(str(path), 0, 0, f"cannot be read: {reason}", "check path and rights")
        raise ConfigError([issue]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        issue = ConfigIssue(str(path), line, 1, "is not UTF-8", "save the file as UTF-8")
        raise ConfigError([issue]) from error


def read_toml(path: Path) -> TomlText:
    """Parse a TOML file.

    Raises:
        ConfigError: unreadable or not TOML; says where.
    """
    text = read_text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = _TOML_PLACE.search(str(error))
        line, column = (int(where[1]), int(where[2])) if where else (1, 1)
        message = _TOML_PLACE.sub("", str(error)).strip()
        raise ConfigError([ConfigIssue(str(path), line, column, message)]) from error
    return TomlText(str(path), data, dict(_toml_places(text)))


def read_csv(path: Path, required: tuple[str, ...], optional: tuple[str, ...]) -> list[CsvRow]:
    """Parse a CSV file with a header; blank lines and lines that begin with # are skipped.

    Raises:
        ConfigError: unreadable, a column missing or unknown, a row longer than the header.
    """
    lines = read_text(path).splitlines()
    numbered = [
        (number, line)
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not numbered:
        remedy = f"begin with: {','.join(required)}"
        raise ConfigError([ConfigIssue(str(path), 1, 1, "has no header line", remedy)])
    header_line, header_text = numbered[0]
    header = [name.strip() for name in next(csv.reader([header_text]))]
    issues = list(_header_issues(path, header_line, header, required, optional))
    rows = []
    for number, line in numbered[1:]:
        cells = next(csv.reader([line]))
        if len(cells) > len(header):
            message = f"has {len(cells)} cells, the header has {len(header)}"
            remedy = "quote a cell that contains a comma"
            issues.append(ConfigIssue(str(path), number, 1, message, remedy))
            continue
        starts = _cell_starts(line)
        filled = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
        present = {name: cell for name, cell in filled.items() if cell}
        rows.append(CsvRow(str(path), number, present, dict(zip(header, starts, strict=False))))
    if issues:
        raise ConfigError(issues)
    return rows


def _header_issues(
    path: Path,
    line: int,
    header: list[str],
    required: tuple[str, ...],
    optional: tuple[str, ...],
) -> Iterator[ConfigIssue]:
    for name in required:
        if name not in header:
            yield ConfigIssue(str(path), line, 1, f"column {name!r} is missing", "add it")
    for position, name in enumerate(header):
        column = sum(len(before) + 1 for before in header[:position]) + 1
        if name not in required + optional:
            known = ", ".join(required + optional)
            yield ConfigIssue(str(path), line, column, f"unknown column {name!r}", f"use: {known}")
        elif name in header[:position]:
            yield ConfigIssue(str(path), line, column, f"column {name!r} stands twice", "drop one")


def _cell_starts(line: str) -> list[int]:
    starts, quoted = [1], False
    for position, character in enumerate(line, 1):
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            starts.append(position + 1)
    return starts


def _toml_places(text: str) -> Iterator[tuple[KeyPath, tuple[int, int]]]:
    table: KeyPath = ()
    seen: dict[KeyPath, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _split_key(header[2])
            if header[1] == "[[":
                seen[table] = seen.get(table, -1) + 1
                table = (*table, seen[table])
            yield table, (number, header.start(2) + 1)
        elif key := _KEY.match(line):
            yield (*table, *_split_key(key[1])), (number, key.start(1) + 1)


def _split_key(text: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in text.split("."))
