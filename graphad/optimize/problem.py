"""What the solvers share: unknowns in a tree as one vector, and the functions of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.call import check_callable
from graphad.api.derivatives import value_and_grad
from graphad.errors import TypeMismatchError
from graphad.location import place
from graphad.numpy.slices import check
from graphad.scipy.closed import Functions, Values, arguments, real
from graphad.scipy.optimize.optimum import MinimumProblem, limits, result
from graphad.types import FLOAT64, TensorType

CONVERGED, EXHAUSTED, STUCK, INFINITE = range(4)
"""What `status` of a result says."""
MESSAGE = "status: 0 converged, 1 maxiter reached, 2 no further progress, 3 no finite value at the start"
Find = Callable[..., tuple[Any, Any, Any, Any, Any]]
"""Of the values: the unknowns, whether they were found, `status`, iterations, and evaluations of the function."""


def _vector(x0: Any) -> Any:
    """`x0`, a list of numbers as the vector that SciPy's users mean by it."""
    plain = isinstance(x0, (list, tuple)) and not hasattr(x0, "_fields")
    return np.array(x0) if plain and len(x0) and all(np.ndim(x) == 0 for x in x0) else x0


class Unknowns:
    """A tree of arrays as one vector of doubles, and the functions of it of one call of a solver."""

    def __init__(self, name: str, x0: Any, args: Any) -> None:
        self.name, self.args, self.functions = name, arguments(args), Functions(name)
        leaves, self.treedef = tree.flatten(_vector(x0))
        if not leaves:
            raise TypeMismatchError(f"{name}: x0 has no arrays{place()}; start from a number, an array or a tree")
        leaves = [real(x, name) for x in leaves]
        self.shapes = [x.shape for x in leaves]
        self.start = np.concatenate([np.ravel(x) for x in leaves])
        self.n = int(self.start.shape[0])
        self.kind = TensorType(FLOAT64, (self.n,))

    def whole(self, x: Any) -> Any:
        """The vector as the tree."""
        if len(self.shapes) == 1:
            return tree.unflatten(self.treedef, [np.reshape(x, self.shapes[0])])
        ends = np.cumsum([0, *[int(np.prod(s)) for s in self.shapes]]).tolist()
        parts = [np.reshape(x[a:b], s) for a, b, s in zip(ends, ends[1:], self.shapes, strict=False)]
        return tree.unflatten(self.treedef, parts)

    def close(self, fun: Callable[..., Any], fit: Callable[[Any], list[Any]]) -> Any:
        """A function of the user's as one of the vector."""
        check_callable(self.name, fun)
        return self.functions.add(fun, [self.kind], self.args, fit, lambda x: (self.whole(x),))

    def ravelled(self, found: Any) -> list[Any]:
        """The leaves of what a function gives as one vector."""
        leaves = tree.leaves(found)
        if not leaves:
            raise TypeMismatchError(f"{self.name}: the function gives nothing{place()}; let it return arrays")
        return [np.concatenate([np.ravel(real(x, self.name)) for x in leaves])]


class Minimum(Unknowns):
    """A function to be made least, by `height`, over unknowns that may have bounds."""

    def __init__(self, name: str, fun: Any, x0: Any, args: Any, bounds: Any = None, squares: bool = False) -> None:
        super().__init__(name, x0, args)
        self.squares = squares
        if squares:
            self.off = self.close(fun, self.ravelled)
            self.slopes = self.off.jacobian()
            half = lambda xs: [0.5 * np.sum(self.off.at(xs)[0] ** 2)]
            self.height = self.off.derived(half)
        else:
            self.height = self.close(fun, self.functions.number)
        height = self.height
        self.pair = height.derived(lambda xs: list(value_and_grad(lambda x: height.at([x, *xs[1:]])[0])(xs[0])))
        self.ends = () if bounds is None else self._ends(bounds)
        self.values = [self.start, *self.ends, *self.functions.values]

    def _ends(self, bounds: Any) -> tuple[Any, Any]:
        """Lower and upper ends of the vector. Raises `TypeMismatchError` where the bounds do not fit the unknowns."""
        if self.treedef is tree.LEAF and (hasattr(bounds, "lb") or self.shapes != [()]):
            return limits(bounds, self.n)
        ends: tuple[list[Any], list[Any]] = ([], [])
        for pair, shape in zip(_pairs(self.name, self.treedef, bounds), self.shapes, strict=True):
            for side, x, far in zip(ends, pair, (-np.inf, np.inf), strict=True):
                side.append(np.ravel(np.broadcast_to(real(far if x is None else x, self.name), shape)))
        return np.concatenate(ends[0]), np.concatenate(ends[1])

    @property
    def first(self) -> int:
        """Where the values of the functions begin among all."""
        return 1 + len(self.ends)

    def at(self, x: Any, values: Values) -> tuple[Any, Any]:
        """The function and its gradient."""
        value, slope = self.pair([x], values[self.first :])
        return value, slope

    def within(self, x: Any, values: Values) -> Any:
        """The nearest point within the bounds."""
        return np.clip(x, *values[1:3]) if self.ends else x

    def inward(self, x: Any, slope: Any, values: Values) -> Any:
        """What a step against the slope changes of each unknown, which is 0 at a minimum within the bounds."""
        return x - np.clip(x - slope, *values[1:3]) if self.ends else slope

    def free(self, x: Any, slope: Any, values: Values) -> Any:
        """Which unknowns are not held by a bound towards which the function falls; `None` without bounds."""
        if not self.ends:
            return None
        low, high = values[1:3]
        return np.logical_not(((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0)))

    def settled(self, x: Any, value: Any, slope: Any, values: Values, tol: float, at_start: Any) -> Any:
        """Whether the relative gradient is at most `tol` (Dennis and Schnabel, "Numerical Methods for Unconstrained
        Optimization and Nonlinear Equations", 1983, section 7.2). Sizes below 1 count as those of the start."""
        off = np.abs(self.inward(x, slope, values)) * np.maximum(np.abs(x), typical(values[0]))
        return np.max(off, initial=0.0) <= tol * np.maximum(np.abs(value), np.minimum(1.0, np.abs(at_start)))

    def begun(self, values: Values, tol: float) -> tuple[Any, Any, Any, Any]:
        """The start within the bounds, the function and its gradient there, and `status`."""
        x = self.within(values[0], values)
        value, slope = self.at(x, values)
        finite = np.isfinite(value) & np.all(np.isfinite(slope))
        done = self.settled(x, value, slope, values, tol, value)
        return x, value, slope, np.where(finite, np.where(done, CONVERGED, EXHAUSTED), INFINITE)

    def found(self, find: Find, implicit: bool) -> Any:
        """The result of `find(*values)`, with the derivative of the minimum, or of the iterations."""
        bounds = (lambda values: (values[1], values[2])) if self.ends else None
        if self.ends:
            low, high = self.ends
            check(
                np.all(low <= high), ValueError,
                f"{self.name}: an upper bound lies below its lower one{place()}, or one is NaN; give low <= high",
            )  # fmt: skip
        problem = MinimumProblem(lambda x, values: self.at(x, values)[1], bounds)
        if implicit:
            x, success, status, nit, nfev = problem.solved(self.name, find, self.values)
        else:
            x, success, status, nit, nfev = find(*self.values)
        value, slope = self.pair([x], self.functions.values)
        more = {"residuals": self.off([x], self.functions.values)[0]} if self.squares else {}
        return result(
            x=self.whole(x), fun=value, jac=self.whole(slope), success=success, status=status, message=MESSAGE,
            nit=nit, nfev=nfev, **more,
        )  # fmt: skip


def typical(x0: Any) -> Any:
    """How large unknowns count as at least, that start so."""
    return np.where(x0 == 0, 1.0, np.minimum(1.0, np.abs(x0)))


def _pairs(name: str, treedef: tree.TreeDef, bounds: Any) -> list[tuple[Any, Any]]:
    """The pair of bounds of each leaf. Raises `TypeMismatchError` where they do not fit the tree."""
    if bounds is None:
        return [(None, None)] * treedef.num_leaves
    if treedef is tree.LEAF or treedef.kind is None:
        if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
            raise TypeMismatchError(f"{name}: {bounds!r} bounds an array{place()}; give (low, high), None for no end")
        return [(bounds[0], bounds[1])]
    if isinstance(bounds, Mapping):
        keys = list(tree.unflatten(treedef, [0] * treedef.num_leaves)) if issubclass(treedef.kind, Mapping) else []
        unknown = [key for key in bounds if key not in keys]
        if unknown:
            raise TypeMismatchError(f"{name}: bounds of {unknown[0]!r}, which x0 does not have{place()}; it has {keys}")
        entries = [bounds.get(key) for key in keys]
    else:
        entries = list(bounds) if isinstance(bounds, (tuple, list)) else []
    if len(entries) != len(treedef.children):
        raise TypeMismatchError(
            f"{name}: bounds {bounds!r} for unknowns {treedef}{place()}; give the same tree with (low, high) for each "
            "array"
        )
    return [pair for child, entry in zip(treedef.children, entries, strict=True) for pair in _pairs(name, child, entry)]
