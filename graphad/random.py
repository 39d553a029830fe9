"""`graphad.random`: random numbers from explicit keys, the same in every executor and under every transformation.

A key is an array of two 64-bit words: it goes through `jit`, `vmap` and `scan` as any array does. The same key gives
the same numbers; `split` makes new keys of it, and `fold_in` one for each number. Names and arguments are those of
`jax.random`, the numbers are not: they come from Philox (`graphad.ops.random`), distributions from their quantiles, so
that one uniform number makes one of the distribution, and samples have derivatives in the parameters: by location and
scale, and for gamma, beta and their kin by the implicit derivative of the quantile (Figurnov, Mohamed and Mnih,
"Implicit reparameterization gradients", 2018).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.selecting import take
from graphad.ops.elementwise import cast
from graphad.ops.random import U64, RandomBits
from graphad.ops.special.beta import betaincinv
from graphad.ops.special.distributions import bdtrik, pdtrik
from graphad.ops.special.error import ndtr, ndtri
from graphad.ops.special.gamma import gammaincc, gammaincinv
from graphad.ops.special.statistical import bdtr, stdtrit
from graphad.ops.stop_gradient import StopGradient
from graphad.trace import Tracer

_DRAW, _SPLIT, _FOLD = 0, 1, 2


def _array(x: Any, dtype: Any = None) -> Any:
    if not isinstance(x, Tracer):
        return np.asarray(x, dtype)
    return x if dtype is None or x.dtype == dtype else cast(x, dtype)


def _words(key: Any, size: int, domain: int, start: Any = 0) -> Any:
    key = _array(key)
    if key.shape != (2,) or key.dtype != U64:
        kind = f"{key.dtype}{list(key.shape)}"
        raise TypeMismatchError(
            f"a key is an array of two uint64, not {kind}{place()}; make one with "
            "graphad.random.key(seed), and map over several with graphad.vmap"
        )
    return RandomBits(size, domain)(key, _array(start, U64))


def _size(shape: Any) -> tuple[tuple[int, ...], int]:
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    return tuple(int(n) for n in shape), math.prod(shape)


def _shape(shape: Any, *parameters: Any) -> tuple[int, ...]:
    """The shape asked for, or that of the parameters, which must broadcast to it."""
    common: tuple[int, ...] = np.broadcast_shapes(*[np.shape(p) for p in parameters])
    if shape is None:
        return common
    shape = _size(shape)[0]
    fits = len(common) <= len(shape) and all(a in (1, b) for a, b in zip(common[::-1], shape[::-1], strict=False))
    if not fits:
        raise ShapeError(
            f"shape {list(shape)} is not one that parameters of shape {list(common)} broadcast to"
            f"{place()}"
        )
    return tuple(shape)


# -- keys ---------------------------------------------------------------------------------------------------------


def key(seed: Any) -> Any:
    """A key of a seed, an integer of 64 bits (traced ones too). Equal seeds make equal keys."""
    if isinstance(seed, Tracer):
        return np.stack([cast(seed, U64), np.zeros((), U64)])
    return np.array([int(seed) % 2**64, 0], U64)


PRNGKey = key


def split(key: Any, num: int = 2) -> Any:
    """`num` new keys, `[num, 2]`, that are independent of each other and of the numbers drawn with `key`."""
    return _words(key, 2 * num, _SPLIT).reshape(num, 2)


def fold_in(key: Any, data: Any) -> Any:
    """A new key of a key and an integer, such as the number of an iteration."""
    return _words(key, 2, _FOLD, data)


def bits(key: Any, shape: Any = (), dtype: Any = np.uint64) -> Any:
    """Uniformly distributed unsigned integers of 8, 16, 32 or 64 bits."""
    shape, n = _size(shape)
    kind = np.dtype(dtype)
    words = _words(key, n, _DRAW).reshape(shape)
    return words if kind == U64 else cast(words >> U64.type(64 - 8 * kind.itemsize), kind)


# -- uniform numbers ----------------------------------------------------------------------------------------------


def _unit(key: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Uniform multiples of 2**-53 (2**-24 for float32) in [0, 1)."""
    kind = np.dtype(dtype)
    digits = {8: 53, 4: 24, 2: 11}[kind.itemsize]
    words = _words(key, math.prod(shape), _DRAW).reshape(shape)
    return cast(words >> U64.type(64 - digits), kind) * kind.type(2.0**-digits)


def _open(key: Any, shape: tuple[int, ...], dtype: Any = float) -> Any:
    """Uniform numbers in (0, 1): midpoints of the intervals of `_unit`, in double precision."""
    return cast(_unit(key, shape, np.float64) + 2.0**-54, dtype)


def uniform(key: Any, shape: Any = (), dtype: Any = float, minval: Any = 0.0, maxval: Any = 1.0) -> Any:
    """Uniform in `[minval, maxval)`, differentiable in both."""
    shape = _shape(_size(shape)[0], minval, maxval)
    unit = _unit(key, shape, dtype)
    plain = all(isinstance(x, float) for x in (minval, maxval)) and (minval, maxval) == (0.0, 1.0)
    return unit if plain else minval + unit * (_array(maxval) - minval)


def randint(key: Any, shape: Any, minval: Any, maxval: Any, dtype: Any = np.int64) -> Any:
    """Integers in `[minval, maxval)`; the probabilities differ by `2**-64` times their number at most."""
    shape = _shape(_size(shape)[0], minval, maxval)
    low, high = _array(minval, np.int64), _array(maxval, np.int64)
    span = cast(np.maximum(high - low, 1), U64)
    words = _words(key, math.prod(shape), _DRAW).reshape(shape)
    return cast(low + cast(words % span, np.int64), dtype)


def bernoulli(key: Any, p: Any = 0.5, shape: Any = None) -> Any:
    """Truth values that hold with probability `p`."""
    return _unit(key, _shape(shape, p), float) < p


def rademacher(key: Any, shape: Any = (), dtype: Any = int) -> Any:
    """1 and -1 with equal probability."""
    return cast(2 * cast(bernoulli(key, 0.5, shape), np.int64) - 1, dtype)


def permutation(key: Any, x: Any, axis: int = 0, independent: bool = False) -> Any:
    """A random order of `range(x)`, or of the slices of an array along `axis` (of each row with `independent`)."""
    if isinstance(x, (int, np.integer)):
        x = np.arange(x)
    x = _array(x)
    if independent:
        order = np.argsort(_words(key, x.size, _DRAW).reshape(x.shape), axis=axis)
        return np.take_along_axis(x, order, axis)
    return take(x, np.argsort(_words(key, x.shape[axis], _DRAW)), axis=axis)


def choice(key: Any, a: Any, shape: Any = (), replace: bool = True, p: Any = None, axis: int = 0) -> Any:
    """Entries of `range(a)` or of an array along `axis`, with probabilities `p`, which need not be normalised."""
    a = np.arange(a) if isinstance(a, (int, np.integer)) else _array(a)
    n = a.shape[axis]
    shape, count = _size(shape)
    if not replace and count > n:
        raise ShapeError(f"choice: {count} of {n} entries cannot be drawn without replacement{place()}")
    if not replace:
        scores = _words(key, n, _DRAW) if p is None else -np.log(_array(p)) - gumbel(key, (n,))
        places = np.argsort(scores)[:count].reshape(shape)
    elif p is None:
        places = randint(key, shape, 0, n)
    else:
        ends = np.cumsum(_array(p))
        places = np.minimum(np.searchsorted(ends, _unit(key, (count,), float) * ends[-1], side="right"), n - 1)
        places = places.reshape(shape)
    return take(a, places, axis=axis)


def categorical(key: Any, logits: Any, axis: int = -1, shape: Any = None) -> Any:
    """Places along `axis` with probabilities proportional to `exp(logits)`; `shape` is that of the result."""
    logits = np.moveaxis(_array(logits), axis, -1)
    shape = _shape(shape, logits[..., 0])
    return np.argmax(logits + gumbel(key, (*shape, logits.shape[-1])), axis=-1)


def _held(x: Any) -> Any:
    """The parameter of a distribution of integers, which have no derivative."""
    return StopGradient()(x) if isinstance(x, Tracer) else x


# -- distributions of location and scale --------------------------------------------------------------------------


def normal(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    """Normal with mean 0 and variance 1."""
    return cast(ndtri(_open(key, _size(shape)[0])), dtype)


def exponential(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    """Exponential with mean 1."""
    return cast(-np.log(_open(key, _size(shape)[0])), dtype)


def cauchy(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    return cast(np.tan(math.pi * (_open(key, _size(shape)[0]) - 0.5)), dtype)


def laplace(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    u = _open(key, _size(shape)[0])
    return cast(np.where(u < 0.5, np.log(2 * np.minimum(u, 0.5)), -np.log(2 * (1 - np.maximum(u, 0.5)))), dtype)


def logistic(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    u = _open(key, _size(shape)[0])
    return cast(np.log(u) - np.log1p(-u), dtype)


def gumbel(key: Any, shape: Any = (), dtype: Any = float) -> Any:
    """Gumbel's distribution of maxima, with location 0 and scale 1."""
    return cast(-np.log(-np.log(_open(key, _size(shape)[0]))), dtype)


def lognormal(key: Any, sigma: Any = 1.0, shape: Any = None, dtype: Any = float) -> Any:
    """`exp(sigma z)` with a normal `z`."""
    return np.exp(_array(sigma) * normal(key, _shape(shape, sigma), dtype))


def rayleigh(key: Any, scale: Any = 1.0, shape: Any = None, dtype: Any = float) -> Any:
    return _array(scale) * np.sqrt(2 * exponential(key, _shape(shape, scale), dtype))


def weibull_min(key: Any, scale: Any, concentration: Any, shape: Any = None, dtype: Any = float) -> Any:
    return _array(scale) * exponential(key, _shape(shape, scale, concentration), dtype) ** (1 / _array(concentration))


def pareto(key: Any, b: Any, shape: Any = None, dtype: Any = float) -> Any:
    return np.exp(exponential(key, _shape(shape, b), dtype) / b)


def triangular(key: Any, left: Any, mode: Any, right: Any, shape: Any = None, dtype: Any = float) -> Any:
    u = _open(key, _shape(shape, left, mode, right), dtype)
    low, high = _array(mode) - left, _array(right) - mode
    split_at = low / (low + high)
    rising = left + np.sqrt(np.minimum(u, split_at) * low * (low + high))
    falling = right - np.sqrt((1 - np.maximum(u, split_at)) * high * (low + high))
    return np.where(u < split_at, rising, falling)


def truncated_normal(key: Any, lower: Any, upper: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Normal between two bounds; beyond some 8 standard deviations from 0 the bounds are all that is left of it."""
    shape = _shape(shape, lower, upper)
    u = _open(key, shape)
    low, high = ndtr(_array(lower, float)), ndtr(_array(upper, float))
    return cast(np.clip(ndtri(low + u * (high - low)), lower, upper), dtype)


def multivariate_normal(
    key: Any, mean: Any, cov: Any, shape: Any = None, dtype: Any = float, method: str = "cholesky"
) -> Any:
    """Normal vectors along the last axis, by a factor of the covariance: `"cholesky"`, `"eigh"` or `"svd"`."""
    mean, cov = _array(mean), _array(cov)
    lead = np.broadcast_shapes(mean.shape[:-1], cov.shape[:-2]) if shape is None else _size(shape)[0]
    if method == "cholesky":
        factor = np.linalg.cholesky(cov)
    elif method == "eigh":
        w, v = np.linalg.eigh(cov)
        factor = v * np.sqrt(w)[..., None, :]
    else:
        u, s, _ = np.linalg.svd(cov)
        factor = u * np.sqrt(s)[..., None, :]
    z = normal(key, (*lead, mean.shape[-1]), dtype)
    return mean + np.einsum("...ij,...j->...i", factor, z)


# -- by quantiles -------------------------------------------------------------------------------------------------


def gamma(key: Any, a: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Gamma with shape `a` and scale 1, differentiable in `a`."""
    shape = _shape(shape, a)
    return cast(gammaincinv(np.broadcast_to(_array(a, float), shape), _open(key, shape)), dtype)


def beta(key: Any, a: Any, b: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Beta with parameters `a` and `b`, differentiable in both."""
    shape = _shape(shape, a, b)
    return cast(betaincinv(_array(a, float), _array(b, float), _open(key, shape)), dtype)


def chisquare(key: Any, df: Any, shape: Any = None, dtype: Any = float) -> Any:
    return 2 * gamma(key, _array(df) / 2, shape, dtype)


def f(key: Any, dfnum: Any, dfden: Any, shape: Any = None, dtype: Any = float) -> Any:
    z = beta(key, _array(dfnum) / 2, _array(dfden) / 2, shape, dtype)
    return dfden * z / (dfnum * (1 - z))


def t(key: Any, df: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Student's distribution with `df` degrees of freedom, differentiable in `df`."""
    shape = _shape(shape, df)
    return cast(stdtrit(_array(df, float), _open(key, shape)), dtype)


def dirichlet(key: Any, alpha: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Dirichlet vectors along the last axis, differentiable in `alpha`; `shape` is that of the other axes."""
    alpha = _array(alpha, float)
    lead = alpha.shape[:-1] if shape is None else _size(shape)[0]
    x = gamma(key, alpha, (*lead, alpha.shape[-1]), dtype)
    return x / np.sum(x, axis=-1, keepdims=True)


def poisson(key: Any, lam: Any, shape: Any = None, dtype: Any = np.int64) -> Any:
    """Poisson with mean `lam`, by the quantile; it has no derivative."""
    shape = _shape(shape, lam)
    u, lam = _open(key, shape), _held(np.broadcast_to(_array(lam, float), shape))
    k = np.ceil(pdtrik(u, lam))
    below = np.maximum(k - 1, 0.0)
    return cast(np.where(np.logical_and(k > 0, gammaincc(below + 1.0, lam) >= u), below, np.maximum(k, 0.0)), dtype)


def binomial(key: Any, n: Any, p: Any, shape: Any = None, dtype: Any = float) -> Any:
    """Binomial with `n` trials of probability `p`, by the quantile; it has no derivative."""
    shape = _shape(shape, n, p)
    u = _open(key, shape)
    n, p = (_held(np.broadcast_to(_array(x, float), shape)) for x in (n, p))
    k = np.clip(np.ceil(bdtrik(u, n, p)), 0.0, n)
    below = np.maximum(k - 1, 0.0)
    return cast(np.where(np.logical_and(k > 0, bdtr(below, n, p) >= u), below, k), dtype)


def geometric(key: Any, p: Any, shape: Any = None, dtype: Any = np.int64) -> Any:
    """The number of trials of probability `p` up to the first success."""
    shape = _shape(shape, p)
    return cast(np.floor(exponential(key, shape) / -np.log1p(-_array(p, float))) + 1, dtype)
