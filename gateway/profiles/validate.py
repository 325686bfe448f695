"""Turning text into frozen pydantic models, with every fault located."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.model.errors import ConfigIssue
from gateway.profiles.text import CsvRow, TomlText


class Strict(BaseModel):
    """Base of every configuration model: frozen, unknown keys refused, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


def validate_toml(
    model: type[Model], text: TomlText, issues: list[ConfigIssue], at: tuple[str | int, ...] = ()
) -> Model | None:
    """Validate a TOML table; appends what is wrong to ``issues`` and returns None then."""
    data: Any = text.data
    for key in at:
        data = data[key]
    return _validate(model, data, issues, lambda loc, m, r: text.issue((*at, *loc), m, r))


def validate_row(model: type[Model], row: CsvRow, issues: list[ConfigIssue]) -> Model | None:
    """Validate a CSV row; appends what is wrong to ``issues`` and returns None then."""
    return _validate(
        model,
        row.cells,
        issues,
        lambda loc, m, r: row.issue(str(loc[0]) if loc else "", m, r),
    )


def _validate(
    model: type[Model],
    data: Mapping[str, Any],
    issues: list[ConfigIssue],
    locate: Callable[[tuple[str | int, ...], str, str], ConfigIssue],
) -> Model | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False):
            path = tuple(fault["loc"])
            message, remedy = _explain(path, fault["type"], fault["msg"], fault["input"])
            issues.append(locate(path, message, remedy))
        return None


def _explain(
    path: tuple[str | int, ...], kind: str, message: str, given: object
) -> tuple[str, str]:
    name = ".".join(str(part) for part in path)
    if kind == "missing":
        return f"{name!r} is missing", f"add {name!r}"
    if kind == "extra_forbidden":
        return f"unknown key {name!r}", "remove it or mend its spelling"
    said = message.removeprefix("Value error, ").removeprefix("Input ")
    return f"{name!r} = {given!r}: {said}", "mend the value"
