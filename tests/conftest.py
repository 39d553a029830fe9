"""Settings that all tests share: the verifier runs between passes, and hypothesis is repeatable in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

os.environ["GRAPHAD_DEBUG"] = "1"
os.environ["GRAPHAD_CACHE"] = "0"

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

EXECUTORS = ("numpy", "numba", "llvm")


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of each executor in turn, made the default while the test runs."""
    from graphad import executors

    before = executors.default()
    executors.set_default(request.param)
    yield request.param
    executors.set_default(before)
