"""The few HTML pieces a report needs; every text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

_CSS = Path(__file__).with_name("page.css")


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure at a glance; ``good`` None where there is nothing to judge."""

    value: str
    what: str
    good: bool | None = None


def page(title: str, parts: Iterable[str]) -> str:
    """A whole document that needs nothing from anywhere."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_CSS.read_text(encoding='utf-8')}</style>\n"
        f"</head>\n<body>\n{''.join(parts)}</body>\n</html>\n"
    )


def heading(text: str, level: int = 2) -> str:
    """A heading."""
    return f"<h{level}>{escape(text)}</h{level}>\n"


def paragraph(text: str, css: str = "") -> str:
    """A paragraph, of a class where one is given."""
    named = f' class="{css}"' if css else ""
    return f"<p{named}>{escape(text)}</p>\n"


def bullets(texts: Iterable[str]) -> str:
    """A list."""
    return "<ul>\n" + "".join(f"<li>{escape(text)}</li>\n" for text in texts) + "</ul>\n"


def tiles(entries: Iterable[Tile]) -> str:
    """Figures at a glance, with a tick or a cross where they can be judged."""
    return '<ul class="tiles">\n' + "".join(map(_tile, entries)) + "</ul>\n"


def _tile(tile: Tile) -> str:
    css = "" if tile.good is None else ' class="good"' if tile.good else ' class="bad"'
    return f"<li{css}><b>{escape(tile.value)}</b><span>{escape(tile.what)}</span></li>\n"


def figure(svg: str, caption: str) -> str:
    """A figure with its caption; ``svg`` is taken as it is."""
    return f"<figure>\n{svg}\n<figcaption>{escape(caption)}</figcaption>\n</figure>\n"


def table(
    caption: str, headers: Sequence[str], rows: Iterable[Sequence[object]], numeric: Iterable[int]
) -> str:
    """A table.

    Args:
        caption: said to screen readers.
        headers: of the columns.
        rows: cells; None is shown as -. OK, PARTIAL and FAILED mark their cell.
        numeric: columns aligned to the right.
    """
    right = frozenset(numeric)
    head = "".join(
        f'<th scope="col"{_class(n, right, "")}>{escape(text)}</th>'
        for n, text in enumerate(headers)
    )
    body = "".join(f"<tr>{_cells(row, right)}</tr>\n" for row in rows)
    return (
        f'<div class="scroll"><table aria-label="{escape(caption)}">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )


def _cells(row: Sequence[object], right: frozenset[int]) -> str:
    texts = ["-" if cell is None else str(cell) for cell in row]
    return "".join(f"<td{_class(n, right, t)}>{escape(t)}</td>" for n, t in enumerate(texts))


def _class(column: int, right: frozenset[int], text: str) -> str:
    names = ["n"] if column in right else []
    names += [text] if text in ("PARTIAL", "FAILED") else []
    return f' class="{" ".join(names)}"' if names else ""
