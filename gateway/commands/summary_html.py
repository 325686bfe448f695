"""The one-page summary as HTML: one file, no scripts, prints on one sheet."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from gateway.commands.summary_rows import Block, Row

_STYLE = """
body { font: 13px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 60em; color: #222; }
h1 { font-size: 1.4em; } h2 { font-size: 1em; margin: 1.2em 0 .3em; }
table { border-collapse: collapse; } td, th { padding: .15em .8em .15em 0; text-align: left; }
th { border-bottom: 1px solid #999; font-weight: 600; }
tr:nth-child(even) td { background: #f5f5f5; }
"""


def page(title: str, blocks: Iterable[Block]) -> str:
    """A whole page; whatever the text, it is shown as text."""
    parts = [_block(block) for block in blocks]
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{escape(title)}"
        f"</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _block(block: Block) -> str:
    rows = "".join(_row("td", row) for row in block.rows)
    head = _row("th", block.columns)
    return f"<h2>{escape(block.title)}</h2><table>{head}{rows}</table>"


def _row(cell: str, texts: Row) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(text)}</{cell}>" for text in texts) + "</tr>\n"
