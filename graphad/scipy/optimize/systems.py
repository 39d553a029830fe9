"""Roots of systems of equations: SciPy's iterations, with the derivative of the solution."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.scipy.closed import Functions, arguments, known_options, real, routine, spec, vector
from graphad.scipy.implicit import hosted, solution
from graphad.scipy.optimize.optimum import result
from graphad.types import FLOAT64, TensorType

_routine = routine("scipy.optimize")
_NO_JACOBIAN = frozenset(
    {"broyden1", "broyden2", "anderson", "linearmixing", "diagbroyden", "excitingmixing", "krylov", "df-sane"}
)


class System:
    """`fun(x, *args) - less * x = 0`, with the Jacobian that SciPy's iteration is given."""

    def __init__(self, name: str, fun: Any, x0: Any, args: Any, flat: bool, jac: Any = None, less: float = 0.0) -> None:
        self.name, self.functions = name, Functions(name)
        self.start = real(x0, name)
        self.shape = (int(np.prod(self.start.shape)),) if flat else self.start.shape
        self.start, self.less = np.reshape(self.start, self.shape), less
        kind, both = TensorType(FLOAT64, self.shape), jac is True
        fit = lambda found: [self._fit(found[0] if both else found)]
        self.fun = self.functions.add(fun, [kind], arguments(args), fit)
        self.jac = None
        if callable(jac):
            self.jac = self.functions.add(jac, [kind], arguments(args), lambda found: [real(found, name)])
        elif jac is not False:
            self.jac = self.fun.jacobian()

    def _fit(self, found: Any) -> Any:
        found = real(found, self.name)
        if found.shape != self.shape and int(np.prod(found.shape)) != int(np.prod(self.shape)):
            raise ShapeError(
                f"{self.name}: the function gives shape {list(found.shape)} for unknowns of shape {list(self.shape)}"
                f"{place()}; there must be as many equations as unknowns"
            )
        return np.reshape(found, self.shape)

    def solved(self, run: Callable[..., Any]) -> tuple[Any, list[Any]]:
        """The unknowns, and what else `run(f, jacobian, x0)` of SciPy gives: whether it converged, and numbers."""

        def host(x0: Any, *values: Any) -> Any:
            f, jac = (g and vector(g, values) for g in (self.fun, self.jac))
            x, *rest = run(f, jac, np.array(x0))
            return np.ravel(x), *rest

        def residual(x: Any, values: Any, held: Any) -> Any:
            return np.ravel(self.fun([np.reshape(x, self.shape)], values[1:])[0]) - self.less * x

        kinds = [spec((int(np.prod(self.shape)),)), spec((), bool), spec((), int), spec((), int)]
        x, *rest = solution(self.name, hosted(host, kinds), residual, [self.start, *self.functions.values])
        return np.reshape(x, self.shape), rest


@_routine
def root(
    fun: Any, x0: Any, args: Any = (), method: str = "hybr", jac: Any = None, tol: Any = None, callback: Any = None,
    options: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `root`: a solution of `fun(x) = 0`. Its `x` is differentiable in `args` and in what `fun` reads.

    The Jacobian is exact where `jac` is not given and the method takes one.
    """
    if callback is not None:
        raise MissingRuleError(f"root: callback={place()} sees no traced values; leave it out")
    given = known_options("root", method=method, tol=tol, options=options)
    plain = str(method).lower() in _NO_JACOBIAN
    slopes = False if plain and jac is None else jac
    system = System("root", fun, np.atleast_1d(real(x0, "root")), args, not plain, slopes)

    def run(f: Any, jac: Any, x0: Any) -> Any:
        found = import_module("scipy.optimize").root(f, x0, jac=None if plain else jac, **given)
        return found.x, found.success, found.get("status", 0), found.get("nfev", found.get("nit", 0))

    x, (success, status, calls) = system.solved(run)
    value = system.fun([x], system.functions.values)[0]
    return result(x=x, success=success, status=status, nfev=calls, fun=value, method=str(method), message=_MESSAGE)


_MESSAGE = "whether it converged is told by success"


@_routine
def fsolve(
    func: Any, x0: Any, args: Any = (), fprime: Any = None, full_output: Any = 0, col_deriv: Any = 0,
    xtol: Any = 1.49012e-8, maxfev: int = 0, band: Any = None, epsfcn: Any = None, factor: Any = 100, diag: Any = None,
) -> Any:  # fmt: skip
    """SciPy's `fsolve`, as `root`."""
    if full_output or col_deriv or band is not None:
        raise MissingRuleError(f"fsolve: full_output, col_deriv and band{place()} cannot be traced; use root")
    given = known_options("fsolve", xtol=xtol, maxfev=maxfev, epsfcn=epsfcn, factor=factor, diag=diag)
    system = System("fsolve", func, np.atleast_1d(real(x0, "fsolve")), args, True, fprime)

    def run(f: Any, jac: Any, x0: Any) -> Any:
        x, info, status, message = import_module("scipy.optimize").fsolve(f, x0, fprime=jac, full_output=True, **given)
        if status != 1:
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        return x, status == 1, status, info["nfev"]

    return system.solved(run)[0]


@_routine
def fixed_point(
    func: Any, x0: Any, args: Any = (), xtol: Any = 1e-8, maxiter: int = 500, method: str = "del2"
) -> Any:
    """SciPy's `fixed_point`: a solution of `func(x) = x`, as `root`."""
    given = known_options("fixed_point", xtol=xtol, maxiter=maxiter, method=method)
    system = System("fixed_point", func, x0, args, False, False, less=1.0)

    def run(f: Any, jac: Any, x0: Any) -> Any:
        return import_module("scipy.optimize").fixed_point(f, x0, **given), True, 0, 0

    return system.solved(run)[0]
