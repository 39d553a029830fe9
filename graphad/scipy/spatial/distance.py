"""`graphad.scipy.spatial.distance`: distances of traced vectors, and of all pairs of rows.

Each distance is written for vectors along the last axis, so that pairs of rows are one call that broadcasts. Those of
truth values are computed, as SciPy does for two vectors, by products that make sense for numbers too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.api.call import converted
from graphad.errors import MissingRuleError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, known, operand
from graphad.ops.elementwise import cast
from graphad.scipy.dispatch import namespace
from graphad.trace import Tracer
from graphad.types import FLOAT64, Array, ArrayLike

_traced, __getattr__ = namespace("scipy.spatial.distance")


# -- arguments ----------------------------------------------------------------------------------------------------


def _vector(x: Array, name: str, what: str) -> Array:
    x = operand(x)
    if x.ndim != 1:
        raise ShapeError(f"{name}: {what} of shape {list(x.shape)}{place()} must be a vector")
    return cast(x, float_dtype(x))


def _weights(w: Any, name: str) -> Array | None:
    if w is None:
        return None
    w = cast(_vector(w, name, "w"), FLOAT64)
    values = known(w)
    if values is not None and np.any(values < 0):
        raise ValueError(f"{name}: weights w{place()} must not be negative")
    return w


def _two(name: str, u: Any, v: Any) -> tuple[Any, Any]:
    u, v = _vector(u, name, "u"), _vector(v, name, "v")
    if 1 not in (u.shape[0], v.shape[0]) and u.shape != v.shape:
        raise ShapeError(f"{name}: vectors of {u.shape[0]} and {v.shape[0]} elements{place()}; give as many")
    return u, v


def _weighed(x: Array, w: Array | None) -> Array:
    return x if w is None else w * x


# -- of vectors along the last axis -------------------------------------------------------------------------------


def _minkowski(u: Any, v: Any, p: Any = 2, w: Any = None) -> Any:
    d = u - v
    if isinstance(p, Tracer):
        return np.sum(_weighed(np.abs(d) ** p, w), -1) ** (1.0 / operand(p))
    if p <= 0:
        raise ValueError(f"minkowski: p={p}{place()} must be greater than 0")
    if w is not None:
        d = d * (w if p == 1 else w != 0 if p == math.inf else np.sqrt(w) if p == 2 else w ** (1 / p))
    return np.linalg.norm(d, p, -1)


def _sqeuclidean(u: Any, v: Any, w: Any = None) -> Any:
    return np.sum(_weighed((u - v) ** 2, w), -1)


def _seuclidean(u: Any, v: Any, V: Any) -> Any:
    return _minkowski(u, v, 2, 1 / V)


def _mahalanobis(u: Any, v: Any, VI: Any) -> Any:
    d = u - v
    return np.sqrt(np.sum((d @ VI) * d, -1))


def _cityblock(u: Any, v: Any, w: Any = None) -> Any:
    return np.sum(_weighed(np.abs(u - v), w), -1)


def _chebyshev(u: Any, v: Any, w: Any = None) -> Any:
    d = np.abs(u - v)
    return np.max(d if w is None else np.where(w > 0, d, 0.0 * d), -1)


def _braycurtis(u: Any, v: Any, w: Any = None) -> Any:
    return _cityblock(u, v, w) / np.sum(_weighed(np.abs(u + v), w), -1)


def _canberra(u: Any, v: Any, w: Any = None) -> Any:
    size = np.abs(u) + np.abs(v)
    none = size == 0
    return np.sum(_weighed(np.where(none, 0.0, np.abs(u - v) / np.where(none, 1.0, size)), w), -1)


def _correlation(u: Any, v: Any, w: Any = None, centered: Any = True) -> Any:
    share = 1.0 / u.shape[-1] if w is None else w / np.sum(w)
    if centered:
        u = u - np.sum(u * share, -1, keepdims=True)
        v = v - np.sum(v * share, -1, keepdims=True)
    uv, uu, vv = (np.sum(x * y * share, -1) for x, y in ((u, v), (u, u), (v, v)))
    return np.clip(1.0 - uv / np.sqrt(uu * vv), 0.0, 2.0)


def _cosine(u: Any, v: Any, w: Any = None) -> Any:
    return _correlation(u, v, w, False)


def _hamming(u: Any, v: Any, w: Any = None) -> Any:
    return np.mean(u != v, -1) if w is None else np.sum((u != v) * (w / np.sum(w)), -1)


def _jaccard(u: Any, v: Any, w: Any = None) -> Any:
    either, unequal = np.logical_or(u != 0, v != 0), np.logical_xor(u != 0, v != 0)
    return _share(np.sum(_weighed(cast(unequal, FLOAT64), w), -1), np.sum(_weighed(cast(either, FLOAT64), w), -1))


def _share(part: Any, whole: Any) -> Any:
    """The quotient, 0 of nothing."""
    none = whole == 0
    return np.where(none, 0.0, part / np.where(none, 1.0, whole))


def _counts(u: Array, v: Array, w: Array | None) -> tuple[Any, Any, Any, Any]:
    """How often neither, only the second, only the first, and both are true."""
    pairs = ((1.0 - u, 1.0 - v), (1.0 - u, v), (u, 1.0 - v), (u, v))
    neither, second, first, both = (np.sum(_weighed(x * y, w), -1) for x, y in pairs)
    return neither, second, first, both


def _dice(u: Any, v: Any, w: Any = None) -> Any:
    _, second, first, both = _counts(u, v, w)
    return (first + second) / (2.0 * both + first + second)


def _rogerstanimoto(u: Any, v: Any, w: Any = None) -> Any:
    neither, second, first, both = _counts(u, v, w)
    return 2.0 * (first + second) / (both + neither + 2.0 * (first + second))


def _russellrao(u: Any, v: Any, w: Any = None) -> Any:
    n = float(u.shape[-1]) if w is None else np.sum(w)
    return (n - _counts(u, v, w)[3]) / n


def _sokalsneath(u: Array, v: Array, w: Array | None = None) -> Array:
    _, second, first, both = _counts(u, v, w)
    return 2.0 * (first + second) / (both + 2.0 * (first + second))


def _yule(u: Any, v: Any, w: Any = None) -> Any:
    neither, second, first, both = _counts(u, v, w)
    half = first * second
    return np.where(half == 0, 0.0, 2.0 * half / np.where(half == 0, 1.0, both * neither + half))


def _jensenshannon(p: Any, q: Any, base: Any = None, axis: Any = -1, keepdims: bool = False) -> Array:
    from graphad.scipy.special import rel_entr

    p, q = (x / np.sum(x, axis=axis, keepdims=True) for x in (p, q))
    middle = (p + q) / 2.0
    total = np.sum(rel_entr(p, middle) + rel_entr(q, middle), axis=axis, keepdims=keepdims)
    half = (total if base is None else total / np.log(base)) / 2.0
    # As that of equal vectors, the derivative of equal distributions is 0.
    return np.where(half == 0, half, np.sqrt(np.where(half == 0, 1.0, half)))


# -- of two vectors -----------------------------------------------------------------------------------------------


@_traced
def minkowski(u: Any, v: Any, p: Any = 2, w: Any = None) -> Any:
    """SciPy's `minkowski`, differentiable in the vectors, the weights and a floating `p`."""
    return _minkowski(*_two("minkowski", u, v), p, _weights(w, "minkowski"))


@_traced
def euclidean(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `euclidean`. The derivative of equal vectors is 0."""
    return _minkowski(*_two("euclidean", u, v), 2, _weights(w, "euclidean"))


@_traced
def sqeuclidean(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `sqeuclidean`."""
    return _sqeuclidean(*_two("sqeuclidean", u, v), _weights(w, "sqeuclidean"))


@_traced
def seuclidean(u: Any, v: Any, V: Any) -> Any:
    """SciPy's `seuclidean`, differentiable in the variances too."""
    return _seuclidean(*_two("seuclidean", u, v), _vector(V, "seuclidean", "V"))


@_traced
def mahalanobis(u: Any, v: Any, VI: Any) -> Any:
    """SciPy's `mahalanobis`, differentiable in the inverse covariance too."""
    return _mahalanobis(*_two("mahalanobis", u, v), np.atleast_2d(operand(VI)))


@_traced
def cityblock(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `cityblock`."""
    return _cityblock(*_two("cityblock", u, v), _weights(w, "cityblock"))


@_traced
def chebyshev(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `chebyshev`, of the elements with a weight."""
    return _chebyshev(*_two("chebyshev", u, v), _weights(w, "chebyshev"))


@_traced
def braycurtis(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `braycurtis`."""
    return _braycurtis(*_two("braycurtis", u, v), _weights(w, "braycurtis"))


@_traced
def canberra(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `canberra`: elements that are 0 in both vectors count nothing."""
    return _canberra(*_two("canberra", u, v), _weights(w, "canberra"))


@_traced
def correlation(u: Any, v: Any, w: Any = None, centered: bool = True) -> Any:
    """SciPy's `correlation`."""
    return _correlation(*_two("correlation", u, v), _weights(w, "correlation"), centered)


@_traced
def cosine(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `cosine`."""
    return _cosine(*_two("cosine", u, v), _weights(w, "cosine"))


@_traced
def hamming(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `hamming`, constant in the vectors but for jumps."""
    return _hamming(*_two("hamming", u, v), _weights(w, "hamming"))


@_traced
def jaccard(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `jaccard`, constant in the vectors but for jumps."""
    return _jaccard(*_two("jaccard", u, v), _weights(w, "jaccard"))


@_traced
def dice(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `dice`, of numbers by products as there."""
    return _dice(*_two("dice", u, v), _weights(w, "dice"))


@_traced
def rogerstanimoto(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `rogerstanimoto`, of numbers by products as there."""
    return _rogerstanimoto(*_two("rogerstanimoto", u, v), _weights(w, "rogerstanimoto"))


@_traced
def russellrao(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `russellrao`, of numbers by products as there."""
    return _russellrao(*_two("russellrao", u, v), _weights(w, "russellrao"))


@_traced
def sokalsneath(u: ArrayLike, v: ArrayLike, w: ArrayLike | None = None) -> Array:
    """SciPy's `sokalsneath`, of numbers by products as there."""
    return _sokalsneath(*_two("sokalsneath", u, v), _weights(w, "sokalsneath"))


@_traced
def yule(u: Any, v: Any, w: Any = None) -> Any:
    """SciPy's `yule`, of numbers by products as there."""
    return _yule(*_two("yule", u, v), _weights(w, "yule"))


@_traced
def jensenshannon(p: Any, q: Any, base: Any = None, *, axis: int = 0, keepdims: bool = False) -> Any:
    """SciPy's `jensenshannon`, of distributions along an axis, which are made to sum to 1."""
    p, q = operand(p), operand(q)
    return _jensenshannon(p, q, base, axis if max(p.ndim, q.ndim) else None, keepdims)


# -- of all pairs -------------------------------------------------------------------------------------------------

_PAIRS: dict[Callable[..., Any], str] = {
    _braycurtis: "braycurtis", _canberra: "canberra", _chebyshev: "chebyshev chebychev cheby cheb ch",
    _cityblock: "cityblock cblock cb c", _correlation: "correlation co", _cosine: "cosine cos",
    _hamming: "hamming matching hamm ha h", _jensenshannon: "jensenshannon js", _minkowski: "minkowski mi m pnorm",
    _mahalanobis: "mahalanobis mahal mah", _seuclidean: "seuclidean se s", _sqeuclidean: "sqeuclidean sqe sqeuclid",
}  # fmt: skip
_METRICS = {name: f for f, names in _PAIRS.items() for name in names.split()}
_EUCLIDEAN = ("euclidean", "euclid", "eu", "e")
_OF_TRUTH = ("jaccard", "jacc", "ja", "j", "dice", "rogerstanimoto", "russellrao", "sokalsneath", "yule")
"""What SciPy computes of truth values where it is of all pairs, which have no derivative."""


def _between(name: str, metric: Any, a: Any, b: Any, rows: Any, options: dict[str, Any]) -> Any:
    """The distances of the rows of `a` from those of `b`, which are broadcast; `rows` are all that there are."""
    if not isinstance(metric, str):
        raise TypeError(f"{name}: metric={metric!r}{place()} must be a name or a function of two rows")
    key = metric.lower()
    found = _minkowski if key in _EUCLIDEAN else _METRICS.get(key)
    if found is None:
        raise ValueError(f"{name}: metric={metric!r}{place()} is none of {', '.join(sorted(_METRICS))}")
    options = {k: x for k, x in options.items() if x is not None}
    if "w" in options:
        options["w"] = _weights(options["w"], name)
    if found is _seuclidean and "V" not in options:
        options["V"] = np.var(rows, axis=0, ddof=1)
    if found is _mahalanobis and "VI" not in options:
        options["VI"] = np.linalg.inv(np.atleast_2d(np.cov(rows.T))).T
    return found(a, b, **options)


def _of_numbers(name: str, metric: Any) -> None:
    """Refuse a metric of truth values, by its name or that of a function, for which SciPy would convert the rows."""
    called = getattr(metric, "__name__", metric)
    if isinstance(called, str) and called.lower() in _OF_TRUTH:
        raise MissingRuleError(
            f"{name}: metric={called!r} is of truth values and cannot be traced{place()}; "
            f"for numbers give lambda u, v: {called}(u, v)"
        )


def _matrix(x: Any, name: str, what: str) -> Any:
    x = operand(x)
    if x.ndim != 2:
        raise ShapeError(f"{name}: {what} of shape {list(x.shape)}{place()} must be a matrix of rows")
    return cast(x, FLOAT64)


@_traced
def cdist(XA: Any, XB: Any, metric: Any = "euclidean", *, out: Any = None, **kwargs: Any) -> Any:
    """SciPy's `cdist`: the distances of the rows of two matrices by a metric's name, or by a function of two rows."""
    a, b = _matrix(XA, "cdist", "XA"), _matrix(XB, "cdist", "XB")
    if a.shape[1] != b.shape[1]:
        raise ShapeError(f"cdist: rows of {a.shape[1]} and {b.shape[1]} elements{place()}; give as many")
    _of_numbers("cdist", metric)
    if callable(metric):
        metric = converted(metric)
        rows = [np.stack([metric(a[i], b[j], **kwargs) for j in range(b.shape[0])]) for i in range(a.shape[0])]
        return np.stack(rows)
    return _between("cdist", metric, a[:, None], b, np.concatenate([a, b]), kwargs)


@_traced
def pdist(X: Any, metric: Any = "euclidean", *, out: Any = None, **kwargs: Any) -> Any:
    """SciPy's `pdist`: the distances of the rows of a matrix from each other, those of the first row first."""
    x = _matrix(X, "pdist", "X")
    i, j = np.triu_indices(x.shape[0], 1)
    _of_numbers("pdist", metric)
    if callable(metric):
        metric = converted(metric)
        return np.stack([metric(x[k], x[l], **kwargs) for k, l in zip(i.tolist(), j.tolist(), strict=True)])
    return _between("pdist", metric, x[i], x[j], x, kwargs)


@_traced
def squareform(X: Any, force: str = "no", checks: bool = True) -> Any:
    """SciPy's `squareform`: the matrix of the distances that `pdist` gives, or these of the matrix.

    Whether a matrix is symmetric is looked at only where it is known.
    """
    x = operand(X)
    x = x.reshape(1) if x.ndim == 0 else x
    wanted = {"tomatrix": 1, "tovector": 2}.get(force.lower(), x.ndim)
    if x.ndim not in (1, 2) or x.ndim != wanted:
        raise ShapeError(f"squareform: an array of {x.ndim} axes{place()}, with force={force!r}; give one of {wanted}")
    if x.ndim == 1:
        n = math.ceil(math.sqrt(2 * x.shape[0])) if x.shape[0] else 1
        if n * (n - 1) != 2 * x.shape[0]:
            raise ShapeError(f"squareform: {x.shape[0]} distances{place()} are not those of all pairs of some rows")
        i, j = np.triu_indices(n, 1)
        number = np.zeros((n, n), int)
        number[i, j] = number[j, i] = np.arange(1, x.shape[0] + 1)
        return np.take(np.concatenate([np.zeros(1, x.dtype), x]), number)
    if x.shape[0] != x.shape[1]:
        raise ShapeError(f"squareform: a matrix of shape {list(x.shape)}{place()} must be square")
    values = known(x)
    if checks and values is not None and (np.any(values != values.T) or np.any(np.diagonal(values) != 0)):
        raise ValueError(f"squareform: the matrix{place()} must be symmetric and 0 on its diagonal")
    return x[np.triu_indices(x.shape[0], 1)]


@_traced
def directed_hausdorff(u: Any, v: Any, rng: Any = 0) -> Any:
    """SciPy's `directed_hausdorff`: the greatest distance from a row of `u` to the rows of `v`, and the two rows.

    Of several pairs at this distance it is the first.
    """
    a, b = _matrix(u, "directed_hausdorff", "u"), _matrix(v, "directed_hausdorff", "v")
    if a.shape[1] != b.shape[1]:
        raise ShapeError(f"directed_hausdorff: rows of {a.shape[1]} and {b.shape[1]} elements{place()}; give as many")
    distances = _minkowski(a[:, None], b)
    nearest = np.argmin(distances, axis=1)
    each = np.min(distances, axis=1)
    row = np.argmax(each)
    return each[row], row, nearest[row]
