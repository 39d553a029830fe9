"""What type checkers see of graphad: the user's signatures go through `jit`, `grad`, `vjp` and `vmap`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import graphad

def f(x: float, y: float) -> float:
    return x * y

h = graphad.jit(f)
reveal_type(h(1.0, 2.0))                        # float
h(1.0, 2.0, 3.0)                                # error: Too many arguments
h(1.0)                                          # error: Missing positional argument
h("text", 2.0)                                  # error: incompatible type
graphad.jit(f, executer="llvm")                 # error: executer
graphad.jit(f, executor="llvm", threads=1)

@graphad.jit(static_argnums=1)
def power(x: float, n: int) -> float:
    return x**n

reveal_type(power(2.0, 3))                      # float
power(2.0)                                      # error: Missing positional argument

graphad.grad(f)(1.0, 2.0)
graphad.grad(f)(1.0)                            # error: Too few arguments
graphad.grad(f, argnum=1)                       # error: argnum
reveal_type(graphad.value_and_grad(f)(1.0, 2.0))  # tuple[float, Any]
out, pullback = graphad.vjp(f, 1.0, 2.0)
reveal_type(out)                                # float
pullback(1.0, 2.0)                              # error: Too many arguments
graphad.vjp(f, 1.0)                             # error: No overload
reveal_type(graphad.vmap(f)(1.0, 2.0))          # float
reveal_type(graphad.jvp(f, (1.0, 2.0), (1.0, 0.0)))  # tuple[float, float]
"""


@pytest.mark.slow
def test_signatures_are_kept(tmp_path: Path) -> None:
    """In the layout of an installed copy, where passes and executors stand within the package."""
    pytest.importorskip("mypy")
    unread = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "graphad", tmp_path / "graphad", ignore=unread)
    for name in ("passes", "executors"):
        shutil.copytree(ROOT / name, tmp_path / "graphad" / name, ignore=unread)
    (tmp_path / "program.py").write_text(PROGRAM)
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--follow-imports", "silent", "--cache-dir", "cache"]
    command = [sys.executable, "-m", "mypy", *options, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said: dict[int, str] = {}
    for line, kind, text in re.findall(r"^program\.py:(\d+): (error|note): (.*)$", done.stdout, re.M):
        said[int(line)] = f"{said.get(int(line), '')}{kind}: {text}\n"
    assert said, done.stdout + done.stderr
    for number, line in enumerate(PROGRAM.splitlines(), 1):
        wanted, found = line.partition("# ")[2], said.get(number, "")
        if wanted.startswith("error: "):
            assert "error: " in found, f"{line}: nothing is said"
            assert wanted.removeprefix("error: ") in found, found
        else:
            assert "error: " not in found, f"{line}: {found}"
            assert wanted.lower() in found.replace("builtins.", "").lower(), f"{line}: {found}"
