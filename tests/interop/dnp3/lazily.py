"""Peers that are not to be had everywhere: yadnp3 has wheels for x86-64 alone."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest


def lazily(module: str) -> Any:
    """A module of a peer, or a skip where it is not installed. CI has them all: there it fails."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"{error.name} is not installed")
