"""What the families share: bases of their ops, ufuncs of several results, partial derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from graphad.errors import MissingRuleError, TypeMismatchError
from graphad.op import Sample
from graphad.ops.elementwise import Elementwise, Partial, Ufunc, scalar
from graphad.ops.lowering import by_decomposition
from graphad.ops.select import select
from graphad.ops.special.parameters import parameter, power, size, within
from graphad.trace import UFUNCS
from graphad.types import Array, DType


class RealSamples(Ufunc, abstract=True):
    """Takes complex operands, but its derivatives need `polygamma`, which SciPy has for real ones only."""

    def _accepts(self, dtype: DType) -> bool:
        return dtype.kind != "c" and super()._accepts(dtype)


class OfInteger(Ufunc, abstract=True):
    """Samples have an integer first."""

    exempt = {"dtype": "SciPy computes of integers in double precision only"}

    def samples(self) -> Iterable[Sample]:  # type: ignore[override]
        n, x = np.array([1, 2, 5]), np.array([[0.31, 0.47, 0.73], [0.57, 0.23, 0.12]])
        yield Sample(self, (n, x))
        yield Sample(self, (n[:, None, None], x))

HALF_PI = math.pi / 2


def fixed(name: str, operand: str) -> Partial:
    """The derivative in a parameter for which there is no rule."""

    def missing(*operands: Any) -> Any:
        raise MissingRuleError(
            f"{name} has no closed derivative with respect to its parameter {operand}; hold {operand} fixed, or give "
            "a rule with graphad.custom_jvp"
        )

    return missing


def safe(x: Array) -> Array:
    """`x`, and 1 where it is 0: for quotients whose other branch is taken there."""
    return select(x == 0, scalar(1, x.dtype), x)


def near_zero(x: Array, reach: float, coefficients: Sequence[float], far: Callable[[Any], Any]) -> Array:
    """A power series for `x` smaller than `reach`, and elsewhere `far(x)`, whose terms cancel there."""
    near = abs(x) < reach
    total: Any = scalar(coefficients[-1], x.dtype)
    for c in coefficients[-2::-1]:
        total = total * x + scalar(c, x.dtype)
    return select(near, total, far(select(near, scalar(1, x.dtype), x)))


def of_order(name: str) -> Partial:
    """The derivative in the order of a function that is as the Bessel functions are."""
    return parameter(name, 0, lambda v, x: within(power(0.5 * x), size(v)))
POSITIVE = (0.5, 4.0)


def floating(dtype: DType) -> DType:
    """The dtype that a function computes in: float64 for integers, a floating or complex one as it is."""
    return dtype if dtype.char in "fdFD" else np.dtype("f8")


class Ordered(Elementwise, abstract=True):
    """Operands are integer orders, `orders` of them, and a number of one of the dtypes `kinds`."""

    orders: ClassVar[int] = 1
    kinds: ClassVar[str] = "fd"
    singular = True

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (np.dtype("i8"),) * self.orders + (floating(np.dtype(kinds[-1])),)

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        if dtypes[-1].char not in self.kinds:
            raise TypeMismatchError(f"{self!r} does not take {dtypes[-1]}")
        return (*(np.dtype("i8"),) * self.orders, dtypes[-1], dtypes[-1])


class RealFunction(Elementwise, abstract=True):
    """Operands are real numbers of one dtype; integers are computed in float64."""

    singular = True

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        # A weak real number takes the dtype of the others; integers of any size are float64.
        strong = [np.dtype(k) for k in kinds if k not in (int, float)]
        return (floating(np.result_type(*strong)) if strong else np.dtype("f8"),) * len(kinds)

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        if len(set(dtypes)) > 1 or dtypes[0].char not in "fd":
            raise TypeMismatchError(f"{self!r} takes float32 or float64, not {dtypes}")
        return (*dtypes, dtypes[0])


Slopes = Sequence[Partial]
_RESULTS: dict[str, tuple[Sequence[Slopes], tuple[tuple[float, float], ...]]] = {}


def with_results(name: str, results: Sequence[Slopes], domain: tuple[tuple[float, float], ...]) -> None:
    """Make SciPy's ufunc of several results an op for each of them, given the partial derivatives of each."""
    _RESULTS[name] = (results, domain)
    ops = [Result(name, i) for i in range(len(results))]
    UFUNCS[name] = lambda *xs: tuple([op(*xs) for op in ops])


class Result(RealFunction):
    """One of the results of a ufunc of SciPy, by `function` and `index`."""

    host_only = "SciPy computes it, for NumPy's arrays"
    function: str
    index: int

    @property
    def partials(self) -> Slopes:
        return _RESULTS[self.function][0][self.index]

    def eval(self, xp: Any, *xs: Any) -> Array:
        from scipy import special

        # At infinity `pbdv` asks for infinitely much memory, and says NaN.
        with special.errstate(memory="ignore"):
            return getattr(special, self.function)(*xs)[self.index]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for function, (results, domain) in _RESULTS.items():
            xs = tuple(np.linspace(low, high, 3) for low, high in domain)
            for i in range(len(results)):
                yield Sample(cls(function, i), xs)
        yield Sample(cls("itairy", 0), (np.array([0.4, 1.3], "f4"),))


def derived(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function the meaning of SciPy's ufunc of its name for traced operands."""
    UFUNCS[function.__name__] = function
    return function


class Parametric(Elementwise, abstract=True):
    """Operands are floating numbers of one dtype; computed in double precision."""

    singular = True

    def promote(self, kinds: tuple[Any, ...]) -> tuple[Any, ...] | None:
        found = np.result_type(*[np.dtype(k) if k is float or k is int else k for k in kinds])
        return (found if found.char in "fd" else np.dtype("f8"),) * len(kinds)

    def result_dtypes(self, *dtypes: DType) -> tuple[DType, ...]:
        found = np.result_type(*dtypes)
        if found.char not in "fd":
            raise TypeMismatchError(f"{self!r} takes float32 or float64, not {found}")
        return (found,) * (len(dtypes) + 1)

    def of_vectors(self, *xs: Any) -> Any:
        """The values for vectors of float64, as arrays or traced."""
        raise NotImplementedError

    def composed(self, *xs: Any) -> Array:
        broadcast = np.broadcast_arrays(*xs)
        flat = [np.ravel(x).astype("f8") for x in broadcast]
        return self.of_vectors(*flat).reshape(broadcast[0].shape).astype(xs[0].dtype)

    def eval(self, xp: Any, *xs: Any) -> Array:
        return self.composed(*xs) if xp is np else by_decomposition(self, xp, xs, "composed")


__all__ = [
    "HALF_PI",
    "POSITIVE",
    "OfInteger",
    "Ordered",
    "Parametric",
    "RealFunction",
    "RealSamples",
    "Result",
    "Slopes",
    "derived",
    "fixed",
    "floating",
    "near_zero",
    "of_order",
    "safe",
    "with_results",
]  # fmt: skip
