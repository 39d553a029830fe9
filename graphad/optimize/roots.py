"""Roots: of systems by Newton's method, of functions of one number within a bracket, and fixed points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.call import integer
from graphad.api.control import cond
from graphad.api.loops import while_loop
from graphad.errors import ShapeError
from graphad.location import place
from graphad.numpy.slices import check
from graphad.optimize.factor import definite_solve
from graphad.optimize.problem import CONVERGED, EXHAUSTED, INFINITE, MESSAGE, STUCK, Unknowns, typical
from graphad.scipy.closed import SCALAR, Functions, Values, arguments, real
from graphad.scipy.implicit import solution
from graphad.scipy.optimize.optimum import result
from graphad.tracebacks import boundary


class Equations(Unknowns):
    """As many equations as unknowns, `less * x` subtracted from what the function gives."""

    def __init__(self, name: str, fun: Any, x0: Any, args: Any, less: float = 0.0) -> None:
        super().__init__(name, x0, args)
        self.off = self.close(fun, self._fit)
        self.less = less
        self.values = [self.start, *self.functions.values]

    def _fit(self, found: Any) -> list[Any]:
        rows = self.ravelled(found)
        if rows[0].shape[0] != self.n:
            raise ShapeError(
                f"{self.name}: the function gives {rows[0].shape[0]} numbers for {self.n} unknowns{place()}; there "
                "must be as many equations as unknowns"
            )
        return rows

    def at(self, x: Any, values: Values) -> Any:
        """What must be 0."""
        off = self.off([x], values[1:])[0]
        return off - self.less * x if self.less else off

    def found(self, find: Callable[..., Any], implicit: bool) -> Any:
        """The result of `find(*values)`, with the derivative of the root, or of the iterations."""
        residual = lambda x, values, held: self.at(x, values)
        x, success, status, nit, nfev = (
            solution(self.name, find, residual, self.values) if implicit else find(*self.values)
        )
        value = self.at(x, self.values)
        return result(
            x=self.whole(x), fun=self.whole(value), success=success, status=status, message=MESSAGE, nit=nit, nfev=nfev
        )


@boundary
def newton(
    fun: Any, x0: Any, args: Any = (), *, tol: float = 1e-10, maxiter: int = 100, implicit: bool = True
) -> Any:
    """A root of the system `fun(x, *args) = 0` by Newton's method with the exact Jacobian, shortened where a step would
    not make the residual less.

    `x0` is a number, an array or a tree; `fun` gives as many numbers, as an array or in any tree. It ends where a whole
    step changes no unknown by more than `tol` of its size. Where the Jacobian matrix is singular a step in the sense of
    least squares is taken. Dennis and Schnabel, "Numerical Methods for Unconstrained Optimization and Nonlinear
    Equations", 1983, chapter 6. (SciPy's `newton` finds a root for each element; that is `vmap` of this one.)

        graphad.optimize.newton(lambda v: (v[0] ** 2 + v[1] - 3, v[0] * v[1] - 1), [1.0, 1.0]).x

    Raises `ShapeError` where there are not as many equations as unknowns.
    """
    system = Equations("newton", fun, x0, args)
    slopes, limit = system.off.jacobian(), integer("newton: maxiter", maxiter, 0)

    def find(*values: Any) -> Any:
        def step(state: Any) -> Any:
            k, _, _, x, r, calls = state
            p = _newton_step(slopes([x], values[1:])[0], r)
            y, ry, n, moved, whole = _damped(lambda x: system.at(x, values), x, p, r)
            small = np.all(np.abs(p) <= tol * np.maximum(np.abs(x), typical(values[0])))
            done = (moved & whole & small) | np.all(ry == 0)
            # A step that is small already and does not help any more is rounding.
            done = done | (np.logical_not(moved) & small)
            status = np.where(done, CONVERGED, np.where(moved, EXHAUSTED, STUCK))
            return k + 1, status == EXHAUSTED, status, y, ry, calls + n

        x = values[0]
        r = system.at(x, values)
        zero, finite = np.all(r == 0), np.all(np.isfinite(r))
        status = np.where(finite, np.where(zero, CONVERGED, EXHAUSTED), INFINITE)
        start = 0, status == EXHAUSTED, status, x, r, 1
        k, _, status, x, _, calls = while_loop(lambda s: s[1] & (s[0] < limit), step, start)
        return x, status == CONVERGED, status, k, calls

    return system.found(find, implicit)


def _newton_step(matrix: Any, r: Any) -> Any:
    """Newton's step, or where the matrix is singular the nearest to it that makes the residual less."""
    n = r.shape[0]
    if n == 1:
        d = matrix[0, 0]
        return -r / np.where(d == 0, 1.0, d)
    regular = np.linalg.slogdet(matrix)[0] != 0
    safe = np.where(regular & np.all(np.isfinite(matrix)), matrix, np.eye(n))
    exact: Callable[[], Any] = lambda: -np.linalg.solve(safe, r)

    def nearest() -> Any:
        square = matrix.T @ matrix
        return -definite_solve(square + 1e-10 * (1e-300 + np.trace(square)) * np.eye(n), matrix.T @ r)

    return cond(regular, exact, nearest)


def _damped(at: Callable[[Any], Any], x: Any, p: Any, r: Any) -> tuple[Any, Any, Any, Any, Any]:
    """The point along `p` where the residual is smaller, its residual, how often it was evaluated, whether there is
    one, and whether it is the whole step."""
    size = np.sqrt(r @ r)

    def step(state: Any) -> Any:
        n, _, t, *_ = state
        y = x + t * p
        ry = at(y)
        new = np.sqrt(ry @ ry)
        good = np.isfinite(new) & (new <= (1 - 1e-4 * t) * size)
        return n + 1, good, np.where(good, t, t * 0.5), y, ry

    start = 0, False, 1.0, x, r
    n, good, t, y, ry = while_loop(lambda s: np.logical_not(s[1]) & (s[0] < 40), step, start)
    return np.where(good, y, x), np.where(good, ry, r), n, good, t == 1.0


@boundary
def fixed_point(
    fun: Any, x0: Any, args: Any = (), *, xtol: float = 1e-8, maxiter: int = 500, memory: int = 5, implicit: bool = True
) -> Any:
    """A solution of `fun(x, *args) = x` by Anderson's acceleration with the last `memory` iterates (0: plain
    iteration). It ends where an iteration changes no unknown by more than `xtol` of its size. Walker and Ni, "Anderson
    acceleration for fixed-point iterations", 2011.

        graphad.optimize.fixed_point(np.cos, 1.0).x                                                      # 0.739...
    """
    system = Equations("fixed_point", fun, x0, args, less=1.0)
    limit, size, n = integer("fixed_point: maxiter", maxiter, 0), integer("fixed_point: memory", memory, 0), system.n

    def find(*values: Any) -> Any:
        least = xtol * typical(values[0])

        def step(state: Any) -> Any:
            k, _, _, x, r, known, steps, changes = state
            p = r
            if size:
                square = changes @ changes.T
                # Rows that are not known yet are 0, and have no share.
                square = square + np.diag(np.where(known, 1e-12 * np.trace(square), 1.0))
                shares = definite_solve(square, changes @ r)
                p = r - shares @ (steps + changes)
            y = x + p
            ry = system.at(y, values)
            # A step that makes things much worse is not taken; a plain one is, and what was learnt is forgotten.
            forget = np.logical_not(np.all(np.isfinite(ry)) & (np.max(np.abs(ry)) <= 2 * np.max(np.abs(r))))
            y, ry = cond(forget, lambda: (x + r, system.at(x + r, values)), lambda: (y, ry))
            if size:
                row = np.arange(size) == k % size
                known = np.logical_not(forget) & (known | row)
                steps = np.where(known[:, None], np.where(row[:, None], y - x, steps), 0.0)
                changes = np.where(known[:, None], np.where(row[:, None], ry - r, changes), 0.0)
            finite = np.all(np.isfinite(ry))
            done = finite & np.all(np.abs(ry) <= np.maximum(xtol * np.abs(y), least))
            status = np.where(done, CONVERGED, np.where(finite, EXHAUSTED, STUCK))
            x, r = np.where(finite, y, x), np.where(finite, ry, r)
            return k + 1, status == EXHAUSTED, status, x, r, known, steps, changes

        x = values[0]
        r = system.at(x, values)
        status = np.where(np.all(np.isfinite(r)), np.where(np.all(r == 0), CONVERGED, EXHAUSTED), INFINITE)
        start = 0, status == EXHAUSTED, status, x, r, np.zeros(size, bool), np.zeros((size, n)), np.zeros((size, n))
        k, _, status, x, *_ = while_loop(lambda s: s[1] & (s[0] < limit), step, start)
        return x, status == CONVERGED, status, k, k + 1

    return system.found(find, implicit)


# -- brackets -----------------------------------------------------------------------------------------------------

_RTOL = 4 * np.finfo(float).eps


def _bracketed(
    name: str, iterate: Callable[..., Any], f: Any, a: Any, b: Any, args: Any, xtol: float, rtol: float, maxiter: int,
    full_output: bool, disp: bool, implicit: bool,
) -> Any:  # fmt: skip
    functions, where = Functions(name), place()
    g = functions.add(f, [SCALAR], arguments(args), functions.number)
    limit = integer(f"{name}: maxiter", maxiter, 0)

    def find(*values: Any) -> Any:
        at: Callable[[Any], Any] = lambda x: g([x], values[2:])[0]
        a, b = values[:2]
        fa, fb = at(a), at(b)
        signs = np.isfinite(fa) & np.isfinite(fb) & (np.sign(fa) * np.sign(fb) <= 0)
        if disp:
            check(signs, ValueError, f"{name}: f(a) and f(b) must have different signs{where}; widen the bracket")
        x, done, k = iterate(at, a, b, fa, fb, xtol, rtol, limit, signs)
        done = done & signs
        if disp:
            check(
                done, RuntimeError,
                f"{name} did not converge within {limit} iterations{where}; allow more, or a larger xtol",
            )  # fmt: skip
        return np.reshape(x, (1,)), done, k, k + 2

    values = [real(a, name), real(b, name), *functions.values]
    residual = lambda x, values, held: np.reshape(g([x[0]], values[2:])[0], (1,))
    x, done, k, calls = solution(name, find, residual, values) if implicit else find(*values)
    if not full_output:
        return x[0]
    return x[0], result(
        root=x[0], iterations=k, function_calls=calls, converged=done, flag="told by converged", method=name
    )


def _bisecting(
    at: Callable[[Any], Any], a: Any, b: Any, fa: Any, fb: Any, xtol: float, rtol: float, limit: int, sound: Any
) -> Any:
    def step(state: Any) -> Any:
        k, a, b, fa = state
        middle = a + 0.5 * (b - a)
        f = at(middle)
        same = np.sign(f) * np.sign(fa) > 0
        b = np.where(f == 0, middle, np.where(same, b, middle))
        return k + 1, np.where(same | (f == 0), middle, a), b, np.where(same, f, fa)

    narrow: Callable[[Any, Any], Any] = lambda a, b: np.abs(b - a) <= 2 * (xtol + rtol * np.abs(b))
    a, b = np.where(fb == 0, b, a), np.where(fa == 0, a, b)
    start = 0, a, b, fa
    going = lambda s: np.logical_not(narrow(s[1], s[2])) & (s[0] < limit) & sound
    k, a, b, _ = while_loop(going, step, start)
    return a + 0.5 * (b - a), narrow(a, b), k


def _brenting(
    at: Callable[[Any], Any], a: Any, b: Any, fa: Any, fb: Any, xtol: float, rtol: float, limit: int, sound: Any
) -> Any:
    """Brent, "Algorithms for Minimization without Derivatives", 1973, chapter 4."""

    def step(state: Any) -> Any:
        k, _, a, fa, b, fb, c, fc, d, e = state
        # `b` is the best, `c` the other side of the bracket, `a` the best before.
        apart = np.sign(fb) * np.sign(fc) > 0
        c, fc, d, e = [np.where(apart, x, y) for x, y in ((a, c), (fa, fc), (b - a, d), (b - a, e))]
        swap = np.abs(fc) < np.abs(fb)
        a, b, c = np.where(swap, b, a), np.where(swap, c, b), np.where(swap, b, c)
        fa, fb, fc = np.where(swap, fb, fa), np.where(swap, fc, fb), np.where(swap, fb, fc)
        small = xtol + rtol * np.abs(b)
        m = 0.5 * (c - b)
        done = (np.abs(m) <= small) | (fb == 0)
        s = fb / np.where(fa == 0, 1.0, fa)
        q, r = fa / np.where(fc == 0, 1.0, fc), fb / np.where(fc == 0, 1.0, fc)
        secant = a == c
        p = np.where(secant, 2 * m * s, s * (2 * m * q * (q - r) - (b - a) * (r - 1)))
        q = np.where(secant, 1 - s, (q - 1) * (r - 1) * (s - 1))
        q, p = np.where(p > 0, -q, q), np.abs(p)
        quick = (np.abs(e) >= small) & (np.abs(fa) > np.abs(fb)) & (fa != 0) & (fc != 0)
        quick = quick & (2 * p < np.minimum(3 * m * q - np.abs(small * q), np.abs(e * q)))
        e = np.where(quick, d, m)
        d = np.where(quick, p / np.where(quick, q, 1.0), m)
        move = np.where(np.abs(d) > small, d, np.where(m > 0, small, -small))
        # The last pass only says that `b` is the root.
        y = np.where(done, b, b + move)
        return k + np.where(done, 0, 1), done, np.where(done, a, b), np.where(done, fa, fb), y, at(y), c, fc, d, e

    start = 0, np.logical_not(sound), a, fa, b, fb, a, fa, b - a, b - a
    k, done, _, _, b, *_ = while_loop(lambda s: np.logical_not(s[1]) & (s[0] < limit), step, start)
    return b, done, k


@boundary
def bisect(
    f: Any, a: Any, b: Any, args: Any = (), xtol: float = 2e-12, rtol: float = _RTOL, maxiter: int = 100,
    full_output: bool = False, disp: bool = True, *, implicit: bool = True,
) -> Any:  # fmt: skip
    """SciPy's `bisect` within compiled code: a root of `f(x, *args)` between `a` and `b`, where it changes its sign.

    Arguments and results are SciPy's: the root, or with `full_output` the root and what happened. With `disp`, an
    interval without a change of sign raises `ValueError` at run time, and an iteration that does not end
    `RuntimeError`; without, `converged` says so. Differentiable in what `f` reads.

        graphad.optimize.bisect(lambda x: x**3 - 2, 0.0, 2.0)
    """
    return _bracketed("bisect", _bisecting, f, a, b, args, xtol, rtol, maxiter, full_output, disp, implicit)


@boundary
def brentq(
    f: Any, a: Any, b: Any, args: Any = (), xtol: float = 2e-12, rtol: float = _RTOL, maxiter: int = 100,
    full_output: bool = False, disp: bool = True, *, implicit: bool = True,
) -> Any:  # fmt: skip
    """SciPy's `brentq` within compiled code, as `bisect` and much faster. Brent, "Algorithms for Minimization without
    Derivatives", 1973, chapter 4.

        graphad.optimize.brentq(lambda x: x**3 - 2, 0.0, 2.0)
    """
    return _bracketed("brentq", _brenting, f, a, b, args, xtol, rtol, maxiter, full_output, disp, implicit)
