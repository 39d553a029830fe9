"""Polynomials through points: a part of `graphad.scipy.interpolate`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import axis_of, known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.trace import Tracer
from graphad.types import COMPLEX128, FLOAT64, Array

_traced, __getattr__ = namespace("scipy.interpolate")


class _Points:
    """The places, the values as columns, and where a polynomial is wanted; `shaped` undoes the columns."""

    def __init__(self, name: str, xi: Any, yi: Any, x: Any, axis: Any) -> None:
        self.xi, y, x = cast(operand(xi), FLOAT64).reshape(-1), operand(yi), cast(operand(x), FLOAT64)
        y = cast(y, COMPLEX128 if y.dtype.kind == "c" else FLOAT64)
        self.axis = axis_of(y, axis, name) if y.ndim else 0
        y = np.moveaxis(y, self.axis, 0) if y.ndim else y.reshape(1)
        self.n = self.xi.shape[0]
        if y.shape[0] != self.n or not self.n:
            raise ShapeError(f"{name}: {self.n} places for values of shape {list(y.shape)} along the axis{place()}")
        self.rest, self.at = y.shape[1:], x.shape
        self.y, self.x = y.reshape(self.n, -1), x.reshape(-1, 1)

    def shaped(self, found: Any) -> Any:
        """Values at the points, a row for each, with the axes of the points where that of the values was."""
        found = found.reshape(*self.at, *self.rest)
        rank = len(self.at)
        return np.moveaxis(found, range(rank), range(self.axis, self.axis + rank)) if self.axis and rank else found


def _repeats(name: str, points: _Points) -> list[int]:
    """For each place how many of the places before it are known to be the same, all of which stand beside it."""
    places = known(points.xi)
    found = [0] * points.n
    if places is None:
        return found
    for k in range(1, points.n):
        found[k] = found[k - 1] + 1 if places[k] == places[k - 1] else 0
        if np.count_nonzero(places[:k] == places[k]) != found[k]:
            raise ValueError(f"{name}: equal places{place()} must stand beside each other")
    if any(found) and isinstance(points.xi, Tracer):
        raise MissingRuleError(f"{name}: places that repeat have no derivative{place()}; give known ones")
    return found


def _newton(name: str, points: _Points) -> list[Any]:
    """The coefficients of Newton's form, by divided differences. Where a place repeats, its values are derivatives
    (Krogh, Efficient algorithms for polynomial interpolation and numerical differentiation, 1970)."""
    xi, repeats = points.xi, _repeats(name, points)
    coefficients = [points.y[0]]
    row: list[Any] = [None] * points.n
    for k in range(1, points.n):
        s = repeats[k]
        row[0] = points.y[k] / math.factorial(s)
        for i in range(k - s):
            row[i + 1] = ((coefficients[i] if s == 0 else row[i + 1]) - row[i]) / (xi[i] - xi[k])
        coefficients.append(row[k - s])
    return coefficients


def _derivatives(coefficients: list[Any], xi: Array, x: Array, count: int) -> list[Any]:
    """The polynomial of Newton's form and its first derivatives, by Horner's rule."""
    found: list[Any] = [np.zeros((x.shape[0], coefficients[0].shape[0]), coefficients[0].dtype)] * count
    for k in range(len(coefficients) - 1, -1, -1):
        w = x - xi[k]
        for d in range(count - 1, 0, -1):
            found[d] = found[d] * w + d * found[d - 1]
        found[0] = found[0] * w + coefficients[k]
    return found


def _of_order(name: str, points: _Points, der: Any) -> Array:
    orders = np.asarray(der)
    if orders.dtype.kind not in "iu" or np.any(orders < 0):
        raise ValueError(f"{name}: der={der!r}{place()} must be orders of derivatives, 0 or more")
    found = _derivatives(_newton(name, points), points.xi, points.x, int(orders.max(initial=0)) + 1)
    if orders.ndim == 0:
        return points.shaped(found[int(orders)])
    return np.stack([points.shaped(found[d]) for d in orders.tolist()])


@_traced
def krogh_interpolate(xi: Any, yi: Any, x: Any, der: Any = 0, axis: int = 0) -> Any:
    """SciPy's `krogh_interpolate`, differentiable in places, values and points.

    Places that are not known while tracing are taken as different.
    """
    return _of_order("krogh_interpolate", _Points("krogh_interpolate", xi, yi, x, axis), der)


@_traced
def barycentric_interpolate(xi: Any, yi: Any, x: Any, axis: int = 0, *, der: Any = 0, rng: Any = None) -> Any:
    """SciPy's `barycentric_interpolate`, differentiable in places, values and points, at the places too.

    The polynomial is a sum of Lagrange's, each a product of distances, which are scaled as SciPy scales them.
    """
    points = _Points("barycentric_interpolate", xi, yi, x, axis)
    if not isinstance(der, int) or der != 0:
        return _of_order("barycentric_interpolate", points, der)
    places, n = points.xi, points.n
    scale = 4.0 / (np.max(places) - np.min(places)) if n > 1 else 1.0
    between = np.where(np.eye(n, dtype=bool), 1.0, scale * (places[:, None] - places))
    distances = scale * (points.x - places)
    one = np.ones((points.x.shape[0],))
    before, after = [one], [one]
    for k in range(n - 1):
        before.append(before[-1] * distances[:, k])
        after.append(after[-1] * distances[:, n - 1 - k])
    basis = np.stack([a * b for a, b in zip(before, reversed(after), strict=True)], -1) / np.prod(between, -1)
    return points.shaped(basis @ points.y)
