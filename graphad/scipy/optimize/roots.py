"""Roots of functions of one number: SciPy's iterations, with the derivative of the root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from graphad.errors import MissingRuleError
from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.scipy.closed import SCALAR, Functions, arguments, known_options, number, real, routine, spec, vector
from graphad.scipy.implicit import hosted, solution
from graphad.scipy.optimize.optimum import result
from graphad.types import FLOAT64, TensorType

_routine = routine("scipy.optimize")
_RTOL = 4 * np.finfo(float).eps


def _root(
    name: str, f: Any, args: Any, start: Sequence[Any], more: Sequence[Any], run: Callable[..., Any]
) -> list[Any]:
    """The root, whether it was found, iterations and function calls. `run(functions, *start)` is SciPy's, which gives
    these; the functions are `f` and those of its derivatives in `more` that are given."""
    functions = Functions(name)
    given = [functions.add(g, [SCALAR], arguments(args), functions.number) for g in (f, *[g for g in more if g])]
    start = [real(x, name) for x in start]
    n = len(start)

    def host(*values: Any) -> Any:
        called = [number(g, values[n:]) for g in given]
        found = run(*called[:1], *[called.pop(1) if g else None for g in more], *[float(x) for x in values[:n]])
        return np.full(1, found.root), found.converged, found.iterations, found.function_calls

    def residual(x: Any, values: Any, held: Any) -> Any:
        return np.stack(given[0]([x[0]], values[n:]))

    kinds = [spec((1,)), spec((), bool), spec((), int), spec((), int)]
    x, *rest = solution(name, hosted(host, kinds), residual, [*start, *functions.values])
    return [x[0], *rest]


def _result(found: Sequence[Any], method: str, flag: str = "") -> Any:
    """SciPy's `RootResults`, whose flag is told by `converged`."""
    root, converged, iterations, calls = found
    return result(
        root=root, iterations=iterations, function_calls=calls, converged=converged, flag=flag or _FLAG, method=method
    )


_FLAG = "converged, or else the limit of iterations was reached"


def _bracketing(
    name: str, f: Any, a: Any, b: Any, args: Any, full_output: bool, **given: Any
) -> Any:
    given = known_options(name, **given)
    scipys = getattr(import_module("scipy.optimize"), name)
    found = _root(name, f, args, (a, b), (), lambda f, a, b: scipys(f, a, b, full_output=True, **given)[1])
    return (found[0], _result(found, name)) if full_output else found[0]


def _define(name: str) -> Any:
    """The bracketing method of a name."""

    def bracketing(
        f: Any, a: Any, b: Any, args: Any = (), xtol: Any = 2e-12, rtol: Any = _RTOL, maxiter: int = 100,
        full_output: bool = False, disp: bool = True,
    ) -> Any:  # fmt: skip
        return _bracketing(name, f, a, b, args, full_output, xtol=xtol, rtol=rtol, maxiter=maxiter, disp=disp)

    bracketing.__name__ = bracketing.__qualname__ = name
    bracketing.__doc__ = (
        f"SciPy's `{name}`: a root of `f` between `a` and `b`, differentiable in `args` and in what `f` reads."
    )
    return _routine(bracketing)


brentq, brenth, ridder, bisect = map(_define, ("brentq", "brenth", "ridder", "bisect"))


@_routine
def toms748(
    f: Any, a: Any, b: Any, args: Any = (), k: int = 1, xtol: Any = 2e-12, rtol: Any = _RTOL, maxiter: int = 100,
    full_output: bool = False, disp: bool = True,
) -> Any:  # fmt: skip
    """SciPy's `toms748`, as `brentq`."""
    return _bracketing("toms748", f, a, b, args, full_output, k=k, xtol=xtol, rtol=rtol, maxiter=maxiter, disp=disp)


@_routine
def newton(
    func: Any, x0: Any, fprime: Any = None, args: Any = (), tol: Any = 1.48e-8, maxiter: int = 50, fprime2: Any = None,
    x1: Any = None, rtol: Any = 0.0, full_output: bool = False, disp: bool = True,
) -> Any:  # fmt: skip
    """SciPy's `newton`: a root near `x0` by Newton's, Halley's or the secant method, one number or one for each
    element; differentiable in `args` and in what `func` reads."""
    given = known_options("newton", tol=tol, maxiter=maxiter, rtol=rtol, disp=disp)
    scipys = import_module("scipy.optimize").newton
    if operand(x0).shape:
        return _newtons(scipys, func, x0, fprime, args, fprime2, x1, full_output, given)

    def run(f: Any, fprime: Any, fprime2: Any, x0: Any, x1: Any = None) -> Any:
        return scipys(f, x0, fprime, fprime2=fprime2, x1=x1, full_output=True, **given)[1]

    found = _root("newton", func, args, (x0,) if x1 is None else (x0, x1), (fprime, fprime2), run)
    method = "halley" if fprime2 else "newton" if fprime else "secant"
    return (found[0], _result(found, method)) if full_output else found[0]


def _newtons(
    scipys: Any, func: Any, x0: Any, fprime: Any, args: Any, fprime2: Any, x1: Any, full_output: bool, given: Any
) -> Any:
    """Newton's method for each element of an array."""
    functions = Functions("newton")
    start = [real(x, "newton") for x in ((x0,) if x1 is None else (x0, x1))]
    shape, size, n = start[0].shape, start[0].size, len(start)
    kind = TensorType(FLOAT64, shape)
    fit = lambda found: [np.broadcast_to(real(found, "newton"), shape)]
    closed = functions.add(func, [kind], arguments(args), fit)
    more = [g and functions.add(g, [kind], arguments(args), fit) for g in (fprime, fprime2)]

    def host(*values: Any) -> Any:
        f, fprime, fprime2 = (c and vector(c, values[n:]) for c in (closed, *more))
        other = values[1] if n > 1 else None
        found = scipys(f, values[0], fprime, fprime2=fprime2, x1=other, full_output=True, **given)
        told = found if size > 1 else (found[0], found[1].converged, False)
        return tuple([np.reshape(x, s) for x, s in zip(told, ((size,), shape, shape), strict=True)])

    def residual(x: Any, values: Any, held: Any) -> Any:
        return np.ravel(closed([np.reshape(x, shape)], values[n:])[0])

    kinds = [spec((size,)), spec(shape, bool), spec(shape, bool)]
    root, converged, flat = solution("newton", hosted(host, kinds), residual, [*start, *functions.values])
    root = np.reshape(root, shape)
    if not full_output:
        return root
    if size == 1:
        return root, _result((root, 0, 0, converged), "")
    return _Newtons(root, converged, flat)


class _Newtons(NamedTuple):
    """What SciPy's `newton` says of an array."""

    root: Any
    converged: Any
    zero_der: Any


@_routine
def root_scalar(
    f: Any, args: Any = (), method: Any = None, bracket: Any = None, fprime: Any = None, fprime2: Any = None,
    x0: Any = None, x1: Any = None, xtol: Any = None, rtol: Any = None, maxiter: Any = None, options: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `root_scalar`: a root by the method of a name; the result's `root` is differentiable in `args` and in
    what `f` reads."""
    if any(isinstance(g, bool) for g in (fprime, fprime2)):
        raise MissingRuleError(
            f"root_scalar: fprime=True{place()} makes f give a tuple, which is not traced; give f and its derivatives "
            "as functions, or let graphad.grad make them"
        )
    given = known_options("root_scalar", method=method, xtol=xtol, rtol=rtol, maxiter=maxiter, options=options)
    scipys = import_module("scipy.optimize").root_scalar
    points = [x for x in (*(bracket if bracket is not None else ()), x0, x1) if x is not None]

    def run(f: Any, fprime: Any, fprime2: Any, *points: Any) -> Any:
        left = iter(points)
        ends = None if bracket is None else (next(left), next(left))
        first, second = (next(left) if x is not None else None for x in (x0, x1))
        return scipys(f, (), bracket=ends, fprime=fprime, fprime2=fprime2, x0=first, x1=second, **given)

    return _result(_root("root_scalar", f, args, points, (fprime, fprime2), run), method or "")

