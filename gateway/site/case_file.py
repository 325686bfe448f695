"""A case file: a feeder and what is asked of it; read and checked alike whatever is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from gateway.model.errors import ConfigError, ConfigIssue
from gateway.profiles.text import TomlText, read_toml
from gateway.profiles.validate import Strict, validate_toml


class FeederFile(Strict):
    """What every case has: ``feeder`` is a ``.dss`` master, relative to the case file."""

    feeder: str


File = TypeVar("File", bound=FeederFile)


@dataclass(frozen=True, slots=True)
class CaseOf(Generic[File]):
    """A case that was checked; ``text`` knows where its keys stand."""

    path: Path
    text: TomlText
    file: File

    @property
    def master(self) -> Path:
        """The feeder file."""
        return self.path.parent / self.file.feeder


def read_case(
    path: Path, model: type[File], faults: Callable[[CaseOf[File]], Iterable[ConfigIssue]]
) -> CaseOf[File]:
    """Read and check a case file.

    Args:
        path: the file.
        model: what may stand in it.
        faults: what else is wrong with one that is valid by itself.

    Raises:
        ConfigError: with every fault found, each with file, line, column and what to do.
    """
    text = read_toml(path)
    issues: list[ConfigIssue] = []
    file = validate_toml(model, text, issues)
    if file is None:
        raise ConfigError(issues)
    case = CaseOf(path, text, file)
    issues += faults(case)
    if issues:
        raise ConfigError(issues)
    return case


def no_file(case: CaseOf[File], key: str, name: str | None) -> Iterator[ConfigIssue]:
    """A path in a case that leads to no file."""
    if name is not None and not (case.path.parent / name).is_file():
        message = f"{key} {name!r} is not a file"
        yield case.text.issue((key,), message, "give a path from the case file")


def twice(text: TomlText, key: str, word: str, names: Sequence[str]) -> Iterator[ConfigIssue]:
    """Names of a table's rows that stand there before, in whatever case."""
    lower = [name.lower() for name in names]
    for number, name in enumerate(lower):
        if name in lower[:number]:
            message = f"there is another {word} {names[number]!r}"
            yield text.issue((key, number, "name"), message, "give each a name of its own")
