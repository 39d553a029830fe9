"""Initial value problems of ordinary differential equations, with derivatives of their solutions.

Explicit Runge-Kutta pairs with SciPy's coefficients, error norms and step sizes (Hairer, Norsett and Wanner, "Solving
Ordinary Differential Equations I", II.4 and II.6), as a loop of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from graphad import tree
from graphad.api.call import argument_type, converted, run
from graphad.api.custom import custom_vjp, stop_gradient
from graphad.api.derivatives import vjp
from graphad.api.loops import scan, while_loop
from graphad.api.vectorize import vmap
from graphad.build import current_builder, describe_location, user_location
from graphad.errors import MissingRuleError, ShapeError
from graphad.numpy._register import operand
from graphad.ops.elementwise import cast
from graphad.trace import Tracer, trace_flat
from graphad.types import FLOAT64, TensorType

Function = Callable[..., Any]
_METHODS = {"RK23": "RK23", "RK45": "RK45", "DOP853": "DOP853"}
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 10.0


class OdeResult(NamedTuple):
    """What SciPy's `solve_ivp` gives: times, states in columns, counts and how it ended."""

    t: Any
    y: Any
    sol: Any
    t_events: Any
    y_events: Any
    nfev: Any
    njev: Any
    nlu: Any
    status: Any
    message: str
    success: Any


class _Options(NamedTuple):
    method: str
    rtol: Any
    atol: Any
    max_step: Any
    first_step: Any


class _Pair:
    """The coefficients of a Runge-Kutta pair, from SciPy's class for it."""

    def __init__(self, name: str) -> None:
        solver = getattr(import_module("scipy.integrate"), name)
        self.name = name
        self.a, self.b, self.c = solver.A, solver.B, solver.C
        self.stages = solver.n_stages
        self.exponent = -1.0 / (solver.error_estimator_order + 1)
        self.order = solver.error_estimator_order
        self.e: Any = None if name == "DOP853" else solver.E
        self.p: Any = None if name == "DOP853" else solver.P
        if name == "DOP853":
            self.e3, self.e5, self.d = solver.E3, solver.E5, solver.D
            self.a_extra, self.c_extra = solver.A_EXTRA, solver.C_EXTRA

    def step(self, f: Function, t: Any, y: Any, slope: Any, h: Any) -> tuple[Any, Any, list[Any]]:
        """The state after a step, its slope, and all slopes of the step."""
        k = [slope]
        for i in range(1, self.stages):
            k.append(f(t + self.c[i] * h, y + h * _combined(self.a[i, :i], k)))
        after = y + h * _combined(self.b, k)
        last = f(t + h, after)
        return after, last, [*k, last]

    def error(self, k: list[Any], h: Any, scale: Any) -> Any:
        """The norm of the estimated error of a step, in units of what is allowed."""
        if self.name != "DOP853":
            return _norm(h * _combined(self.e, k) / scale)
        fifth, third = (_combined(e, k) / scale for e in (self.e5, self.e3))
        fifth, third = np.sum(fifth**2), np.sum(third**2)
        denominator = fifth + 0.01 * third
        n = k[0].shape[0]
        safe = np.where(denominator == 0, 1.0, denominator)
        return np.where(denominator == 0, 0.0, np.abs(h) * fifth / np.sqrt(safe * n))

    def dense(self, f: Function, t: Any, y: Any, after: Any, k: list[Any], h: Any, x: Any) -> Any:
        """States in columns at fractions `x` of a step."""
        if self.name != "DOP853":
            powers = [x ** (i + 1) for i in range(self.p.shape[1])]
            columns = [_combined(self.p[:, i], k) for i in range(self.p.shape[1])]
            return y[:, None] + h * sum(c[:, None] * p for c, p in zip(columns, powers, strict=True))
        k = list(k)
        for a, c in zip(self.a_extra, self.c_extra, strict=True):
            k.append(f(t + c * h, y + h * _combined(a[: len(k)], k)))
        change = after - y
        rows = [change, h * k[0] - change, 2 * change - h * (k[self.stages] + k[0])]
        rows += [h * _combined(row, k) for row in self.d]
        total: Any = 0.0
        for i, row in enumerate(reversed(rows)):
            total = (total + row[:, None]) * (x if i % 2 == 0 else 1 - x)
        return total + y[:, None]


def _combined(weights: Any, k: Sequence[Any]) -> Any:
    total: Any = 0.0
    for w, slope in zip(weights, k, strict=False):
        if w != 0:
            total = total + float(w) * slope
    return total


def _norm(x: Any) -> Any:
    return np.sqrt(np.mean(x**2))


def _first_step(f: Function, t0: Any, y0: Any, slope: Any, tf: Any, direction: Any, order: int, o: _Options) -> Any:
    """The first step by the sizes of solution, slope and curvature (Hairer, Norsett and Wanner, II.4)."""
    scale = o.atol + np.abs(y0) * o.rtol
    d0, d1 = _norm(y0 / scale), _norm(slope / scale)
    small = np.logical_or(d0 < 1e-5, d1 < 1e-5)
    length = np.abs(tf - t0)
    h0 = np.minimum(np.where(small, 1e-6, 0.01 * d0 / np.where(small, 1.0, d1)), length)
    safe = np.where(h0 == 0, 1.0, h0)
    d2 = _norm((f(t0 + h0 * direction, y0 + h0 * direction * slope) - slope) / scale) / safe
    flat = np.logical_and(d1 <= 1e-15, d2 <= 1e-15)
    largest = np.where(flat, 1.0, np.maximum(d1, d2))
    h1 = np.where(flat, np.maximum(1e-6, h0 * 1e-3), (0.01 / largest) ** (1 / (order + 1)))
    return np.minimum(np.minimum(np.minimum(100 * h0, h1), length), o.max_step)


def _solve(f: Function, t0: Any, tf: Any, y0: Any, ts: Any, o: _Options) -> tuple[Any, Any, Any, Any]:
    """States in columns at the times `ts`, the state at `tf`, the number of evaluations, and the status.

    Times and step sizes are constants for derivatives: those are of the steps that were taken.
    """
    pair = _Pair(_METHODS[o.method])
    t0, tf, ts = (stop_gradient(x) for x in (t0, tf, ts))
    direction = np.where(tf >= t0, 1.0, -1.0)
    slope = f(t0, y0)
    if o.first_step is None:
        h = stop_gradient(_first_step(f, t0, y0, slope, tf, direction, pair.order, o))
    else:
        h = np.minimum(o.first_step * 1.0, np.abs(tf - t0))
    at_start = direction * (ts - t0) <= 0
    out = np.where(at_start, y0[:, None], 0.0 * y0[:, None])

    def going(state: Any) -> Any:
        return state[-1] == 0

    def attempt(state: Any) -> Any:
        t, y, slope, h, rejected, out, count, _ = state
        least = 10 * np.abs(np.nextafter(t, direction * np.inf) - t)
        failed = np.logical_and(rejected, h < least)
        h = np.where(rejected, h, np.clip(h, least, o.max_step))
        new = t + direction * h
        new = np.where(direction * (new - tf) > 0, tf, new)
        step = new - t
        h = np.abs(step)
        after, last, k = pair.step(f, t, y, slope, step)
        scale = o.atol + np.maximum(np.abs(y), np.abs(after)) * o.rtol
        error = stop_gradient(pair.error(k, step, scale))
        accepted = error < 1
        power = np.where(error == 0, 1.0, error) ** pair.exponent
        growth = np.where(error == 0, _MOST, np.minimum(_MOST, _SAFETY * power))
        growth = np.where(rejected, np.minimum(1.0, growth), growth)
        factor = np.where(accepted, growth, np.maximum(_LEAST, _SAFETY * power))
        factor = np.where(np.isnan(error), _LEAST, factor)
        passed = np.logical_and(direction * (ts - t) > 0, direction * (ts - new) <= 0)
        states = pair.dense(f, t, y, after, k, step, (ts - t) / np.where(step == 0, 1.0, step))
        out = np.where(np.logical_and(passed, accepted), states, out)
        done = np.logical_and(accepted, direction * (new - tf) >= 0)
        t, y, slope = (np.where(accepted, a, b) for a, b in ((new, t), (after, y), (last, slope)))
        return (
            t, y, slope, h * factor, np.logical_not(accepted), out, count + pair.stages,
            np.where(failed, -1, np.where(done, 1, 0)),
        )  # fmt: skip

    start = (t0, y0, slope, h, np.asarray(False), out, 1 + (o.first_step is None), np.where(t0 == tf, 1, 0))
    _, y, _, _, _, out, count, status = while_loop(going, attempt, start)
    return out, y, count, np.where(status == 1, 0, status)


def _closed(fun: Function, y0: Any, args: tuple[Any, ...]) -> tuple[Function, list[Any]]:
    """The right-hand side as a function of time, state and what it reads beside them, and these values."""
    leaves, treedef = tree.flatten(args)
    leaves = [operand(x) for x in leaves]

    def flat(xs: Sequence[Any]) -> list[Any]:
        t, y, *rest = xs
        slope = operand(converted(fun)(t, y, *tree.unflatten(treedef, rest)))
        if slope.shape != y0.shape:
            raise ShapeError(
                f"solve_ivp: fun gives a slope of shape {list(slope.shape)} for a state of shape {list(y0.shape)}"
                f"{describe_location(user_location())}"
            )
        return [cast(slope, FLOAT64)]

    types = [TensorType(FLOAT64, ()), TensorType(FLOAT64, y0.shape), *[argument_type(x) for x in leaves]]
    traced = trace_flat(flat, types, name=getattr(fun, "__name__", "fun").strip("<>"))
    known = [*leaves, *traced.captures]
    return lambda t, y, values: run(traced.graph, [t, y, *values])[0], known


def _adjoint(f: Function, t0: Any, tf: Any, o: _Options) -> Function:
    """The solution at times `ts` as a function of state and values, whose gradient solves the adjoint equation.

    Between two times `lambda' = -lambda df/dy`, and the gradient in the values is the integral of `lambda df/dvalues`
    (Cao, Li, Petzold and Serban, "Adjoint sensitivity analysis for differential-algebraic equations", 2003).
    """

    @custom_vjp
    def solution(y0: Any, ts: Any, values: Any) -> Any:
        return _solve(lambda t, y: f(t, y, values), t0, tf, y0, ts, o)[0]

    def forward(y0: Any, ts: Any, values: Any) -> Any:
        out = solution(y0, ts, values)
        return out, (y0, ts, values, out)

    def backward(saved: Any, ct: Any) -> Any:
        y0, ts, values, out = saved
        n = y0.shape[0]
        moving = [i for i, v in enumerate(values) if v.dtype.kind == "f"]
        sizes = np.cumsum([0, *[values[i].size for i in moving]])

        def slopes(t: Any, z: Any) -> Any:
            def at(y: Any, floats: Any) -> Any:
                every = list(values)
                for i, v in zip(moving, floats, strict=True):
                    every[i] = v
                return f(t, y, every)

            slope, back = vjp(at, z[:n], [values[i] for i in moving])
            by_y, by_values = back(z[n : 2 * n])
            return np.concatenate([slope, -by_y, *[-v.reshape(-1) for v in by_values]])

        def interval(carry: Any, entry: Any) -> Any:
            adjoint, gradient = carry
            start, stop, y, change = entry
            adjoint = adjoint + change
            z = np.concatenate([y, adjoint, gradient])
            z = _solve(slopes, start, stop, z, np.zeros(0), o._replace(first_step=None))[1]
            return (z[n : 2 * n], z[2 * n :]), None

        before = np.concatenate([np.reshape(t0 * 1.0, (1,)), ts[:-1]])
        zero = np.zeros(n), np.zeros(int(sizes[-1]))
        (adjoint, gradient), _ = scan(interval, zero, (ts, before, out.T, ct.T), reverse=True)
        by_time = np.sum(ct * vmap(lambda t, y: f(t, y, values), in_axes=(0, 1), out_axes=1)(ts, out), axis=0)
        by_values: list[Any] = [np.zeros(v.shape) for v in values]
        for i, a, b in zip(moving, sizes[:-1], sizes[1:], strict=True):
            by_values[i] = gradient[a:b].reshape(values[i].shape)
        return adjoint, by_time, [None if v.dtype.kind != "f" else g for v, g in zip(values, by_values, strict=True)]

    solution.defvjp(forward, backward)
    return solution  # type: ignore[no-any-return]


def solve_ivp(
    fun: Function, t_span: Any, y0: Any, method: Any = "RK45", t_eval: Any = None, dense_output: bool = False,
    events: Any = None, vectorized: bool = False, args: Any = None, *, rtol: Any = 1e-3, atol: Any = 1e-6,
    max_step: Any = np.inf, first_step: Any = None, sensitivity: str = "discrete", **options: Any,
) -> Any:  # fmt: skip
    """SciPy's `solve_ivp`, and within a trace the same with derivatives in `y0`, `args`, times and what `fun` reads.

    Traced are the explicit methods `"RK45"`, `"RK23"` and `"DOP853"`, with the same steps as SciPy's. The solution
    stands at the times `t_eval`, whose number must be known; without them at the two ends of `t_span`.
    `sensitivity="discrete"` differentiates the steps that were taken, in forward and reverse mode to every order;
    `"adjoint"` solves the adjoint equation backwards in reverse mode, with memory that does not grow with the steps.

    Raises `MissingRuleError` for what is not traced: events, dense output, implicit methods.
    """
    if current_builder() is None and not any(isinstance(x, Tracer) for x in tree.leaves((t_span, y0, args))):
        solver = import_module("scipy.integrate").solve_ivp
        more = {"rtol": rtol, "atol": atol, "max_step": max_step, **options}
        if first_step is not None:
            more["first_step"] = first_step
        return solver(fun, t_span, y0, method, t_eval, dense_output, events, vectorized, args, **more)
    refused = {"events": events, "dense_output": dense_output, **options}
    for name, value in refused.items():
        if value:
            raise MissingRuleError(f"solve_ivp: {name} cannot be traced{_place()}; give the times as t_eval")
    if method not in _METHODS:
        raise MissingRuleError(
            f"solve_ivp: method {method!r} cannot be traced{_place()}; use one of {', '.join(_METHODS)}"
        )
    if sensitivity not in ("discrete", "adjoint"):
        raise MissingRuleError(f"solve_ivp: sensitivity={sensitivity!r}{_place()} is neither 'discrete' nor 'adjoint'")
    t0, tf = (cast(operand(t), FLOAT64) for t in t_span)
    y0 = cast(operand(y0), FLOAT64)
    if y0.ndim != 1:
        raise ShapeError(f"solve_ivp: y0 must be a vector, not of shape {list(y0.shape)}{_place()}")
    ts = np.stack([t0, tf]) if t_eval is None else cast(operand(t_eval), FLOAT64)
    f, values = _closed(fun, y0, tuple(args or ()))
    o = _Options(method, np.maximum(rtol, 100 * np.finfo(float).eps), operand(atol), max_step, first_step)
    if isinstance(t0, Tracer):
        # A later start is a start from where the solution came by then.
        y0 = y0 - f(stop_gradient(t0), y0, values) * (t0 - stop_gradient(t0))
    if sensitivity == "adjoint":
        y, count, status = _adjoint(f, t0, tf, o)(y0, ts, values), 0, 0
    else:
        y, _, count, status = _solve(lambda t, y: f(t, y, values), t0, tf, y0, ts, o)
        if isinstance(ts, Tracer):
            held = stop_gradient(ts)
            along = vmap(lambda t, y: f(t, y, values), in_axes=(0, 1), out_axes=1)(held, y)
            y = y + along * (ts - held)
    message = "The solver successfully reached the end of the integration interval."
    return OdeResult(ts, y, None, None, None, count, 0, 0, status, message, status >= 0)


def odeint(
    func: Function, y0: Any, t: Any, args: Any = (), Dfun: Any = None, col_deriv: Any = 0, full_output: Any = 0,
    ml: Any = None, mu: Any = None, rtol: Any = None, atol: Any = None, tcrit: Any = None, h0: float = 0.0,
    hmax: float = 0.0, hmin: float = 0.0, ixpr: Any = 0, mxstep: Any = 0, mxhnil: Any = 0, mxordn: Any = 12,
    mxords: Any = 5, printmessg: Any = 0, tfirst: bool = False,
) -> Any:  # fmt: skip
    """SciPy's `odeint`; traced it is solved by `"DOP853"` to the same tolerances, states in rows."""
    if current_builder() is None and not any(isinstance(x, Tracer) for x in tree.leaves((y0, t, args))):
        solver = import_module("scipy.integrate").odeint
        return solver(
            func, y0, t, args, Dfun, col_deriv, full_output, ml, mu, rtol, atol, tcrit, h0, hmax, hmin, ixpr, mxstep,
            mxhnil, mxordn, mxords, printmessg, tfirst,
        )  # fmt: skip
    if full_output:
        raise MissingRuleError(f"odeint: full_output cannot be traced{_place()}; leave it out")
    inner = func if tfirst else lambda t, y, *rest: converted(func)(y, t, *rest)
    t = operand(t)
    tight = 1.49012e-8
    found = solve_ivp(
        inner, (t[0], t[-1]), np.atleast_1d(operand(y0)), "DOP853", t, args=tuple(args) if args else (),
        rtol=tight if rtol is None else rtol, atol=tight if atol is None else atol,
    )  # fmt: skip
    return found.y.T


def _place() -> str:
    return describe_location(user_location())
