"""SciPy's and NumPy's objects that were made of plain numbers, as what computes with traced values for them.

What a spline, an interpolator, a polynomial, a rotation or a frozen distribution was made of is constant in a trace;
its calls and methods are those of the classes of `graphad.scipy`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.conversion.functions import call
from graphad.errors import MissingRuleError
from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.scipy.interpolate import (
    PPoly,
    RegularGridInterpolator,
    Univariate,
    interp1d,
    spline_pieces,
)
from graphad.scipy.nodal import barycentric_interpolate
from graphad.scipy.sparse.linalg import Factors
from graphad.scipy.sparse.matrices import as_matrix

Maker = Callable[[Any], Any]


def traced_object(x: Any) -> Maker | None:
    """What makes an object for traced values of one of SciPy's or NumPy's, None where there is nothing."""
    for cls in type(x).__mro__:
        package = ".".join(cls.__module__.split(".")[:2])
        found = _MAKERS.get((package, cls.__name__))
        if found is not None:
            return found
    return None


def _piecewise(x: Any) -> PPoly:
    return PPoly(x.c, x.x, x.extrapolate, x.axis)


def _bernstein(x: Any) -> PPoly:
    from scipy.interpolate import PPoly as Plain

    return _piecewise(Plain.from_bernstein_basis(x))


def _interpolated(x: Any) -> interp1d:
    # Where it is extrapolated SciPy keeps NaN to fill in.
    fill = "extrapolate" if x._extrapolate else (x._fill_value_below, x._fill_value_above)
    spline = getattr(x, "_spline", None)
    found = interp1d(x.x, x.y, "linear" if spline else x._kind, x.axis, True, x.bounds_error, fill, True)
    if spline is not None:
        found.kind, found.inner = "spline", spline_pieces(spline)
    return found


def _grid(x: Any) -> RegularGridInterpolator:
    return RegularGridInterpolator(x.grid, x.values, x.method, x.bounds_error, x.fill_value)


def _barycentric(x: Any) -> Callable[..., Any]:
    values = np.moveaxis(x.yi.reshape(len(x.xi), *x._y_extra_shape), 0, x._y_axis)

    def at(points: Any, der: Any = None) -> Any:
        if der is not None and der != 0:
            raise MissingRuleError(f"BarycentricInterpolator: der={der!r} cannot be traced{place()}; use graphad.grad")
        return barycentric_interpolate(x.xi, values, points, axis=x._y_axis)

    return at


def _polynomial(x: Any) -> Callable[..., Any]:
    """A polynomial of one of NumPy's classes."""
    start, factor = x.mapparms()
    return lambda at: call(type(x)._val)(start + factor * operand(at), x.coef)


class _Rotation:
    """`Rotation`, or a stack of them."""

    def __init__(self, x: Any) -> None:
        self.matrix = x.as_matrix()

    def apply(self, vectors: Any, inverse: bool = False) -> Any:
        """The vectors rotated."""
        matrix = np.swapaxes(self.matrix, -1, -2) if inverse else self.matrix
        return np.sum(matrix * operand(vectors)[..., None, :], axis=-1)


class _Normal:
    """A frozen `multivariate_normal`."""

    def __init__(self, x: Any) -> None:
        self.inner = x

    def logpdf(self, x: Any) -> Any:
        """The logarithm of the density."""
        from graphad.scipy.stats import multivariate_normal

        return multivariate_normal.logpdf(x, self.inner.mean, self.inner.cov)

    def pdf(self, x: Any) -> Any:
        """The density."""
        return np.exp(self.logpdf(x))


class _Density:
    """`gaussian_kde`."""

    def __init__(self, x: Any) -> None:
        self.data, self.weights = x.dataset, x.weights
        self.white = np.linalg.inv(np.linalg.cholesky(x.covariance))
        self.scale = np.sum(np.log(np.diag(self.white))) - x.d * math.log(2 * math.pi) / 2

    def logpdf(self, x: Any) -> Any:
        """The logarithm of the density at points that are columns."""
        from graphad.scipy.special import logsumexp

        x = operand(x)
        points = x.reshape(self.data.shape[0], -1)
        apart = self.white @ (points[:, None, :] - self.data[:, :, None]).reshape(self.data.shape[0], -1)
        terms = (-0.5 * np.sum(apart**2, axis=0)).reshape(-1, points.shape[1])
        return logsumexp(terms + self.scale + np.log(self.weights)[:, None], axis=0)

    def evaluate(self, x: Any) -> Any:
        """The density at points that are columns."""
        return np.exp(self.logpdf(x))

    __call__ = pdf = evaluate


def _factors(x: Any) -> Factors:
    """What `splu` gives: `Pr A Pc = L U` says which matrix it was."""
    turned = x.L @ x.U
    return Factors(as_matrix(turned[x.perm_r][:, x.perm_c]))


_MAKERS: dict[tuple[str, str], Maker] = {
    ("scipy.interpolate", "PPoly"): _piecewise, ("scipy.interpolate", "BPoly"): _bernstein,
    ("scipy.interpolate", "BSpline"): spline_pieces,
    ("scipy.interpolate", "UnivariateSpline"): lambda x: Univariate(x._eval_args, x.ext),
    ("scipy.interpolate", "interp1d"): _interpolated, ("scipy.interpolate", "RegularGridInterpolator"): _grid,
    ("scipy.interpolate", "BarycentricInterpolator"): _barycentric, ("scipy.spatial", "Rotation"): _Rotation,
    ("numpy.polynomial", "ABCPolyBase"): _polynomial, ("builtins", "SuperLU"): _factors,
    ("scipy.stats", "multivariate_normal_frozen"): _Normal, ("scipy.stats", "gaussian_kde"): _Density,
}  # fmt: skip

__all__ = ["traced_object"]
