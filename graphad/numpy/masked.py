"""`x[mask]` where the mask is traced: how many elements it chooses is not known, but what they sum up to can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.arrays import Unsized
from graphad.errors import TracerError
from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.numpy.slices import check
from graphad.trace import Tracer

ELEMENTWISE = {
    np.where, np.clip, np.real, np.imag, np.angle, np.nan_to_num, np.round, np.around, np.sinc, np.astype, np.isclose,
    np.zeros_like, np.ones_like, np.full_like, np.isposinf, np.isneginf, np.isreal, np.iscomplex, np.copy,
}  # fmt: skip
"""Functions, other than ufuncs, that apply to the elements one by one."""
REDUCTIONS: dict[str, Any] = {
    name: getattr(np, name) for name in ("sum", "prod", "mean", "var", "std", "max", "min", "any", "all")
}
"""What can be told of the chosen elements; each is NumPy's function with `where=`."""


REDUCED = {
    "add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all", "logical_or": "any",
}  # fmt: skip
"""The reductions that ufuncs make."""


PRODUCTS = frozenset({"matmul", "dot", "vdot", "inner", "vecdot"})
"""The inner products of two rows."""


def reduction(function: Any) -> str:
    """The name of a function among `REDUCTIONS`, if it is one."""
    name: str = function.__name__
    return {"amax": "max", "amin": "min"}.get(name, name)


def options(x: Unsized, name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """What is given to a reduction beside the elements. Raises `TracerError` for what it does not take."""
    none = {"where": True, "keepdims": False}
    given = {k: v for k, v in kwargs.items() if v is not None and v is not np._NoValue and v is not none.get(k)}
    others = given.keys() - {"ddof", "correction", "dtype", "initial"}
    if others:
        raise x.refusal(f"{name} with {', '.join(sorted(others))}")
    return given


class Masked(Unsized):
    """The elements of a traced array where a traced mask holds, in a row of unknown length.

    Ufuncs apply to them one by one, with numbers or with elements that the same mask chose; reductions give numbers.
    Everything else raises `TracerError`.
    """

    def __init__(self, whole: Any, mask: Any) -> None:
        self.whole = whole
        self.mask = mask
        self.place = place()

    @property
    def ndim(self) -> int:
        return 1

    @property
    def dtype(self) -> Any:
        return self.whole.dtype

    @property
    def size(self) -> Any:
        """The number of chosen elements, a traced integer."""
        return np.sum(self.mask)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return self.whole.__array_namespace__(api_version=api_version)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "reduce":
            name = REDUCED.get(ufunc.__name__)
            if name is not None:
                return self.reduce(name, **kwargs)
        out = kwargs.pop("out", None)
        if out is not None and (len(out) != 1 or out[0] is not self):
            raise self.refusal(f"{ufunc.__name__} into another array")
        if method != "__call__" or kwargs:
            raise self.refusal(f"{ufunc.__name__}.{method}")
        if ufunc.signature is not None:
            return self.product(ufunc.__name__, inputs)
        found = self.each(ufunc, inputs)
        if out is None:
            return found
        self.whole = found.whole
        return self

    def each(self, function: Any, inputs: Any, **kwargs: Any) -> Masked:
        """What the function gives for the chosen elements, one by one."""
        wholes = []
        for x in inputs:
            if isinstance(x, Masked):
                wholes.append(x.under(self.mask, f"{function.__name__} of what two masks choose"))
            elif not isinstance(x, (type, np.dtype)) and np.ndim(operand(x)):
                raise self.refusal(f"{function.__name__} with an array")
            else:
                wholes.append(x)
        # What is computed where the mask does not hold is never used; operands there are made harmless.
        safe = [np.where(self.mask, x, x.dtype.type(1)) if isinstance(x, Tracer) and x.shape else x for x in wholes]
        return Masked(function(*safe, **kwargs), self.mask)

    def under(self, mask: Any, what: str) -> Any:
        """The array that the elements are chosen from, for `mask` to choose the same ones.

        Raises `TracerError` unless that is the mask that chose them, or one that is computed in the same way.
        """
        builder = self.mask.builder
        if mask.builder is not builder or not builder.same(mask.value, self.mask.value):
            raise self.refusal(what)
        return self.whole

    def astype(self, dtype: Any, **kwargs: Any) -> Masked:
        return Masked(self.whole.astype(dtype), self.mask)

    def copy(self) -> Masked:
        return Masked(self.whole, self.mask)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = reduction(func)
        if name in REDUCTIONS and isinstance(args[0], Masked):
            return args[0].reduce(name, *args[1:], **kwargs)
        if name in ("size", "count_nonzero"):
            return self.size if name == "size" else np.sum(np.where(self.mask, self.whole != 0, False))
        if name in PRODUCTS:
            return self.product(name, args, **kwargs)
        if name == "norm":
            return self.norm(*args[1:], **kwargs)
        if name in ("argmax", "argmin") and len(args) == 1 and not kwargs:
            return self.place_of(name)
        if name == "ptp" and len(args) == 1 and not kwargs:
            return self.reduce("max") - self.reduce("min")
        if func is np.result_type:
            return np.result_type(*[x.dtype if isinstance(x, Masked) else x for x in args])
        if func in ELEMENTWISE:
            return self.each(func, args, **kwargs)
        raise self.refusal(f"numpy.{func.__name__}")

    def reduce(self, name: str, axis: Any = None, **kwargs: Any) -> Any:
        """One number for all chosen elements."""
        if axis not in (None, 0, -1):
            raise self.refusal(f"{name} with axis={axis}")
        given = options(self, name, kwargs)
        if name in ("max", "min") and "initial" not in given:
            self._not_empty(f"zero-size array to reduction operation {name}imum which has no identity")
            given["initial"] = self._least(name)
        return REDUCTIONS[name](self.whole, where=np.broadcast_to(self.mask, self.whole.shape), **given)

    def _least(self, name: str) -> Any:
        if self.dtype.kind == "c":
            raise self.refusal(f"{name} of complex numbers")
        return extreme(self.dtype, name)

    def _not_empty(self, message: str) -> None:
        check(np.any(self.mask), ValueError, message + self.place)

    def product(self, name: str, factors: Any, **kwargs: Any) -> Any:
        """The inner product of what one mask chooses from two arrays."""
        if name not in PRODUCTS or kwargs or len(factors) != 2 or not all([isinstance(x, Masked) for x in factors]):
            raise self.refusal(name)
        x, y = factors
        found = (np.conj(x) if name in ("vdot", "vecdot") else x) * y
        return found.reduce("sum", dtype=found.dtype)

    def dot(self, other: Any) -> Any:
        return self.product("dot", (self, other))

    def norm(self, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        if ord not in (None, 1, 2) or axis not in (None, 0, -1) or keepdims:
            raise self.refusal(f"norm with ord={ord}, axis={axis}, keepdims={keepdims}")
        return np.linalg.norm(np.ravel(np.where(self.mask, self.whole, 0)), ord)

    def place_of(self, name: str) -> Any:
        """Where the largest or the smallest of the chosen elements stands among these."""
        self._not_empty(f"attempt to get {name} of an empty sequence")
        mask = np.ravel(np.broadcast_to(self.mask, self.whole.shape))
        whole = np.where(mask, np.ravel(self.whole), self._least(name[3:]))
        return np.maximum(np.cumsum(mask)[getattr(np, name)(whole)] - 1, 0)

    def refusal(self, what: str) -> TracerError:
        """The error for what needs the number of elements."""
        return TracerError(
            f"{what} of x[mask] needs to know how many elements the traced mask {self.mask.type} chooses{self.place}; "
            "use numpy.where(mask, x, 0) to keep the shape"
        )

    def __len__(self) -> int:
        raise self.refusal("len()")

    @property
    def shape(self) -> Any:
        raise self.refusal("the shape")

    def __iter__(self) -> Any:
        raise self.refusal("iteration")

    def __getitem__(self, index: Any) -> Any:
        raise self.refusal("an index")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self.refusal("an array")

    def __repr__(self) -> str:
        return f"Masked<{self.whole.type} where {self.mask.type}>"


def _method(name: str) -> Callable[..., Any]:
    def method(x: Masked, axis: Any = None, **kwargs: Any) -> Any:
        return x.reduce(name, axis, **kwargs)

    return method


for _name in REDUCTIONS:
    setattr(Masked, _name, _method(_name))


def extreme(dtype: Any, name: str) -> Any:
    """The number below which no maximum (`max`) is, or above which no minimum."""
    if dtype.kind == "f":
        return -np.inf if name == "max" else np.inf
    if dtype.kind == "b":
        return name == "min"
    return np.iinfo(dtype).min if name == "max" else np.iinfo(dtype).max


class Places(Masked):
    """Where a traced mask holds, along one of its axes: indices, in a row of unknown length."""

    def __init__(self, mask: Any, axis: int) -> None:
        shape = [n if i == axis else 1 for i, n in enumerate(mask.shape)]
        super().__init__(np.broadcast_to(np.arange(mask.shape[axis]).reshape(shape), mask.shape), mask)
        self.axis = axis

    def refusal(self, what: str) -> TracerError:
        return TracerError(
            f"{what} of numpy.nonzero, or numpy.where(mask), needs to know how many elements the traced mask "
            f"{self.mask.type} chooses{self.place}; index with all of it, write numpy.where(mask, x, y), or give the "
            "number to graphad.numpy.nonzero(mask, size=n)"
        )


def mask_for(index: Any) -> Any:
    """An index, the mask in place of the places where one holds. Raises `TracerError` for some of its axes only."""
    entries = index if isinstance(index, tuple) else (index,)
    for found in entries:
        if isinstance(found, Masked):
            break
    else:
        return index
    axes = [e.axis if isinstance(e, Places) and e.mask is found.mask else -1 for e in entries]
    if axes != list(range(found.mask.ndim)):
        raise found.refusal("an index that is not all of numpy.nonzero(mask)")
    return found.mask


def mask_of(x: Any, index: Any) -> Any:
    """The mask over the leading axes of `x` that an index is, if it is a traced one; else None."""
    index = mask_for(index)
    if isinstance(index, tuple) and len(index) == 1:
        (index,) = index
    if not isinstance(index, Tracer) or index.dtype.kind != "b" or not index.shape:
        return None
    return index if x.shape[: index.ndim] == index.shape else None


def spread(x: Any, mask: Any) -> Any:
    """A mask over the leading axes of an array as one over all of its axes."""
    return np.broadcast_to(np.reshape(mask, (*mask.shape, *[1] * (x.ndim - mask.ndim))), x.shape)
