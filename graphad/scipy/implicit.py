"""Derivatives through the solution of equations, and of integrals.

Where `r(x, v) = 0` says what `x` is, `dx = -J^-1 (dr/dv) dv` with `J = dr/dx` (the implicit function theorem; Griewank
and Walther, "Evaluating Derivatives", 2nd edition, chapter 15). How `x` was found does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.api.call import ShapeDtype
from graphad.api.control import TracedRegion
from graphad.api.derivatives import jvp
from graphad.api.implicit import no_tangent, replaced
from graphad.api.jacobians import jacfwd
from graphad.errors import SingularError
from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.numpy.slices import check
from graphad.ops.custom import CustomRoot, PureCallback
from graphad.scipy.closed import Values
from graphad.trace import apply
from graphad.types import TensorType

Residual = Callable[[Any, Values, Any], Any]
"""A vector of the unknowns, the values and what is held, which is 0 at the solution."""
_SINGULAR = 1 / (8 * np.finfo(float).eps)
_NEAR = 1e-3, 1e-2
"""The length of the Newton step, relative to the unknowns, below which a solution counts as found where the routine
does not say so, and where it does."""


def hosted(host: Callable[..., Any], kinds: Sequence[ShapeDtype]) -> PureCallback:
    """A function of plain arrays, which gives arrays of these kinds, as one of traced values."""
    return PureCallback(host, tuple([TensorType(k.dtype, k.shape) for k in kinds]))


def solution(
    name: str, find: Callable[..., Any], residual: Residual, values: Values,
    lift: Callable[[Any, Values], tuple[Any, Any]] | None = None, holds: Callable[..., Any] | None = None,
) -> list[Any]:  # fmt: skip
    """`find(*values)`: the unknowns, whether they were found, and what else there is.

    The derivative of the unknowns is that of the solution of `residual(unknowns, values, held)`, to every order; the
    rest has none. `lift` gives more unknowns behind those of the host, as multipliers, and what is held at the
    solution, as the set of active constraints. The derivative is taken one Newton step further, so that it is more
    accurate than the iteration's tolerance. Raises `RuntimeError` where it is asked for and the unknowns are no
    solution, `SingularError` where they are not isolated.
    """
    where, free = place(), [i for i, x in enumerate(values) if operand(x).dtype.kind in "fc"]
    region = TracedRegion(find, tuple(values))
    beside, n = len(region.captures), len(values)

    def rule(xs: Sequence[Any]) -> list[Any]:
        # What the iteration reads beside the values, as a tolerance, does not move the solution.
        given, found, tangents = xs[beside : beside + n], xs[beside + n : -(beside + n)], xs[-n:]
        x, converged = found[0], found[1]
        y, held = (x, None) if lift is None else lift(x, given)
        at: Callable[[Any], Any] = lambda y: residual(y, given, held)
        matrix = jacfwd(at)(y)
        regular = np.linalg.slogdet(matrix)[0] != 0
        inverse = np.linalg.inv(np.where(regular, matrix, np.eye(*matrix.shape)))
        # Scaling of equations or unknowns does not change this measure.
        amplified = np.max(np.sum(np.abs(inverse) * np.abs(matrix).T, axis=1), initial=1.0)
        check(
            regular & (amplified < _SINGULAR), SingularError,
            f"{name}: the Jacobian matrix is singular at the solution{where}, which is not isolated to first order and "
            "has no derivative; give graphad.stop_gradient what counts as constant",
        )  # fmt: skip
        step = inverse @ at(y)
        off = step[: x.shape[0]]
        near = np.sum(off * off) <= np.where(converged, _NEAR[1], _NEAR[0]) ** 2 * (1e-3 + np.sum(x * x))
        check(
            near, RuntimeError,
            f"{name} did not converge{where}, so that its result has no derivative; start nearer to the solution, "
            "allow more iterations or a smaller tolerance, or give graphad.stop_gradient what counts as constant",
        )  # fmt: skip
        y = y - step
        if holds is not None:
            check(
                holds(y, given, held), RuntimeError,
                f"{name}: bounds and constraints that are active at the solution{where} are not found; allow it more "
                "iterations or a smaller tolerance",
            )  # fmt: skip
        moving = lambda *some: residual(y, replaced(given, free, some), held)
        _, change = jvp(moving, [given[i] for i in free], [tangents[i] for i in free])
        moved = -np.linalg.solve(jacfwd(at)(y), change)
        return [moved[: x.shape[0]], *[without(name, where, x, tangents) for x in found[1:]]]

    results = apply(CustomRoot(region.graph, rule, beside + n), [*region.captures, *region.call.leaves])
    region.call.give_up()
    return list(results)


def without(name: str, where: str, told: Any, tangents: Sequence[Any]) -> Any:
    """The tangent of what says how an iteration went: none, and refused where it is used."""
    message = (
        f"{name}: an estimate of the routine's own{where}, as of an error or an inverse Hessian, has no derivative; "
        "compute what you need from the solution, or give the estimate to graphad.stop_gradient"
    )
    return no_tangent(message, told, tangents)
