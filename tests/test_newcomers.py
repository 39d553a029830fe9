"""What somebody new would do first, each in one file by the guides alone, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

TASKS = sorted((Path(__file__).resolve().parent / "newcomers").glob("*.py"))


@pytest.mark.parametrize("task", TASKS, ids=lambda path: path.stem)
def test_task(task: Path) -> None:
    if "array_api_strict" in task.read_text() and find_spec("array_api_strict") is None:
        pytest.skip("array_api_strict is not installed")
    done = subprocess.run([sys.executable, str(task)], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert len(task.read_text().splitlines()) <= 60, "it takes too much to do this"
