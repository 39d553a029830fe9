"""Derivatives through the solution of equations, and of integrals.

Where `r(x, v) = 0` says what `x` is, `dx = -J^-1 (dr/dv) dv` with `J = dr/dx` (the implicit function theorem; Griewank
and Walther, "Evaluating Derivatives", 2nd edition, chapter 15). How `x` was found does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.api.call import ShapeDtype
from graphad.api.custom import custom_jvp, pure_callback
from graphad.api.derivatives import jvp
from graphad.api.jacobians import jacfwd
from graphad.build import place
from graphad.numpy._register import is_active, operand
from graphad.numpy.slices import check
from graphad.ops.custom import NoTangent
from graphad.scipy.closed import Values
from graphad.types import TensorType

Residual = Callable[[Any, Values, Any], Any]
"""A vector of the unknowns, the values and what is held, which is 0 at the solution."""
_NEAR = 1e-3
"""The length of the Newton step, relative to the unknowns, below which a solution counts as found."""


def split(values: Values) -> tuple[list[int], Callable[[Sequence[Any]], list[Any]]]:
    """The positions of the values that are differentiated, and a function that puts others in their place."""
    wanted = [i for i, x in enumerate(values) if operand(x).dtype.kind in "fc" and is_active(x)]

    def joined(some: Sequence[Any]) -> list[Any]:
        found = list(values)
        for i, x in zip(wanted, some, strict=True):
            found[i] = x
        return found

    return wanted, joined


def solution(
    name: str, host: Callable[..., Any], kinds: Sequence[ShapeDtype], residual: Residual, values: Values,
    lift: Callable[[Any, Values], tuple[Any, Any]] | None = None,
) -> list[Any]:  # fmt: skip
    """`host(*values)`, plain arrays of the given kinds: the unknowns, whether they were found, and what else there is.

    The derivative of the unknowns is that of the solution of `residual(unknowns, values, held)`, to every order; the
    rest has none. `lift` gives more unknowns behind those of the host, as multipliers, and what is held at the
    solution, as the set of active constraints. The derivative is taken one Newton step further, so that it is more
    accurate than the iteration's tolerance. Raises `RuntimeError` where it is asked for and the unknowns are no
    solution, `LinAlgError` where they are not isolated.
    """
    wanted, joined = split(values)
    where = place()

    @custom_jvp
    def solved(*some: Any) -> Any:
        return pure_callback(host, tuple(kinds), *joined(some))

    @solved.defjvp
    def along(some: Any, tangents: Any) -> Any:
        found = solved(*some)
        x, converged, given = found[0], found[1], joined(some)
        y, held = (x, None) if lift is None else lift(x, given)
        at = lambda y: residual(y, given, held)
        step = np.linalg.solve(jacfwd(at)(y), at(y))
        near = np.sum(step * step) <= _NEAR**2 * (1 + np.sum(y * y))
        check(
            converged | near, RuntimeError,
            f"{name} did not converge, so that its result has no derivative; start nearer to the solution, allow more "
            "iterations, or give graphad.stop_gradient what counts as constant",
        )  # fmt: skip
        y = y - step
        _, change = jvp(lambda *some: residual(y, joined(some), held), some, tangents)
        moved = -np.linalg.solve(jacfwd(at)(y), change)
        return found, (moved[: x.shape[0]], *[without(name, where, k, tangents) for k in kinds[1:]])

    return list(solved(*[values[i] for i in wanted]))


def without(name: str, where: str, kind: ShapeDtype, tangents: Sequence[Any]) -> Any:
    """The tangent of what says how an iteration went: none, and refused where it is used."""
    if kind.dtype.kind != "f":
        return np.zeros(kind.shape)
    message = (
        f"{name}: an estimate of the routine's own{where}, as of an error or an inverse Hessian, has no derivative; "
        "compute what you need from the solution, or give the estimate to graphad.stop_gradient"
    )
    return NoTangent(message, TensorType(kind.dtype, kind.shape))(*tangents)
