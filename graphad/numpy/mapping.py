"""Functions applied along axes and over elements: apply_along_axis, apply_over_axes, vectorize."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import update_wrapper
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.numpy.arguments import axis_of, holds_tracer, operand, recorded
from graphad.numpy.dispatch import NAMESPACE, implements, located_errors
from graphad.ops import shape as shapes
from graphad.registry import LATER
from graphad.types import Array, ArrayLike


def _mapped(function: Callable[..., Any], arrays: list[Any], ranks: list[int]) -> Any:
    """`function` of each row of the arrays, whose rows have the given ranks; the other axes broadcast."""
    leads = [x.shape[: x.ndim - rank] for x, rank in zip(arrays, ranks, strict=True)]
    try:
        lead = np.broadcast_shapes(*leads)
    except ValueError:
        names = " and ".join(str(list(s)) for s in leads)
        raise ShapeError(f"the leading axes {names} do not broadcast") from None
    if not lead:
        return function(*arrays)
    for i, (x, own) in enumerate(zip(arrays, leads, strict=True)):
        rows = x.shape[len(own) :]
        own = (1,) * (len(lead) - len(own)) + own
        x = shapes.broadcast_to(shapes.reshape(x, own + rows), lead + rows)
        arrays[i] = shapes.reshape(x, (int(np.prod(lead)), *rows))
    found = LATER["vmap"](function)(*arrays)
    restored = [shapes.reshape(x, lead + x.shape[1:]) for x in (found if isinstance(found, tuple) else (found,))]
    return tuple(restored) if isinstance(found, tuple) else restored[0]


@implements(np.apply_along_axis, laid=None)
def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """NumPy's `apply_along_axis`; the function is traced once, for all rows together."""
    arr = operand(arr)
    axis = axis_of(arr, axis, "apply_along_axis")
    found = _mapped(lambda row: operand(func1d(row, *args, **kwargs)), [recorded(shapes.moveaxis(arr, axis, -1))], [1])
    rank = found.ndim - (arr.ndim - 1)
    first = arr.ndim - 1
    return shapes.moveaxis(found, tuple(range(first, first + rank)), tuple(range(axis, axis + rank)))


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Any], a: ArrayLike, axes: Any) -> Array:
    x = operand(a)
    for axis in np.atleast_1d(axes):
        found = func(x, int(axis))
        if found.ndim != x.ndim:
            found = shapes.expand_dims(found, axis_of(x, axis, "apply_over_axes"))
        if found.ndim != x.ndim:
            raise ShapeError(f"apply_over_axes: the function must keep or drop the axis, but gave {found!r}")
        x = found
    return x


_ARGUMENT = re.compile(r"\(([^()]*)\)")


class _GivesTraced(Exception):
    """A function gives a traced value for known elements."""


class Vectorize:
    """NumPy's `vectorize`: a function of single elements, or of the rows that `signature` says, over arrays.

    With traced operands the function is traced once, for all elements together; else it is NumPy's.
    """

    def __init__(
        self,
        pyfunc: Any = np._NoValue,
        otypes: Any = None,
        doc: str | None = None,
        excluded: Iterable[Any] | None = None,
        cache: bool = False,
        signature: str | None = None,
    ) -> None:
        self.options = {"otypes": otypes, "excluded": excluded, "cache": cache, "signature": signature}
        self.doc = doc
        self.pyfunc = pyfunc
        if pyfunc is not np._NoValue:
            self._wrap(pyfunc)

    def _wrap(self, pyfunc: Callable[..., Any]) -> None:
        self.pyfunc = pyfunc
        update_wrapper(self, pyfunc)
        if self.doc is not None:
            self.__doc__ = self.doc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.pyfunc is np._NoValue:
            self._wrap(args[0])
            return self
        if holds_tracer(args) or holds_tracer(kwargs.values()):
            return self._traced(args, kwargs)
        try:
            return np.vectorize(self._known, doc=self.doc, **self.options)(*args, **kwargs)
        except _GivesTraced:
            return self._traced(args, kwargs)

    def _known(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives for known elements; it may read traced values from around it."""
        found = self.pyfunc(*args, **kwargs)
        if holds_tracer((found,)):
            raise _GivesTraced
        return found

    @located_errors
    def _traced(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        excluded = set(self.options["excluded"] or ())
        keys = [i for i in range(len(args)) if i not in excluded]
        names = [name for name in kwargs if name not in excluded]
        arrays = [operand(args[i]) for i in keys] + [operand(kwargs[name]) for name in names]
        signature = self.options["signature"]
        inputs = [] if signature is None else _ARGUMENT.findall(signature.partition("->")[0])
        ranks = [len([d for d in dims.split(",") if d.strip()]) for dims in inputs] or [0] * len(arrays)
        if len(ranks) != len(arrays):
            raise ShapeError(f"vectorize: the signature {signature!r} has {len(ranks)} operands, not {len(arrays)}")

        def function(*rows: Any) -> Any:
            given = list(args)
            for i, row in zip(keys, rows, strict=False):
                given[i] = row
            found = self.pyfunc(*given, **{**kwargs, **dict(zip(names, rows[len(keys) :], strict=True))})
            return tuple(map(operand, found)) if isinstance(found, tuple) else operand(found)

        found = _mapped(function, [recorded(x) for x in arrays], ranks)
        types = self.options["otypes"]
        if types is None:
            return found
        given = found if isinstance(found, tuple) else (found,)
        cast_to = [np.dtype(t) for t in (types if not isinstance(types, str) else list(types))]
        results = tuple(NAMESPACE[np.astype](x, t, copy=False) for x, t in zip(given, cast_to, strict=True))
        return results if isinstance(found, tuple) else results[0]
