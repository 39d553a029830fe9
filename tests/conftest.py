"""Settings that all tests share: verification between passes, whole tracebacks, hypothesis repeatable in CI."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING
from zlib import crc32

import hypothesis
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from graphad.executors.llvm.executable import Executable
    from graphad.executors.loops import Program

os.environ["GRAPHAD_DEBUG"] = "1"
os.environ["GRAPHAD_CACHE"] = "0"
os.environ["GRAPHAD_TRACEBACK"] = "full"
# The threads of BLAS wait by spinning, for matrices that one thread is done with at once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Bytecode is kept, whatever the environment says: each of the hundred processes that tests start would compile graphad
# from its source for a second, and each worker the tests for ten.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Graphs are many objects and few cycles.
gc.set_threshold(10_000, 20, 20)

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


HALVED = {
    "test_a_root_has_the_derivatives_of_the_square_root", "test_arrays_updated_in_place", "test_beside_traced_values",
    "test_carries_of_all_sizes", "test_derivatives_are_those_of_the_solution",
    "test_discrete_adjoint_and_variational_sensitivities_agree", "test_eager_forward_and_batched",
    "test_every_number_of_lanes", "test_functions_of_series", "test_jacobians", "test_known_minima",
    "test_laws_of_the_graph", "test_other_inputs",
    "test_polynomials_of_real_degree", "test_scipys_fits_with_exact_jacobians", "test_the_steps_are_scipys",
}  # fmt: skip
"""Long tests of many programs that are alike: by default every other one runs."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Numba runs the programs that llvm runs, and compiles them ten times as slowly: by default it has one in eight of
    the tests that other executors have too."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        values = () if callspec is None else callspec.params.values()
        numba = any([isinstance(value, str) and value == "numba" for value in values])
        every = 8 if numba else 2 if getattr(item, "originalname", "") in HALVED else 1
        if crc32(item.nodeid.rpartition("/")[2].encode()) % every:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Leave what has been collected out of all garbage collections: there are hundreds of thousands of objects."""
    gc.freeze()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cache on disk that is empty, and in use while the test runs."""
    from graphad.executors import cache

    monkeypatch.setenv("GRAPHAD_CACHE", "1")
    monkeypatch.setenv("GRAPHAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("GRAPHAD_CACHE_LIMIT", raising=False)
    cache._written.clear()
    return tmp_path / "cache"


@pytest.fixture(autouse=True, scope="module")
def _classes_of_one_file() -> Iterator[None]:
    """What one file's classes give a meaning of their own is not known in the next."""
    from graphad.api.conversion import classes

    yield
    for found in (classes.KNOWN, classes._met, classes._spaces):
        found.clear()


@pytest.fixture(autouse=True, scope="module")
def _plans_of_memory_are_verified(request: pytest.FixtureRequest) -> Iterator[None]:
    """In tests of random programs, every compiled program's plan of memory is verified."""
    if "random" not in request.module.__name__:
        yield
        return
    from graphad.executors.llvm import LLVMExecutor
    from graphad.executors.loops import verify
    from graphad.executors.numba import NumbaExecutable

    build, init = LLVMExecutor.build, NumbaExecutable.__init__

    def verified_build(self: LLVMExecutor, program: Program, key: str | None = None) -> Executable:
        verify(program)
        return build(self, program, key)

    def verified_init(self: NumbaExecutable, program: Program) -> None:
        verify(program)
        init(self, program)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LLVMExecutor, "build", verified_build)
        patch.setattr(NumbaExecutable, "__init__", verified_init)
        yield
