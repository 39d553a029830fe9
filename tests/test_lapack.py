"""Linear algebra within compiled functions: LAPACK without a call back into Python, small matrices as scalars."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from loop_statements import program_of
from many_threads import in_threads

import graphad
from graphad.executors.loops.program import HostCall, LibraryCall, LoopNest
from graphad.executors.loops.routines import workspace
from graphad.executors.loops.small import ROWS
from graphad.ops.determinant import Cofactor, CofactorDerivative, Det, Slogdet
from graphad.ops.linalg import Cholesky, Inv, Solve, TriangularSolve

LARGE = ROWS["f"] + 3
ON_BOTH = [("llvm", 3), ("llvm", LARGE), ("numba", LARGE)]
Program = list[Any]
slow = functools.partial(pytest.param, marks=pytest.mark.slow)


def compiled(function: Any, executor: str, *args: Any) -> tuple[Any, Program]:
    """The function after compilation, and its statements, none of which is a host call."""
    jitted = graphad.jit(function, executor=executor)
    program = program_of(jitted.compile(*args)).statements
    assert not [s.note for s in program if isinstance(s, HostCall)]
    return jitted, program


def routines(program: Program) -> list[str]:
    return [s.routine for s in program if isinstance(s, LibraryCall)]


def transposed(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def operands(shape: tuple[int, ...], dtype: str, columns: int = 3) -> list[Any]:
    """A regular matrix, a Hermitian positive definite one, and a right-hand side."""
    rng = np.random.default_rng(len(shape) + shape[-1])
    a = rng.normal(size=shape) + 3 * np.eye(shape[-1])
    b = rng.normal(size=(*shape[:-1], columns))
    if dtype in "FD":
        a, b = a + 1j * rng.normal(size=a.shape), b - 1j * b[..., ::-1]
    h = a @ np.conj(transposed(a)) + np.eye(shape[-1])
    return [x.astype(dtype) for x in (a, h, b)]


def factorisations(a: Any, h: Any, b: Any) -> list[Any]:
    return [
        Cholesky()(h), transposed(Cholesky()(transposed(h))), Solve()(a, b), Solve()(transposed(a), b[..., :1]),
        Inv()(a), Det()(a), *Slogdet()(transposed(a)),
    ]  # fmt: skip


def substitutions(a: Any, h: Any, b: Any) -> list[Any]:
    # Matrices and right-hand sides in rows, in columns, and with their elements apart.
    flipped = transposed(transposed(b) + 1)
    return [
        TriangularSolve(True, False, False)(a, b), TriangularSolve(False, False, True)(a, flipped),
        TriangularSolve(True, True, False)(transposed(a), b[..., 1:]),
        transposed(TriangularSolve(False, True, True)(a, flipped)),
        TriangularSolve(True, True, True)(a, b[..., 1:2]), TriangularSolve()(h[..., ::-1, ::-1], flipped[..., ::2]),
    ]  # fmt: skip


def assert_same(found: Any, expected: Any, factor: float = 1.0) -> None:
    assert len(found) == len(expected)
    for x, y in zip(found, expected, strict=True):
        x, y = np.asarray(x), np.asarray(y)
        assert (x.dtype, x.shape) == (y.dtype, y.shape)
        tolerance = factor * 400 * np.finfo(x.dtype).eps
        largest = np.max(np.abs(y[np.isfinite(y)]), initial=1.0)
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * largest)


# -- values -------------------------------------------------------------------------------------------------------

SHAPES = [(1, 1), (2, 2), (LARGE, LARGE), (0, 0), (3, 3, 3), (2, 3, LARGE, LARGE), (0, 2, 2), (3, 0, 0), (1, 2, 1, 1)]
# Numba compiles slowly: it has one shape in scalars and one by LAPACK, one of them by default in each test.
CASES: list[Any] = [("llvm", dtype, shape) for dtype in "fdFD" for shape in SHAPES]
SCALARS, ROUTINES = ("numba", "f", (2, 2)), ("numba", "D", (2, LARGE, LARGE))


@pytest.mark.parametrize(("executor", "dtype", "shape"), [*CASES, slow(*SCALARS), ROUTINES])
def test_factorisations(executor: str, dtype: str, shape: tuple[int, ...]) -> None:
    args = operands(shape, dtype)
    function, program = compiled(factorisations, executor, *args)
    assert_same(function(*args), graphad.jit(factorisations, executor="numpy")(*args))
    assert bool(routines(program)) == (shape[-1] == LARGE)


@pytest.mark.parametrize(("executor", "dtype", "shape"), [*CASES, SCALARS, slow(*ROUTINES)])
def test_substitutions(executor: str, dtype: str, shape: tuple[int, ...]) -> None:
    args = operands(shape, dtype)
    function, program = compiled(substitutions, executor, *args)
    assert_same(function(*args), graphad.jit(substitutions, executor="numpy")(*args))
    assert bool(routines(program)) == (shape[-1] == LARGE)


COFACTORS: list[tuple[str, str, tuple[int, ...]]] = [
    ("llvm", "f", (2, 2)), ("llvm", "F", (3, 3, 3)), ("llvm", "d", (3, 0, 0)), ("llvm", "d", (1, 1)),
    *[("llvm", dtype, (2, LARGE, LARGE)) for dtype in "fdFD"], ("numba", "D", (2, 2)),
]  # fmt: skip


@pytest.mark.parametrize(("executor", "dtype", "shape"), COFACTORS)
def test_cofactors(executor: str, dtype: str, shape: tuple[int, ...]) -> None:
    a, h, _ = operands(shape, dtype)
    function, program = compiled(lambda a, h: [Cofactor()(a), CofactorDerivative()(a, h)], executor, a, h)
    assert_same(function(a, h), [Cofactor()(a), CofactorDerivative()(a, h)], factor=30)
    assert any("gesdd" in name for name in routines(program)) == (shape[-1] == LARGE)


def test_cofactors_from_singular_values_in_numba() -> None:
    a = operands((LARGE, LARGE), "d")[0]
    function, program = compiled(lambda a: Cofactor()(a), "numba", a)
    assert_same([function(a)], [Cofactor()(a)], factor=30)
    assert "dgesdd" in routines(program)


def test_arguments_in_any_layout() -> None:
    args = operands((2, LARGE, LARGE), "d")
    expected = graphad.jit(factorisations, executor="numpy")(*args)
    wide = [np.repeat(x, 2, axis=-1)[..., ::2] for x in args]
    columns = [np.asarray(x, order="F") for x in args]
    function = graphad.jit(factorisations)
    for given in (wide, columns):
        assert_same(function(*given), expected)


@pytest.mark.parametrize("n", [2, LARGE])
def test_the_other_triangle_is_not_read(n: int) -> None:
    _, h, b = operands((n, n), "d")
    expected = np.linalg.cholesky(h)
    lower = np.where(np.tri(n, dtype=bool), h, np.nan)
    function, _ = compiled(lambda h, b: [Cholesky()(h), TriangularSolve()(h, b)], "llvm", h, b)
    factor, solution = function(lower, b)
    assert_same([factor], [expected])
    assert not np.triu(factor, 1).any()
    assert_same([solution], [np.linalg.solve(np.tril(h), b)])
    small = lower / 100 - np.diag(np.diag(h)) / 100
    unit, _ = compiled(lambda t, b: TriangularSolve(unit_diagonal=True)(t, b), "llvm", h, b)
    assert_same([unit(small, b)], [np.linalg.solve(np.tril(small, -1) + np.eye(n), b)])


@pytest.mark.parametrize(("executor", "n"), ON_BOTH)
def test_determinants_of_what_has_no_inverse(executor: str, n: int) -> None:
    a = operands((n, n), "d")[0]
    singular, unknown, huge = a.copy(), a.copy(), np.diag(np.resize([1e200, -1e-200], n))
    singular[:, 1] = 0
    unknown[0, 0] = np.nan
    stack = np.stack([singular, unknown, huge, a])
    function, _ = compiled(lambda a: [Det()(a), *Slogdet()(a)], executor, stack)
    with np.errstate(all="ignore"):
        assert_same(function(stack), [np.linalg.det(stack), *np.linalg.slogdet(stack)], factor=10)


# -- errors -------------------------------------------------------------------------------------------------------


def failing(h: Any, a: Any, t: Any, b: Any) -> list[Any]:
    factor = np.linalg.cholesky(h)
    solved = np.linalg.solve(a[0], b)
    inverse = np.linalg.inv(a[1])
    return [factor, solved, inverse, TriangularSolve()(t, b)]


@pytest.mark.parametrize(("executor", "n"), ON_BOTH)
def test_errors_are_those_of_numpy(executor: str, n: int) -> None:
    a, h, b = operands((3, n, n), "d", columns=2)
    good = [h, np.stack([a, a]), h.copy(), b]
    function, _ = compiled(failing, executor, *good)
    reference = graphad.jit(failing, executor="numpy")
    # Only the last matrix of a stack fails.
    first = failing.__code__.co_firstlineno
    places: dict[str, tuple[int, tuple[int, ...], int]] = {
        "cholesky": (0, (2,), 1), "solve": (1, (0, 2), 2), "inv": (1, (1, 2), 3), "triangular_solve": (2, (2,), 4),
    }  # fmt: skip
    for name, (which, at, line) in places.items():
        bad = [x.copy() for x in good]
        bad[which][at][:, 0] = 0.0
        bad[which][at][0, :] = 0.0
        with pytest.raises(np.linalg.LinAlgError) as expected:
            reference(*bad)
        message = str(expected.value).partition(":")[0]
        with pytest.raises(np.linalg.LinAlgError, match=rf"^{name}: {message} \(test_lapack.py:{first + line}: .*"):
            function(*bad)
        assert_same(function(*good), reference(*good))


def test_singular_values_of_nan_do_not_converge() -> None:
    a = operands((LARGE, LARGE), "d")[0]
    function, _ = compiled(lambda a: Cofactor()(a), "llvm", a)
    a[1, 2] = np.nan
    with pytest.raises(np.linalg.LinAlgError, match="SVD did not converge"):
        Cofactor()(a)
    with pytest.raises(np.linalg.LinAlgError, match=r"^cofactor: SVD did not converge \(test_lapack.py"):
        function(a)


@pytest.mark.parametrize("n", [2, LARGE])
def test_a_singular_matrix_with_nothing_to_solve_for(n: int) -> None:
    function, _ = compiled(lambda a, b: Solve()(a, b), "llvm", np.eye(n), np.zeros((n, 0)))
    assert function(np.eye(n), np.zeros((n, 0))).shape == (n, 0)
    for solve in (np.linalg.solve, function):
        with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
            solve(np.zeros((n, n)), np.zeros((n, 0)))


# -- derivatives --------------------------------------------------------------------------------------------------


def marginal_likelihood(x: Any, y: Any, scale: Any) -> Any:
    """Of a Gaussian process with a squared-exponential kernel."""
    distance = np.sum((x[:, None, :] - x[None, :, :]) ** 2, axis=-1)
    factor = np.linalg.cholesky(np.exp(-distance / (2 * scale**2)) + 0.1 * np.eye(x.shape[0]))
    whitened = TriangularSolve()(factor, y[:, None])
    return np.sum(whitened**2) / 2 + np.sum(np.log(np.diagonal(factor)))


def with_inverses(x: Any, y: Any, scale: Any) -> Any:
    """The same in other words."""
    distance = np.sum((x[:, None, :] - x[None, :, :]) ** 2, axis=-1)
    kernel = np.exp(-distance / (2 * scale**2)) + 0.1 * np.eye(x.shape[0])
    half = y @ np.linalg.solve(kernel, y) + y @ np.linalg.inv(kernel) @ y
    return half / 4 + np.linalg.slogdet(kernel)[1] / 4 + np.log(np.linalg.det(kernel)) / 4


@pytest.mark.parametrize(
    ("executor", "function", "n"),
    [
        *[("llvm", function, n) for function in (marginal_likelihood, with_inverses) for n in (3, LARGE)],
        slow("numba", marginal_likelihood, LARGE),
    ],
)
def test_gradients(executor: str, function: Any, n: int) -> None:
    rng = np.random.default_rng(n)
    args = rng.normal(size=(n, 2)), rng.normal(size=n), np.float64(1.5)
    gradient, program = compiled(lambda *args: graphad.grad(function, (0, 1, 2))(*args), executor, *args)
    expected = graphad.grad(function, (0, 1, 2))(*args)
    assert_same(gradient(*args), expected, factor=10)
    assert_same([function(*args)], [marginal_likelihood(*args)], factor=10)
    assert bool(routines(program)) == (n == LARGE)


# -- the program --------------------------------------------------------------------------------------------------


def test_one_factorisation_serves_all() -> None:
    def several(a: Any, b: Any) -> list[Any]:
        return [Solve()(a, b), Solve()(transposed(a), b), Inv()(a), Inv()(transposed(a)), Det()(a), *Slogdet()(a)]

    a, _, b = operands((2, LARGE, LARGE), "d")
    function, program = compiled(several, "llvm", a, b)
    assert routines(program).count("dgetrf") == 1
    assert_same(function(a, b), several(a, b))


def test_copies_of_one_matrix_are_factorised_once() -> None:
    a, _, b = operands((LARGE, LARGE), "d")[0], None, operands((2, 3, LARGE, LARGE), "d")[2]
    function, program = compiled(np.linalg.solve, "llvm", a, b)
    assert [s.count for s in program if isinstance(s, LibraryCall)] == [1, 6]
    assert_same([function(a, b)], [np.linalg.solve(a, b)])


@pytest.mark.parametrize("flags", [(True, False), (False, True)])
def test_a_triangle_is_read_in_place(flags: tuple[bool, bool]) -> None:
    a, _, b = operands((LARGE, LARGE), "d")
    op = TriangularSolve(*flags)
    for solve in (op, lambda a, b: op(transposed(a), b)):
        function, program = compiled(solve, "llvm", a, b)
        # The diagonal is checked, the right-hand side copied.
        assert [type(s) for s in program] == [LoopNest, LoopNest, LibraryCall]
        assert graphad.jit(solve, executor="llvm").compile(a, b).memory()["arena"] == 0
        assert_same([function(a, b)], [solve(a, b)])


def test_operands_are_overwritten_when_nothing_else_reads_them() -> None:
    a, _, _ = operands((40, 40), "d")
    arena = graphad.jit(lambda a: np.sum(Inv()(Inv()(a * 2.0)))).compile(a).memory()["arena"]
    lengths = workspace("dgetri", 40, None, 40, None, "work", -1, None)
    assert arena < 2 * a.nbytes + 8 * lengths + 1024


def test_workspace() -> None:
    assert workspace("dgetri", 50, None, 50, None, "work", -1, None) >= 50
    assert workspace("zgesdd", "A", 9, 9, None, 9, None, None, 9, None, 9, "work", -1, None, None, None) >= 81


def test_threads_share_one_executable() -> None:
    a, h, b = operands((4, LARGE, LARGE), "d")
    function, _ = compiled(factorisations, "llvm", a, h, b)
    wrong: list[int] = []

    def repeat(k: int) -> None:
        expected = np.linalg.inv(a * (k + 1))
        for _ in range(200):
            if not np.allclose(function(a * (k + 1), h, b)[4], expected):
                wrong.append(k)

    in_threads(repeat, 4)
    assert not wrong
