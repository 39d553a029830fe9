"""What shares its elements with what is what NumPy says, in each layout: written through a result, and through its
base."""

from __future__ import annotations

import itertools
import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphad

_numbers = itertools.count()

ROWS = "np.array([[x, 1.0, 2.0], [3.0, x * x, 5.0]])"
COLUMNS = "np.array([[x, 1.0], [3.0, x * x], [2.0, 4.0]]).T"
BASES = {
    "rows": ROWS,
    "columns": f"{COLUMNS} * x",
    "asked": f"np.asfortranarray({ROWS})",
    "made": "np.array([[x, 1.0, 2.0], [3.0, x * x, 5.0]], order='F')",
    "kept": f"np.copy({COLUMNS})",
    "copied": f"{COLUMNS}.copy()",
    "transposed": COLUMNS,
    "cut": "np.array([[x, 1.0, 2.0, 3.0], [3.0, x * x, 1.0, 2.0], [2.0, 4.0, 1.0, 0.5]])[1:, ::2][:, ::-1]",
    "picked": "np.array([[x, 1.0, 2.0, 3.0], [3.0, x * x, 1.0, 2.0]])[:, [0, 1, 3]]",
    "chosen": f"np.where({COLUMNS} > 2, x, 1.0)",
    "complex": f"{ROWS} * (1 + 0.5j)",
    "square": "np.array([[x, 1.0, 2.0], [3.0, x * x, 5.0], [0.1, 0.2, x]])",
    "line": "np.array([x, 1.0, 2.0, 4.0])",
    "one": "np.array([[x]])",
    "cube": "np.swapaxes(np.arange(24.0).reshape(2, 3, 4) * x, 0, 1) + 1.0",
    "numbers": "np.arange(6.0).reshape(2, 3).copy()",
    "numbers by columns": "np.zeros((2, 3), order='F')",
    "argument": "u",
    "argument by columns": "w",
}
RESULTS = """
a[...] | a[:] | a[None] | a[0] | a[0:1] | a[[0]] | a[..., 0] | a[0, ...] | a[:, [0, 1]]
a.reshape(-1) | a.reshape(a.shape) | a.reshape(-1, order='F') | a.reshape(-1, order='A') | a.reshape((-1, 1))
np.reshape(a, -1) | np.reshape(a, -1, copy=True) | a.ravel() | a.ravel('F') | a.ravel('K') | a.ravel('A')
np.ravel(a, 'K') | a.flatten() | a.flatten('F') | a.flatten('K') | a.T | a.T.reshape(-1) | a.T.ravel('K')
a.T.ravel('F') | a.T.copy(order='K').reshape(-1) | a.copy() | a.copy('F').ravel('F') | np.copy(a) | np.array(a)
np.array(a, copy=None) | np.array(a, order='F', copy=None) | np.array(a, copy=None, ndmin=3) | np.asarray(a)
np.asarray(a, order='F') | np.asarray(a, order='C') | np.asarray(a, dtype=a.dtype) | np.asanyarray(a)
np.ascontiguousarray(a) | np.asfortranarray(a) | np.require(a) | np.require(a, requirements='C')
np.require(a, requirements='F') | np.transpose(a) | np.swapaxes(a, 0, -1) | np.moveaxis(a, 0, -1) | np.rollaxis(a, -1)
np.squeeze(a) | a.squeeze() | np.expand_dims(a, 0) | np.atleast_1d(a) | np.atleast_3d(a) | np.atleast_2d(a, a)[0]
np.flip(a) | np.flipud(a) | np.rot90(a) | np.rot90(a, 4) | np.roll(a, 1) | np.roll(a, 0) | np.real(a) | np.imag(a)
a.real | a.imag | np.conj(a) | a.conj() | a.conjugate() | np.real_if_close(a) | np.nan_to_num(a)
np.nan_to_num(a, copy=False) | a.astype(a.dtype) | a.astype(a.dtype, copy=False) | np.astype(a, a.dtype, copy=False)
a.view() | np.einsum('ij->ji', a) | np.einsum('ii->i', a) | np.einsum('...->...', a) | np.einsum(a, [0, 1], [1, 0])
np.einsum('ij->ji', a, optimize=True) | np.einsum('ij->i', a) | np.diagonal(a) | a.diagonal() | np.diag(a)
np.diagflat(a) | np.linalg.diagonal(a) | np.matrix_transpose(a) | np.permute_dims(a, None) | a.mT
np.broadcast_to(a, a.shape) | np.broadcast_to(a, (2,) + a.shape) | np.broadcast_arrays(a, np.zeros(a.shape))[0]
np.broadcast_arrays(a, np.zeros((2,) + a.shape))[0] | np.broadcast_arrays(a)[0] | np.split(a, [1])[0]
np.array_split(a, 2)[1] | np.hsplit(a, [1])[0] | np.unstack(a)[0] | list(a)[0] | next(iter(a))
np.lib.stride_tricks.sliding_window_view(a, 1, axis=0) | np.concatenate([a]) | np.vstack([a]) | np.stack([a])[0]
np.column_stack([a]) | np.block(a) | np.block([a]) | np.append(a, []) | np.tile(a, 1) | np.repeat(a, 1)
np.clip(a, -99, 99) | a.round(3) | np.sort(a) | np.positive(a) | +a | np.abs(a) | np.trim_zeros(a) | np.triu(a)
np.meshgrid(a)[0] | np.meshgrid(a, copy=False)[0] | np.meshgrid(a, [1.0], copy=False)[0]
np.meshgrid(a, [1.0], copy=False, sparse=True)[0] | np.ix_(a)[0] | np.take(a, [0], axis=0) | np.select([a > 0], [a], a)
np.asarray_chkfinite(a) | np.resize(a, a.shape) | np.pad(a, 0) | np.insert(a, [], 0, axis=0) | np.asarray(list(a))
a.transpose() | np.fft.fftshift(a) | copy.copy(a) | copy.deepcopy(a) | np.copyto(a, a + 1) or a | a.put([0], 3.0) or a
np.putmask(a, a > 2, a) or a[:1] | np.place(a, a > 2, [7.0]) or a | np.fill_diagonal(a, x) or a.T
np.add.at(a, 0, x) or a.ravel('K') | np.put_along_axis(a, np.zeros((1,) * a.ndim, int), x, 0) or a.reshape(-1)
"""
NOT_WRITTEN = {
    "np.broadcast_arrays(a, np.zeros((2,) + a.shape))[0]": "whose elements stand in several places",
}
"""What NumPy lets be written to, all places of an element at once, and graphad refuses."""
THROUGH = {
    "result": "    r[(0,) * r.ndim] = x * 10.0",
    "base": "    a[(0,) * a.ndim] = x * 10.0\n    a[(-1,) * a.ndim] += x",
}
END = """    p, q = a * 1.0, r * 1.0
    return np.sum(p.real * W(p)) + 0.37 * np.sum(p.imag * W(p)) + 1.7 * np.sum(q.real * W(q)) + np.sum(q.imag * W(q))"""


def program(base: str, result: str, through: str) -> Callable[..., Any]:
    start = ["import copy", "import numpy as np", "def program(x, u, w):", f"    a = {base}", f"    r = {result}"]
    return defined("\n".join([*start, THROUGH[through], END, ""]))["program"]  # type: ignore[no-any-return]


def defined(source: str) -> dict[str, Any]:
    """What a source defines, which conversion can read."""
    file = f"<sharing {next(_numbers)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    space: dict[str, Any] = {"__name__": "__main__", "W": lambda r: np.cos(np.arange(r.size).reshape(r.shape) + 1.0)}
    exec(compile(source, file, "exec"), space)
    return space


def arguments() -> tuple[Any, ...]:
    u = np.arange(6.0).reshape(2, 3) * 0.7 + 0.1
    return u, np.asfortranarray(u)


def value(function: Callable[..., Any], x: float) -> float | Exception:
    with np.errstate(all="ignore"):
        try:
            return float(function(x, *arguments()))
        except (ValueError, TypeError, IndexError, np.linalg.LinAlgError) as error:
            return error


def all_results() -> list[str]:
    return [r.strip() for line in RESULTS.strip().splitlines() for r in line.split("|")]


def compare(base: str, result: str, through: str, executor: str | None = None) -> bool:
    """Whether the program has a value, which is then found; what NumPy refuses is refused."""
    function = program(BASES[base], result, through)
    right = value(function, 1.3)
    if isinstance(right, Exception):
        if "assign" in str(right) or "read-only" in str(right):
            with pytest.raises((ValueError, TypeError, graphad.GraphadError)):
                graphad.grad(function)(1.3, *arguments())
        return False
    if through == "result" and result in NOT_WRITTEN:
        with pytest.raises(graphad.TracerError, match=NOT_WRITTEN[result]):
            graphad.grad(function)(1.3, *arguments())
        return False
    slope = (value(function, 1.3 + 1e-6) - value(function, 1.3 - 1e-6)) / 2e-6  # type: ignore[operator]
    if executor is None:
        found = graphad.value_and_grad(function)(1.3, *arguments())
    else:
        found = graphad.jit(graphad.value_and_grad(function), executor=executor)(1.3, *arguments())
    assert found[0] == pytest.approx(right, rel=1e-9), (base, through)
    if "round" not in result:
        assert found[1] == pytest.approx(slope, rel=1e-5, abs=1e-5), (base, through)
    return True


@pytest.mark.parametrize("i", range(len(all_results())))
def test_results(i: int) -> None:
    names = list(BASES)
    for k in range(3):
        compare(names[(i + 7 * k) % len(names)], all_results()[i], list(THROUGH)[(i + k) % 2])


@pytest.mark.slow
@pytest.mark.parametrize("result", all_results())
def test_all_results(result: str) -> None:
    assert any([compare(base, result, through) for base in BASES for through in THROUGH])


@pytest.mark.parametrize("executor", ["numpy", "llvm", "numba"])
@pytest.mark.parametrize("i", range(0, 150, 15))
def test_compiled(executor: str, i: int) -> None:
    compare(list(BASES)[i % len(BASES)], all_results()[i], list(THROUGH)[i % 2], executor)


def test_compiled_functions_know_the_layouts_of_their_arguments() -> None:
    @graphad.jit
    def first(u: Any) -> Any:
        flat = u.reshape(-1)
        flat[0] = 7.0
        return u[0, 0]

    rows = np.ones((2, 3))
    for _ in range(3):
        assert first(rows) == 7.0
        assert first(np.asfortranarray(rows)) == 1.0




@pytest.mark.parametrize(
    "expression", ["np.tile(b.T, (1, 1))", "np.einsum('ij,jk->ki', b, b)", "np.cumsum(b.T, axis=1)"]
)
def test_where_a_layout_is_not_known_what_depends_on_it_is_refused(expression: str) -> None:
    made = defined(f"import numpy as np\n\ndef make(b):\n    return {expression}\n")["make"]

    def written(x: Any) -> Any:
        a = made(np.array([[x, 1.0], [2.0, x]]))
        flat = a.reshape(-1)
        flat[0] = x
        return a.sum()

    def read(x: Any) -> Any:
        return made(np.array([[x, 1.0], [2.0, x]])).ravel("K")[1]

    def alone(x: Any) -> Any:
        flat = made(np.array([[x, 1.0], [2.0, x]])).reshape(-1)
        flat[0] = x
        return flat.sum()

    for function in (written, read):
        with pytest.raises(graphad.GraphadError, match=r"test_sharing.py:\d+.*copy"):
            graphad.grad(function)(1.5)
    assert graphad.grad(alone)(1.5) == pytest.approx((alone(1.5 + 1e-6) - alone(1.5 - 1e-6)) / 2e-6, rel=1e-6)


# -- what is told of memory -------------------------------------------------------------------------------------------


def told(a: Any) -> list[Any]:
    parts = [a, a[1:], a[::2], a.T, a.reshape(-1), a.copy(), a[:1], a[0]]
    found: list[Any] = []
    for p in parts:
        found += [np.shares_memory(p, q) for q in parts] + [np.may_share_memory(p, q) for q in parts]
        found += [p.flags.c_contiguous, p.flags["F"], p.flags.writeable, p.strides]
    spread = np.broadcast_to(a[0], (2, *a[0].shape))
    return [*found, a[1:].base is a, a.T.base is a, spread.flags.writeable, spread.strides]


@pytest.mark.parametrize("base", ["rows", "asked", "made", "kept", "copied", "square", "numbers by columns"])
def test_memory(base: str) -> None:
    make = defined(f"import numpy as np\n\ndef make(x):\n    return {BASES[base]}\n")["make"]
    right, found = told(make(1.5)), []

    def function(x: Any) -> Any:
        found[:] = told(make(x))
        return x

    graphad.grad(function)(1.5)
    assert found == right


def test_whose_memory_an_array_of_numbers_has() -> None:
    found: list[Any] = []

    def function(x: Any) -> Any:
        a, b = np.zeros(3), np.arange(6.0).reshape(2, 3)
        c, d = a[1:], np.zeros(4).copy()
        found[:] = [p.base is None for p in (a, b, c, d)] + [p.flags.owndata for p in (a, b, c, d)]
        found.append(c.base is a)
        found.append(np.require(a, requirements="O") is a)
        return x

    function(1.5)
    right = list(found)
    graphad.grad(function)(1.5)
    assert found == right


@pytest.mark.parametrize("ask", [lambda a: a.base, lambda a: a.flags.owndata])
def test_whose_memory_a_traced_array_has_is_refused(ask: Any) -> None:
    with pytest.raises(graphad.TracerError, match="shares_memory"):
        graphad.grad(lambda x: ask(np.array([x, 1.0])) is None and x)(1.0)


def test_arrays_that_cannot_be_written_to() -> None:
    def function(x: Any) -> Any:
        a = np.zeros(3)
        a.flags.writeable = False
        a[0] = x
        return a.sum()

    with pytest.raises(ValueError, match="read-only"):
        graphad.grad(function)(1.0)


# -- arguments that share memory --------------------------------------------------------------------------------------

A = np.array([1.0, 2.0, 3.0, 4.0])


def written(a: Any, b: Any) -> Any:
    a[0] = 5.0 * b[1]
    return (a * b).sum()


def within(d: Any, x: Any) -> Any:
    d["u"][:2] *= x[0]
    return d["u"].sum() * x.sum()


def beside(a: Any, b: Any) -> Any:
    a[1] = 7.0 * a[0]
    return (a * A).sum() + b.sum()


class Model:
    def __init__(self, u: Any) -> None:
        self.u = u

    def step(self, a: Any, b: Any) -> Any:
        a[0] = 3.0 * a[1]
        return (self.u * a).sum() + b.sum()


SHARED: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "twice": (written, A, A),
    "reversed": (written, A, A[::-1]),
    "part": (written, A, A[:]),
    "entry": (within, {"u": A}, A[1:]),
    "module": (beside, A[:], np.ones(2)),
    "attribute": (Model(A).step, A, np.ones(2)),
    "windows": (written, np.lib.stride_tricks.as_strided(A, (3, 2), (8, 8)), np.ones((3, 2))),
}
WAYS: dict[str, Callable[..., Any]] = {
    "value": lambda f: f,
    "grad": lambda f: graphad.grad(f, 1),
    "jacfwd": lambda f: graphad.jacfwd(f, 1),
    "jacrev of both": lambda f: graphad.jacrev(f, (0, 1)),
    "jvp": lambda f: lambda a, b: graphad.jvp(f, (a, b), (a, b))[1],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SHARED)
def test_arguments_that_share_memory(name: str, way: str) -> None:
    function, a, b = SHARED[name]
    apart = graphad.tree.map(np.copy, a), b.copy()
    compiled = graphad.jit(WAYS[way](function), executor="numpy")
    right = compiled(*apart)
    for transformed in (compiled, *[WAYS[way](function)] * (way != "value")):
        for _ in range(2):
            with pytest.raises(graphad.TracerError, match=r"shares? memory.*copy"):
                transformed(a, b)
            found = graphad.tree.leaves(transformed(*apart))
            for x, y in zip(found, graphad.tree.leaves(right), strict=True):
                np.testing.assert_allclose(x, y)


@pytest.mark.parametrize("executor", ["llvm", "numba"])
def test_compiled_code_looks_whether_arguments_share_memory(executor: str) -> None:
    compiled = graphad.jit(written, executor=executor)
    for _ in range(3):
        assert compiled(A, A.copy()) == 10.0 + 29.0
        with pytest.raises(graphad.TracerError, match="b shares memory with it"):
            compiled(A, A)
    pairs = np.arange(8.0)
    assert compiled(pairs[::2], pairs[1::2]) == 15.0 + 6.0 + 20.0 + 42.0
    assert A[0] == 1.0


def test_what_only_reads_may_be_given_the_same_array_twice() -> None:
    assert graphad.grad(lambda a, b: (a * b).sum())(A, A).tolist() == A.tolist()
    batch = np.ones((2, 4))
    assert graphad.vmap(lambda a, b: (a * b).sum())(batch, batch).tolist() == [4.0, 4.0]
    with pytest.raises(graphad.TracerError, match="shares memory"):
        graphad.vmap(written)(batch, batch)


def test_traced_arguments_that_share_memory() -> None:
    def reversed_(a: Any) -> Any:
        return graphad.grad(written)(a, a[::-1])

    def halves(a: Any) -> Any:
        return graphad.grad(written)(a[:2], a[2:])

    def around(a: Any) -> Any:
        def inner(y: Any) -> Any:
            y[0] = 1.0
            return (y * a).sum()

        return graphad.grad(inner)(a)

    def loop(a: Any) -> Any:
        return graphad.scan(lambda c, r: (written(c, r) * c, c[0]), a[0], a)[0]

    for function in (reversed_, around, graphad.jit(reversed_), graphad.jit(around)):
        with pytest.raises(graphad.TracerError, match="shares memory"):
            function(A)
    assert graphad.jit(halves)(A).tolist() == [0.0, 4.0]
    with pytest.raises(graphad.TracerError, match="shares memory"):
        graphad.jit(loop)(np.ones((2, 4)))


@pytest.mark.parametrize("transform", [graphad.jacfwd, graphad.jacrev, graphad.hessian, graphad.grad])
def test_arguments_that_are_not_differentiated_stay_as_they_are(transform: Any) -> None:
    def function(x: Any, table: Any, *, more: Any) -> Any:
        table[0], more[1] = 3.0, 2.0 * x[0]
        return ((x**2) * table * more).sum()

    table, more, x = np.ones(2), np.ones(2), np.array([2.0, 1.0])
    expected = {"hessian": [[6.0, 4.0], [4.0, 8.0]], "grad": [14.0, 8.0]}
    found = transform(function)(x, table, more=more)
    np.testing.assert_allclose(found, expected.get(transform.__name__, expected["grad"]))
    assert table.tolist() == more.tolist() == [1.0, 1.0]
