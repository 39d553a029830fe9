"""What the distributions share: location and scale, supports, methods that follow from others, frozen parameters."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from graphad.build import current_builder
from graphad.errors import ControlFlowError, MissingRuleError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import float_dtype, operand
from graphad.numpy.dispatch import located_errors
from graphad.ops.elementwise import cast
from graphad.scipy.arguments import holds_traced
from graphad.types import Array, ArrayLike

DISTRIBUTIONS: dict[str, Any] = {}
"""The distributions on traced values, by SciPy's names."""
Function = Callable[..., Any]


class Frozen:
    """A distribution with its parameters."""

    def __init__(self, distribution: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.distribution, self.args, self.kwargs = distribution, args, kwargs

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.distribution, name)
        if name in ("mean", "var", "std", "entropy", "median", "support", "stats"):
            return lambda: method(*self.args, **self.kwargs)
        return lambda *xs, **options: method(*xs, *self.args, **self.kwargs, **options)


class Base:
    """Base of the distributions: called with parameters it is frozen; what is not traced is SciPy's own."""

    methods: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        DISTRIBUTIONS[name] = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Frozen(self, args, kwargs)

    @property
    def original(self) -> Any:
        """SciPy's distribution."""
        return getattr(import_module("scipy.stats"), self.name)

    def __getattr__(self, method: str) -> Any:
        if method.startswith("_"):
            raise AttributeError(method)
        handler = located_errors(getattr(self, f"_{method}")) if method in self.methods else None
        original = getattr(self.original, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            if not holds_traced((args, kwargs)):
                if method == "rvs" and not isinstance(kwargs.get("random_state"), (int, np.integer)):
                    self._refuse_draws()
                return original(*args, **kwargs)
            if handler is None:
                remedy = "draw with graphad.random" if method == "rvs" else f"{', '.join(self.methods)} can be"
                raise MissingRuleError(f"scipy.stats.{self.name}.{method} cannot be traced{place()}; {remedy}")
            return handler(*args, **kwargs)

        return call

    def _refuse_draws(self) -> None:
        """Raise `ControlFlowError` where what is drawn would be the same at every run."""
        builder = current_builder()
        if builder is not None and builder.staged:
            raise ControlFlowError(
                f"scipy.stats.{self.name} frozen draws random numbers under jit{place()}, which would be the same "
                f"in every call; write scipy.stats.{self.name}.rvs(..., random_state=rng), or use graphad.random"
            )


class _Univariate(Base):
    """Base of the distributions of numbers, with shape parameters, a location, and for continuous ones a scale."""

    shapes: tuple[str, ...] = ()
    extras: tuple[str, ...] = ("loc", "scale")

    def _parameters(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], Any, Any]:
        names = (*self.shapes, *self.extras)
        given = dict(zip(names, args, strict=False)) | kwargs
        missing = [name for name in self.shapes if name not in given]
        unknown = [name for name in given if name not in names]
        if len(args) > len(names) or missing or unknown:
            what = f"lacks {', '.join(missing)}" if missing else f"takes {', '.join(names)}"
            raise TypeMismatchError(f"scipy.stats.{self.name}: {what}{place()}")
        floats = {name: self._float(x) for name, x in given.items()}
        return [floats[name] for name in self.shapes], floats.get("loc", 0.0), floats.get("scale", 1.0)

    @staticmethod
    def _float(x: Any) -> Array:
        x = operand(x)
        return cast(x, float_dtype(x)) if x.dtype.kind != "f" else x


class Continuous(_Univariate):
    """A continuous distribution by its functions of a standardised argument and the shape parameters.

    `logpdf` and `cdf` are needed, or what `cdf` follows from; the others where they keep more digits. `support` gives
    the ends, `proper` whether the shape parameters are valid; `vanishes` says that the density is 0 at finite ends.
    """

    methods = (
        "logpdf", "pdf", "cdf", "logcdf", "sf", "logsf", "ppf", "isf", "mean", "var", "std", "entropy", "median",
        "support", "interval",
    )  # fmt: skip

    def __init__(
        self, name: str, shapes: str, logpdf: Function, *, cdf: Function | None = None, sf: Function | None = None,
        logcdf: Function | None = None, logsf: Function | None = None, ppf: Function | None = None,
        isf: Function | None = None, mean: Function | None = None, var: Function | None = None,
        entropy: Function | None = None, support: Any = (-np.inf, np.inf), proper: Function | None = None,
        vanishes: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(name)
        self.shapes = tuple(shapes.split())
        self.vanishes = vanishes
        self.functions = {
            "logpdf": logpdf, "cdf": cdf, "sf": sf, "logcdf": logcdf, "logsf": logsf, "ppf": ppf, "isf": isf,
            "mean": mean, "var": var, "entropy": entropy,
        }  # fmt: skip
        self.ends = support if callable(support) else lambda *shapes: support
        self.proper = proper or (lambda *shapes: np.all([True]) if not shapes else _positive(*shapes))

    def _of(self, name: str, *args: Any) -> Any:
        """A function of the standardised distribution, by itself or by those that it follows from."""
        own = self.functions.get(name)
        if own is not None:
            return own(*args)
        known = {k for k, f in self.functions.items() if f is not None}
        if name == "sf" and "logsf" in known:
            return np.exp(self._of("logsf", *args))
        if name == "cdf" and "logcdf" in known:
            return np.exp(self._of("logcdf", *args))
        if name == "cdf" and ("sf" in known or "logsf" in known):
            return 1.0 - self._of("sf", *args)
        if name == "sf" and "cdf" in known:
            return 1.0 - self._of("cdf", *args)
        if name in ("logcdf", "logsf") and known & {"cdf", "sf", "logcdf", "logsf"}:
            other = "sf" if name == "logcdf" else "cdf"
            return log_probability(self._of(name[3:], *args), self._of(other, *args))
        if name == "isf" and "ppf" in known:
            return self._of("ppf", 1.0 - args[0], *args[1:])
        if name == "ppf" and "isf" in known:
            return self._of("isf", 1.0 - args[0], *args[1:])
        raise MissingRuleError(f"scipy.stats.{self.name}.{name} has no traced form")

    def _valid(self, shapes: list[Any], scale: Array) -> Array:
        valid = np.asarray(True) if not shapes else self.proper(*shapes)
        return np.logical_and(valid, scale > 0)

    def _within(
        self, x: Array, args: Any, kwargs: Any, function: str, below: float, above: float, closed: bool
    ) -> Array:
        """A function inside of the support, given numbers at its ends and beyond, NaN for invalid parameters."""
        shapes, loc, scale = self._parameters(args, kwargs)
        y = (self._float(x) - loc) / scale
        low, high = self.ends(*shapes)
        valid = self._valid(shapes, scale)
        inside = np.logical_and(y >= low, y <= high) if closed else np.logical_and(y > low, y < high)
        inside = np.logical_and(np.logical_and(inside, valid), np.isfinite(y))
        # What stands outside is computed at a point inside, so that it passes back no NaN.
        out = self._of(function, np.where(inside, y, _interior(low, high)), *shapes)
        if function == "logpdf":
            out = out - np.log(np.where(scale > 0, scale, 1.0))
        out = np.where(inside, out, np.where(y <= low, below, above))
        return np.where(np.logical_and(valid, ~np.isnan(y)), out, np.nan)

    def _logpdf(self, x: Array, *args: Any, **kwargs: Any) -> Array:
        return self._within(x, args, kwargs, "logpdf", -np.inf, -np.inf, not self.vanishes)

    def _pdf(self, x: Array, *args: Any, **kwargs: Any) -> Array:
        return np.exp(self._logpdf(x, *args, **kwargs))

    def _cdf(self, x: Any, *args: Any, **kwargs: Any) -> Array:
        return self._within(x, args, kwargs, "cdf", 0.0, 1.0, False)

    def _sf(self, x: Array, *args: Any, **kwargs: Any) -> Array:
        return self._within(x, args, kwargs, "sf", 1.0, 0.0, False)

    def _logcdf(self, x: Array, *args: Any, **kwargs: Any) -> Array:
        return self._within(x, args, kwargs, "logcdf", -np.inf, 0.0, False)

    def _logsf(self, x: Array, *args: Any, **kwargs: Any) -> Array:
        return self._within(x, args, kwargs, "logsf", 0.0, -np.inf, False)

    def _quantile(self, q: Any, args: Any, kwargs: Any, function: str) -> Array:
        shapes, loc, scale = self._parameters(args, kwargs)
        q = self._float(q)
        ends = self.ends(*shapes)
        first, last = ends if function == "ppf" else ends[::-1]
        inside = np.logical_and(np.logical_and(q > 0, q < 1), self._valid(shapes, scale))
        out = self._of(function, np.where(inside, q, 0.5), *shapes)
        out = np.where(inside, out, np.where(q == 0, first, np.where(q == 1, last, np.nan)))
        return np.where(self._valid(shapes, scale), out * scale + loc, np.nan)

    def _ppf(self, q: Any, *args: Any, **kwargs: Any) -> Array:
        return self._quantile(q, args, kwargs, "ppf")

    def _isf(self, q: Array, *args: Any, **kwargs: Any) -> Array:
        return self._quantile(q, args, kwargs, "isf")

    def _median(self, *args: Any, **kwargs: Any) -> Array:
        return self._ppf(0.5, *args, **kwargs)

    def _interval(self, confidence: Array, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        tail = (1 - self._float(confidence)) / 2
        return self._ppf(tail, *args, **kwargs), self._ppf(1 - tail, *args, **kwargs)

    def _support(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        shapes, loc, scale = self._parameters(args, kwargs)
        low, high = self.ends(*shapes)
        return low * scale + loc, high * scale + loc

    def _mean(self, *args: Any, **kwargs: Any) -> Array:
        shapes, loc, scale = self._parameters(args, kwargs)
        return np.where(self._valid(shapes, scale), self._of("mean", *shapes) * scale + loc, np.nan)

    def _var(self, *args: Any, **kwargs: Any) -> Array:
        shapes, _, scale = self._parameters(args, kwargs)
        return np.where(self._valid(shapes, scale), self._of("var", *shapes) * scale**2, np.nan)

    def _std(self, *args: Any, **kwargs: Any) -> Array:
        return np.sqrt(self._var(*args, **kwargs))

    def _entropy(self, *args: Any, **kwargs: Any) -> Array:
        shapes, _, scale = self._parameters(args, kwargs)
        return np.where(self._valid(shapes, scale), self._of("entropy", *shapes) + np.log(scale), np.nan)


class Discrete(_Univariate):
    """A distribution of integers by `logpmf(k, *shapes)` and `cdf`, for `k` within the support."""

    methods = ("logpmf", "pmf", "cdf", "logcdf", "sf", "logsf", "mean", "var", "std", "support")
    extras = ("loc",)

    def __init__(
        self, name: str, shapes: str, logpmf: Function, *, cdf: Function | None = None, sf: Function | None = None,
        mean: Function, var: Function, support: Any, proper: Function,
    ) -> None:  # fmt: skip
        super().__init__(name)
        self.shapes = tuple(shapes.split())
        self.functions = {"logpmf": logpmf, "cdf": cdf, "sf": sf, "mean": mean, "var": var}
        self.ends = support if callable(support) else lambda *shapes: support
        self.proper = proper

    def _within(self, k: Array, args: Any, kwargs: Any, function: str, below: float, above: float) -> Array:
        shapes, loc, _ = self._parameters(args, kwargs)
        own = self.functions[function]
        if own is None:
            raise MissingRuleError(f"scipy.stats.{self.name}.{function} has no traced form")
        y = self._float(k) - loc
        whole = np.floor(y)
        low, high = self.ends(*shapes)
        valid = self.proper(*shapes)
        inside = np.logical_and(np.logical_and(whole >= low, whole <= high), valid)
        if function == "logpmf":
            inside = np.logical_and(inside, whole == y)
        else:
            inside = np.logical_and(inside, whole < high)
        out = np.where(inside, own(np.where(inside, whole, low), *shapes), np.where(y < low, below, above))
        return np.where(np.logical_and(valid, ~np.isnan(y)), out, np.nan)

    def _logpmf(self, k: Array, *args: Any, **kwargs: Any) -> Array:
        return self._within(k, args, kwargs, "logpmf", -np.inf, -np.inf)

    def _pmf(self, k: Array, *args: Any, **kwargs: Any) -> Array:
        return np.exp(self._logpmf(k, *args, **kwargs))

    def _cdf(self, k: Array, *args: Any, **kwargs: Any) -> Array:
        return self._within(k, args, kwargs, "cdf", 0.0, 1.0)

    def _sf(self, k: Array, *args: Any, **kwargs: Any) -> Array:
        if self.functions["sf"] is None:
            return 1.0 - self._cdf(k, *args, **kwargs)
        return self._within(k, args, kwargs, "sf", 1.0, 0.0)

    def _logcdf(self, k: Array, *args: Any, **kwargs: Any) -> Array:
        return log_probability(self._cdf(k, *args, **kwargs), self._sf(k, *args, **kwargs))

    def _logsf(self, k: Array, *args: Any, **kwargs: Any) -> Array:
        return log_probability(self._sf(k, *args, **kwargs), self._cdf(k, *args, **kwargs))

    def _support(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        shapes, loc, _ = self._parameters(args, kwargs)
        low, high = self.ends(*shapes)
        return low + loc, high + loc

    def _moment(self, name: str, args: Any, kwargs: Any, shift: bool) -> Array:
        shapes, loc, _ = self._parameters(args, kwargs)
        found = self.functions[name](*shapes)  # type: ignore[misc]
        return np.where(self.proper(*shapes), found + loc if shift else found, np.nan)

    def _mean(self, *args: Any, **kwargs: Any) -> Array:
        return self._moment("mean", args, kwargs, True)

    def _var(self, *args: Any, **kwargs: Any) -> Array:
        return self._moment("var", args, kwargs, False)

    def _std(self, *args: Any, **kwargs: Any) -> Array:
        return np.sqrt(self._var(*args, **kwargs))


def log_probability(p: Any, q: Any) -> Any:
    """The logarithm of `p`, by the complement `q` where that is the smaller one."""
    return np.where(p > 0.5, np.log1p(-q), np.log(p))


def _positive(*shapes: Any) -> Array:
    valid = shapes[0] > 0
    for x in shapes[1:]:
        valid = np.logical_and(valid, x > 0)
    return valid


def _interior(low: ArrayLike, high: ArrayLike) -> Array:
    """A point inside of a support, away from its ends."""
    bounded = np.isfinite(low), np.isfinite(high)
    start, stop = np.where(bounded[0], low, 0.0), np.where(bounded[1], high, 0.0)
    both = 0.5 * (start + stop)
    single = np.where(bounded[0], start + 1.0, np.where(bounded[1], stop - 1.0, 0.5))
    return np.where(np.logical_and(*bounded), both, single)
