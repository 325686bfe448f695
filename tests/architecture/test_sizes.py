"""The house rules that no linter holds: small files, small functions, no machine's paths."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "hil").rglob("*.py")]
TESTS = [*(ROOT / "tests").rglob("*.py")]
MOST_LINES, MOST_FUNCTION_LINES = 400, 60


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_small(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < MOST_FUNCTION_LINES, node.name


def test_no_test_file_is_large():
    assert [
        path.name for path in TESTS if path.read_text(encoding="utf-8").count("\n") > MOST_LINES
    ] == []


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_there_are_no_globals(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)]


def test_the_lock_has_hashes_and_no_address():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "http" not in re.sub(r"^(aio)?http\S*==", "", lock, flags=re.MULTILINE)
    pins = re.findall(r"^([a-z0-9][\w.-]*)==", lock, flags=re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(pins) == len(blocks)
    assert all("--hash=sha256:" in block for block in blocks)


def test_no_path_of_one_machine_is_committed():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    machine = re.compile("/(?:" + "root|home|work" + r")/\w+")
    for name in filter(None, tracked):
        path = ROOT / name
        if path.is_file() and path.suffix in (".py", ".toml", ".md", ".csv", ".dss", ".xsd", ""):
            assert not machine.search(path.read_text(encoding="utf-8", errors="ignore")), name
