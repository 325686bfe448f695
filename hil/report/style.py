"""How figures look: colours told apart by everybody, text kept as text, sizes for 1200 px."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Colours of the phases (Okabe and Ito's palette, told apart with any colour vision).
PHASE = {"1": "#0072B2", "2": "#D55E00", "3": "#007A5A"}
PHASE_NAME = {"1": "A", "2": "B", "3": "C"}
INK, SOFT, GRID = "#1b1f24", "#57606a", "#d8dee4"
HIGH, LOW, INSIDE = "#B00020", "#5B2A86", "#1A7F37"
OUTSIDE_TINT = "#fde8e8"
ASKED = "#B35900"
WIDTH_IN = 11.6

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so layouts are the same everywhere
    "font.size": 10,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib with our settings and no screen, left as it was afterwards."""
    with mpl.rc_context(_SETTINGS):
        yield


def blank(height_in: float) -> Figure:
    """An empty figure of the page's width."""
    return Figure(figsize=(WIDTH_IN, height_in), layout="constrained")


def svg(figure: Figure, name: str, description: str) -> str:
    """A figure as inline SVG.

    Args:
        figure: what to write.
        name: keeps its ids apart from other figures' on the same page.
        description: read aloud in its stead.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]  # the prolog names a DTD on the web
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, Arial")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def time_axis(axes: Axes, end_s: float, *, label: bool = True) -> None:
    """An x axis in simulated seconds."""
    axes.set_xlim(0, end_s)
    axes.margins(x=0)
    if label:
        axes.set_xlabel("simulated time, s")
