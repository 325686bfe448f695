"""A figure as part of a page."""

from __future__ import annotations

import io

import matplotlib as mpl
from matplotlib.figure import Figure


def inline(figure: Figure) -> str:
    """The figure as an ``svg`` element, the same each time."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "tieline", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]  # the prolog names a DTD on the web
