"""Sensitivities of initial value problems by the adjoint equation, `lambda' = -lambda df/dy` backwards in time.

The gradient in what `f` reads is the integral of `lambda df/dvalues` (Cao, Li, Petzold and Serban, "Adjoint sensitivity
analysis for differential-algebraic equations", SIAM J. Sci. Comput. 24, 2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.api.control import cond
from graphad.api.custom import custom_vjp, stop_gradient
from graphad.api.derivatives import vjp
from graphad.api.loops import scan, while_loop
from graphad.api.vectorize import vmap
from graphad.scipy.integrate.explicit import Function, InitialValueProblem, Options
from graphad.scipy.integrate.stepping import SOLVERS, march

_NODES = 0.5 - 0.5 * np.cos(np.pi * np.arange(8) / 7)
"""Chebyshev's points of a step: the solutions within it are polynomials of degree 7 at most."""
_POLYNOMIAL = np.linalg.inv(np.vander(2 * _NODES - 1, increasing=True))


def adjoint(f: Function, t0: Any, tf: Any, options: Options) -> Function:
    """The solution at times `ts` as a function of state and values, whose gradient solves the adjoint equation.

    Reverse mode solves again from each time to the next, keeps these steps, and solves the adjoint equation within
    each step to the same tolerances, about the solution there: the memory is that of one interval, and stiff equations
    are never solved backwards.
    """

    @custom_vjp
    def solution(y0: Any, ts: Any, values: Any) -> Any:
        return march(problem(f, values, t0, tf), y0, ts, options).states

    def forward(y0: Any, ts: Any, values: Any) -> Any:
        out = solution(y0, ts, values)
        return out, (y0, ts, values, out)

    def backward(saved: Any, ct: Any) -> Any:
        y0, ts, values, out = saved
        floats, merged = _split(values)

        def interval(carry: Any, entry: Any) -> Any:
            by_state, by_values = carry
            start, stop, y, change = entry
            last = lambda y, floats: _end(problem(f, merged(floats), start, stop), y, options)
            by_state, more = vjp(last, y, floats)[1](by_state + change)
            return (by_state, [a + b for a, b in zip(by_values, more, strict=True)]), None

        before = np.concatenate([np.reshape(t0 * 1.0, (1,)), ts[:-1]])
        states = np.concatenate([y0[None], out.T[:-1]])
        zero = np.zeros_like(y0), [np.zeros_like(v) for v in floats]
        (by_state, by_floats), _ = scan(interval, zero, (before, ts, states, ct.T), reverse=True)
        by_time = np.sum(ct * vmap(lambda t, y: f(t, y, values), in_axes=(0, 1), out_axes=1)(ts, out), axis=0)
        return by_state, by_time, _cotangents(values, by_floats)

    solution.defvjp(forward, backward)
    return solution  # type: ignore[no-any-return]


def problem(f: Function, values: Sequence[Any], t0: Any, tf: Any) -> InitialValueProblem:
    """The problem in the direction from `t0` to `tf`, both constants for derivatives."""
    t0, tf = stop_gradient(t0), stop_gradient(tf)
    return InitialValueProblem(f, values, t0, tf, np.where(tf >= t0, 1.0, -1.0))


def _split(values: Sequence[Any]) -> tuple[list[Any], Function]:
    """The floating ones among values, and what puts others in their places."""
    moving = [i for i, v in enumerate(values) if v.dtype.kind == "f"]

    def merged(floats: Sequence[Any]) -> list[Any]:
        every = list(values)
        for i, v in zip(moving, floats, strict=True):
            every[i] = v
        return every

    return [values[i] for i in moving], merged


def _cotangents(values: Sequence[Any], by_floats: Sequence[Any]) -> list[Any]:
    given = iter(by_floats)
    return [next(given) if v.dtype.kind == "f" else None for v in values]


def _end(p: InitialValueProblem, y0: Any, options: Options) -> Any:
    """The state at the end, whose derivative is that of the adjoint equation within each step."""
    held = p._replace(values=stop_gradient(list(p.values)))
    solver = SOLVERS[options.method](held, options)
    advance = _advance(p.f, options)

    def attempt(carry: Any) -> Any:
        state, y, _ = carry
        state, step = solver.attempt(state)
        nodes = step.at(step.t + _NODES * (step.new - step.t))
        ahead = lambda: advance(y, list(p.values), step.y, step.t, step.new, nodes)
        y = cond(step.accepted, ahead, lambda: y * 1.0)
        done = np.logical_and(step.accepted, p.direction * (step.new - p.tf) >= 0)
        return state, y, np.where(step.failed, -1, np.where(done, 1, 0))

    start = (solver.start(stop_gradient(y0)), y0, np.where(p.t0 == p.tf, 1, 0))
    return while_loop(lambda carry: carry[-1] == 0, attempt, start)[1]


def _advance(f: Function, options: Options) -> Function:
    """The state after a step, given with states at its nodes, as a function of the state before and values."""
    method = "Radau" if options.method == "BDF" else options.method

    @custom_vjp
    def advance(y: Any, values: Any, after: Any, t: Any, new: Any, nodes: Any) -> Any:
        return after * 1.0

    def forward(*args: Any) -> Any:
        return advance(*args), (args[1], *args[3:])

    def backward(saved: Any, ct: Any) -> Any:
        values, t, new, nodes = saved
        n = ct.shape[0]
        floats, merged = _split(values)
        coefficients = nodes @ _POLYNOMIAL.T

        def slopes(s: Any, z: Any, _: Any) -> Any:
            x = 2 * (s - t) / (new - t) - 1
            y = coefficients @ np.stack([x**i for i in range(len(_NODES))])
            by_y, by_values = vjp(lambda y, floats: f(s, y, merged(floats)), y, floats)[1](z[:n])
            return np.concatenate([-by_y, *[-np.reshape(v, (-1,)) for v in by_values]])

        zero = [np.zeros(v.size) for v in floats]
        once = options._replace(method=method, first_step=np.abs(new - t), jac=None)
        found = march(problem(slopes, [], new, t), np.concatenate([ct, *zero]), np.zeros(0), once).y
        ends = np.cumsum([n, *[v.size for v in floats]])
        parts = [np.reshape(found[a:b], v.shape) for a, b, v in zip(ends[:-1], ends[1:], floats, strict=True)]
        return found[:n], _cotangents(values, parts), None, None, None, None

    advance.defvjp(forward, backward)
    return advance  # type: ignore[no-any-return]
