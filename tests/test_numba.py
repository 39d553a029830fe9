"""The numba executor: every op against NumPy, arguments of all kinds, errors, threads, and random programs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from many_threads import in_threads

import graphad
from graphad.errors import GraphadError
from graphad.executors.loops import lower
from graphad.executors.numba import NumbaExecutor
from graphad.executors.numba.printer import Printer
from graphad.graph import Graph, Node, Value
from graphad.op import OPS, Op, Sample
from graphad.ops.shape import Reshape
from graphad.ops.slicing import Slice
from graphad.passes import Pipeline
from graphad.types import TensorType

EXECUTOR = NumbaExecutor()
BATCH = 40
"""Samples compiled side by side in one function: compiling takes most of the time."""


def samples() -> tuple[list[Sample], list[Sample]]:
    """The first sample of every op, and those of further dtypes.

    Shapes are matters of the loop program, which `test_llvm.py` sees in all samples.
    """
    some, others = [], []
    for name in sorted(OPS):
        found: dict[Any, Sample] = {}
        for sample in OPS[name].samples() if name != "random_bits" else ():  # long to compile, and in `test_random.py`
            found.setdefault(tuple([t.dtype for t in sample.types]), sample)
        some += [*found.values()][:1]
        others += [*found.values()][1:]
    return some, others


def side_by_side(batch: Sequence[Sample]) -> tuple[Graph, list[Any], list[tuple[Node, Value]]]:
    """One graph that computes every sample of a batch, its inputs, and the value that each output holds.

    The operands are views into one array for each dtype, since numba compiles many arguments slowly.
    """
    parts: dict[np.dtype[Any], list[Any]] = {}
    packed: dict[np.dtype[Any], Value] = {}
    arrays = [[np.asarray(x) for x in sample.operands] for sample in batch]
    for x in [x for operands in arrays for x in operands]:
        parts.setdefault(x.dtype, []).append(x.reshape(-1))
    for dtype, flats in parts.items():
        packed[dtype] = Value(TensorType(dtype, (sum(x.size for x in flats),)))
    at = dict.fromkeys(parts, 0)
    nodes: list[Node] = []
    made: list[tuple[Node, Value]] = []

    def apply(op: Op, *xs: Value) -> tuple[Value, ...]:
        found = op.infer(*[v.type for v in xs])
        outputs = tuple([Value(t) for t in (found if isinstance(found, tuple) else (found,))])
        nodes.append(Node(op, xs, outputs))
        return outputs

    for sample, operands in zip(batch, arrays, strict=True):
        own = []
        for x in operands:
            start = at[x.dtype]
            at[x.dtype] += x.size
            (part,) = apply(Slice((start,), (start + x.size,), (1,)), packed[x.dtype])
            own.append(apply(Reshape(x.shape), part)[0])
        outputs = apply(sample.op, *own)
        made += [(nodes[-1], v) for v in outputs]
    graph = Graph(packed.values(), nodes, [v for _, v in made], "samples")
    return graph, [np.concatenate(flats) for flats in parts.values()], made


def words(sample: Sample) -> set[str]:
    """The calls and operators in the printed program of a sample; special functions are alike but for their arity."""
    graph, _, _ = side_by_side([sample])
    program = lower(Pipeline(EXECUTOR.pipeline).stages(graph, verify=False)[-1].graph)
    text = re.sub(r"special_\w+\(([^()]*)\)", lambda found: f"special_{found[1].count(',')}()", Printer(program).text())
    return set(re.findall(r"[A-Za-z_][\w.]*\(|[^\w\s(),.\[\]]+|\b(?:if|while|for|and|or|not|break|else)\b", text))


def distinct(found: Sequence[Sample]) -> list[Sample]:
    """Those whose programs have a word that those before have not, and all with regions."""
    seen: set[str] = set()
    kept = []
    for sample in found:
        own = words(sample)
        kept += [sample] if own - seen or sample.op.regions else []
        seen |= own
    return kept


def batches() -> Iterator[Any]:
    for found in samples():
        for i in range(0, len(found), BATCH):
            batch = found[i : i + BATCH]
            yield pytest.param(batch, id=f"{batch[0].op.name}-{batch[-1].op.name}")


def compiled(graph: Graph) -> Any:
    return EXECUTOR.compile(Pipeline(EXECUTOR.pipeline).stages(graph, verify=True)[-1].graph)


def assert_same(found: Any, expected: Any, what: str = "") -> None:
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype, what
    assert found.shape == expected.shape, what
    if expected.dtype.kind in "fc":
        rtol = 2e-3 if expected.dtype.char == "e" else 1e-5 if expected.dtype.char in "fF" else 1e-11
        scale = np.nanmax(np.abs(expected), initial=0.0, where=np.isfinite(expected))
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=float(scale) * rtol, err_msg=what)
    else:
        np.testing.assert_array_equal(found, expected, err_msg=what)


def check(batch: Sequence[Sample]) -> None:
    graph, args, made = side_by_side(batch)
    with np.errstate(all="ignore"):
        expected = graph.eval(*args)
        results = compiled(graph)(*args)
    for (node, _), found, wanted in zip(made, results, expected, strict=True):
        assert_same(found, wanted, f"{node.op!r} of {[v.type for v in node.inputs]}")


def test_samples_of_every_kind() -> None:
    kept = distinct(samples()[0])
    assert {"while", "cholesky", "exp2", "agm"} <= {sample.op.name for sample in kept}
    for i in range(0, len(kept), BATCH):
        check(kept[i : i + BATCH])


@pytest.mark.slow
@pytest.mark.parametrize("batch", batches())
def test_samples(batch: Sequence[Sample]) -> None:
    check(batch)


def model(w: Any, x: Any, y: Any) -> Any:
    h = np.tanh(x @ w)
    z = h - np.max(h, axis=1, keepdims=True)
    p = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
    return -np.sum(y * np.log(p + 1e-3)) + np.mean(w[1:, ::-1] ** 2)


def test_gradient() -> None:
    rng = np.random.default_rng(0)
    w, x, y = rng.normal(size=(5, 4)), rng.normal(size=(20, 5)), rng.uniform(size=(20, 4))
    both = graphad.value_and_grad(model)
    value, gradient = graphad.jit(both, executor="numba")(w, x, y)
    expected = both(w, x, y)
    assert_same(value, expected[0])
    assert_same(gradient, expected[1])


def test_large_products_use_blas() -> None:
    rng = np.random.default_rng(0)
    a, b, batch = rng.normal(size=(30, 40)), rng.normal(size=(30, 50)), rng.normal(size=(3, 40, 20))

    def products(a: Any, b: Any, batch: Any) -> Any:
        return a.T @ b, b.T @ a, a @ batch, a[::2] @ batch[1], a.T @ b[:, 3]

    compiled_products = graphad.jit(products, executor="numba").compile(a, b, batch)
    assert "dgemm" in compiled_products.source()
    for found, expected in zip(compiled_products(a, b, batch), products(a, b, batch), strict=True):
        assert_same(found, expected)
    complex_product = graphad.jit(lambda a, b: a.T @ b, executor="numba")
    assert_same(complex_product(a + 1j, b * 1j), (a + 1j).T @ (b * 1j))


def mapped(x: Any) -> Any:
    """A copy in a file."""
    with tempfile.TemporaryFile() as file:
        found = np.memmap(file, x.dtype, "w+", shape=x.shape)
    found[...] = x
    return found


ARGUMENTS = {
    "transposed": lambda x: np.asfortranarray(x),
    "strided": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "reversed": lambda x: x[::-1].copy()[::-1],
    "readonly": lambda x: np.lib.stride_tricks.as_strided(x, writeable=False),
    "misaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
    "big-endian": lambda x: x.astype(">f8"),
    "subclass": lambda x: mapped(x),
}


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_arguments_of_any_layout(kind: str) -> None:
    x = np.arange(12.0).reshape(3, 4)
    assert_same(layout_function(ARGUMENTS[kind](x)), np.sum(x * 2.0, axis=0))


layout_function = graphad.jit(lambda x: np.sum(x * 2.0, axis=0), executor="numba")


def test_scalars_and_empty_arrays() -> None:
    function = graphad.jit(lambda a, b: (a * b, np.sum(b * a)), executor="numba")
    for a in (2.0, np.float64(2.0), np.array(2.0)):
        product, total = function(a, np.ones(3))
        assert_same(product, np.full(3, 2.0))
        assert type(total) is np.float64
    product, total = function(2.0, np.ones((0, 3)))
    assert product.shape == (0, 3)
    assert total == 0.0


def test_arguments_of_another_type_are_refused() -> None:
    executable = graphad.jit(lambda x: x + 1.0, executor="numba").compile(np.ones(3)).executable
    with pytest.raises(GraphadError, match=r"argument 0 .* shape \[4\].*f64\[3\]"):
        executable(np.ones(4))
    with pytest.raises(GraphadError, match="argument 0 is an array of float32"):
        executable(np.ones(3, np.float32))
    with pytest.raises(GraphadError, match=r"shape \[3, 1\]"):
        executable(np.ones((3, 1)))
    assert_same(executable(np.ones(3))[0], np.full(3, 2.0))


def test_index_out_of_bounds() -> None:
    function = graphad.jit(lambda x, i: graphad.ops.gather.Gather((0,))(x, i), executor="numba")
    assert_same(function(np.arange(4.0), np.array([3, 0])), np.array([3.0, 0.0]))
    for bad in (4, -1):
        with pytest.raises(IndexError, match="out of bounds for axis 0 of extent 4"):
            function(np.arange(4.0), np.array([0, bad]))


def test_complex_quotients_by_zero_are_numpys() -> None:
    z = np.array([1 + 1j, 2.0, 0.0, -1j])
    with np.errstate(all="ignore"):
        wanted = z / (z - z)
        np.testing.assert_array_equal(graphad.jit(lambda z: z / (z - z), executor="numba")(z), wanted)
    singular = np.full((4, 4), 1 + 1j)
    sign, size = graphad.jit(np.linalg.slogdet, executor="numba")(singular)
    assert (sign, size) == (0, -np.inf)


def test_errors_of_host_calls_reach_the_caller() -> None:
    function = graphad.jit(lambda x: np.linalg.cholesky(x @ x.T - 3.0 * np.eye(2)), executor="numba")
    x = np.array([[3.0, 0.0], [1.0, 3.0]])
    assert_same(function(x), np.linalg.cholesky(x @ x.T - 3.0 * np.eye(2)))
    with pytest.raises(np.linalg.LinAlgError):
        function(np.zeros((2, 2)))
    assert_same(function(x), np.linalg.cholesky(x @ x.T - 3.0 * np.eye(2)))


def test_threads_share_one_executable() -> None:
    def work(x: Any) -> Any:
        return np.sort(np.exp(x).T[::-1].reshape(-1) + np.sum(x, axis=1, keepdims=True)[0])[:5] * np.sum(x)

    function = graphad.jit(work, executor="numba")
    function(np.ones((40, 50)))
    wrong: list[int] = []

    def repeat(seed: int) -> None:
        x = np.random.default_rng(seed).normal(size=(40, 50))
        expected = work(x)
        for _ in range(50):
            if not np.allclose(function(x), expected, rtol=1e-10):
                wrong.append(seed)

    in_threads(repeat, 4)
    assert not wrong


def test_memory_and_source() -> None:
    chain = graphad.jit(lambda x: np.sum(np.exp(-x) * x), executor="numba").compile(np.ones(1000))
    assert chain.memory() == {"arena": 0, "results": 8, "constants": 0, "peak": 8}
    # One loop over all elements, in blocks.
    assert chain.source().count("for b0 in range(0, 1000, ") == chain.source().count("for k0 in range(") == 1


def test_dead_operands_are_reused_in_place() -> None:
    def steps(x: Any) -> Any:
        for _ in range(4):
            x = np.cumsum(x) * 0.5
        return np.sum(x)

    assert graphad.jit(steps, executor="numba").compile(np.ones(1000)).memory()["arena"] <= 2 * 8192 + 64


_UNARY = [np.sin, np.exp, np.abs, np.negative, np.tanh, np.floor, lambda x: x[::-1], lambda x: x.T.reshape(3, 4)]
_BINARY = [np.add, np.multiply, np.subtract, np.maximum, lambda x, y: np.where(x > y, x, y * 0.5)]
_REDUCE = [
    lambda x: x - np.sum(x, axis=0), lambda x: x + np.max(x, axis=1, keepdims=True), lambda x: x * np.mean(x),
    lambda x: x / (1.0 + np.sum(np.abs(x))),
]  # fmt: skip
_STEP = st.tuples(st.integers(0, 16), st.integers(0, 7), st.integers(0, 7))


@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(_STEP, min_size=2, max_size=14), min_size=4, max_size=4))
def test_random_programs(programs: list[list[tuple[int, int, int]]]) -> None:
    def run(program: list[tuple[int, int, int]], x: Any, y: Any) -> Any:
        values = [x, y]
        for kind, i, j in program:
            a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
            if kind < 8:
                values.append(_UNARY[kind](np.minimum(a, 3.0)))
            elif kind < 13:
                values.append(_BINARY[kind - 8](a, b))
            else:
                values.append(_REDUCE[kind - 13](a))
        return [values[-1], np.sum(values[-2]), values[-2].T]

    def together(x: Any, y: Any) -> Any:
        return [run(program, x, y) for program in programs]

    rng = np.random.default_rng(1)
    x, y = rng.uniform(-1, 1, (2, 3, 4))
    with np.errstate(all="ignore"):
        expected = together(x, y)
        found = graphad.jit(together, executor="numba")(x, y)
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
