"""Minima: SciPy's iterations with exact gradients and Hessians, and derivatives of the minimum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from graphad.api.derivatives import grad, value_and_grad
from graphad.api.jacobians import hessian
from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.scipy.closed import (
    SCALAR,
    Closed,
    Functions,
    arguments,
    callee,
    known_options,
    number,
    real,
    routine,
    spec,
    vector,
)
from graphad.scipy.implicit import hosted
from graphad.scipy.optimize.optimum import MinimumProblem, limits, result
from graphad.types import FLOAT64, TensorType

_routine = routine("scipy.optimize")
_WITHOUT_SLOPE = frozenset({"nelder-mead", "powell", "cobyla", "cobyqa"})
_WITH_CURVATURE = frozenset({"newton-cg", "dogleg", "trust-ncg", "trust-krylov", "trust-exact", "trust-constr"})
MESSAGE = "whether it converged is told by success and status"


@_routine
def minimize(
    fun: Any, x0: Any, args: Any = (), method: Any = None, jac: Any = None, hess: Any = None, hessp: Any = None,
    bounds: Any = None, constraints: Any = (), tol: Any = None, callback: Any = None, options: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `minimize`. `x`, `fun` and `jac` of the result are differentiable in `args`, in what `fun` and the
    constraints read, and in bounds; active bounds and constraints are held.

    Gradients, and Hessians for the methods that take them, are exact where none are given.
    """
    if callback is not None or callable(method):
        raise MissingRuleError(f"minimize: callback= or a method of your own{place()} cannot be traced; leave it out")
    given = known_options("minimize", method=method, tol=tol, options=options)
    functions, args = Functions("minimize"), arguments(args)
    start = np.atleast_1d(real(x0, "minimize"))
    if start.ndim != 1:
        raise ShapeError(f"minimize: x0 must have one dimension{place()}, not shape {list(start.shape)}")
    n = start.shape[0]
    kind, both = TensorType(FLOAT64, (n,)), jac is True

    def height(found: Any) -> list[Any]:
        found = operand(found[0] if both else found)
        return functions.number(np.reshape(found, ()) if found.shape == (1,) else found)

    f = functions.add(fun, [kind], args, height)
    named = str(method).lower()
    plain = named in _WITHOUT_SLOPE
    slope = functions.add(jac, [kind], args, lambda found: [real(found, "minimize")]) if callable(jac) else None
    pair = f.derived(lambda xs: list(value_and_grad(lambda x: f.at([x, *xs[1:]])[0])(xs[0])))
    curve = functions.add(hess, [kind], args, lambda found: [real(found, "minimize")]) if callable(hess) else None
    if curve is None and hessp is None and hess is None and named in _WITH_CURVATURE:
        curve = f.derived(lambda xs: [hessian(lambda x: f.at([x, *xs[1:]])[0])(xs[0])])
    product = functions.add(hessp, [kind, kind], args, lambda found: [real(found, "minimize")]) if hessp else None
    walls = _Constraints(functions, constraints, kind)
    ends = () if bounds is None else limits(bounds, n)
    first = 1 + len(ends)

    def host(x0: Any, *values: Any) -> Any:
        optimize = import_module("scipy.optimize")
        held, more = values[first - 1 :], {}
        if bounds is not None:
            more["bounds"] = optimize.Bounds(*values[:2])
        if walls.terms:
            more["constraints"] = walls.host(held)
        called: Any = vector(f, held)
        fun = lambda x: float(called(x))
        if slope is not None:
            more["jac"] = vector(slope, held)
        elif isinstance(jac, str):
            more["jac"] = jac
        elif not plain:
            function = pair.host(held)
            more["jac"] = True
            fun = lambda x: _number_and_vector(function(np.asarray(x, float)))  # type: ignore[assignment, return-value]
        if curve is not None:
            more["hess"] = vector(curve, held)
        elif hess is not None:
            more["hess"] = hess
        if product is not None:
            times = product.host(held)
            more["hessp"] = lambda x, p: np.array(times(np.asarray(x, float), np.asarray(p, float))[0])
        found = optimize.minimize(fun, np.array(x0), **more, **given)
        inverse = found.get("hess_inv", None)
        tail = (inverse,) if told else ()
        return found.x, found.success, found.status, found.get("nit", 0), found.nfev, found.get("njev", 0), *tail

    told = named == "bfgs" or (method is None and bounds is None and not walls.terms)
    values = [start, *ends, *functions.values]
    problem = MinimumProblem(
        lambda x, values: pair([x], values[first:])[1],
        None if bounds is None else lambda values: (values[1], values[2]),
        walls.vector("eq", first), walls.vector("ineq", first),
    )  # fmt: skip
    kinds = [spec((n,)), spec((), bool), *[spec((), int)] * 4, *[spec((n, n))] * told]
    x, success, status, nit, nfev, njev, *rest = problem.solved("minimize", hosted(host, kinds), values)
    value, slope_there = pair([x], functions.values)
    more = {"hess_inv": rest[0]} if told else {}
    # In the order of SciPy's default method, which programs that run through the entries see.
    return result(
        fun=value, jac=slope_there, **more, nfev=nfev, njev=njev, status=status, success=success, message=MESSAGE, x=x,
        nit=nit,
    )  # fmt: skip


def _number_and_vector(found: Sequence[Any]) -> tuple[float, Any]:
    return float(found[0]), np.array(found[1])


class _Constraints:
    """SciPy's constraints: dicts of the types "eq" and "ineq", `LinearConstraint` and `NonlinearConstraint`."""

    def __init__(self, functions: Functions, given: Any, kind: TensorType) -> None:
        self.terms: list[tuple[str, Closed, Closed]] = []
        for one in given if isinstance(given, (list, tuple)) else [given]:
            for name, fun, args in _written(one) if not isinstance(one, dict) else [_entries(one)]:
                fit = lambda found: [np.ravel(real(found, "minimize"))]
                c = functions.add(fun, [kind], args, fit)
                self.terms.append((name, c, c.jacobian()))

    def host(self, values: Sequence[Any]) -> list[dict[str, Any]]:
        """As SciPy takes them."""
        return [
            {"type": name, "fun": vector(c, values), "jac": vector(slope, values)} for name, c, slope in self.terms
        ]

    def vector(self, name: str, first: int) -> Callable[[Any, Sequence[Any]], Any] | None:
        """The constraints of one type as one function."""
        chosen = [c for kind, c, _ in self.terms if kind == name]
        if not chosen:
            return None
        return lambda x, values: np.concatenate([c([x], values[first:])[0] for c in chosen])


def _entries(one: dict[str, Any]) -> tuple[str, Any, Any]:
    name = str(one["type"]).lower()
    if name not in ("eq", "ineq"):
        raise MissingRuleError(f"minimize: a constraint of type {one['type']!r}{place()}; there are eq and ineq")
    return name, one["fun"], arguments(one.get("args", ()))


def _written(one: Any) -> list[tuple[str, Any, Any]]:
    """A `LinearConstraint` or `NonlinearConstraint` as rows that are 0, or 0 and more."""
    if not (hasattr(one, "lb") and (hasattr(one, "A") or hasattr(one, "fun"))):
        raise MissingRuleError(
            f"minimize: a constraint of type {type(one).__name__}{place()} is not traced; write it as a dict of type, "
            "fun and args"
        )
    rows = (lambda x: one.A @ x) if hasattr(one, "A") else lambda x: np.ravel(operand(callee(one.fun)(x)))
    known_options("minimize", lb=one.lb, ub=one.ub)
    low, high = np.broadcast_arrays(*[np.atleast_1d(np.asarray(x, float)) for x in (one.lb, one.ub)])

    def away(x: Any, bound: Any, chosen: Any, sign: float) -> Any:
        c = np.atleast_1d(rows(x))
        at = np.flatnonzero(np.broadcast_to(chosen, c.shape))
        return sign * (c - np.broadcast_to(bound, c.shape))[at]

    cases = [("eq", low, low == high, 1.0), ("ineq", low, np.isfinite(low) & (low < high), 1.0)]
    cases.append(("ineq", high, np.isfinite(high) & (low < high), -1.0))
    return [
        (name, lambda x, b=bound, c=chosen, s=sign: away(x, b, c, s), ())
        for name, bound, chosen, sign in cases
        if chosen.any()
    ]


@_routine
def NonlinearConstraint(fun: Any, lb: Any, ub: Any, *args: Any, **kwargs: Any) -> Any:
    """SciPy's `NonlinearConstraint`, of a function that may read traced values; it is only kept for `minimize`."""
    return import_module("scipy.optimize").NonlinearConstraint(fun, lb, ub, *args, **kwargs)


@_routine
def minimize_scalar(
    fun: Any, bracket: Any = None, bounds: Any = None, args: Any = (), method: Any = None, tol: Any = None,
    options: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `minimize_scalar`, as `minimize`. Where the function falls towards a bound at which it stops, the minimum
    is the bound."""
    given = known_options("minimize_scalar", bracket=bracket, method=method, tol=tol, options=options)
    functions = Functions("minimize_scalar")
    f = functions.add(fun, [SCALAR], arguments(args), functions.number)
    ends = [] if bounds is None else [real(x, "minimize_scalar") for x in bounds]
    first = len(ends)

    def host(*values: Any) -> Any:
        more = {} if bounds is None else {"bounds": [float(x) for x in values[:first]]}
        found = import_module("scipy.optimize").minimize_scalar(number(f, values[first:]), **more, **given)
        return np.full(1, found.x), found.success, found.nit, found.nfev

    def slope(x: Any, values: Any) -> Any:
        return np.reshape(grad(lambda x: f([x], values[first:])[0])(x[0]), (1,))

    pair = (lambda values: (np.reshape(values[0], (1,)), np.reshape(values[1], (1,)))) if first else None
    problem = MinimumProblem(slope, pair)
    kinds = [spec((1,)), spec((), bool), spec((), int), spec((), int)]
    values = [*ends, *functions.values]
    x, success, nit, nfev = problem.solved("minimize_scalar", hosted(host, kinds), values)
    return result(
        x=x[0], fun=f([x[0]], functions.values)[0], success=success, nit=nit, nfev=nfev, message=MESSAGE
    )
