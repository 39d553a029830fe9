"""Least squares and linear programs by SciPy, with derivatives of the solution."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from graphad.api.derivatives import grad, jvp
from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.scipy.closed import Closed, Functions, arguments, callee, known_options, real, routine, spec, vector
from graphad.scipy.implicit import hosted
from graphad.scipy.optimize.minima import MESSAGE
from graphad.scipy.optimize.optimum import MinimumProblem, limits, result
from graphad.types import FLOAT64, TensorType

_routine = routine("scipy.optimize")


def _robust(loss: Any, z: Any, values: Any) -> Any:
    """SciPy's loss functions of a squared residual."""
    if loss == "linear":
        return z
    if loss == "soft_l1":
        return 2 * (np.sqrt(1 + z) - 1)
    if loss == "huber":
        return np.where(z <= 1, z, 2 * np.sqrt(np.where(z <= 1, 1.0, z)) - 1)
    if loss == "cauchy":
        return np.log1p(z)
    if loss == "arctan":
        return np.arctan(z)
    if isinstance(loss, Closed):
        return loss([z], values)[0][0]
    raise MissingRuleError(f"least_squares: the loss {loss!r}{place()} is none of SciPy's")


class _Squares:
    """Residuals as a function of parameters, and their exact Jacobian."""

    def __init__(self, name: str, fun: Any, x0: Any, args: Any, jac: Any) -> None:
        self.name, self.functions = name, Functions(name)
        self.start = np.atleast_1d(real(x0, name))
        if self.start.ndim != 1:
            raise ShapeError(f"{name}: x0 must have one dimension{place()}, not shape {list(self.start.shape)}")
        self.n = self.start.shape[0]
        kind = TensorType(FLOAT64, (self.n,))
        self.fun = self.functions.add(fun, [kind], args, lambda found: [np.atleast_1d(real(found, name))])
        self.m = self.fun.graph.outputs[0].type.shape[0]
        self.jac = self.fun.jacobian()
        self.given = self.jac
        if callable(jac):
            self.given = self.functions.add(jac, [kind], args, lambda found: [real(found, name)])


@_routine
def least_squares(
    fun: Any, x0: Any, jac: Any = "2-point", bounds: Any = (-np.inf, np.inf), method: str = "trf", ftol: Any = 1e-8,
    xtol: Any = 1e-8, gtol: Any = 1e-8, x_scale: Any = None, loss: Any = "linear", f_scale: Any = 1.0,
    diff_step: Any = None, tr_solver: Any = None, tr_options: Any = None, jac_sparsity: Any = None,
    max_nfev: Any = None, verbose: int = 0, args: Any = (), kwargs: Any = None, callback: Any = None,
    workers: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `least_squares`. `x`, `cost`, `fun`, `jac` and `grad` of the result are differentiable in `args`, in what
    `fun` reads and in bounds; active bounds are held. The Jacobian is exact where `jac` is no function."""
    if callback is not None or workers is not None:
        raise MissingRuleError(f"least_squares: callback= or workers={place()} cannot be traced; leave it out")
    given = known_options(
        "least_squares", method=method, ftol=ftol, xtol=xtol, gtol=gtol, x_scale=x_scale, f_scale=f_scale,
        tr_solver=tr_solver, tr_options=tr_options or {}, max_nfev=max_nfev, verbose=verbose,
    )  # fmt: skip
    if given["x_scale"] is None:
        del given["x_scale"]
    keywords = dict(kwargs or {})
    squares = _Squares("least_squares", lambda x, *rest: callee(fun)(x, *rest, **keywords), x0, arguments(args), jac)
    n = squares.n
    losses: Any = loss
    if callable(loss):
        rows = lambda found: [np.stack([real(row, "least_squares") for row in (found[0], found[1], found[2])])]
        losses = squares.functions.add(loss, [TensorType(FLOAT64, (squares.m,))], (), rows)
    values = squares.functions.values
    bounded = _limited(bounds)
    ends = list(_pair(bounds, n)) if bounded else []
    first = 1 + len(ends)

    def host(x0: Any, *values: Any) -> Any:
        held = values[first - 1 :]
        more = {"bounds": values[:2]} if bounded else {}
        called = vector(losses, held) if callable(loss) else loss
        found = import_module("scipy.optimize").least_squares(
            vector(squares.fun, held), np.array(x0), vector(squares.given, held), loss=called, **more, **given
        )
        mask = found.active_mask.astype(int)
        return found.x, found.success, found.status, found.nfev, found.njev or 0, mask, found.optimality

    def cost(x: Any, values: Any) -> Any:
        return 0.5 * f_scale**2 * np.sum(_robust(losses, (squares.fun([x], values)[0] / f_scale) ** 2, values))

    def steepened(x: Any) -> Any:
        """The Jacobian as SciPy gives it, whose square is about the Hessian of the cost."""
        slopes, z = squares.jac([x], values)[0], (squares.fun([x], values)[0] / f_scale) ** 2
        if losses == "linear":
            return slopes
        slope = lambda z: jvp(lambda z: _robust(losses, z, values), [z], [np.ones_like(z)])[1]
        first, second = jvp(slope, [z], [np.ones_like(z)])
        return slopes * np.sqrt(np.maximum(first + 2 * second * z, np.finfo(float).eps))[:, None]

    problem = MinimumProblem(
        lambda x, values: grad(lambda x: cost(x, values[first:]))(x),
        (lambda values: (values[1], values[2])) if bounded else None,
    )
    kinds = [spec((n,)), spec((), bool), spec((), int), spec((), int), spec((), int), spec((n,), int), spec()]
    x, success, status, nfev, njev, mask, optimality = problem.solved(
        "least_squares", hosted(host, kinds), [squares.start, *ends, *values]
    )
    return result(
        x=x, cost=cost(x, values), fun=squares.fun([x], values)[0], jac=steepened(x),
        grad=grad(lambda x: cost(x, values))(x), optimality=optimality,
        active_mask=mask, nfev=nfev, njev=njev, status=status, message=MESSAGE, success=success,
    )  # fmt: skip


def _limited(bounds: Any) -> bool:
    """Whether there are bounds other than SciPy's default."""
    return not (isinstance(bounds, tuple) and all(np.isscalar(x) and np.isinf(x) for x in bounds))


def _pair(bounds: Any, n: int) -> tuple[Any, Any]:
    """Bounds as two vectors, of a pair of numbers or vectors or SciPy's `Bounds`."""
    low, high = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
    return tuple([np.broadcast_to(real(operand(x), "bounds"), (n,)) for x in (low, high)])  # type: ignore[return-value]


@_routine
def leastsq(
    func: Any, x0: Any, args: Any = (), Dfun: Any = None, full_output: Any = False, col_deriv: Any = False,
    ftol: Any = 1.49012e-8, xtol: Any = 1.49012e-8, gtol: Any = 0.0, maxfev: int = 0, epsfcn: Any = None,
    factor: Any = 100, diag: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `leastsq`: the parameters and how it ended, as `least_squares`."""
    if full_output or col_deriv:
        raise MissingRuleError(f"leastsq: full_output and col_deriv{place()} cannot be traced; use least_squares")
    given = known_options(
        "leastsq", ftol=ftol, xtol=xtol, gtol=gtol, maxfev=maxfev, epsfcn=epsfcn, factor=factor, diag=diag
    )
    squares = _Squares("leastsq", func, x0, arguments(args), Dfun)
    values = squares.functions.values

    def host(x0: Any, *values: Any) -> Any:
        f, jac = vector(squares.fun, values), vector(squares.given, values)
        x, status = import_module("scipy.optimize").leastsq(f, np.array(x0), Dfun=jac, **given)
        return x, status in (1, 2, 3, 4), status

    half: Callable[[Any, Any], Any] = lambda x, values: 0.5 * np.sum(squares.fun([x], values)[0] ** 2)
    problem = MinimumProblem(lambda x, values: grad(lambda x: half(x, values[1:]))(x))
    kinds = [spec((squares.n,)), spec((), bool), spec((), int)]
    x, _, status = problem.solved("leastsq", hosted(host, kinds), [squares.start, *values])
    return x, status


@_routine
def curve_fit(
    f: Any, xdata: Any, ydata: Any, p0: Any = None, sigma: Any = None, absolute_sigma: bool = False,
    check_finite: Any = None, bounds: Any = (-np.inf, np.inf), method: Any = None, jac: Any = None, *,
    full_output: bool = False, nan_policy: Any = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """SciPy's `curve_fit`: the parameters and their covariance, differentiable in the data, in `sigma`, in bounds and
    in what `f` reads. The Jacobian is exact."""
    if full_output or nan_policy is not None:
        raise MissingRuleError(f"curve_fit: full_output and nan_policy{place()} cannot be traced; leave them out")
    given = known_options("curve_fit", check_finite=check_finite, method=method, **kwargs)
    bounded = _limited(bounds)
    if given.pop("loss", "linear") != "linear":
        raise MissingRuleError(f"curve_fit: loss={place()} is not traced; use least_squares, which takes it")
    y = np.ravel(real(ydata, "curve_fit"))
    if p0 is None:
        n = _parameters(f)
        p0 = _between(*_pair(bounds, n)) if bounded else np.ones(n)
    start = np.atleast_1d(real(p0, "curve_fit"))
    n, functions = start.shape[0], Functions("curve_fit")
    x = operand(xdata) if isinstance(xdata, (list, tuple)) else xdata
    model = functions.add(
        lambda p, x: callee(f)(x, *[p[i] for i in range(n)]), [TensorType(FLOAT64, (n,))], (x,),
        lambda found: [np.broadcast_to(np.ravel(real(found, "curve_fit")), y.shape)],
    )  # fmt: skip
    slopes = model.jacobian()
    weights = [] if sigma is None else [real(sigma, "curve_fit")]
    if weights and weights[0].size == 1:
        weights = [np.broadcast_to(np.ravel(weights[0]), y.shape)]
    ends = list(_pair(bounds, n)) if bounded else []
    lead = [start, y, *weights, *ends]
    first = len(lead)

    def host(*values: Any) -> Any:
        start, y, *rest = [np.array(v) for v in values[:first]]
        more: dict[str, Any] = {"sigma": rest.pop(0)} if weights else {}
        if bounded:
            more["bounds"] = tuple(rest)
        function, jacobian = vector(model, values[first:]), vector(slopes, values[first:])
        found = import_module("scipy.optimize").curve_fit(
            lambda x, *p: function(np.array(p)), y, y, start, absolute_sigma=absolute_sigma,
            jac=lambda x, *p: jacobian(np.array(p)), **more, **given,
        )  # fmt: skip
        return found[0], True

    def whitened(rows: Any, values: Any) -> Any:
        if not weights:
            return rows
        spread = values[2]
        if spread.ndim == 2:
            return np.linalg.solve(np.linalg.cholesky(spread), rows)
        return rows / np.reshape(spread, (*spread.shape, *[1] * (rows.ndim - 1)))

    def half(p: Any, values: Any) -> Any:
        return 0.5 * np.sum(whitened(model([p], values[first:])[0] - values[1], values) ** 2)

    problem = MinimumProblem(
        lambda p, values: grad(lambda p: half(p, values))(p),
        (lambda values: (values[first - 2], values[first - 1])) if bounded else None,
    )
    values = [*lead, *functions.values]
    p, _ = problem.solved("curve_fit", hosted(host, [spec((n,)), spec((), bool)]), values)
    j = whitened(slopes([p], functions.values)[0], values)
    covariance = np.linalg.inv(j.T @ j)
    if not absolute_sigma:
        if y.shape[0] <= n:
            return p, np.full((n, n), np.inf)
        covariance = covariance * (2 * half(p, values) / (y.shape[0] - n))
    return p, covariance


def _between(low: Any, high: Any) -> Any:
    """Where SciPy starts between bounds: amid them, or 1 from the only one, or at 1."""
    some = [np.where(np.isfinite(x), x, 0.0) for x in (low, high)]
    one = np.where(np.isfinite(low), some[0] + 1, np.where(np.isfinite(high), some[1] - 1, 1.0))
    return np.where(np.isfinite(low) & np.isfinite(high), 0.5 * (some[0] + some[1]), one)


def _parameters(f: Any) -> int:
    """How many parameters a model has, behind its first argument."""
    given = list(inspect.signature(f).parameters.values())
    named = [p for p in given if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.VAR_POSITIONAL for p in given) or len(named) < 2:
        raise MissingRuleError(f"curve_fit: how many parameters the model has is not known{place()}; give p0")
    return len(named) - 1


@_routine
def lsq_linear(
    A: Any, b: Any, bounds: Any = (-np.inf, np.inf), method: str = "trf", tol: Any = 1e-10, lsq_solver: Any = None,
    lsmr_tol: Any = None, max_iter: Any = None, verbose: int = 0, *, lsmr_maxiter: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `lsq_linear`: `x` within bounds of least squares of `A @ x - b`; active bounds are held."""
    given = known_options(
        "lsq_linear", method=method, tol=tol, lsq_solver=lsq_solver, lsmr_tol=lsmr_tol, max_iter=max_iter,
        verbose=verbose, lsmr_maxiter=lsmr_maxiter,
    )  # fmt: skip
    a, b = real(A, "lsq_linear"), real(b, "lsq_linear")
    if a.ndim != 2 or b.shape != a.shape[:1]:
        raise ShapeError(f"lsq_linear: shapes {list(a.shape)} and {list(b.shape)}{place()} do not fit")
    n = a.shape[1]
    values = [a, b, *_pair(bounds, n)]

    def host(a: Any, b: Any, low: Any, high: Any) -> Any:
        found = import_module("scipy.optimize").lsq_linear(np.array(a), np.array(b), (low, high), **given)
        return found.x, found.success, found.status, found.nit, found.active_mask.astype(int)

    problem = MinimumProblem(lambda x, v: v[0].T @ (v[0] @ x - v[1]), lambda v: (v[2], v[3]))
    kinds = [spec((n,)), spec((), bool), spec((), int), spec((), int), spec((n,), int)]
    x, success, status, nit, mask = problem.solved("lsq_linear", hosted(host, kinds), values)
    off = a @ x - b
    return result(
        x=x, fun=off, cost=0.5 * np.sum(off * off), active_mask=mask, status=status, nit=nit, success=success,
        message=MESSAGE,
    )  # fmt: skip


@_routine
def linprog(
    c: Any, A_ub: Any = None, b_ub: Any = None, A_eq: Any = None, b_eq: Any = None, bounds: Any = (0, None),
    method: str = "highs", callback: Any = None, options: Any = None, x0: Any = None, integrality: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `linprog`: the vertex, differentiable as long as it stays one and the only one (nondegenerate)."""
    if callback is not None or integrality is not None or x0 is not None:
        raise MissingRuleError(f"linprog: callback, integrality and x0{place()} cannot be traced; leave them out")
    given = known_options("linprog", method=method, options=options)
    c = real(c, "linprog")
    n = c.shape[0]
    rows = list((0, None) if bounds is None else bounds)
    ends = limits([rows] * n if len(rows) == 2 and not hasattr(rows[0], "__len__") else rows, n)
    parts = [None if x is None else real(x, "linprog") for x in (A_ub, b_ub, A_eq, b_eq)]
    held = [x for x in parts if x is not None]

    def named(values: Any) -> list[Any]:
        left = iter(values[3:])
        return [None if x is None else next(left) for x in parts]

    def host(*values: Any) -> Any:
        plain = [None if x is None else np.array(x) for x in named(values)]
        ranges = np.stack(values[1:3], axis=1)
        found = import_module("scipy.optimize").linprog(np.array(values[0]), *plain, ranges, **given)
        x = np.full(n, np.nan) if found.x is None else found.x
        return x, found.success, found.status, found.nit

    def off(at: int, x: Any, values: Any) -> Any:
        left, right = named(values)[at : at + 2]
        return right - left @ x

    def rows_of(at: int) -> Callable[[Any, Any], Any] | None:
        return None if parts[at] is None else lambda x, values: off(at, x, values)

    problem = MinimumProblem(lambda x, values: values[0], lambda v: (v[1], v[2]), rows_of(2), rows_of(0))
    kinds = [spec((n,)), spec((), bool), spec((), int), spec((), int)]
    values = [c, *ends, *held]
    x, success, status, nit = problem.solved("linprog", hosted(host, kinds), values)
    kept = [(key, at) for key, at in (("slack", 0), ("con", 2)) if parts[at] is not None]
    more = {key: off(at, x, values) for key, at in kept}
    return result(x=x, fun=c @ x, success=success, status=status, nit=nit, message=MESSAGE, **more)
