"""Transformations of samples towards a normal one, and how likely they make it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from graphad.api.call import ShapeDtype
from graphad.api.custom import custom_jvp, pure_callback
from graphad.api.derivatives import grad, jvp
from graphad.errors import ShapeError
from graphad.location import place
from graphad.ops.special.elementary import boxcox as _boxcox
from graphad.scipy.dispatch import namespace
from graphad.scipy.special import boxcox1p
from graphad.scipy.stats.samples import choose, real, unsupported, variance, without_nan
from graphad.types import Array, ArrayLike

_traced = namespace("scipy.stats")[0]


@_traced
def boxcox(x: ArrayLike, lmbda: ArrayLike | None = None, alpha: Any = None, optimizer: Any = None) -> Any:
    """SciPy's `boxcox`, differentiable in the sample and in `lmbda`; without it also the likeliest one is given."""
    (x,) = real("boxcox", x)
    if lmbda is not None:
        return _boxcox(x, lmbda)
    if alpha is not None or optimizer is not None:
        raise unsupported("boxcox", "alpha= or optimizer=", "leave them out")
    found = boxcox_normmax(x, method="mle")
    return _boxcox(x, found), found


@_traced
def yeojohnson(x: ArrayLike, lmbda: ArrayLike | None = None) -> Any:
    """SciPy's `yeojohnson`, differentiable in the sample and in `lmbda`; without it also the likeliest one is given."""
    (x,) = real("yeojohnson", x)
    if lmbda is not None:
        return _yeojohnson(x, lmbda)
    found = yeojohnson_normmax(x)
    return _yeojohnson(x, found), found


@_traced
def boxcox_normmax(
    x: ArrayLike, brack: Any = None, method: str = "pearsonr", optimizer: Any = None, *, ymax: Any = None
) -> Array:
    """SciPy's `boxcox_normmax` of greatest likelihood (`method="mle"`), differentiable in the sample."""
    choose("boxcox_normmax", "method", method, "mle")
    if optimizer is not None or ymax is not None:
        raise unsupported("boxcox_normmax", "optimizer= or ymax=", "leave them out")
    (x,) = real("boxcox_normmax", x)
    return _likeliest("boxcox_normmax", boxcox_llf, x, brack=brack, method="mle")


@_traced
def yeojohnson_normmax(x: ArrayLike, brack: Any = None) -> Array:
    """SciPy's `yeojohnson_normmax`, differentiable in the sample."""
    (x,) = real("yeojohnson_normmax", x)
    return _likeliest("yeojohnson_normmax", yeojohnson_llf, x, brack=brack)


def _likeliest(name: str, likelihood: Any, x: Any, **options: Any) -> Array:
    """The parameter that SciPy's search finds. It moves with the sample so that the slope of the likelihood stays 0."""

    if x.size < 2:
        raise ShapeError(f"scipy.stats.{name}: a sample of {x.size}{place()} has no likeliest parameter; give 2")

    def scipys(x: Array) -> Array:
        return np.asarray(getattr(import_module("scipy.stats"), name)(x, **options), x.dtype)

    def slope(parameter: Array, x: Array) -> Array:
        return grad(lambda p: likelihood(p, x, axis=None))(parameter)

    @custom_jvp
    def search(x: Array) -> Array:
        return pure_callback(scipys, ShapeDtype((), x.dtype), x)

    @search.defjvp
    def along(primals: Any, tangents: Any) -> Any:
        found = search(*primals)
        moved = jvp(lambda x: slope(found, x), primals, tangents)[1]
        return found, -moved / grad(slope)(found, *primals)

    return search(x)


def _yeojohnson(x: Any, lmbda: Any) -> Array:
    up, down = np.where(x >= 0, x, 0.0), np.where(x >= 0, 0.0, -x)
    return np.where(x >= 0, boxcox1p(up, lmbda), -boxcox1p(down, 2 - lmbda))


def _likelihood(name: str, data: Any, transform: Any, slopes: Any, options: tuple[Any, bool, str]) -> Array:
    """The log-likelihood of a normal distribution of the transformed sample, with the best mean and variance."""
    axis, keepdims, policy = options
    (x,) = real(name, data)
    (x,) = without_nan(name, [x], policy, False)
    x = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)
    found = slopes(x) - x.shape[-1] / 2 * np.log(variance(transform(x)))
    return np.expand_dims(found, tuple(range(np.ndim(data))) if axis is None else axis) if keepdims else found


@_traced
def boxcox_llf(
    lmb: Array, data: ArrayLike, *, axis: int | None = 0, keepdims: bool = False, nan_policy: str = "propagate"
) -> Array:
    """SciPy's `boxcox_llf`, differentiable in the parameter and the sample."""
    slopes = lambda x: (lmb - 1) * np.sum(np.log(x), axis=-1)
    return _likelihood("boxcox_llf", data, lambda x: _boxcox(x, lmb), slopes, (axis, keepdims, nan_policy))


@_traced
def yeojohnson_llf(
    lmb: Array, data: ArrayLike, *, axis: int | None = 0, nan_policy: str = "propagate", keepdims: bool = False
) -> Array:
    """SciPy's `yeojohnson_llf`, differentiable in the parameter and the sample."""
    slopes = lambda x: (lmb - 1) * np.sum(np.sign(x) * np.log1p(np.abs(x)), axis=-1)
    return _likelihood("yeojohnson_llf", data, lambda x: _yeojohnson(x, lmb), slopes, (axis, keepdims, nan_policy))
