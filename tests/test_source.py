"""Conversion takes the source that a function was compiled from, or none."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import linecache
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from _pytest.assertion.rewrite import rewrite_asserts

import graphad
from graphad.errors import TracerError
from graphad.location import is_user_module

BRANCH = """
def f(x):
    if x > 1:
        return x * 2.0
    return x * 3.0
"""


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Writes a module `changing` and imports it, or reloads it if it was imported before."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(text: str) -> ModuleType:
        write(tmp_path / "changing.py", text)
        importlib.invalidate_caches()
        found = sys.modules.get("changing")
        return importlib.import_module("changing") if found is None else importlib.reload(found)

    yield load
    sys.modules.pop("changing", None)


def write(path: Path, text: str) -> None:
    path.write_text(text)


def both(f: Any, x: float) -> list[float]:
    """Values on both sides of the branch, jitted anew."""
    return [float(graphad.jit(f)(x)), float(graphad.jit(graphad.grad(f))(x))]


def refused(f: Any) -> None:
    with pytest.raises(TracerError, match="source has changed since it was loaded"):
        graphad.jit(f)(2.0)
    assert graphad.grad(f)(2.0) == 2.0  # eagerly Python decides, by the code that it has


@pytest.mark.parametrize(
    "edit",
    [
        ("2.0", "5.0"),  # a constant
        ("x * 2.0", "x + 2.0"),  # an operation of the same length
        ("if x > 1", "if x < 1"),
        ("    if x > 1", "\n    if x > 1"),  # lines within
        ("return x * 3.0", "return np * 3"),
        ("    return x * 3.0\n", ""),  # the end
        ("    return x * 3.0\n", "    if x < 0: return 0.0\n    return x * 3.0\n"),
        ("(x):", "(x, y=1):"),
        ("def f", "def g"),
    ],
)
def test_edited_function_is_refused(load: Any, tmp_path: Path, edit: tuple[str, str]) -> None:
    f = load(BRANCH).f
    write(tmp_path / "changing.py", BRANCH.replace(*edit))
    refused(f)


def test_file_that_became_short_or_wrong(load: Any, tmp_path: Path) -> None:
    for text in ("\n", BRANCH[:20]):
        f = load(BRANCH).f
        write(tmp_path / "changing.py", text)
        with pytest.raises(TracerError, match="is not converted"):
            graphad.jit(f)(2.0)
        del sys.modules["changing"]


def test_edits_elsewhere_change_nothing(load: Any, tmp_path: Path) -> None:
    for text in (BRANCH + "\ny = 1\n", "\n\nz = 2\n" + BRANCH):
        f = load(BRANCH).f
        write(tmp_path / "changing.py", text)
        assert both(f, 2.0) == [4.0, 2.0]
        assert both(f, 0.5) == [1.5, 3.0]
        del sys.modules["changing"]


def test_docstrings_and_comments_are_not_code(load: Any, tmp_path: Path) -> None:
    documented = BRANCH.replace("(x):\n", '(x):\n    """{}"""  # {}\n')
    f = load(documented.format("One.", "so")).f
    write(tmp_path / "changing.py", documented.format("Two.", "or so"))
    assert both(f, 2.0) == [4.0, 2.0]


def test_reload_runs_new_code_and_refuses_old(load: Any) -> None:
    old = load(BRANCH).f
    assert both(old, 2.0) == [4.0, 2.0]
    module = load(BRANCH.replace("2.0", "5.0"))
    assert both(module.f, 2.0) == [10.0, 5.0]
    # What was converted before the edit stays the code that it was.
    assert both(old, 2.0) == [4.0, 2.0]


def test_code_replaced_in_place(load: Any) -> None:
    old = load(BRANCH).f
    jitted = graphad.jit(old)
    assert jitted(2.0) == 4.0
    old.__code__ = load(BRANCH.replace("2.0", "5.0")).f.__code__
    assert both(old, 2.0) == [10.0, 5.0]


def test_cell_that_is_run_again() -> None:
    """Cells have file names of their own, under which `linecache` knows their text."""
    space: dict[str, Any] = {"np": np, "__name__": "__main__"}

    def run(name: str, text: str) -> Any:
        linecache.cache[name] = len(text), None, text.splitlines(True), name
        exec(compile(text, name, "exec", dont_inherit=True), space)
        return space["f"]

    first = run("/tmp/ipykernel_1/1.py", BRANCH)
    second = run("/tmp/ipykernel_1/2.py", BRANCH.replace("2.0", "5.0"))
    assert both(first, 2.0) == [4.0, 2.0]
    assert both(second, 2.0) == [10.0, 5.0]
    third = run("<stdin>", BRANCH)
    run("<stdin>", BRANCH.replace("2.0", "5.0"))  # every cell under one name
    refused(third)


def test_lambdas_of_one_line() -> None:
    # fmt: off
    fs = [lambda x: x * 2.0 if x > 1 else x, lambda x: x * 3.0 if x > 1 else x, (lambda g: (lambda x: g(x) if x > 1 else x))(lambda x: x * 5.0 if x > 0 else x)]  # noqa: E501
    # fmt: on
    assert [float(graphad.jit(f)(2.0)) for f in fs] == [4.0, 6.0, 10.0]
    assert [float(graphad.jit(f)(0.5)) for f in fs] == [0.5] * 3


def test_functions_of_all_kinds(load: Any) -> None:
    module = load("""
from __future__ import annotations
import functools
import math as mathematics
import os

def twice(f):
    @functools.wraps(f)
    def wrapped(*args, **kwargs):
        return 2 * f(*args, **kwargs) if args[0] > 0 else 0 * args[0]
    return wrapped

@twice
def decorated(x, *, power=lambda x: x**2):
    assert os.path.join("a", "b")
    return power(x) if x > 1 else x

def recursive(x, n=3):
    if n == 0:
        return x
    return recursive(x * 2 if x > 1 else x, n - 1)

class A:
    __scale = 3.0

    def private(self, x):
        def inner(y):
            return y * self.__scale if y > 1 else y
        return inner(x)

class B(A):
    def private(self, x):
        return super().private(x) if x > 1 else x

def outer(k):
    def outer(x):
        return x * k if x > 1 else x
    return outer

def listed(x):
    parts = [x * i for i in range(3)]
    class Local:
        factor = 2
    return sum(parts) * Local.factor if x > 1 else mathematics.sin(x)
""")
    values = {
        "decorated": 8.0, "recursive": 16.0, "private": 6.0, "outer": 8.0, "listed": 12.0,
    }  # fmt: skip
    functions = {"private": module.B().private, "outer": module.outer(4.0)}
    for name, value in values.items():
        assert graphad.jit(functions.get(name) or getattr(module, name))(2.0) == value, name


def test_assertions_of_pytest_are_accepted() -> None:
    def f(x: Any) -> Any:
        assert np.ndim(x) == 0, f"of {x!r}"
        if x > 1:
            assert "x" in {"x"} and not isinstance(x, str)  # noqa: PT018
            return x * 2.0
        return x * 3.0

    assert "@py" in "".join(f.__code__.co_varnames)
    assert both(f, 2.0) == [4.0, 2.0]


def test_constants_in_assertions_of_pytest_are_accepted() -> None:
    def f(x: Any) -> Any:
        assert x > -10, "too small"
        assert -2.5 * 2 < x < 3 * 4 + 1
        assert np.sum([x, -1]) not in [-7.5, 9]
        assert x != -(2 - 9)
        if x > 1:
            return x * 2.0
        return x * 3.0

    assert "@py" in "".join(f.__code__.co_varnames)
    assert both(f, 2.0) == [4.0, 2.0]


@pytest.mark.parametrize("change", ["x > -20", "x > +10", "x > -10.0", "x + 1 > -10", "-10 > x"])
def test_assertions_of_pytest_that_were_edited_are_refused(change: str, tmp_path: Path) -> None:
    def code(test: str) -> str:
        return BRANCH.replace("def f(x):\n", f"def f(x):\n    assert {test}\n", 1)

    file = str(tmp_path / "asserted.py")
    tree = ast.parse(code("x > -10"))
    rewrite_asserts(tree, code("x > -10").encode(), file)
    space: dict[str, Any] = {}
    exec(compile(tree, file, "exec", dont_inherit=True), space)
    write(tmp_path / "asserted.py", code("x > -10"))
    assert both(space["f"], 2.0) == [4.0, 2.0]
    space = {}
    exec(compile(tree, file, "exec", dont_inherit=True), space)
    write(tmp_path / "asserted.py", code(change))
    refused(space["f"])


class _Hook(ast.NodeTransformer):
    """What instruments code on import: each return is told."""

    def visit_Return(self, node: ast.Return) -> Any:
        told = ast.copy_location(ast.Expr(ast.Call(ast.Name("tell", ast.Load()), [], [])), node)
        return [told, node]


def test_import_hooks_are_accepted(tmp_path: Path) -> None:
    write(tmp_path / "hooked.py", BRANCH)
    file = str(tmp_path / "hooked.py")
    space: dict[str, Any] = {"tell": lambda: None}
    tree = ast.fix_missing_locations(_Hook().visit(ast.parse(BRANCH)))
    exec(compile(tree, file, "exec", dont_inherit=True), space)
    assert both(space["f"], 2.0) == [4.0, 2.0]


class _Changing(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> Any:
        return ast.copy_location(ast.Constant(7.0), node) if node.value == 3.0 else node


def test_hooks_that_change_the_meaning_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "hooked.py", BRANCH)
    space: dict[str, Any] = {}
    tree = _Changing().visit(ast.parse(BRANCH))
    exec(compile(tree, str(tmp_path / "hooked.py"), "exec", dont_inherit=True), space)
    refused(space["f"])


def test_source_that_only_the_loader_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("packed_module.py", BRANCH)
    monkeypatch.syspath_prepend(str(tmp_path / "packed.zip"))
    assert both(importlib.import_module("packed_module").f, 2.0) == [4.0, 2.0]


def test_functions_judged_before_a_global_is_rebound(load: Any) -> None:
    module = load("import numpy as np\ng = np.sin\ndef f(x):\n    return g(x)\n" + BRANCH.replace("def f", "def h"))
    assert graphad.jit(module.f)(2.0) == np.sin(2.0)
    module.g = module.h
    assert both(module.f, 2.0) == [4.0, 2.0]


def test_the_program_is_the_users_own_whatever_has_started_it() -> None:
    started = ModuleType("__main__")
    started.__file__ = np.__file__  # as of `python -m cProfile` and its like
    assert is_user_module("__main__", started)


def test_methods_of_what_a_file_imports(tmp_path, monkeypatch):
    """How a call of `norm.logpdf(x, loc=m)` is compiled depends on whether `norm` was imported."""
    (tmp_path / "imports_objects.py").write_text(
        "from math import *\n"
        "if True:\n"
        "    from scipy.stats import norm, multivariate_normal as mvn\n"
        "import numpy as np\n"
        "def f(m):\n"
        "    if m > 0:\n"
        "        return norm.logpdf(0.5, loc=m)\n"
        "    return m\n"
        "def g(m):\n"
        "    norm = m * np.eye(2)\n"
        "    inner = lambda c: mvn.logpdf(np.ones((3, 2)), cov=c)\n"
        "    return np.sum(inner(norm.clip(min=-100.0)))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("imports_objects")
    for f in (module.f, module.g):
        assert graphad.jit(f)(2.0) == pytest.approx(f(2.0))
        assert graphad.jit(graphad.grad(f))(2.0) == pytest.approx((f(2.0 + 1e-6) - f(2.0 - 1e-6)) / 2e-6, rel=1e-5)
