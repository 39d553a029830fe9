"""Passes and executors ask ops what they are: those of a package elsewhere are treated like graphad's own."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.op import OPS, Op
from graphad.ops.dynamic import DynamicUpdateSlice
from graphad.testing import check_op, graph_of, label, samples_of

HERE = Path(__file__).resolve().parent
EXECUTORS = ["numpy", "numba", "llvm"]


@pytest.fixture(scope="module")
def others() -> Iterator[Any]:
    """The package of ops of somebody else; the names of its ops are gone afterwards."""
    sys.path.insert(0, str(HERE / "elsewhere"))
    known = set(OPS)
    try:
        import others_ops

        yield others_ops
    finally:
        sys.path.remove(str(HERE / "elsewhere"))
        sys.modules.pop("others_ops", None)
        for name in set(OPS) - known:
            del OPS[name]


@pytest.mark.parametrize("name", ["Below", "Marked"])
def test_laws_hold_elsewhere(others: Any, name: str) -> None:
    laws = ("infer", "moves", "raises", "cost", "pickle")
    check_op(getattr(others, name), laws if name == "Marked" else (*laws, "jvp", "transpose", "batch", "text"))


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_view_is_part_of_the_kernel_around_it(others: Any, executor: str) -> None:
    def f(x: Any) -> Any:
        return np.exp(others.Below()(np.sin(x) * 2)) + 1

    x = np.linspace(0.0, 3.0, 90).reshape(3, 30)
    fused = graphad.Pipeline("fuse")(graphad.trace(f)(x))
    (kernel,) = fused.nodes
    assert "others_below" in {node.op.name for node in kernel.op.regions["kernel"].nodes}
    expected = np.exp((np.sin(x) * 2)[:, ::2][:, ::-1]) + 1
    np.testing.assert_allclose(graphad.jit(f, executor=executor)(x), expected, rtol=1e-13)
    gradient = graphad.grad(lambda x: np.sum(f(x)))
    np.testing.assert_allclose(graphad.jit(gradient, executor=executor)(x), gradient(x), rtol=1e-12)


@pytest.mark.parametrize("executor", ["numba", "llvm"])
def test_a_view_of_memory_costs_no_call(others: Any, executor: str) -> None:
    from graphad.executors.loops.lower import lower
    from graphad.executors.loops.program import HostCall

    def f(x: Any) -> Any:
        return others.Corner()(x.T[1:]) @ np.ones(3), others.Below()(x)

    x = np.arange(16.0).reshape(4, 4)
    program = lower(graphad.Pipeline("fuse")(graphad.trace(f)(x)))
    assert not [s for s in program.statements if isinstance(s, HostCall)]
    for found, expected in zip(graphad.jit(f, executor=executor)(x), f(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def _loop(op: Op, x: Any, n: int) -> Any:
    return graphad.fori_loop(0, n, lambda i, total: total + np.sum(op(x)), 0.0)


def test_what_raises_is_not_hoisted(others: Any) -> None:
    def outer(op: Op) -> set[str]:
        def f(x: Any, n: Any) -> Any:
            return _loop(op, x, n)

        graph = graphad.trace(f)(np.ones(3), 3)
        return {node.op.name for node in graphad.Pipeline("licm")(graph).nodes}

    assert "others_easy" in outer(others.Easy())
    assert "others_demanding" not in outer(others.Demanding())


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_raises_is_raised_where_it_is_reached(others: Any, executor: str) -> None:
    f = graphad.jit(lambda x, n: _loop(others.Demanding(), x, n), executor=executor)
    assert f(np.array([-1.0, 2.0]), 0) == 0.0
    with pytest.raises(ArithmeticError, match="not positive"):
        f(np.array([-1.0, 2.0]), 2)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_update_in_a_loop(others: Any, executor: str) -> None:
    def f(x: Any) -> Any:
        def body(i: Any, a: Any) -> Any:
            return others.Marked()(a, a[1] + i) * 1.0

        return graphad.fori_loop(0, 3, body, x), graphad.fori_loop(0, 3, lambda i, a: others.Marked()(a, a[0] + i), x)

    x = np.arange(4.0)
    for found, expected in zip(graphad.jit(f, executor=executor)(x), ([3, 1, 2, 3], [3, 1, 2, 3]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_is_no_view_is_refused(others: Any) -> None:
    with pytest.raises(graphad.TypeMismatchError, match="others_copying says that its result is a view"):
        graphad.jit(lambda x: np.exp(others.Copying()(np.sin(x))), executor="llvm")(np.ones(3))


# -- what is read first -------------------------------------------------------------------------------------------


def _first_readers() -> Iterator[Any]:
    for name, op in sorted(OPS.items()):
        if op.reads_first:
            for i, sample in enumerate(samples_of(op)):
                if sample.types and sample.types[0].size > 1 and not sample.op.effect:
                    yield pytest.param(sample, id=f"{name}-{i}-{label(sample)}")


@pytest.mark.parametrize("sample", _first_readers())
def test_what_is_read_first_may_change_afterwards(sample: Any) -> None:
    x, *rest = [np.asarray(a) for a in sample.operands]
    single = len(graph_of(sample).outputs) == 1

    def body(x: Any, _: Any) -> Any:
        found = sample.op(x, *rest)
        zero = np.zeros((1,) * x.ndim, x.dtype)
        return DynamicUpdateSlice()(x, zero, *[np.int64(0)] * x.ndim), found if single else tuple(found)

    def f(x: Any) -> Any:
        return graphad.scan(body, x, None, length=2)

    found, expected = graphad.jit(f, executor="llvm")(x), graphad.jit(f, executor="numpy")(x)
    for a, b in zip(graphad.tree.leaves(found), graphad.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


# -- no names -----------------------------------------------------------------------------------------------------

ALLOWED: dict[str, str] = {
    "executors/loops/lower.py: node.op.name": "the note of a statement says what it is for",
    "executors/loops/kernels.py: node.op.name": "the name of a graph of one node",
    "executors/loops/checks.py: node.op.name": "the name of a graph",
}
"""Uses of an op's name but in messages, each with the reason: where a name is shown, nothing depends on it."""

SCALAR_CODE = {"executors/numba/scalars.py", "executors/loops/ranges.py"}
"""Tables and matches over the intrinsics of scalar code, which are not ops though they share names."""


def _is_name_of_op(node: ast.AST) -> bool:
    owner = node.value if isinstance(node, ast.Attribute) and node.attr == "name" else None
    return "op" in (getattr(owner, "attr", None), getattr(owner, "id", None))


def _shown(tree: ast.AST) -> set[ast.AST]:
    """What stands within an f-string."""
    return {inner for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for inner in ast.walk(node)}


def _files() -> Iterator[Any]:
    for folder in ("passes", "executors"):
        for path in sorted((HERE.parent / folder).rglob("*.py")):
            yield pytest.param(path, id=str(path.relative_to(HERE.parent)))


@pytest.mark.parametrize("path", _files())
def test_nothing_depends_on_the_name_of_an_op(path: Path) -> None:
    file = str(path.relative_to(HERE.parent))
    tree = ast.parse(path.read_text())
    shown = _shown(tree)
    for node in ast.walk(tree):
        if _is_name_of_op(node) and node not in shown:
            use = f"{file}: {ast.unparse(node)}"
            assert use in ALLOWED, f"{use} in line {node.lineno}; ask the op for a trait, or find a rule by its class"
        if isinstance(node, ast.Name) and node.id == "OPS":
            pytest.fail(f"{file}:{node.lineno} finds an op by its name; import the op")
        if isinstance(node, (ast.Set, ast.List, ast.Tuple, ast.Dict)) and file not in SCALAR_CODE:
            entries = node.keys if isinstance(node, ast.Dict) else node.elts
            names = [e.value for e in entries if isinstance(e, ast.Constant) and e.value in _names()]
            assert len(names) < 3 or not _only_ops(names), f"{file}:{node.lineno} lists the names of the ops {names}"


def _names() -> set[str]:
    return set(OPS)


def _only_ops(names: list[str]) -> bool:
    """Whether names are those of ops and not of intrinsics of scalar code or of ways to combine elements."""
    from graphad.ops.scalar import INTRINSICS

    combined = {op.combines for op in OPS.values() if hasattr(op, "combines")}
    return any([name not in INTRINSICS and name not in combined for name in names])


@pytest.mark.parametrize("path", sorted((HERE.parent / "graphad" / "ops").glob("*.py")), ids=lambda path: path.name)
def test_ops_import_each_other(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and ast.unparse(node.value) == "OPS":
            assert not isinstance(node.slice, ast.Constant), f"{path.name}:{node.lineno}: import the op"


def test_the_allowed_uses_are_there() -> None:
    for use in ALLOWED:
        file, _, text = use.partition(": ")
        tree = ast.parse((HERE.parent / file).read_text())
        shown = _shown(tree)
        assert text in {ast.unparse(node) for node in ast.walk(tree) if _is_name_of_op(node) and node not in shown}
