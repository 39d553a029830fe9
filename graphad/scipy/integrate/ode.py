"""Initial value problems of ordinary differential equations, with derivatives of their solutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from graphad import tree
from graphad.api.call import converted
from graphad.api.custom import stop_gradient
from graphad.api.vectorize import vmap
from graphad.build import current_builder
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.closed import SCALAR, Functions
from graphad.scipy.integrate.adjoint import adjoint, problem
from graphad.scipy.integrate.explicit import Counts, Function, Options
from graphad.scipy.integrate.stepping import IMPLICIT, SOLVERS, Event, March, march
from graphad.trace import Tracer
from graphad.types import COMPLEX128, FLOAT64, TensorType


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


def _closed(fun: Function, y0: Any, args: tuple[Any, ...]) -> tuple[Function, list[Any]]:
    """The right-hand side as a function of time, state and what it reads beside them, and these values."""
    functions = Functions("solve_ivp")

    def fit(found: Any) -> list[Any]:
        slope = operand(found)
        if slope.shape != y0.shape:
            raise ShapeError(
                f"solve_ivp: fun gives a slope of shape {list(slope.shape)} for a state of shape {list(y0.shape)}"
                f"{place()}"
            )
        return [cast(slope, y0.dtype)]

    closed = functions.add(fun, [SCALAR, TensorType(y0.dtype, y0.shape)], args, fit)
    return lambda t, y, values: closed([t, y], values)[0], functions.values


def _events(events: Any, args: tuple[Any, ...], size: int | None) -> list[Event]:
    """SciPy's events, whose attributes `terminal` and `direction` say which zeros count."""
    found = []
    for event in () if events is None else (events,) if callable(events) else events:
        terminal = getattr(event, "terminal", None) or math.inf
        if size is None and terminal == math.inf:
            raise MissingRuleError(
                f"solve_ivp: how often the event {getattr(event, '__name__', event)} happens cannot be known"
                f"{place()}; set its attribute terminal, or give events_size= to "
                "graphad.scipy.integrate.solve_ivp for the number of zeros that are kept"
            )
        value = lambda t, y, e=event: np.reshape(cast(operand(converted(e)(t, y, *args)), FLOAT64), ())
        found.append(Event(value, float(terminal), getattr(event, "direction", 0), int(size or terminal)))
    return found


def _checked_times(t_eval: Any, t0: Any, tf: Any) -> Any:
    """The times as an array. Raises `ValueError` as SciPy does, where they are known."""
    ts = cast(operand(t_eval), FLOAT64)
    if ts.ndim != 1:
        raise ShapeError(f"solve_ivp: t_eval must be a vector, not of shape {list(ts.shape)}{place()}")
    times, start, end = known(ts), known(t0), known(tf)
    if times is None or start is None or end is None:
        return ts
    if np.any(times < min(start, end)) or np.any(times > max(start, end)):
        raise ShapeError(f"solve_ivp: values in t_eval are not within t_span{place()}")
    steps = np.diff(times) * (1 if end > start else -1)
    if np.any(steps <= 0):
        raise ShapeError(f"solve_ivp: values in t_eval are not properly sorted{place()}")
    return ts


def solve_ivp(
    fun: Function, t_span: Any, y0: Any, method: Any = "RK45", t_eval: Any = None, dense_output: bool = False,
    events: Any = None, vectorized: bool = False, args: Any = None, *, rtol: Any = 1e-3, atol: Any = 1e-6,
    max_step: Any = np.inf, first_step: Any = None, jac: Any = None, sensitivity: str = "discrete",
    events_size: int | None = None, **options: Any,
) -> Any:  # fmt: skip
    """SciPy's `solve_ivp`, and within a trace the same with derivatives in `y0`, `args`, times and what `fun` reads.

    The methods `"RK45"`, `"RK23"`, `"DOP853"`, `"Radau"` and `"BDF"` take SciPy's steps; of the implicit ones the
    Jacobian is exact where `jac` is not given. States are complex where `y0` is, by an explicit method; complex slopes
    of real ones are refused. Arrays have known lengths: the solution stands at the times `t_eval`,
    without them at the two ends, and is NaN at times after a terminal event. `sol` of `dense_output` solves again for
    the times it is called with. Of each event the first zeros are in `t_events` and `y_events`, as many as its
    `terminal` says or else `events_size`, NaN for those that did not happen; their derivatives are right to the third
    order, and those in the times of `t_span` and `t_eval` to the fourth.

    `sensitivity="discrete"` differentiates the steps that were taken, in forward and reverse mode to every order, and
    through the equations of implicit steps; `"adjoint"` solves the adjoint equation backwards in reverse mode, with
    memory that does not grow with the steps, and takes no events.

    Raises `MissingRuleError` for what is not traced (the method `"LSODA"`), `ShapeError` for slopes or times that do
    not fit.
    """
    if current_builder() is None and not any(isinstance(x, Tracer) for x in tree.leaves((t_span, y0, args))):
        solver = import_module("scipy.integrate").solve_ivp
        given = {"first_step": first_step, "jac": jac}
        more = {"rtol": rtol, "atol": atol, "max_step": max_step, **options}
        more |= {name: value for name, value in given.items() if value is not None}
        return solver(fun, t_span, y0, method, t_eval, dense_output, events, vectorized, args, **more)
    if method not in SOLVERS:
        raise MissingRuleError(
            f"solve_ivp: method {method!r} cannot be traced{place()}; use one of {', '.join(SOLVERS)}"
        )
    if options.keys() - {"jac_sparsity"}:
        raise MissingRuleError(f"solve_ivp: {', '.join(options)}= cannot be traced{place()}; leave it out")
    if sensitivity not in ("discrete", "adjoint"):
        raise MissingRuleError(f"solve_ivp: sensitivity={sensitivity!r}{place()} is neither 'discrete' nor 'adjoint'")
    t0, tf = (cast(operand(t), FLOAT64) for t in t_span)
    y0 = operand(y0)
    whole = y0.dtype.kind == "c"
    y0 = cast(y0, COMPLEX128 if whole else FLOAT64)
    if whole and (method in IMPLICIT or sensitivity == "adjoint"):
        raise MissingRuleError(
            f"solve_ivp: complex states are not solved by {method!r} with sensitivity={sensitivity!r}{place()}; use an "
            "explicit method with sensitivity='discrete', or real and imaginary parts as two states"
        )
    if y0.ndim != 1:
        raise ShapeError(f"solve_ivp: y0 must be a vector, not of shape {list(y0.shape)}{place()}")
    args = tuple(args or ())
    f, values = _closed(fun, y0, args)
    o = Options(
        method, np.maximum(rtol, 100 * np.finfo(float).eps), operand(atol), max_step, first_step, _jacobian(jac, args)
    )
    watched = _events(events, args, events_size)
    if isinstance(t0, Tracer):
        # A later start is a start from where the solution came by then.
        y0 = _moved(f, values, t0, y0, stop_gradient(t0) - t0)
    if sensitivity == "adjoint" and watched:
        raise MissingRuleError(f"solve_ivp: the adjoint equation takes no events{place()}; use sensitivity='discrete'")

    def solved(ts: Any) -> March:
        if sensitivity == "adjoint":
            return March(adjoint(f, t0, tf, o)(y0, ts, values), tf, None, (), Counts(0, 0, 0), 0)
        found = march(problem(f, values, t0, tf), y0, ts, o, watched)
        if not isinstance(ts, Tracer):
            return found
        moved = vmap(lambda t, y: _moved(f, values, stop_gradient(t), y, t - stop_gradient(t)), (0, 1), 1)
        return found._replace(states=moved(ts, found.states))

    ts = np.stack([t0, tf]) if t_eval is None else _checked_times(t_eval, t0, tf)
    found = solved(ts)
    states = found.states
    if t_eval is None and watched:
        ended = found.status == 1
        end = np.where(ended, found.t, tf)
        ts, states = np.stack([t0, end]), np.stack([y0, np.where(ended, found.y, states[:, 1])], axis=1)

    def sol(t: Any) -> Any:
        times = cast(operand(t), FLOAT64)
        order = np.argsort(np.where(tf >= t0, 1.0, -1.0) * np.reshape(times, (-1,)))
        columns = solved(np.reshape(times, (-1,))[order]).states[:, np.argsort(order)]
        return np.reshape(columns, (y0.shape[0], *times.shape))

    return OdeResult(
        ts, states, sol if dense_output else None,
        [s.times for s in found.seen] if watched else None, [s.states for s in found.seen] if watched else None,
        *found.counts, found.status,
        "The solver reached the end of the interval (status 0), a terminal event (1), or failed (-1).",
        found.status >= 0,
    )  # fmt: skip


def _jacobian(jac: Any, args: tuple[Any, ...]) -> Any:
    """A Jacobian as a function of time and state, or an array, dense."""
    if jac is None:
        return None

    def dense(matrix: Any) -> Any:
        return operand(matrix.toarray() if hasattr(matrix, "toarray") else matrix)

    return (lambda t, y: dense(converted(jac)(t, y, *args))) if callable(jac) else dense(jac)


def _moved(f: Function, values: Sequence[Any], held: Any, y: Any, h: Any) -> Any:
    """The state after a step of length `h`, which is 0 with a derivative, from where it is `y` at the time `held`.

    It is one of the classical Runge-Kutta method: its derivatives to the fourth order, in all that it reads, are those
    of the solution (Hairer, Norsett and Wanner, "Solving Ordinary Differential Equations I", II.1).
    """
    a = f(held, y, values)
    b = f(held + 0.5 * h, y + 0.5 * h * a, values)
    c = f(held + 0.5 * h, y + 0.5 * h * b, values)
    d = f(held + h, y + h * c, values)
    return y + h * (a + 2 * b + 2 * c + d) / 6


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
        raise MissingRuleError(f"odeint: full_output cannot be traced{place()}; leave it out")
    if operand(y0).dtype.kind == "c":
        raise TypeMismatchError(
            f"odeint: complex states{place()} cannot be solved, as in SciPy; use solve_ivp, or two real states"
        )
    inner = func if tfirst else lambda t, y, *rest: converted(func)(y, t, *rest)
    t = operand(t)
    tight = 1.49012e-8
    found = solve_ivp(
        inner, (t[0], t[-1]), np.atleast_1d(operand(y0)), "DOP853", t, args=tuple(args) if args else (),
        rtol=tight if rtol is None else rtol, atol=tight if atol is None else atol,
    )  # fmt: skip
    return found.y.T.copy()
