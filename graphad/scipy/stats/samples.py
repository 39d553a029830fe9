"""What the statistics share: samples along an axis, what is done about NaN, p-values, ranks, conditions on values."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from functools import cache, wraps
from importlib import import_module
from typing import Any

import numpy as np

from graphad import tree
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import axes_of, float_dtype, known, operand, static
from graphad.ops.elementwise import cast
from graphad.ops.special.error import ndtr
from graphad.ops.special.statistical import chdtr, chdtrc, stdtr
from graphad.scipy.dispatch import namespace
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike

Function = Callable[..., Any]
_traced = namespace("scipy.stats")[0]


# -- arguments ----------------------------------------------------------------------------------------------------


def unsupported(name: str, what: str, remedy: str) -> MissingRuleError:
    return MissingRuleError(f"scipy.stats.{name}: {what} cannot be traced{place()}; {remedy}")


def real(name: str, *xs: Any) -> list[Any]:
    """Arguments as arrays of one floating dtype."""
    arrays = [operand(x) for x in xs]
    if any(x.dtype.kind == "c" for x in arrays):
        raise TypeMismatchError(f"scipy.stats.{name} of complex numbers{place()}; give their real and imaginary parts")
    dtype = float_dtype(*xs)
    return [cast(x, dtype) if isinstance(x, Tracer) else x.astype(dtype) for x in arrays]


def number(name: str, value: ArrayLike, what: str, smooth: bool = False) -> Any:
    """An argument that must be known while tracing, as a number or an array of NumPy.

    The result changes with it by jumps, or, if that is `smooth`, the argument must not be traced at all.
    """
    if known(value) is None or (smooth and isinstance(value, Tracer)):
        raise unsupported(name, f"{what} that is traced itself", "give a plain number")
    return static(value, what)[()]


def choose(name: str, keyword: str, value: Any, *allowed: Any) -> None:
    """Raise `ValueError` for a keyword's value that SciPy does not know, or that cannot be traced."""
    if not any(value is x or (isinstance(value, type(x)) and value == x) for x in allowed):
        raise ValueError(
            f"scipy.stats.{name}: {keyword}={value!r}{place()}; one of {', '.join(map(repr, allowed))} can be traced"
        )


# -- samples ------------------------------------------------------------------------------------------------------


def statistic(
    samples: int | str = 1, *, optional: tuple[str, ...] = (), paired: bool = False, small: int = 0,
    ranked: bool = False,
) -> Callable[[Function], Function]:  # fmt: skip
    """Make the decorated function of samples along the last axis the meaning of SciPy's function of its name.

    Its arguments are bound by the signature of SciPy's: the first `samples` of them, or all positional ones for
    `"all"`, or for `"rows"` also the rows of one matrix; these and those of `optional` that are not None are arrays of
    real numbers; `axis`, `nan_policy` and `keepdims` are seen to here. A keyword that the decorated function lacks must
    have SciPy's default. The samples are `paired` where their elements belong together. Those of at most `small`
    elements are refused; those with a NaN give NaN where the function is of their order: `ranked`. A list of results is
    stacked along a first axis.
    """

    def decorate(handler: Function) -> Function:
        name = handler.__name__
        taken = inspect.signature(handler).parameters

        @cache
        def signature() -> inspect.Signature:
            return inspect.signature(getattr(import_module("scipy.stats"), name))

        @wraps(handler)
        def function(*args: Any, **kwargs: Any) -> Any:
            bound = signature().bind(*args, **kwargs)
            bound.apply_defaults()
            given = dict(bound.arguments)
            axis, policy, keepdims = (given.pop(k, None) for k in ("axis", "nan_policy", "keepdims"))
            first = list(given.pop(next(iter(given)))) if isinstance(samples, str) else [
                given.pop(k) for k in list(given)[: int(samples)]
            ]  # fmt: skip
            others = [k for k in optional if given.get(k) is not None]
            for k in [k for k in given if k not in taken]:
                value, default = given.pop(k), signature().parameters[k].default
                if value is not default and (isinstance(value, Tracer) or value != default):
                    raise unsupported(name, f"{k}={value!r}", f"leave {k}= out")
            arrays = real(name, *first, *[given.pop(k) for k in others])
            arrays, kept = _flattened(name, arrays, axis, paired or bool(others))
            arrays = without_nan(name, arrays, policy, paired or bool(others))
            if any(x.shape[-1] <= small for x in arrays):
                raise ShapeError(
                    f"scipy.stats.{name}: a sample of {min(x.shape[-1] for x in arrays)}{place()}; give more than "
                    f"{small}"
                )
            n = len(first)
            if samples == "rows" and n == 1 and arrays[0].ndim > 1:
                arrays, n = list(arrays[0]), len(arrays[0])
            found = handler(*arrays[:n], **dict(zip(others, arrays[n:], strict=True)), **given)
            if ranked:
                found = _spoilt(found, arrays)
            found = tree.map(lambda x: np.expand_dims(x, kept), found) if keepdims else found
            return np.stack(found) if isinstance(found, list) else found

        traced: Function = _traced(function)
        return traced

    return decorate


def several(samples: tuple[Any, ...], least: int = 2) -> None:
    """Raise `ValueError` for too few samples."""
    if len(samples) < least:
        raise ValueError(f"{len(samples)} samples{place()}; give {least} or more")


def _flattened(name: str, arrays: list[Any], axis: Any, paired: bool) -> tuple[list[Any], tuple[int, ...]]:
    """The samples with the axes that are reduced as one last axis, broadcast along the others; and those axes."""
    if axis is None:
        kept = tuple(range(max(x.ndim for x in arrays)))
        flat = [x.reshape(-1) for x in arrays]
    else:
        n = max(1, *(x.ndim for x in arrays))
        arrays = [x.reshape((1,) * (n - x.ndim) + x.shape) for x in arrays]
        kept = axes_of(arrays[0], axis, name)
        flat = []
        for x in arrays:
            moved = np.moveaxis(x, kept, range(-len(kept), 0))
            flat.append(moved.reshape(*moved.shape[: n - len(kept)], math.prod(moved.shape[n - len(kept) :])))
        lead = np.broadcast_shapes(*[x.shape[:-1] for x in flat])
        flat = [np.broadcast_to(x, (*lead, x.shape[-1])) if x.shape[:-1] != lead else x for x in flat]
    if paired:
        sizes = {x.shape[-1] for x in flat}
        if len(sizes - {1}) > 1 or (len(sizes) > 1 and axis is None):
            raise ShapeError(f"scipy.stats.{name}: samples of {sorted(sizes)} elements{place()}; give as many of each")
        flat = [np.broadcast_to(x, (*x.shape[:-1], max(sizes))) if x.shape[-1] != max(sizes) else x for x in flat]
    return flat, kept


def without_nan(name: str, arrays: list[Any], policy: str | None, paired: bool) -> list[Any]:
    """The samples that are left for a `nan_policy`."""
    choose(name, "nan_policy", policy, "propagate", "omit", "raise", None)
    if policy in ("propagate", None):
        return arrays
    holes = [known(np.isnan(x)) for x in arrays]
    if any(hole is None for hole in holes):
        raise unsupported(
            name, f"nan_policy={policy!r} of values that are known at run time only",
            "leave it out, and choose the numbers before by places that are known",
        )  # fmt: skip
    if not any(np.any(hole) for hole in holes):
        return arrays
    if policy == "raise":
        raise ValueError(f"scipy.stats.{name}: The input contains nan values{place()}")
    if any(x.ndim > 1 for x in arrays):
        raise unsupported(name, "nan_policy='omit' of samples with more than one axis", "call it for each sample")
    if paired:
        holes = [np.any(holes, axis=0)] * len(holes)
    return [x[np.flatnonzero(~hole)] for x, hole in zip(arrays, holes, strict=True)]


def _spoilt(found: Any, arrays: list[Any]) -> Any:
    """The result with NaN for samples that hold one."""
    bad = np.any(np.isnan(arrays[0]), axis=-1)
    for x in arrays[1:]:
        bad = np.logical_or(bad, np.any(np.isnan(x), axis=-1))
    return tree.map(lambda x: np.where(bad, np.nan, x) if x.dtype.kind == "f" else x, found)


# -- moments ------------------------------------------------------------------------------------------------------


def central(x: Array, mean: Any = None) -> Array:
    """The deviations of samples from their mean."""
    return x - (np.mean(x, axis=-1, keepdims=True) if mean is None else mean)


def variance(x: Array, ddof: float = 0) -> Array:
    """The variance of samples, NaN where there are too few of them."""
    n = x.shape[-1]
    found = np.mean(central(x) ** 2, axis=-1)
    return found * (n / (n - ddof) if n > ddof else np.nan) if ddof else found


# -- p-values -----------------------------------------------------------------------------------------------------

ALTERNATIVES = ("two-sided", "less", "greater")


def two_tailed(name: str, value: Any, cdf: Function, alternative: str) -> Array:
    """The p-value of a statistic whose distribution is symmetric about 0."""
    choose(name, "alternative", alternative, *ALTERNATIVES)
    if alternative == "two-sided":
        return 2 * cdf(-np.abs(value))
    return cdf(value if alternative == "less" else -value)


def normal_pvalue(name: str, z: ArrayLike, alternative: str = "two-sided") -> Array:
    return two_tailed(name, z, ndtr, alternative)


def student_pvalue(name: str, t: ArrayLike, df: ArrayLike, alternative: str = "two-sided") -> Array:
    return two_tailed(name, t, lambda t: stdtr(df, t), alternative)


def chi2_above(value: Array, df: Any) -> Array:
    """The probability that a sum of `df` squares of normal numbers is greater."""
    return cast(chdtrc(df * 1.0, value), value.dtype)


def chi2_below(value: Any, df: Any) -> Any:
    return cast(chdtr(df * 1.0, value), value.dtype)


# -- ranks --------------------------------------------------------------------------------------------------------


def ranks(x: Any, method: str = "average") -> tuple[Any, Any]:
    """The ranks of samples, from 1, and the sizes of groups of equal elements.

    The sizes stand where the first of a group stands in order, 0 elsewhere. Ranks do not change with the values but for
    jumps: they pass back no derivative.
    """
    order = np.argsort(x, axis=-1, kind="stable")
    back = np.argsort(order, axis=-1, kind="stable")
    if method == "ordinal":
        return back + 1, None
    y = np.take_along_axis(x, order, axis=-1)
    start, stop, new = groups(y, y[..., 1:] != y[..., :-1])
    kinds: dict[str, Callable[[], Any]] = {
        "average": lambda: (start + stop) / 2.0 + 1.0,
        "min": lambda: start + 1,
        "max": lambda: stop + 1,
        "dense": lambda: np.cumsum(new, axis=-1),
    }
    found = kinds[method]()
    return np.take_along_axis(found, back, axis=-1), np.where(new, stop - start + 1, 0)


def groups(y: Array, differ: ArrayLike) -> tuple[Any, Any, Any]:
    """Of ordered samples, for each element the first and last place of its group, and whether it is its first.

    `differ` says which elements but the first are unlike the one before.
    """
    n, end = y.shape[-1], np.ones((*y.shape[:-1], 1), dtype=bool)
    new, last = np.concatenate([end, differ], axis=-1), np.concatenate([differ, end], axis=-1)
    start = np.maximum.accumulate(np.where(new, np.arange(n), 0), axis=-1)
    stop = np.flip(np.minimum.accumulate(np.flip(np.where(last, np.arange(n), n - 1), -1), axis=-1), -1)
    return start, stop, new


def ties(sizes: Any) -> Any:
    """Whether samples have equal elements, by the sizes of their groups."""
    return np.any(sizes > 1, axis=-1)


def mean_ranks(x: Any) -> tuple[Any, Any]:
    """Ranks with means for equal elements, and the sum of `t**3 - t` over the sizes of groups."""
    found, sizes = ranks(x)
    sizes = cast(sizes, float)
    return found, np.sum(sizes**3 - sizes, axis=-1)


def split(x: Array, sizes: Sequence[int]) -> list[Any]:
    """The parts of the last axis, of these sizes."""
    ends = np.cumsum(sizes).tolist()
    return [x[..., end - n : end] for n, end in zip(sizes, ends, strict=True)]
