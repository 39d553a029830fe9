"""`x[i:j]` where `i` and `j` are traced: parts of arrays whose extent is known at run time only.

The part lies in an array of known shape, whose other elements are never used: they are masked wherever elements meet.
All that is computed of it are ops like any others, so derivatives, batches and executors need nothing of their own.
A slice of known extent whose start alone moves is a dynamic slice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.arrays import PYTHON_SCALARS, Unsized
from graphad.build import current_builder
from graphad.errors import ShapeError, TracerError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import operand
from graphad.numpy.bounds import difference, span
from graphad.numpy.indexing import getitem
from graphad.numpy.slices import (
    Ends,
    MovingSelection,
    check,
    chosen_ends,
    flipped,
    integer,
    is_integer,
    spelled,
    step_of,
)
from graphad.numpy.views import assign, own, view
from graphad.ops.complex import from_parts
from graphad.ops.elementwise import cast
from graphad.ops.shape import iota
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike

ALONG = frozenset({np.add, np.subtract, np.negative, np.positive, np.conjugate, np.real, np.imag, np.copy})
"""Functions of whose derivatives operands are no factors, so that what is not used may be anything."""


def read(x: Any, index: Any) -> Any:
    """`x[index]` where a slice moves: a view of `x`."""
    chosen = MovingSelection(x, index)
    if not chosen.ends:
        return view(chosen.read(own(x)), x, chosen.read, chosen.write, index, chosen.outline)
    return Moving(
        lambda: chosen.read(own(x)),
        chosen.ends,
        lambda new: assign(x, chosen.write(own(x), new), "assignment to an index"),
        (x, index),
    )


def picked(x: Any, index: Moving) -> Any:
    """`x[index]` for a vector of integers of traced extent."""
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise index.refusal("an index that is no vector of integers")
    return made(getitem(x, index.filled(0)), index.ends)


def write(x: Any, index: Any, value: Any) -> None:
    """`x[index] = value` where a slice moves."""
    if isinstance(value, Moving) and value.source is not None and value.source[0] is x and value.source[1] is index:
        return  # `x[index] += y` has written to the view already
    found = read(x, index)
    if isinstance(found, Moving):
        found.fill(value)
    else:
        found[...] = value


# -- what such a part is ------------------------------------------------------------------------------------------


class Moving(Unsized):
    """Part of a traced array, of an extent that is known at run time only.

    Elementwise functions take it with numbers, with arrays that have extent 1 there, and with parts of the same extent;
    products sum over two parts of the same extent; reductions, `cumsum`, `argmax`, `flip`, `concatenate`, indices and
    slices do what NumPy does. Everything else raises `TracerError`. Parts whose extents are not known to be the same
    are compared at run time (`ShapeError`).
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, get: Callable[[], Any], ends: dict[int, Ends], put: Callable[[Any], None], source: Any = None
    ) -> None:
        self.get = get
        self.put = put
        self.ends = ends
        self.source = source
        self.place = place()
        found = get()
        self.dtype = found.dtype
        self.bounds: tuple[int, ...] = found.shape

    @property
    def ndim(self) -> int:
        return len(self.bounds)

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple([_weak(self.ends[i].size) if i in self.ends else n for i, n in enumerate(self.bounds)])

    @property
    def size(self) -> Any:
        total: Any = 1
        for n in self.shape:
            total = total * n
        return total

    @property
    def T(self) -> Any:
        return self.transpose()

    def mask(self) -> Any:
        """Which elements belong to the part, to be broadcast to its array."""
        return mask_of(self.ends, self.bounds)

    def filled(self, x: Any) -> Any:
        """The array with a number in place of what is not used."""
        found = self.get()
        return np.where(self.mask(), found, found.dtype.type(x)) if self.ends else found

    def fill(self, value: Any, casting: Any = None) -> None:
        """Write to all elements."""
        whole = self.get()
        (_, new), _ = aligned([self, value], "assignment")
        new = operand(new)
        kinds = new.dtype.kind, self.dtype.kind
        if (casting and not np.can_cast(new.dtype, self.dtype, casting)) or (kinds[0] == "c" and kinds[1] != "c"):
            raise TypeMismatchError(f"assignment{place()}: {new.dtype} cannot be written into {self.dtype}")
        if new.ndim > self.ndim:
            raise ShapeError(f"assignment{place()}: an array of {new.ndim} axes for {self.ndim}")
        new = cast(new, self.dtype)
        self.put(np.where(self.mask(), new, whole) if self.ends else np.broadcast_to(new, whole.shape))

    # -- indices ----------------------------------------------------------------------------------------------

    def part(self, index: Any) -> Moving:
        """`self[index]`, as a view."""
        entries: list[Any] = []
        left: dict[int, Ends] = {}
        backwards: list[int] = []
        axis = out = 0
        for item in spelled(index, self.ndim):
            if item is not None and axis in self.ends and type(item) is slice:
                outer, inner = self.ends[axis], chosen_ends(item, self.ends[axis].size)
                left[out] = Ends(outer.low + inner.low, outer.low + inner.high, inner.size)
                if step_of(item) < 0:
                    left[out] = flipped(left[out], self.bounds[axis])
                    backwards.append(out)
                item = slice(None)
            elif item is not None and axis in self.ends:
                item = self._element(item, self.ends[axis])
            entries.append(item)
            axis += item is not None
            out += item is None or type(item) is slice
        chosen = MovingSelection(self.get(), tuple(entries))
        chosen.reversed += backwards
        return Moving(
            lambda: chosen.read(self.get()), {**chosen.ends, **left},
            lambda new: self.put(chosen.write(self.get(), new)),
        )  # fmt: skip

    def _element(self, item: Any, ends: Ends) -> Any:
        """Where an element stands in the array. At run time it must be one of the part's."""
        if not is_integer(item):
            raise self.refusal(f"the index {item!r}")
        item = integer(item)
        low, high = span(item)
        after = item - ends.size if high >= 0 else item
        if low < 0:
            item = np.where(item < 0, item + ends.size, item) if high >= 0 else item + ends.size
        inside = span(item)[0] >= 0 and span(after)[1] < 0
        if not inside:
            holds = np.logical_and(item >= 0, item < ends.size)
            check(holds, IndexError, f"index is out of bounds for a slice of traced extent{self.place}{place()}")
        return ends.low + item

    def __getitem__(self, index: Any) -> Any:
        found = self.part(index)
        return found if found.ndim else found.get()

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, Moving) and value.source is not None and value.source[0] is self:
            return
        self.part(index).fill(value)

    def transpose(self, *axes: Any) -> Any:
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        order = [i % self.ndim for i in order] if order else list(range(self.ndim))[::-1]
        back = np.argsort(order).tolist()
        ends = {order.index(i): e for i, e in self.ends.items()}
        return Moving(
            lambda: np.transpose(self.get(), order), ends, lambda new: self.put(np.transpose(new, back))
        )

    # -- functions --------------------------------------------------------------------------------------------

    __array_ufunc__: Callable[..., Any]  # both stand in `moving_functions`
    __array_function__: Callable[..., Any]

    def astype(
        self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        if not copy and np.dtype(dtype) == self.dtype:
            return self
        return made(self.get().astype(dtype, casting=casting), self.ends)

    @property
    def real(self) -> Any:
        if self.dtype.kind != "c":
            return self
        put = lambda new: self.put(from_parts(new, np.imag(self.get())))
        return Moving(lambda: np.real(self.get()), self.ends, put)

    @real.setter
    def real(self, value: Any) -> None:
        self.real.fill(value)

    @property
    def imag(self) -> Any:
        if self.dtype.kind != "c":
            return made(np.zeros_like(self.get()), self.ends)
        put = lambda new: self.put(from_parts(np.real(self.get()), new))
        return Moving(lambda: np.imag(self.get()), self.ends, put)

    @imag.setter
    def imag(self, value: Any) -> None:
        self.imag.fill(value)

    def copy(self, order: str = "C") -> Any:
        return made(own(self.get()), self.ends)

    def refusal(self, what: str) -> TracerError:
        return TracerError(
            f"{what}{place()} is not known of a slice of traced extent{self.place}; use functions of elements, "
            "reductions, products and indices, or numpy.where(numpy.arange(n) < i, x, 0), which has a known shape"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("ends", "get", "bounds"):
            raise AttributeError(name)
        raise self.refusal(f".{name}")

    def __len__(self) -> int:
        if self.ndim and 0 not in self.ends:
            return self.bounds[0]
        raise self.refusal("len()")

    def __iter__(self) -> Any:
        if 0 in self.ends:
            raise self.refusal("iteration outside of a for statement")
        return iter([self[i] for i in range(self.bounds[0])])

    def __bool__(self) -> bool:
        raise self.refusal("the truth")

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self.refusal("an array")

    def __float__(self) -> float:
        raise self.refusal("float()")

    def __contains__(self, x: Any) -> bool:
        raise self.refusal("in")

    def __format__(self, form: str) -> str:
        raise self.refusal("a text")

    def __str__(self) -> str:
        raise self.refusal("a text")

    def __repr__(self) -> str:
        return f"Moving<{self.dtype}{list(self.shape)}>"


def _weak(n: Any) -> Any:
    return Tracer(n.builder, n.value, True) if isinstance(n, Tracer) else n


def mask_of(ends: dict[int, Ends], bounds: Sequence[int]) -> Array:
    """Which elements lie between ends, to be broadcast to an array with these bounds."""
    total: Any = None
    for axis, (low, high, _) in ends.items():
        at = np.reshape(iota(bounds[axis]), tuple([-1 if i == axis else 1 for i in range(len(bounds))]))
        tests = [] if type(low) is int and low == 0 else [at >= low]
        tests += [] if type(high) is int and high == bounds[axis] else [at < high]
        for test in tests:
            total = test if total is None else np.logical_and(total, test)
    return np.ones((), bool) if total is None else total


def made(whole: ArrayLike, ends: dict[int, Ends]) -> Any:
    """A part that shares nothing; the array itself if all of it belongs to it."""
    if not ends:
        return whole
    cell, home = [whole], current_builder()

    def put(new: Any) -> None:
        if current_builder() is not home:
            raise TracerError(
                f"a slice of traced extent is changed{place()} in a branch or a loop within the piece that made it; "
                "make a new one (v = v + 1), or write to the array that it is a part of"
            )
        cell[0] = new

    return Moving(lambda: cell[0], ends, put)


def aligned(xs: Sequence[Any], what: str) -> tuple[list[Any], dict[int, Ends]]:
    """Arrays in which the elements of parts that meet stand at the same place, and the ends of the result's axes, which
    are counted from the last. The first part along an axis stays where it is."""
    arrays = [x if isinstance(x, Moving) or type(x) in PYTHON_SCALARS else operand(x) for x in xs]
    found: dict[int, tuple[Ends, int]] = {}
    for x in arrays:
        if isinstance(x, Moving):
            for axis, e in x.ends.items():
                found.setdefault(axis - x.ndim, (e, x.bounds[axis]))
    wholes = []
    for x in arrays:
        mine = {axis - x.ndim: e for axis, e in x.ends.items()} if isinstance(x, Moving) else {}
        whole = x.get() if isinstance(x, Moving) else x
        for axis, (e, n) in found.items() if not isinstance(x, PYTHON_SCALARS) else ():
            if whole.ndim >= -axis:
                if axis in mine:
                    whole = moved(whole, axis, mine[axis], e, n, what)
                elif whole.shape[axis] != 1:
                    raise unsliced(what, whole.shape[axis])
        wholes.append(whole)
    return wholes, {axis: e for axis, (e, _) in found.items()}


def unsliced(what: str, n: int) -> ShapeError:
    """The error for an axis of known extent that meets one of traced extent."""
    return ShapeError(
        f"{what}{place()}: an axis of extent {n} meets a slice of traced extent; slice it in the same way"
    )


def moved(whole: Any, axis: int, mine: Ends, goal: Ends, n: int, what: str) -> Any:
    """An array of `n` elements along an axis, in which those of a part stand at other ends."""
    if mine is goal:
        return whole
    apart = difference(mine.size, goal.size)
    if apart is None:
        check(mine.size == goal.size, ShapeError, f"{what}{place()}: operands could not be broadcast together")
    elif apart:
        raise ShapeError(f"{what}{place()}: operands could not be broadcast together, their extents differ by {apart}")
    shift = difference(mine.low, goal.low)
    if shift == 0 and whole.shape[axis] == n:
        return whole
    if shift == 0 and whole.shape[axis] > n:
        return whole[(..., slice(n), *[slice(None)] * (-axis - 1))]
    at = iota(n) + (mine.low - goal.low)
    return np.take(whole, np.clip(at, 0, whole.shape[axis] - 1), axis=axis)
