"""The statements of compiled functions, for tests."""

from __future__ import annotations

from typing import Any


def program_of(compiled: Any) -> Any:
    """The loop program that a compiled function's code was made from."""
    executor = compiled.executor
    return executor.lowered(compiled.graph) if executor.name == "llvm" else compiled.executable.program
