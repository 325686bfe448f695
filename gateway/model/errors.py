"""Errors that cross a folder's border. Refusals of commands are values, not errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class TielineError(Exception):
    """Base of every error Tieline raises on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class ConfigIssue:
    """One fault in a configuration file.

    Attributes:
        file: path as the user gave it.
        line, column: 1-based; 0 where the file as a whole is meant.
        message: what is wrong.
        remedy: what to do about it.
    """

    file: str
    line: int
    column: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """``file:line:column: message. What to do: remedy``, the form editors jump to."""
        tail = f" What to do: {self.remedy}" if self.remedy else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}.{tail}"


class ConfigError(TielineError):
    """A configuration that cannot be used; carries every issue found, not just the first."""

    def __init__(self, issues: Sequence[ConfigIssue]) -> None:
        self.issues = tuple(sorted(issues))
        super().__init__("\n".join(str(issue) for issue in self.issues))


class LinkError(TielineError):
    """The peer is lost: refused, reset, silent. The supervisor reconnects with back-off."""


class AuditError(TielineError):
    """The audit trail cannot be written: no command goes out until it can."""


class RemoteProtocolError(TielineError):
    """The peer sent what the protocol forbids: close the connection and count it."""


class LocalProtocolError(TielineError):
    """We tried what the protocol forbids: a bug of ours, the process ends."""
