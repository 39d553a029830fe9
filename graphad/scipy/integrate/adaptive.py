"""Adaptive quadrature by SciPy's routines, differentiated by Leibniz's rule.

The derivative of the integral of `f(t, v)` from `a` to `b` is that of `df/dv` in each value, and `f` at the ends for
the ends themselves; the integrals of derivatives are computed by the same routine with the same options.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from math import prod
from typing import Any

import numpy as np

from graphad.api.custom import custom_jvp
from graphad.api.implicit import replaced
from graphad.api.jacobians import jacfwd, jacrev
from graphad.errors import MissingRuleError
from graphad.location import place
from graphad.numpy.arguments import is_active, known, operand
from graphad.ops.custom import PureCallback
from graphad.ops.elementwise import cast
from graphad.scipy.closed import SCALAR, Closed, Functions, arguments, callee, known_options, real, routine, spec
from graphad.scipy.implicit import without
from graphad.types import COMPLEX128, FLOAT64, TensorType

_routine = routine("scipy.integrate")
Rule = Callable[[Callable[[float], Any], int, float, float], tuple[Any, float]]
"""Integrates a vector of so many elements between two limits: the integrals and an estimate of the error."""


def _integral(name: str, f: Closed, size: int, a: Any, b: Any, values: Sequence[Any], rule: Rule) -> tuple[Any, Any]:
    """The integral of the vector `f(t, *values)` and the estimate of its error, which has no derivative."""
    everything = [a, b, *values]
    where, wanted = place(), [i for i, x in enumerate(everything) if operand(x).dtype.kind in "fc" and is_active(x)]

    def host(a: Any, b: Any, *values: Any) -> Any:
        function = f.host(values)
        return rule(lambda t: function(np.array(t, float))[0], size, float(a), float(b))

    call = PureCallback(host, (TensorType(FLOAT64, (size,)), SCALAR))

    @custom_jvp
    def integrated(*everything: Any) -> Any:
        return call(*everything)

    @integrated.defjvp
    def along(everything: Any, tangents: Any) -> Any:
        a, b, *values = everything
        inner = [i - 2 for i in wanted if i > 1]
        change = np.zeros(size)
        if inner:
            count = size * _elements(values, inner)
            slopes = _integral(name, _slopes(f, size, inner), count, a, b, values, rule)[0]
            flat = np.concatenate([np.ravel(part) for i in inner for part in _reals(tangents[i + 2])])
            change = np.reshape(slopes, (size, flat.shape[0])) @ flat
        for end, sign in ((0, -1.0), (1, 1.0)):
            if end in wanted:
                limit = everything[end]
                inside = np.isfinite(limit)
                height = f([np.where(inside, limit, 0.0)], values)[0]
                change = change + sign * np.where(inside, height, 0.0) * tangents[end]
        return integrated(*everything), (change, without(name, where, spec(), tangents))

    return tuple(integrated(*everything))  # type: ignore[return-value]


def _elements(values: Sequence[Any], chosen: Sequence[int]) -> int:
    """How many real numbers the chosen values have."""
    return sum(prod(x.shape) * (1 + (x.dtype.kind == "c")) for x in [operand(values[i]) for i in chosen])


def _reals(x: Any) -> list[Any]:
    """The real and imaginary part of complex values, or the real values."""
    return [np.real(x), np.imag(x)] if operand(x).dtype.kind == "c" else [x]


def _slopes(f: Closed, size: int, chosen: Sequence[int]) -> Closed:
    """The derivative of a vector of `t` in the chosen values, flat, row by row."""
    chosen = [i - f.first for i in chosen if f.first <= i < f.first + f.count]

    def flat(xs: Sequence[Any]) -> list[Any]:
        t, *values = xs
        some = [part for i in chosen for part in _reals(values[i])]
        slopes = jacrev if size <= _elements(values, chosen) else jacfwd

        def at(*some: Any) -> Any:
            left = iter(some)
            numbers = [operand(values[i]).dtype.kind for i in chosen]
            whole = [next(left) + 1j * next(left) if kind == "c" else next(left) for kind in numbers]
            return f.at([t, *replaced(values, chosen, whole)])[0]

        jacobian = slopes(at, tuple(range(len(some))))(*some)
        return [np.ravel(np.concatenate([np.reshape(j, (size, -1)) for j in jacobian], axis=1))]

    return f.derived(flat)


def _by_element(options: dict[str, Any]) -> Rule:
    """SciPy's `quad` for each element, for which the function is evaluated at the same places once."""

    def rule(f: Callable[[float], Any], size: int, a: float, b: float) -> tuple[Any, float]:
        quad = import_module("scipy.integrate").quad
        met: dict[float, Any] = {}

        def element(i: int) -> Callable[[float], float]:
            def value(t: float) -> float:
                found = met.get(t)
                if found is None:
                    found = met[t] = f(t)
                return float(found[i])

            return value

        found = [quad(element(i), a, b, **options)[:2] for i in range(size)]
        return np.array([x for x, _ in found]), max([error for _, error in found], default=0.0)

    return rule


@_routine
def quad(
    func: Any, a: Any, b: Any, args: Any = (), full_output: Any = 0, epsabs: Any = 1.49e-8, epsrel: Any = 1.49e-8,
    limit: int = 50, points: Any = None, weight: Any = None, wvar: Any = None, wopts: Any = None, maxp1: int = 50,
    limlst: int = 50, complex_func: bool = False,
) -> Any:  # fmt: skip
    """SciPy's `quad`: the integral and an estimate of its error. It is differentiable in the limits, in `args` and in
    what `func` reads, to every order; the estimate has no derivative.

    A jump of `func` that moves with a differentiated value is not seen: make it a limit of two integrals.
    """
    if full_output:
        raise MissingRuleError(f"quad: full_output{place()} says how much is known at run time only; leave it out")
    given = known_options(
        "quad", epsabs=epsabs, epsrel=epsrel, limit=limit, points=points, weight=weight, wvar=wvar, wopts=wopts,
        maxp1=maxp1, limlst=limlst,
    )  # fmt: skip
    functions = Functions("quad")
    fit = _parts if complex_func else functions.number
    f = functions.add(func, [SCALAR], arguments(args), lambda found: [np.stack(fit(found))])
    size = 2 if complex_func else 1
    ends = [_end(x, "quad") for x in (a, b)]
    if weight is not None and any(is_active(x) for x in ends):
        raise MissingRuleError(
            f"quad: the limits{place()} of an integral with a weight are differentiated; write the weight into func"
        )
    found, error = _integral("quad", f, size, ends[0], ends[1], functions.values, _by_element(given))
    return (found[0] + 1j * found[1] if complex_func else found[0]), error


def _end(x: Any, name: str) -> Any:
    return real(x, name) if is_active(x) or known(x) is None else np.float64(known(x))


def _parts(found: Any) -> list[Any]:
    found = cast(operand(found), COMPLEX128)
    return [np.real(found), np.imag(found)]


@_routine
def nquad(func: Any, ranges: Any, args: Any = (), opts: Any = None, full_output: bool = False) -> Any:
    """SciPy's `nquad`: the integral over several variables, the first of which is the innermost, as `quad` of `quad`.

    The error is the estimate of the outermost integral.
    """
    if full_output:
        raise MissingRuleError(f"nquad: full_output{place()} says how much is known at run time only; leave it out")
    args, ranges = arguments(args), list(ranges)
    each = list(opts) if isinstance(opts, (list, tuple)) else [opts] * len(ranges)

    def over(i: int, *outer: Any) -> Any:
        made = [callee(x)(*outer, *args) if callable(x) else x for x in (ranges[i], each[i])]
        inner = func if i == 0 else lambda x, *rest: over(i - 1, x, *rest[: len(outer)])[0]
        return quad(inner, *made[0], args=(*outer, *args), **(made[1] or {}))

    return over(len(ranges) - 1)


@_routine
def dblquad(
    func: Any, a: Any, b: Any, gfun: Any, hfun: Any, args: Any = (), epsabs: Any = 1.49e-8, epsrel: Any = 1.49e-8
) -> Any:
    """SciPy's `dblquad`: the integral of `func(y, x)` for `x` from `a` to `b`, `y` from `gfun(x)` to `hfun(x)`."""
    ranges = [_between(gfun, hfun), (a, b)]
    return nquad(func, ranges, arguments(args), {"epsabs": epsabs, "epsrel": epsrel})


@_routine
def tplquad(
    func: Any, a: Any, b: Any, gfun: Any, hfun: Any, qfun: Any, rfun: Any, args: Any = (), epsabs: Any = 1.49e-8,
    epsrel: Any = 1.49e-8,
) -> Any:  # fmt: skip
    """SciPy's `tplquad`: the integral of `func(z, y, x)`, `z` from `qfun(x, y)` to `rfun(x, y)`, as `dblquad`."""
    ranges = [_between(qfun, rfun, flipped=True), _between(gfun, hfun), (a, b)]
    return nquad(func, ranges, arguments(args), {"epsabs": epsabs, "epsrel": epsrel})


def _between(low: Any, high: Any, flipped: bool = False) -> Callable[..., Any]:
    """Limits that are numbers, or functions of the outer variables, which `nquad` gives the nearest first."""
    count = 2 if flipped else 1

    def limits(*given: Any) -> Any:
        outer = given[:count][::-1] if flipped else given[:count]
        return tuple([callee(x)(*outer) if callable(x) else x for x in (low, high)])

    return limits


@_routine
def quad_vec(
    f: Any, a: Any, b: Any, epsabs: Any = 1e-200, epsrel: Any = 1e-8, norm: Any = "2", cache_size: Any = 100e6,
    limit: int = 10000, workers: Any = 1, points: Any = None, quadrature: Any = None, full_output: bool = False, *,
    args: Any = (),
) -> Any:  # fmt: skip
    """SciPy's `quad_vec`: the integral of a function that gives an array, as `quad`."""
    if full_output or callable(workers) or workers != 1:
        raise MissingRuleError(f"quad_vec: full_output or workers{place()} cannot be traced; leave them out")
    given = known_options(
        "quad_vec", epsabs=epsabs, epsrel=epsrel, norm=norm, cache_size=cache_size, limit=limit, points=points,
        quadrature=quadrature,
    )  # fmt: skip
    kinds: list[Any] = []

    def flat(found: Any) -> list[Any]:
        found = operand(found)
        kinds.append(found)
        parts = _parts(found) if found.dtype.kind == "c" else [real(found, "quad_vec")]
        return [np.concatenate([np.ravel(part) for part in parts])]

    functions = Functions("quad_vec")
    function = functions.add(f, [SCALAR], arguments(args), flat)

    def rule(f: Callable[[float], Any], size: int, a: float, b: float) -> tuple[Any, float]:
        found, error = import_module("scipy.integrate").quad_vec(f, a, b, **given)
        return found, error

    shape, whole = kinds[0].shape, kinds[0].dtype.kind == "c"
    count = prod(shape)
    a, b = (_end(x, "quad_vec") for x in (a, b))
    found, error = _integral("quad_vec", function, count * (1 + whole), a, b, functions.values, rule)
    return np.reshape(found[:count] + 1j * found[count:] if whole else found, shape), error
