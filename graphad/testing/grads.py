"""`check_grads`: a function's derivatives against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.call import argument_type, check_callable, converted, integer, is_traceable, scalar_type
from graphad.api.derivatives import jvp, vjp
from graphad.errors import TypeMismatchError
from graphad.location import place
from graphad.testing.numeric import central_difference, inner, precision, random_like
from graphad.tracebacks import boundary

_TOLERANCE = {2: 1e-1, 4: 1e-2, 8: 1e-5}
"""Default tolerance, absolute and relative, by the bytes of a real number."""


@boundary
def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Compare derivatives of `f` at `args`, up to the given order, with central differences along random directions.

    Forward mode is compared result by result, reverse mode by `<ct, jvp(t)> == <vjp(ct), t>`; each higher order checks
    the derivative of the derivative. `args` are trees; what in them is not of floating point stays as it is. `eps` is
    the step of the differences (default: the cube root of the arguments' machine epsilon, where truncation and rounding
    balance), the tolerances default to 1e-5 in double precision and 1e-2 in single.

    Raises `AssertionError` naming the order, the mode and the numbers that differ, `ValueError` for an unknown mode,
    `TypeMismatchError` where nothing is of floating point.
    """
    check_callable("check_grads", f)
    known = isinstance(modes, Iterable) and not isinstance(modes, str) and all([m in ("fwd", "rev") for m in modes])
    if not known or integer("check_grads: order", order) < 1:
        raise ValueError(f"check_grads: modes are 'fwd' and 'rev' and order is at least 1, not {modes} and {order}")
    for name, x in (("atol", atol), ("rtol", rtol), ("eps", eps)):
        if x is not None:
            scalar_type(f"check_grads: {name}", x, "iuf")
    if not isinstance(args, (tuple, list)):
        raise TypeMismatchError(
            f"check_grads: args is a {type(args).__name__}{place()}, and should be a tuple; write (x,) for one argument"
        )
    chosen: list[Any] = []
    treedef = tree.flatten_some(tuple(args), chosen, _is_floating)
    if not chosen:
        raise TypeMismatchError(f"check_grads: no argument is of floating point{place()}; pass floats (3.0)")
    leaves = [np.asarray(x) for x in chosen]
    lowest = precision(*leaves)
    width = min((np.finfo(x.dtype).dtype.itemsize for x in leaves if x.dtype.kind in "fc"), default=8)
    default = _TOLERANCE[width]
    check = _Check(
        eps if eps is not None else lowest ** (1 / 3),
        atol if atol is not None else default,
        rtol if rtol is not None else default,
        tuple(modes),
    )

    @wraps(f)
    def of_chosen(*xs: Any) -> Any:
        return converted(f)(*tree.unflatten(treedef, xs))

    check(of_chosen, tuple(chosen), order, getattr(f, "__name__", "f"))


def _is_floating(x: Any) -> bool:
    return is_traceable(x) and argument_type(x).differentiable


class _Check:
    def __init__(self, step: float, atol: float, rtol: float, modes: tuple[str, ...]) -> None:
        self.step, self.atol, self.rtol, self.modes = step, atol, rtol, modes
        self.rng = np.random.default_rng(0)

    def __call__(self, f: Callable[..., Any], args: tuple[Any, ...], order: int, name: str) -> None:
        if "fwd" in self.modes:
            self.forward(f, args, name)
            if order > 1:
                n = len(args)
                extended = (*args, *self._direction(args))
                self(lambda *xs: jvp(f, xs[:n], xs[n:])[1], extended, order - 1, f"jvp of {name}")
        if "rev" in self.modes:
            self.reverse(f, args, name)
            if order > 1:
                self(lambda *xs: _pull_back_result(f, xs), args, order - 1, f"vjp of {name}")

    def forward(self, f: Callable[..., Any], args: tuple[Any, ...], name: str) -> None:
        """Compare the directional derivative with differences."""
        direction = self._direction(args)
        value, tangent = jvp(f, args, direction)
        self._close(value, f(*args), f"the value that jvp gives of {name}")
        expected = self._numeric(f, args, direction)
        self._close(tangent, tree.unflatten(tree.structure(tangent), expected), f"forward mode: jvp of {name}")

    def reverse(self, f: Callable[..., Any], args: tuple[Any, ...], name: str) -> None:
        """Compare the pullback of a random cotangent with differences by their dot products."""
        direction = self._direction(args)
        value, pullback = vjp(f, *args)
        self._close(value, f(*args), f"the value that vjp gives of {name}")
        ct = tree.map(lambda x: self._random(x), value)
        found, size = inner(tree.leaves(pullback(ct)), tree.leaves(direction))
        expected, other = inner(tree.leaves(ct), self._numeric(f, args, direction))
        if not abs(found - expected) <= self.atol + self.rtol * max(abs(expected), size, other):
            raise AssertionError(
                f"reverse mode: vjp of {name}: <vjp(ct), t> = {found!r}, but <ct, df(t)> = {expected!r} by differences "
                f"(atol {self.atol:g}, rtol {self.rtol:g}, eps {self.step:g})"
            )

    def _numeric(self, f: Callable[..., Any], args: tuple[Any, ...], direction: Any) -> list[Any]:
        leaves, treedef = tree.flatten(args)
        moved = [np.asarray(x) for x in leaves]
        return central_difference(
            lambda points: tree.leaves(
                f(*tree.unflatten(treedef, [np.asarray(p, x.dtype)[()] for p, x in zip(points, moved, strict=True)]))
            ),
            moved,
            tree.leaves(direction),
            self.step,
        )

    def _direction(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return tree.map(self._random, args)  # type: ignore[no-any-return]

    def _random(self, x: Any) -> Any:
        return random_like(self.rng, x)[()] if np.asarray(x).dtype.kind in "fc" else np.zeros(np.shape(x))[()]

    def _close(self, found: Any, expected: Any, what: str) -> None:
        for path, a, b in zip(tree.paths(found, "out"), tree.leaves(found), tree.leaves(expected), strict=True):
            a, b = np.asarray(a), np.asarray(b)
            if a.shape == b.shape and np.allclose(a, b, self.rtol, self.atol, equal_nan=True):
                continue
            worst = f"largest difference {np.max(np.abs(a - b)):.3g}" if a.shape == b.shape else "shapes differ"
            raise AssertionError(
                f"{what}: {path} is\n{a}\nbut differences (or plain NumPy) give\n{b}\n{worst} "
                f"(atol {self.atol:g}, rtol {self.rtol:g}, eps {self.step:g})"
            )


def _pull_back_result(f: Callable[..., Any], xs: tuple[Any, ...]) -> Any:
    value, pullback = vjp(f, *xs)
    return pullback(value)
