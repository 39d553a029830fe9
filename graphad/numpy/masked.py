"""`x[mask]` where the mask is traced: how many elements it chooses is not known, but what they sum up to can be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from graphad.arrays import Unsized
from graphad.errors import TracerError
from graphad.location import place
from graphad.numpy.arguments import known, operand
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
    """The elements, or the rows, of a traced array where a traced mask holds, in an array of unknown length.

    `mask` lies over the leading axes of `whole`; what it chooses stands along the first axis, before the axes that the
    mask leaves. Ufuncs apply to the elements one by one, with numbers, with arrays that have those other axes, or with
    what the same mask chose; reductions over the first axis give plain traced arrays. Everything else raises
    `TracerError`.
    """

    def __init__(self, whole: Any, mask: Any) -> None:
        self.whole = whole
        self.mask = mask
        self.place = place()

    @property
    def ndim(self) -> int:
        ndim: int = 1 + self.whole.ndim - self.mask.ndim
        return ndim

    @property
    def dtype(self) -> Any:
        return self.whole.dtype

    @property
    def size(self) -> Any:
        """The number of chosen elements, a traced integer."""
        return np.sum(self.mask) * math.prod(self.whole.shape[self.mask.ndim :])

    @property
    def all_of(self) -> Any:
        """The mask over all axes of the array."""
        return spread(self.whole, self.mask)

    def filled(self, x: Any) -> Any:
        """The array with a number in place of what is not chosen."""
        return np.where(self.all_of, self.whole, self.dtype.type(x))

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return self.whole.__array_namespace__(api_version=api_version)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "reduce":
            name = REDUCED.get(ufunc.__name__)
            if name is not None:
                return self.reduce(name, **{"axis": 0, **kwargs})
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
        """What the function gives for the chosen elements, one by one. What is computed where the mask does not hold is
        never used; operands there are made harmless."""
        operands: list[Any] = []
        for x in inputs:
            if isinstance(x, Masked):
                x.under(self.mask, f"{function.__name__} of what two masks choose")
                if x.ndim != self.ndim:
                    raise self.refusal(f"{function.__name__} of {self.ndim} and {x.ndim} axes")
                operands.append(x.filled(1))
            elif not isinstance(x, (type, np.dtype)) and np.ndim(operand(x)) >= self.ndim:
                raise self.refusal(f"{function.__name__} with an array")
            else:
                operands.append(x)
        return Masked(function(*operands, **kwargs), self.mask)

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
        if name in ("size", "count_nonzero") and len(args) == 1 and not kwargs:
            return self.size if name == "size" else np.sum(np.where(self.all_of, self.whole != 0, False))
        if name in PRODUCTS:
            return self.product(name, args, **kwargs)
        if name == "norm":
            return self.norm(*args[1:], **kwargs)
        if name in ("argmax", "argmin") and len(args) == 1 and not kwargs:
            return self.place_of(name)
        if name == "ptp" and len(args) == 1 and not kwargs:
            return self.reduce("max") - self.reduce("min")
        if func is np.ndim:
            return self.ndim
        if func is np.result_type:
            return np.result_type(*[x.dtype if isinstance(x, Masked) else x for x in args])
        if func in ELEMENTWISE:
            return self.each(func, args, **kwargs)
        raise self.refusal(f"numpy.{func.__name__}")

    def reduce(self, name: str, axis: Any = None, **kwargs: Any) -> Any:
        """The reduction of all chosen elements, or along some axes; the first one has the unknown length."""
        axes = range(self.ndim) if axis is None else normalize_axis_tuple(axis, self.ndim)
        behind = tuple([a - 1 + self.mask.ndim for a in axes if a])
        if 0 not in axes:
            return Masked(REDUCTIONS[name](self.filled(1), axis=behind, **kwargs), self.mask)
        given = options(self, name, kwargs)
        if name in ("max", "min") and "initial" not in given:
            self._not_empty(f"zero-size array to reduction operation {name}imum which has no identity")
            given["initial"] = self._least(name)
        return REDUCTIONS[name](self.whole, axis=(*range(self.mask.ndim), *behind), where=self.all_of, **given)

    def _least(self, name: str) -> Any:
        if self.dtype.kind == "c":
            raise self.refusal(f"{name} of complex numbers")
        return extreme(self.dtype, name)

    def _not_empty(self, message: str) -> None:
        check(np.any(self.mask), ValueError, message + self.place)

    def product(self, name: str, factors: Any, **kwargs: Any) -> Any:
        """The inner product of what one mask chooses from two arrays."""
        rows = [x for x in factors if isinstance(x, Masked) and (x.ndim == 1 or name == "vdot")]
        if name not in PRODUCTS or kwargs or len(rows) != 2 or len(factors) != 2:
            raise self.refusal(name)
        x, y = factors
        found = (np.conj(x) if name in ("vdot", "vecdot") else x) * y
        return found.reduce("sum", dtype=found.dtype)

    def dot(self, other: Any) -> Any:
        return self.product("dot", (self, other))

    def norm(self, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        vector = self.ndim == 1 and ord in (1, 2) and axis in (None, 0, -1)
        if keepdims or not (vector or (ord is None and (axis is None or self.ndim == 1))):
            raise self.refusal(f"norm with ord={ord}, axis={axis}, keepdims={keepdims}")
        return np.linalg.norm(np.ravel(self.filled(0)), ord)

    def place_of(self, name: str) -> Any:
        """Where the largest or the smallest of the chosen elements stands among these."""
        self._not_empty(f"attempt to get {name} of an empty sequence")
        mask = np.ravel(self.all_of)
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

    def __setitem__(self, index: Any, value: Any) -> None:
        raise self.refusal("assignment to an index")

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


def choice(x: Any, index: Any) -> Any:
    """A view of `x` and the traced mask over its leading axes by which an index, and by nothing else but slices and
    integers, chooses from it; None for any other index."""
    index = mask_for(index)
    mask, *rest = index if isinstance(index, tuple) and index else (index,)
    if not isinstance(mask, Tracer) or mask.dtype.kind != "b" or x.shape[: mask.ndim] != mask.shape:
        return None
    if known(mask) is not None or not is_basic(tuple(rest)):
        return None
    if not mask.shape:
        return x[(None, *rest)], mask[None]
    return (x[(*[slice(None)] * mask.ndim, *rest)] if rest else x), mask


def is_basic(index: Any) -> bool:
    """Whether NumPy makes a view for an index: integers, slices, Ellipsis and None only."""
    for item in index if type(index) is tuple else (index,):
        if item is None or item is Ellipsis or isinstance(item, (slice, np.integer)) or type(item) is int:
            continue
        if not isinstance(item, Tracer) or item.shape or item.dtype.kind not in "iu":
            return False
    return True


def spread(x: Any, mask: Any) -> Any:
    """A mask over the leading axes of an array as one over all of its axes."""
    return np.broadcast_to(np.reshape(mask, (*mask.shape, *[1] * (x.ndim - mask.ndim))), x.shape)
