"""Linear systems by iterations that need products only, with SciPy's names: the methods of Krylov subspaces.

The derivative is that of the solution: the same method solves the same system once more, with another right-hand side
or with its transpose; no iteration is differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.call import integer
from graphad.api.derivatives import linear_transpose
from graphad.api.implicit import linear_solve
from graphad.api.loops import fori_loop, while_loop
from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, operand
from graphad.numpy.slices import check
from graphad.ops.elementwise import cast

Product = Callable[[Any], Any]
Iterate = Callable[[Product, Product, Any, Any, Any, int], tuple[Any, Any, Any]]
"""Of the products with the matrix and the preconditioner, the right-hand side, the start, the residual's norm that is
small enough, and the most iterations: the solution, whether it was reached, and the iterations."""


def _product(name: str, a: Any, b: Any) -> Product:
    """The product with a matrix, which may be sparse, or a function that is the product."""
    if callable(a) and not hasattr(a, "shape"):
        return a  # type: ignore[no-any-return]
    n = b.shape[0]
    if tuple(np.shape(a) if not hasattr(a, "shape") else a.shape) != (n, n):
        raise ShapeError(f"{name}: a matrix of shape {list(a.shape)} for {n} unknowns{place()}")
    return lambda v: a @ v


def _solved(
    name: str, iterate: Iterate, A: Any, b: Any, x0: Any, rtol: float, atol: float, maxiter: int | None, M: Any,
    callback: Any, symmetric: bool,
) -> tuple[Any, Any]:  # fmt: skip
    if callback is not None:
        raise MissingRuleError(f"{name}: callback={place()} sees no traced values; leave it out")
    b = operand(b)
    column = b.ndim == 2 and b.shape[1] == 1
    b = b[:, 0] if column else b
    if b.ndim != 1:
        raise ShapeError(f"{name}: the right-hand side has shape {list(b.shape)}{place()}, and should be a vector")
    times, better = _product(name, A, b), _product(name, M, b) if M is not None else (lambda v: v)
    at = np.zeros(b.shape[0], b.dtype) if x0 is None else operand(x0)
    kinds = [operand(times(at)).dtype, b.dtype, at.dtype]
    dtype = np.result_type(float_dtype(b), *kinds)
    b, at = cast(b, dtype), cast(np.reshape(at, b.shape), dtype)
    limit = 10 * b.shape[0] if maxiter is None else integer(f"{name}: maxiter", maxiter, 0)
    where = place()

    def enough(b: Any) -> Any:
        return np.maximum(atol, rtol * np.sqrt(np.sum(np.abs(b) ** 2)))

    def solve(times: Product, b: Any) -> Any:
        return iterate(times, better, b, at, enough(b), limit)[0]

    def strictly(times: Product, better: Product, b: Any) -> Any:
        # A start for one right-hand side is none for another.
        x, done, _ = iterate(times, better, b, np.zeros_like(b), enough(b), limit)
        check(
            done, RuntimeError,
            f"{name} did not converge{where} for its derivative, which solves the same system once more; allow more "
            "iterations (maxiter), precondition (M), or give graphad.stop_gradient what counts as constant",
        )  # fmt: skip
        return x

    again = lambda times, b: strictly(times, better, b)
    turned = better if M is None else (lambda v: linear_transpose(better, v)(v)[0])
    back = again if symmetric else lambda times, b: strictly(times, turned, b)
    x = linear_solve(name, times, b, solve, again, back, symmetric)
    left = b - times(x)
    reached = np.sqrt(np.sum(np.abs(left) ** 2)) <= enough(b) * (1 + 1e-6) + 1e-14 * np.sqrt(np.sum(np.abs(b) ** 2))
    info = np.where(reached, 0, limit)
    return (x[:, None] if column else x), info


def _dot(a: Any, b: Any) -> Any:
    return np.sum(np.conj(a) * b)


def _nonzero(x: Any) -> Any:
    return np.where(x == 0, 1.0, x)


def _size(x: Any) -> Any:
    return np.sqrt(np.real(_dot(x, x)))


def _conjugate_gradients(times: Product, better: Product, b: Any, x: Any, enough: Any, limit: int) -> Any:
    """Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems", 1952."""

    def step(state: Any) -> Any:
        k, x, r, p, rz, _ = state
        ap = times(p)
        share = rz / _nonzero(_dot(p, ap))
        x, r = x + share * p, r - share * ap
        z = better(r)
        new = _dot(r, z)
        return k + 1, x, r, z + new / _nonzero(rz) * p, new, _size(r)

    r = b - times(x)
    z = better(r)
    start = 0, x, r, z, _dot(r, z), _size(r)
    k, x, _, _, _, left = while_loop(lambda s: (s[5] > enough) & (s[0] < limit), step, start)
    return x, left <= enough, k


def _stabilised(times: Product, better: Product, b: Any, x: Any, enough: Any, limit: int) -> Any:
    """van der Vorst, "Bi-CGSTAB: a fast and smoothly converging variant of Bi-CG", 1992."""
    r = first = b - times(x)

    def step(state: Any) -> Any:
        k, x, r, p, v, rho, alpha, omega, _ = state
        new = _dot(first, r)
        beta = new / _nonzero(rho) * (alpha / _nonzero(omega))
        p = r + beta * (p - omega * v)
        y = better(p)
        v = times(y)
        alpha = new / _nonzero(_dot(first, v))
        s = r - alpha * v
        z = better(s)
        t = times(z)
        omega = _dot(t, s) / _nonzero(_dot(t, t))
        x, r = x + alpha * y + omega * z, s - omega * t
        return k + 1, x, r, p, v, new, alpha, omega, _size(r)

    one = np.ones((), b.dtype)
    zero = np.zeros_like(b)
    start = 0, x, r, zero, zero, one, one, one, _size(r)
    k, x, *_, left = while_loop(lambda s: (s[8] > enough) & (s[0] < limit), step, start)
    return x, left <= enough, k


def _minimal_residuals(restart: int) -> Iterate:
    """Saad and Schultz, "GMRES: a generalized minimal residual algorithm for solving nonsymmetric linear systems",
    1986, begun anew every so many products, and preconditioned from the right."""

    def iterate(times: Product, better: Product, b: Any, x: Any, enough: Any, limit: int) -> Any:
        m, n = min(restart, b.shape[0]), b.shape[0]
        tiny = np.finfo(b.dtype).tiny

        def extend(k: Any, state: Any) -> Any:
            basis, table = state
            w = times(better(basis[k]))
            # Twice is enough, for rounding (Giraud, Langou and Rozloznik, 2005).
            one = np.conj(basis) @ w
            w = w - one @ basis
            two = np.conj(basis) @ w
            w = w - two @ basis
            length = _size(w)
            fresh = length > 1e-14 * _size(one)
            rows = np.arange(m + 1)
            column = one + two + np.where(rows == k + 1, np.where(fresh, length, 0.0), 0.0)
            added = np.where(fresh, w / np.where(fresh, length, 1.0), 0.0)
            basis = np.where((rows == k + 1)[:, None], added, basis)
            return basis, np.where(np.arange(m) == k, column[:, None], table)

        def step(state: Any) -> Any:
            k, x, r, left = state
            first = (np.arange(m + 1) == 0)[:, None]
            basis = np.where(first, r / np.maximum(left, tiny), np.zeros((m + 1, n), b.dtype))
            basis, table = fori_loop(0, m, extend, (basis, np.zeros((m + 1, m), b.dtype)))
            q, upper = np.linalg.qr(table)
            right = np.conj(q[0]) * left
            pivots = np.abs(np.diagonal(upper))
            known = pivots > 1e-14 * np.max(pivots)
            upper = np.where(known & known[:, None], upper, np.eye(m))
            shares = np.linalg.solve(upper, np.where(known, right, 0.0))
            x = x + better(shares @ basis[:m])
            r = b - times(x)
            return k + 1, x, r, _size(r)

        r = b - times(x)
        start = 0, x, r, _size(r)
        k, x, _, left = while_loop(lambda s: (s[3] > enough) & (s[0] < limit), step, start)
        return x, left <= enough, k

    return iterate


def cg(
    A: Any, b: Any, x0: Any = None, *, rtol: float = 1e-5, atol: float = 0.0, maxiter: int | None = None, M: Any = None,
    callback: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """SciPy's `cg`: `A x = b` for a symmetric (Hermitian) positive definite `A`; gives `x` and 0, or where the
    residual `|b - A x|` is larger than `max(rtol * |b|, atol)` the number of iterations.

    `A` and the preconditioner `M`, which stands for `A^-1`, are matrices, sparse matrices, or functions `v -> A @ v`.
    Differentiable in `b` and in what `A` holds or reads, to every order; a derivative whose own solve does not converge
    raises `RuntimeError`. """
    b = operand(b)
    return _solved("cg", _conjugate_gradients, A, b, x0, rtol, atol, maxiter, M, callback, b.dtype.kind != "c")


def bicgstab(
    A: Any, b: Any, x0: Any = None, *, rtol: float = 1e-5, atol: float = 0.0, maxiter: int | None = None, M: Any = None,
    callback: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """SciPy's `bicgstab`: as `cg`, for any regular `A`."""
    return _solved("bicgstab", _stabilised, A, b, x0, rtol, atol, maxiter, M, callback, False)


def gmres(
    A: Any, b: Any, x0: Any = None, *, rtol: float = 1e-5, atol: float = 0.0, restart: int | None = None,
    maxiter: int | None = None, M: Any = None, callback: Any = None, callback_type: Any = None,
) -> tuple[Any, Any]:  # fmt: skip
    """SciPy's `gmres`: as `cg`, for any regular `A`, begun anew every `restart` products (20), which `maxiter`
    counts."""
    size = 20 if restart is None else integer("gmres: restart", restart, 1)
    return _solved("gmres", _minimal_residuals(size), A, b, x0, rtol, atol, maxiter, M, callback, False)
