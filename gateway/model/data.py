"""Where the data files shipped with Tieline are: schemas and device profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def data_folder(name: Literal["schemas", "devices"]) -> Path:
    """Folder of shipped data files, in a wheel or in a source checkout.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_data" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"Tieline's {name} folder is missing: reinstall the package")
