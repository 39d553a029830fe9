"""Sylvester's, Lyapunov's and algebraic Riccati equations: a part of `graphad.scipy.linalg`.

SciPy finds the solution of a Riccati equation. Its derivative solves the linear equation that the differentiated one
is, with the matrix of the closed loop, and is differentiable itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.call import ShapeDtype
from graphad.api.custom import custom_jvp, pure_callback
from graphad.api.derivatives import jvp
from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, operand
from graphad.ops.elementwise import cast
from graphad.ops.matrix_functions import Sylvester
from graphad.scipy.dispatch import namespace
from graphad.scipy.matrix_functions import square, stacks

_traced, __getattr__ = namespace("scipy.linalg")


def _adjoint(x: Any) -> Any:
    return np.conj(np.matrix_transpose(x))


@_traced
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """SciPy's `solve_sylvester`: `x` with `a @ x + x @ b == q`."""
    return Sylvester()(*stacks("solve_sylvester", a, b, q))


@_traced
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    """SciPy's `solve_continuous_lyapunov`: `x` with `a @ x + x @ a^H == q`."""
    a, q = stacks("solve_continuous_lyapunov", square(a), square(q))
    return Sylvester()(a, _adjoint(a), q)


solve_lyapunov = solve_continuous_lyapunov


@_traced
def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None) -> Any:
    """SciPy's `solve_discrete_lyapunov`: `x` with `a @ x @ a^H - x + q == 0`.

    It is solved as a linear system of all elements with `method="direct"`, the default below 10 rows, else by the
    bilinear transformation to a continuous equation.
    """
    a, q = stacks("solve_discrete_lyapunov", a, q)
    n = a.shape[-1]
    eye = np.eye(n, dtype=a.dtype)
    if method == "direct" or (method is None and n < 10):
        pairs = np.einsum("...ij,...kl->...ikjl", a, np.conj(a)).reshape(*a.shape[:-2], n * n, n * n)
        x = np.linalg.solve(np.eye(n * n, dtype=a.dtype) - pairs, q.reshape(*q.shape[:-2], n * n, 1))
        return x.reshape(q.shape)
    adjoint = _adjoint(a)
    inverse = np.linalg.inv(adjoint + eye)
    b = (adjoint - eye) @ inverse
    return solve_continuous_lyapunov(_adjoint(b), -2 * np.linalg.inv(a + eye) @ q @ inverse)


def _continuous(x: Any, a: Any, b: Any, q: Any, r: Any, e: Any, s: Any) -> Any:
    """What the continuous equation makes 0."""
    half = _adjoint(a) @ x @ e
    cross = _adjoint(e) @ x @ b + s
    return half + _adjoint(half) - cross @ np.linalg.solve(r, _adjoint(cross)) + q


def _discrete(x: Any, a: Any, b: Any, q: Any, r: Any, e: Any, s: Any) -> Any:
    """What the discrete equation makes 0."""
    cross = _adjoint(a) @ x @ b + s
    inner = r + _adjoint(b) @ x @ b
    return _adjoint(a) @ x @ a - _adjoint(e) @ x @ e - cross @ np.linalg.solve(inner, _adjoint(cross)) + q


def _continuous_tangent(x: Any, rest: Any, a: Any, b: Any, q: Any, r: Any, e: Any, s: Any) -> Any:
    """`dx` with `loop^H dx e + e^H dx loop + rest == 0`."""
    loop = a - b @ np.linalg.solve(r, _adjoint(_adjoint(e) @ x @ b + s))
    loop, rest = _divided(loop, rest, e)
    return Sylvester()(_adjoint(loop), loop, -rest)


def _discrete_tangent(x: Any, rest: Any, a: Any, b: Any, q: Any, r: Any, e: Any, s: Any) -> Any:
    """`dx` with `loop^H dx loop - e^H dx e + rest == 0`."""
    cross = _adjoint(a) @ x @ b + s
    loop = a - b @ np.linalg.solve(r + _adjoint(b) @ x @ b, _adjoint(cross))
    loop, rest = _divided(loop, rest, e)
    return solve_discrete_lyapunov(_adjoint(loop), rest)


def _divided(loop: Any, rest: Any, e: Any) -> tuple[Any, Any]:
    """The closed loop and the right-hand side where the unknown is `dx` between `e^H` and `e`."""
    left = np.linalg.solve(_adjoint(e), rest)
    loop = _adjoint(np.linalg.solve(_adjoint(e), _adjoint(loop)))
    return loop, _adjoint(np.linalg.solve(_adjoint(e), _adjoint(left)))


def _solver(
    name: str, residual: Callable[..., Any], tangent: Callable[..., Any]
) -> Callable[[bool], Callable[..., Any]]:
    """The solution of an equation as a function of its six matrices, for a choice of balancing."""

    def of(balanced: bool) -> Callable[..., Any]:
        def scipys(*matrices: Any) -> Any:
            import scipy.linalg

            return getattr(scipy.linalg, name)(*matrices, balanced=balanced)

        @custom_jvp
        def solution(*matrices: Any) -> Any:
            return pure_callback(scipys, ShapeDtype(matrices[0].shape, matrices[0].dtype), *matrices)

        @solution.defjvp
        def rule(primals: Any, tangents: Any) -> Any:
            x = solution(*primals)
            _, rest = jvp(lambda *matrices: residual(x, *matrices), primals, tangents)
            return x, tangent(x, rest, *primals)

        return solution

    return of


_CONTINUOUS = _solver("solve_continuous_are", _continuous, _continuous_tangent)
_DISCRETE = _solver("solve_discrete_are", _discrete, _discrete_tangent)


def _solve(name: str, of: Any, given: tuple[Any, ...], e: Any, s: Any, balanced: bool) -> Any:
    a, b, q, r = (np.atleast_2d(operand(x)) for x in given)
    n, m = a.shape[-1], b.shape[-1]
    if e is not None and balanced:
        # SciPy 1.17 balances the other matrices without e, and gives what does not solve the equation.
        raise MissingRuleError(f"{name}: e= with balanced=True cannot be traced{place()}; give balanced=False")
    e, s = (np.eye(n) if e is None else operand(e)), (np.zeros((n, m)) if s is None else operand(s))
    shapes = ((n, n), (n, m), (n, n), (m, m), (n, n), (n, m))
    for what, x, shape in zip("abqres", (a, b, q, r, e, s), shapes, strict=True):
        if x.shape != shape:
            raise ShapeError(f"{name}: {what} of shape {list(x.shape)}{place()} must be {list(shape)}")
    dtype = float_dtype(a, b, q, r, e, s)
    return of(bool(balanced))(*[cast(x, dtype) for x in (a, b, q, r, e, s)])


@_traced
def solve_continuous_are(a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, balanced: bool = True) -> Any:
    """SciPy's `solve_continuous_are`: `x` with `a^H x e + e^H x a - (e^H x b + s) r^-1 (e^H x b + s)^H + q == 0`.

    Differentiable in all matrices, of which `q` and `r` must stay Hermitian; `e` is taken with `balanced=False`.
    """
    return _solve("solve_continuous_are", _CONTINUOUS, (a, b, q, r), e, s, balanced)


@_traced
def solve_discrete_are(a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, balanced: bool = True) -> Any:
    """SciPy's `solve_discrete_are`, the solution of the discrete equation.

    It is `a^H x a - e^H x e - (a^H x b + s) (r + b^H x b)^-1 (a^H x b + s)^H + q == 0`; differentiable in all matrices,
    of which `q` and `r` must stay Hermitian; `e` is taken with `balanced=False`.
    """
    return _solve("solve_discrete_are", _DISCRETE, (a, b, q, r), e, s, balanced)
