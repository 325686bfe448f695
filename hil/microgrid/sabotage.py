"""Controllers broken on purpose, as commissioning breaks them: settings and wiring, no code.

A score that does not fail with one of these measures nothing.
"""

from __future__ import annotations

import csv
import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("sabotage.toml")
_DEVICES = Path(__file__).parents[2] / "devices"


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One way to break a box.

    Attributes:
        text: what is wrong, in words.
        box: whose site is changed.
        replace: text of ``site.toml`` and what stands there instead.
        profile: device profile that is wired wrongly; empty for none.
        wires: point of that profile to the columns changed.
    """

    name: str
    text: str
    box: str
    replace: tuple[tuple[str, str], ...]
    profile: str
    wires: dict[str, dict[str, str]]


def sabotages() -> dict[str, Sabotage]:
    """All of them by name."""
    data: dict[str, dict[str, Any]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {
        name: Sabotage(
            name=name,
            text=str(entry["text"]),
            box=str(entry.get("box", "mc")),
            replace=tuple((str(old), str(new)) for old, new in entry.get("replace", ())),
            profile=str(entry.get("profile", "")),
            wires=entry.get("wires", {}),
        )
        for name, entry in data.items()
    }


def break_box(site: Path, sabotage: Sabotage) -> None:
    """Change a copied site.

    Raises:
        ValueError: what is to be changed is not there.
    """
    file = site / "site.toml"
    text = file.read_text(encoding="utf-8")
    for old, new in sabotage.replace:
        text, count = re.subn(old, new, text, flags=re.MULTILINE)
        if not count:
            raise ValueError(f"sabotage {sabotage.name}: site.toml has no {old!r}")
    if sabotage.profile:
        text = re.sub(
            r"^(name = .*)$", r'\1\nprofiles = ["profiles"]', text, count=1, flags=re.MULTILINE
        )
        _rewire(site / "profiles", sabotage)
    file.write_text(text, encoding="utf-8")


def _rewire(folder: Path, sabotage: Sabotage) -> None:
    folder.mkdir(exist_ok=True)
    shutil.copy(_DEVICES / f"{sabotage.profile}.toml", folder)
    with (_DEVICES / f"{sabotage.profile}.csv").open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    known = {row["point"] for row in rows}
    if unknown := sabotage.wires.keys() - known:
        raise ValueError(f"sabotage {sabotage.name}: no point {', '.join(unknown)}")
    with (folder / f"{sabotage.profile}.csv").open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row | sabotage.wires.get(row["point"], {}) for row in rows)
