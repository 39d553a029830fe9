"""`graphad.scipy.interpolate`: SciPy's interpolating classes, differentiable in places and in values.

The classes take SciPy's arguments and give SciPy's numbers; without traced values they are SciPy's own. Piecewise
polynomials keep their coefficients as SciPy does, `c[k, i]` for `(x - x[i])**(K - k)` between `x[i]` and `x[i + 1]`.
The names that are not defined here are SciPy's.
"""

from __future__ import annotations

import itertools
import math
from importlib import import_module
from typing import Any

import numpy as np

from graphad.build import current_builder
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import axis_of, operand
from graphad.numpy.indexing import getitem
from graphad.numpy.selecting import take
from graphad.ops.checks import ensure
from graphad.ops.elementwise import cast
from graphad.ops.factors import SolveBanded
from graphad.scipy.arguments import holds_traced
from graphad.scipy.dispatch import namespace
from graphad.scipy.nodal import barycentric_interpolate, krogh_interpolate  # noqa: F401  (names of SciPy's module)
from graphad.types import COMPLEX128, FLOAT64, Array, ArrayLike

_traced, __getattr__ = namespace("scipy.interpolate")


class _Traced(type):
    """Makes a class stand for SciPy's of its name where nothing is traced."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if current_builder() is None and not holds_traced((args, kwargs)):
            return getattr(import_module("scipy.interpolate"), cls.__name__)(*args, **kwargs)
        return super().__call__(*args, **kwargs)


def _float(x: Array) -> Array:
    return cast(operand(x), FLOAT64)


def _number(y: Any) -> Array:
    """Values in double precision, complex or real."""
    y = operand(y)
    return cast(y, COMPLEX128 if y.dtype.kind == "c" else FLOAT64)


def _values(name: str, x: Array, y: Array, axis: int) -> tuple[Any, Any]:
    """Places, and values along the first axis."""
    x, y = _float(x), _number(y)
    y = np.moveaxis(y, axis_of(y, axis, name), 0)
    if x.ndim != 1 or x.shape[0] != y.shape[0] or x.shape[0] < 2:
        raise ShapeError(f"{name}: x {list(x.shape)} must be a vector of 2 or more, as many as y {list(y.shape)}")
    return x, y


def _tall(x: Array, like: Array) -> Array:
    """A vector along the first axis of an array of the rank of `like`."""
    return x.reshape(-1, *(1,) * (like.ndim - 1))


class PPoly(metaclass=_Traced):
    """SciPy's `PPoly`: coefficients `c[k, i, ...]` and breakpoints `x`."""

    def __init__(self, c: Array, x: Array, extrapolate: Any = True, axis: int = 0) -> None:
        self.c, self.x, self.extrapolate, self.axis = _number(c), _float(x), extrapolate, axis

    def __call__(self, x: Array, nu: int = 0, extrapolate: Any = None) -> Array:
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        at, first, last = _float(x), self.x[0], self.x[-1]
        if extrapolate == "periodic":
            at = first + (at - first) % (last - first)
        flat = at.reshape(-1)
        i = np.clip(np.searchsorted(self.x, flat, side="right") - 1, 0, self.x.shape[0] - 2)
        s = flat - take(self.x, i)
        s = s.reshape(-1, *(1,) * (self.c.ndim - 2))
        c = self.c
        for _ in range(nu):
            c = _derivative(c)
        out: Any = take(c[0], i, axis=0)
        for k in range(1, c.shape[0]):
            out = out * s + take(c[k], i, axis=0)
        if extrapolate is False:
            outside = np.logical_or(flat < first, flat > last)
            out = np.where(outside.reshape(s.shape), np.nan, out)
        out = out.reshape((*at.shape, *out.shape[1:]))
        rank = at.ndim
        return np.moveaxis(out, range(rank), range(self.axis, self.axis + rank)) if self.axis else out

    def derivative(self, nu: int = 1) -> Any:
        """The derivative of order `nu` as a piecewise polynomial."""
        c = self.c
        for _ in range(nu):
            c = _derivative(c)
        return PPoly(c, self.x, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> Any:
        """The antiderivative of order `nu`, continuous and 0 at the first breakpoint."""
        found = self
        for _ in range(nu):
            degree = found.c.shape[0]
            powers = np.arange(degree, 0, -1.0).reshape(-1, *(1,) * (found.c.ndim - 1))
            c = found.c / powers
            h = np.diff(found.x).reshape(-1, *(1,) * (c.ndim - 2))
            whole: Any = c[0]
            for k in range(1, degree):
                whole = whole * h + c[k]
            ends = np.cumsum(whole * h, axis=0)
            start = np.concatenate([np.zeros((1, *ends.shape[1:])), ends[:-1]])
            found = PPoly(np.concatenate([c, start[None]]), found.x, found.extrapolate, found.axis)
        return found

    def integrate(self, a: ArrayLike, b: ArrayLike, extrapolate: Any = None) -> Array:
        """The integral between two limits."""
        if (self.extrapolate if extrapolate is None else extrapolate) == "periodic":
            raise MissingRuleError(f"integrate: a periodic integral cannot be traced{place()}; take it over a period")
        whole = self.antiderivative()
        return whole(b, 0, extrapolate) - whole(a, 0, extrapolate)


def _derivative(c: Array) -> Array:
    degree = c.shape[0] - 1
    if degree == 0:
        return 0.0 * c
    return c[:-1] * np.arange(degree, 0, -1.0).reshape(-1, *(1,) * (c.ndim - 1))


class CubicHermiteSpline(PPoly):
    """SciPy's `CubicHermiteSpline`: values and slopes at the places."""

    def __init__(self, x: Array, y: Array, dydx: Array, axis: int = 0, extrapolate: Any = None) -> None:
        x, y = _values(type(self).__name__, x, y, axis)
        slopes = np.moveaxis(_number(dydx), axis, 0)
        self._hermite(x, y, slopes, axis, extrapolate)

    def _hermite(self, x: Array, y: Array, slopes: Array, axis: int, extrapolate: Any) -> None:
        h = _tall(np.diff(x), y)
        secant = np.diff(y, axis=0) / h
        bend = (slopes[:-1] + slopes[1:] - 2 * secant) / h
        c = np.stack([bend / h, (secant - slopes[:-1]) / h - bend, slopes[:-1], y[:-1]])
        super().__init__(c, x, True if extrapolate is None else extrapolate, axis)


class PchipInterpolator(CubicHermiteSpline):
    """SciPy's `PchipInterpolator`: slopes that keep the values monotone (Fritsch and Butland, 1984)."""

    def __init__(self, x: Array, y: Array, axis: int = 0, extrapolate: Any = None) -> None:
        x, y = _values("PchipInterpolator", x, _real("PchipInterpolator", y), axis)
        h = _tall(np.diff(x), y)
        secant = np.diff(y, axis=0) / h
        if x.shape[0] == 2:
            slopes = np.concatenate([secant, secant])
        else:
            left, right = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
            flat = np.logical_or(np.sign(secant[1:]) != np.sign(secant[:-1]), secant[1:] * secant[:-1] == 0)
            before, after = (np.where(flat, 1.0, s) for s in (secant[:-1], secant[1:]))
            inner = np.where(flat, 0.0, (left + right) / (left / before + right / after))
            first = _pchip_end(h[0], h[1], secant[0], secant[1])
            last = _pchip_end(h[-1], h[-2], secant[-1], secant[-2])
            slopes = np.concatenate([first[None], inner, last[None]])
        self._hermite(x, y, slopes, axis, extrapolate)


def _real(name: str, y: Array) -> Array:
    """Values that are real. Raises `TypeMismatchError` for complex ones, which have no order."""
    if operand(y).dtype.kind == "c":
        raise TypeMismatchError(f"{name}: complex values{place()} have no shape to keep; interpolate .real and .imag")
    return y


def _pchip_end(h0: Array, h1: Array, m0: Array, m1: Array) -> Array:
    """The slope at an end by three points, kept to the shape (Moler, Numerical Computing with MATLAB, 2004, 3.6)."""
    slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    turned = np.sign(slope) != np.sign(m0)
    steep = np.logical_and(np.sign(m0) != np.sign(m1), np.abs(slope) > 3.0 * np.abs(m0))
    return np.where(turned, 0.0, np.where(steep, 3.0 * m0, slope))


class Akima1DInterpolator(CubicHermiteSpline):
    """SciPy's `Akima1DInterpolator`, by the methods `"akima"` (Akima, 1970) and `"makima"`."""

    def __init__(
        self, x: Array, y: Array, axis: int = 0, *, method: str = "akima", extrapolate: Any = None
    ) -> None:
        x, y = _values("Akima1DInterpolator", x, _real("Akima1DInterpolator", y), axis)
        secant = np.diff(y, axis=0) / _tall(np.diff(x), y)
        if x.shape[0] == 2:
            m = np.concatenate([secant] * 5)
        else:
            before = 2 * secant[0] - secant[1]
            after = 2 * secant[-1] - secant[-2]
            m = np.concatenate(
                [(2 * before - secant[0])[None], before[None], secant, after[None], (2 * after - secant[-1])[None]]
            )
        change = np.abs(np.diff(m, axis=0))
        if method == "makima":
            mean = 0.5 * np.abs(m[1:] + m[:-1])
            first, second = change[2:] + mean[2:], change[:-2] + mean[:-2]
        else:
            first, second = change[2:], change[:-2]
        total = first + second
        small = total <= 1e-9 * np.max(total)
        middle = 0.5 * (m[3:] + m[:-3])
        weighted = (first * m[1:-2] + second * m[2:-1]) / np.where(small, 1.0, total)
        self._hermite(x, y, np.where(small, middle, weighted), axis, False if extrapolate is None else extrapolate)


class CubicSpline(CubicHermiteSpline):
    """SciPy's `CubicSpline`: twice continuously differentiable, with the conditions `bc_type` at the ends."""

    def __init__(self, x: Any, y: Any, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> None:
        x, y = _values("CubicSpline", x, y, axis)
        if extrapolate is None:
            extrapolate = "periodic" if bc_type == "periodic" else True
        self._hermite(x, y, _spline_slopes(x, y, bc_type), axis, extrapolate)


def _condition(bc: Any) -> tuple[Any, Any]:
    """Order and value of a condition at an end."""
    if isinstance(bc, str):
        known = {"natural": (2, 0.0), "clamped": (1, 0.0), "not-a-knot": (0, 0.0)}
        if bc not in known:
            raise MissingRuleError(f"CubicSpline: bc_type {bc!r} is none of {', '.join(known)}, periodic{place()}")
        return known[bc]
    return bc[0], bc[1]


def _spline_slopes(x: Array, y: Array, bc_type: Any) -> Array:
    """The slopes at the places, from continuous second derivatives (de Boor, A Practical Guide to Splines, IV)."""
    n = x.shape[0]
    h = np.diff(x)
    tall = _tall(h, y)
    secant = np.diff(y, axis=0) / tall
    right = 3 * (tall[1:] * secant[:-1] + tall[:-1] * secant[1:])
    if isinstance(bc_type, str) and bc_type == "periodic":
        return _periodic_slopes(y, h, tall, secant)
    ends = (bc_type, bc_type) if isinstance(bc_type, str) else bc_type
    (left_order, left), (right_order, last) = (_condition(bc) for bc in ends)
    left, last = (np.broadcast_to(_number(v), y.shape[1:]) for v in (left, last))
    if n == 2:
        left_order, left = (1, secant[0]) if left_order == 0 else (left_order, left)
        right_order, last = (1, secant[0]) if right_order == 0 else (right_order, last)
    if n == 3 and left_order == right_order == 0:
        # A parabola through three points.
        a, b = h[0], h[1]
        bend = (secant[1] - secant[0]) / (a + b)
        return np.stack([secant[0] - a * bend, secant[0] + a * bend, secant[1] + b * bend])
    one, zero = np.ones(1), np.zeros(1)

    def end(order: int, value: Array, a: Array, b: Array, near: Array, far: Array, sign: float) -> tuple[Any, Any, Any]:
        """Diagonal, neighbour and right-hand side of the equation at an end with intervals `a` and `b`."""
        if order == 1:
            return one, zero, value
        if order == 2:
            return 2 * a * one, a * one, 3 * a * near - sign * 0.5 * a**2 * value
        d = a + b
        return b * one, d * one, ((a + 2 * d) * b * near + a**2 * far) / d

    first = end(left_order, left, h[0], h[min(1, n - 2)], secant[0], secant[min(1, n - 2)], 1.0)
    final = end(right_order, last, h[-1], h[max(-2, 1 - n)], secant[-1], secant[max(-2, 1 - n)], -1.0)
    diagonal = np.concatenate([first[0], 2 * (h[:-1] + h[1:]), final[0]])
    upper = np.concatenate([zero, first[1], h[:-1]])
    lower = np.concatenate([h[1:], final[1], zero])
    b = np.concatenate([_flat(first[2][None]), _flat(right), _flat(final[2][None])])
    return SolveBanded(1, 1)(cast(np.stack([upper, diagonal, lower]), b.dtype), b).reshape(y.shape)


def _flat(v: Array) -> Array:
    """All axes but the first as one."""
    return v.reshape(v.shape[0], math.prod(v.shape[1:]))


def _periodic_slopes(y: Array, h: Array, tall: Array, secant: Array) -> Array:
    """The slopes where the last place is the first again: a cyclic system."""
    n = y.shape[0] - 1
    before = np.concatenate([tall[-1:], tall[:-1]])
    slope_before = np.concatenate([secant[-1:], secant[:-1]])
    right = 3 * (tall * slope_before + before * secant)
    previous = np.concatenate([h[-1:], h[:-1]])
    eye = np.eye(n)
    system = 2 * (previous + h)[:, None] * eye
    system = system + h[:, None] * np.roll(eye, -1, axis=1) + previous[:, None] * np.roll(eye, 1, axis=1)
    s = np.linalg.solve(system, _flat(right)).reshape(n, *y.shape[1:])
    return np.concatenate([s, s[:1]])


class interp1d(metaclass=_Traced):
    """SciPy's `interp1d` of the kinds linear, nearest, nearest-up, previous, next, zero and cubic."""

    def __init__(
        self, x: Array, y: Array, kind: Any = "linear", axis: int = -1, copy: bool = True,
        bounds_error: Any = None, fill_value: Any = np.nan, assume_sorted: bool = False,
    ) -> None:  # fmt: skip
        self.x, self.y = _values("interp1d", x, y, axis)
        self.axis = axis_of(operand(y), axis, "interp1d")
        if kind not in ("linear", "nearest", "nearest-up", "previous", "next", "zero", "cubic"):
            raise MissingRuleError(f"interp1d: kind={kind!r} cannot be traced{place()}; use linear or cubic")
        self.kind, self.fill = kind, fill_value
        self.inner: Any = None  # the spline of SciPy's own object
        extrapolates = isinstance(fill_value, str) and fill_value == "extrapolate"
        self.checks = not extrapolates if bounds_error is None else bounds_error
        if not assume_sorted:
            order = np.argsort(self.x)
            self.x, self.y = take(self.x, order), take(self.y, order, axis=0)

    def __call__(self, x: Array) -> Array:
        at = _float(x)
        flat = at.reshape(-1)
        n = self.x.shape[0]
        if self.checks:
            below, above = np.any(flat < self.x[0]), np.any(flat > self.x[-1])
            for outside, end in ((below, "below {}'s minimum"), (above, "above {}'s maximum")):
                message = f"A value in x_new is {end.format('the interpolation range')} value."
                ensure(np.logical_not(outside), (ValueError,), ValueError, message)
        if self.kind == "linear":
            i = np.clip(np.searchsorted(self.x, flat), 1, n - 1)
            low, high = take(self.x, i - 1), take(self.x, i)
            fraction = _tall((flat - low) / (high - low), self.y)
            a, b = take(self.y, i - 1, axis=0), take(self.y, i, axis=0)
            out = a + fraction * (b - a)
        elif self.kind == "cubic":
            out = CubicSpline(self.x, self.y)(flat)
        elif self.kind == "spline":
            out = self.inner(flat).reshape(flat.shape[0], *self.y.shape[1:])
        else:
            out = take(self.y, self._place(flat, n), axis=0)
        if not (isinstance(self.fill, str) and self.fill == "extrapolate"):
            below, above = self.fill if isinstance(self.fill, tuple) else (self.fill, self.fill)
            out = np.where(_tall(flat < self.x[0], out), below, np.where(_tall(flat > self.x[-1], out), above, out))
        out = out.reshape((*at.shape, *out.shape[1:]))
        return np.moveaxis(out, range(at.ndim), range(self.axis, self.axis + at.ndim)) if self.axis else out

    def _place(self, flat: Array, n: int) -> Array:
        if self.kind in ("previous", "zero"):
            i = np.searchsorted(self.x, flat, side="right") - 1
        elif self.kind == "next":
            i = np.searchsorted(self.x, flat, side="left")
        else:
            middle = (self.x[1:] + self.x[:-1]) / 2.0
            i = np.searchsorted(middle, flat, side="right" if self.kind == "nearest-up" else "left")
        return np.clip(i, 0, n - 1)


class RegularGridInterpolator(metaclass=_Traced):
    """SciPy's `RegularGridInterpolator` by the methods linear and nearest."""

    def __init__(
        self, points: Any, values: Array, method: str = "linear", bounds_error: bool = True, fill_value: Any = np.nan,
        *, solver: Any = None, solver_args: Any = None,
    ) -> None:  # fmt: skip
        self.grid = [_float(p) for p in points]
        self.values, self.method, self.fill, self.checks = _number(values), method, fill_value, bounds_error
        if method not in ("linear", "nearest"):
            raise MissingRuleError(
                f"RegularGridInterpolator: method={method!r} cannot be traced{place()}; use linear or nearest"
            )
        shape = self.values.shape[: len(self.grid)]
        if tuple(g.shape[0] for g in self.grid) != shape:
            raise ShapeError(f"RegularGridInterpolator: grids of {[g.size for g in self.grid]} for {list(shape)}")

    def __call__(self, xi: Any, method: Any = None, *, nu: Any = None) -> Any:
        """Values at points along the last axis, or in a tuple of arrays. What lies outside gets `fill_value`, or is
        extrapolated if that is None."""
        d = len(self.grid)
        if isinstance(xi, tuple):
            xi = np.stack(np.broadcast_arrays(*[_float(x) for x in xi]), axis=-1)
        else:
            xi = _float(xi)
            xi = xi.reshape(-1, d) if xi.ndim == 1 and xi.shape[0] % d == 0 else xi
        if xi.shape[-1] != d:
            raise ShapeError(f"RegularGridInterpolator: points of {xi.shape[-1]} coordinates on a grid of {d} axes")
        flat = xi.reshape(-1, d)
        places, fractions, outside = [], [], np.zeros(flat.shape[0], bool)
        for axis, g in enumerate(self.grid):
            x = flat[:, axis]
            if self.checks:
                message = f"One of the requested xi is out of bounds in dimension {axis}"
                inside = np.logical_not(np.any(np.logical_or(x < g[0], x > g[-1])))
                ensure(inside, (ValueError,), ValueError, message)
            i = np.clip(np.searchsorted(g, x) - 1, 0, g.shape[0] - 2)
            low, high = take(g, i), take(g, i + 1)
            places.append(i)
            fractions.append((x - low) / (high - low))
            outside = np.logical_or(outside, np.logical_or(x < g[0], x > g[-1]))
        tail = (1,) * (self.values.ndim - d)
        if (method or self.method) == "nearest":
            out = getitem(self.values, tuple([i + (f > 0.5) for i, f in zip(places, fractions, strict=True)]))
        else:
            out = 0.0
            for corner in itertools.product((0, 1), repeat=d):
                weight: Any = 1.0
                for f, c in zip(fractions, corner, strict=True):
                    weight = weight * (f if c else 1 - f)
                part = getitem(self.values, tuple([i + c for i, c in zip(places, corner, strict=True)]))
                out = out + weight.reshape(-1, *tail) * part
        if self.fill is not None:
            out = np.where(outside.reshape(-1, *tail), self.fill, out)
        return out.reshape(*xi.shape[:-1], *out.shape[1:])


def spline_pieces(x: Any) -> PPoly:
    """A B-spline as a piecewise polynomial: on each of its intervals it has the derivatives at the interval's start."""
    ends = np.unique(x.t[x.k : len(x.t) - x.k])
    terms = [np.moveaxis(x(ends[:-1], nu=x.k - m), x.axis, 0) / math.factorial(x.k - m) for m in range(x.k + 1)]
    return PPoly(np.stack(terms), ends, x.extrapolate, x.axis)


class Univariate:
    """`UnivariateSpline` and its kin, by knots, coefficients and degree, and what is outside."""

    def __init__(self, tck: Any, ext: Any) -> None:
        t, c, k = tck
        self.inner, self.ext = spline_pieces(import_module("scipy.interpolate").BSpline(t, c[: len(t) - k - 1], k)), ext

    def __call__(self, x: Any, nu: int = 0, ext: Any = None) -> Any:
        ext = self.ext if ext is None else ext
        ext = {"extrapolate": 0, "zeros": 1, "raise": 2, "const": 3}.get(ext, ext)
        at, (first, last) = operand(x), (self.inner.x[0], self.inner.x[-1])
        outside = np.logical_or(at < first, at > last)
        if ext == 2:
            ensure(~np.any(outside), (ValueError,), ValueError, "Error code returned by spev: 1")
        found = self.inner(np.clip(at, first, last) if ext == 3 else at, nu)
        return np.where(outside, 0.0, found) if ext == 1 else found

    def integral(self, a: Any, b: Any) -> Any:
        """The integral between two limits, outside of the knots of zero."""
        first, last = self.inner.x[0], self.inner.x[-1]
        return self.inner.integrate(np.clip(a, first, last), np.clip(b, first, last))


def splev(x: Any, tck: Any, der: int = 0, ext: int = 0) -> Any:
    """SciPy's `splev` of a spline of plain numbers, differentiable in the places."""
    if not holds_traced((x, tck)):
        return import_module("scipy.interpolate").splev(x, tck, der, ext)
    if holds_traced(tck):
        raise MissingRuleError(f"splev: a spline of traced numbers{place()}; use CubicSpline, which takes them")
    return Univariate(tck.tck if hasattr(tck, "tck") else tck, ext)(x, der)
