"""Traced arrays that share elements: views, and arrays of which it is known at run time only which ones they are.

A traced array is a handle whose value is replaced where something is written to it. A view writes through to what it
is a view of, and follows it. What a piece of a function writes, which may not run or run often, its builder notes;
whoever makes an op of the piece makes the changes results of that op.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from weakref import ref

import numpy as np

from graphad.attributes import cached
from graphad.build import Builder, building, current_builder
from graphad.errors import ControlFlowError, ShapeError, TracerError
from graphad.graph import Constant, Value
from graphad.location import place
from graphad.numpy.arguments import stored
from graphad.numpy.held import IN_LIST
from graphad.numpy.inverse import Back, Forth, Inverse
from graphad.numpy.layouts import UNKNOWN, laid, order_of, outline_of, outlines
from graphad.numpy.outside import Watched
from graphad.ops.elementwise import cast
from graphad.ops.select import select
from graphad.ops.shape import broadcast_to
from graphad.refusals import refuse_unsure
from graphad.trace import UFUNC_METHODS, Tracer, lift, type_of
from graphad.types import Array


class View(Tracer):
    """A traced array that shares its elements with `origin`: what is written to one changes the other."""

    weak = False
    boxed = True

    like: Callable[[Any], Any] | None = None

    def __init__(self, found: Tracer, origin: Tracer, forth: Forth, back: Back, shadow: Array, key: Any = None) -> None:
        self.origin = origin
        self.forth = forth
        self.back = back
        self.shadow = shadow
        self.key = key
        self._found: tuple[Builder, Value] = found.builder, found.value
        self._seen: Value | None = origin.value

    # What it is can be asked at any time, its value only where that of its origin is known.
    type = property(lambda self: self._found[1].type.with_shape(self.shadow.shape))  # type: ignore[assignment]
    shape = property(lambda self: self.shadow.shape)  # type: ignore[assignment]
    dtype = property(lambda self: self._found[1].type.dtype)  # type: ignore[assignment]
    ndim = property(lambda self: self.shadow.ndim)  # type: ignore[assignment]
    size = property(lambda self: self.shadow.size)  # type: ignore[assignment]

    @cached
    def layout(self) -> Any:  # type: ignore[override]
        """The order of the axes, there being gaps between them or not."""
        return UNKNOWN if self.origin.layout is UNKNOWN and self.shadow.ndim > 1 else order_of(self.shadow)

    def _follow(self) -> tuple[Builder, Value]:
        origin = self.origin
        builder, value = self._found
        if not isinstance(origin, Tracer):
            return builder, value  # an array of NumPy's again: the trace has ended
        home, source = origin._follow() if isinstance(origin, View) else (origin.builder, origin.value)
        if source is not self._seen or (builder.undone and value in builder.undone) or _ended(builder, home):
            # The view follows what has been written to its origin, where it is read next.
            if home.closed:
                return home, Value(self.type)
            with building(home):
                found = self.forth(Tracer(home, source))
            self._found, self._seen = (found.builder, found.value), source
        return self._found

    @property
    def value(self) -> Value:  # type: ignore[override]
        return self._follow()[1]

    @property
    def builder(self) -> Builder:  # type: ignore[override]
        return self._follow()[0]

    def follows(self, origin: Tracer) -> bool:
        """Whether the view has been read, or written to, since its origin was last written to otherwise."""
        return self._seen is origin.value

    def now(self, builder: Builder, value: Value) -> None:
        """Note what the view is after its origin was given these elements."""
        self._found, self._seen = (builder, value), self.origin.value


def _ended(builder: Builder, home: Builder) -> bool:
    """Whether a view was last read in a piece that has ended, which did not write to its origin."""
    current = current_builder()
    return builder is not home and current is not None and not builder.encloses(current)


class Fixed(Tracer):
    """What an array from outside of the function holds: nothing is written to it."""

    def __init__(self, x: Tracer) -> None:
        super().__init__(x.builder, x.value)


class Joined(Tracer):
    """A traced array that is one of others where a test says so, which is known at run time only: it changes with that
    one, and what is written to it changes that one."""

    weak = False
    closed = False
    """Whether it is one of its sources in any case."""
    outside: Watched | None = None
    """What it may be from outside of the function."""
    chosen: Any = None
    """Arrays of which it is the one at a position, and that position."""

    def __init__(self, found: Tracer, sources: Sequence[tuple[Any, Any]], hold: bool = False) -> None:
        self._builder, self._value, self._following = found.builder, found.value, False
        self._tests, self._arrays = [test for test, _ in sources], [x for _, x in sources]
        assert all([x is OUTSIDE or x.shape == found.shape for x in self._arrays])
        # What is not an array that others know themselves is kept: a view, one that stands for an array of the same
        # name elsewhere, and one that a loop may have left. Of one that may be others these are among the sources.
        self._kept = [
            hold or x is OUTSIDE or isinstance(x, (View, Shared)) or (may_be_others(x) and not isinstance(x, Joined))
            for x in self._arrays
        ]
        self._seen = [x.value if isinstance(x, Tracer) else None for x in self._arrays]
        self._at: Value | None = found.value  # what it was when these were seen; a piece that ends undoes it alone
        self._others: dict[int, ref[Tracer]] = {}
        self.layout, self.boxed = found.layout, found.boxed

    def sources(self) -> Iterator[tuple[int, Tracer, Any]]:
        """The arrays that it may be, with the tests that say so, as far as anything else knows them."""
        self._release()
        for i, x in enumerate(self._arrays):
            if x is not None:
                yield i, self._tests[i], x

    def _release(self) -> None:
        """Let go of arrays that nothing else knows, once what was written to them has been taken over: it is these."""
        if self._at is not self._value:
            return
        for i, count in enumerate(map(sys.getrefcount, self._arrays)):
            if count == IN_LIST and not self._kept[i] and self._arrays[i].value is self._seen[i]:
                self.closed, self._arrays[i] = self.closed and isinstance(self._arrays[i], Joined), None

    # What it is can be asked at any time, its value only where its sources are known.
    type = property(lambda self: self._value.type)  # type: ignore[assignment]
    shape = property(lambda self: self._value.type.shape)  # type: ignore[assignment]
    dtype = property(lambda self: self._value.type.dtype)  # type: ignore[assignment]
    ndim = property(lambda self: self._value.type.ndim)  # type: ignore[assignment]
    size = property(lambda self: self._value.type.size)  # type: ignore[assignment]

    def others(self) -> list[Tracer]:
        """The arrays that it may be, as far as anything else knows them."""
        known = [s for _, _, s in self.sources() if isinstance(s, Tracer)]
        return known + self.excluded()

    def excluded(self) -> list[Tracer]:
        """The arrays that it may be, of which it is not known when."""
        return [x for r in self._others.values() if (x := r()) is not None]

    def keeps(self, x: Tracer) -> bool:
        """Whether an array is the only one that it may be, besides such as nothing else knows."""
        every = [source for _, _, source in self.sources()]
        return not self.excluded() and all([s is x or (isinstance(s, Joined) and s.keeps(x)) for s in every])

    def exclude(self, x: Tracer) -> None:
        """Let neither be written to while the other lives: they may be one, and when is not known."""
        self._others[id(x)] = ref(x)
        _against(x, self)

    def _follow(self) -> None:
        """Take over what has been written to what it may be, where it is read next."""
        current = current_builder()
        if self._following or current is None or not self._builder.encloses(current):
            return  # outside of its piece only what it is can be asked
        if self.outside is not None:
            self.outside.check()
        self._following, undone = True, self._at is not self._value
        for i, test, source in self.sources():
            if isinstance(source, Tracer) and (undone or source.value is not self._seen[i]):
                self._seen[i] = source.value
                write(self, where(test, source, Tracer(self._builder, self._value)))
        self._following, self._at = False, self._value

    @property
    def value(self) -> Value:  # type: ignore[override]
        self._follow()
        return self._value

    @value.setter
    def value(self, value: Value) -> None:
        self._value = value

    @property
    def builder(self) -> Builder:  # type: ignore[override]
        self._follow()
        return self._builder

    @builder.setter
    def builder(self, builder: Builder) -> None:
        self._builder = builder

    def check(self) -> None:
        """Raise `ControlFlowError` where it cannot be written to."""
        if any([s is OUTSIDE for _, _, s in self.sources()]):
            raise ControlFlowError(
                f"an array is written to{place()} that another variable may have as "
                "well, or that may be one from outside of the function, which is known at run time only; make a "
                "copy of it before (numpy.array(x))"
            )

    def spread(self, new: Any) -> None:
        """Write what was written to it to the arrays that it may be."""
        for i, test, source in self.sources():
            replace(source, where(test, new, own(source)))
            self._seen[i] = source.value
        self._at = self._value


def follows(x: Array) -> bool:
    """Whether an array is one of others, of which something else knows."""
    return isinstance(x, Joined) and any([isinstance(s, Tracer) for _, _, s in x.sources()])


def may_be_others(x: Any) -> bool:
    """Whether an array may be one that something else knows."""
    return isinstance(x, Joined) or not x.__dict__.keys().isdisjoint(("alternatives", "rivals"))


def rivals(x: Tracer) -> list[Tracer]:
    """The arrays beside which one is not to be written to, each once."""
    return [y for r in x.__dict__.get("rivals", {}).values() if (y := r()) is not None]


def _against(x: Tracer, y: Tracer) -> None:
    x.__dict__.setdefault("rivals", {})[id(y)] = ref(y)


def candidates(x: Any) -> list[Any]:
    """An array, and those that it may be, as far as anything else knows them; `OUTSIDE` for others."""
    if not isinstance(x, Tracer) or not may_be_others(x):
        return [x]
    found: dict[int, Any] = {}
    pending = [x]
    while pending:
        y = pending.pop()
        if id(y) in found:
            continue
        found[id(y)] = y
        if isinstance(y, Joined):
            pending += [*map(origin_of, y.others()), *[s for _, _, s in y.sources() if s is OUTSIDE]]
        if isinstance(y, Tracer):
            alternatives = [z for r, _ in y.__dict__.get("alternatives", ()) if (z := r()) is not None]
            pending += map(origin_of, [*rivals(y), *alternatives])
    return list(found.values())


class Shared(Tracer):
    """An array that several variables have in one branch and not in another."""


class _Outside:
    """An array that is not to be written to: one from outside of the function, or a view that nothing else holds."""


OUTSIDE: Any = _Outside()


class Lost(Value):
    """The value of an array that can no longer be read; its name says why."""

    __slots__ = ()


def lose(x: Tracer, why: str) -> None:
    """Let every use of an array, within the piece that runs if it is from around that, raise an error that says why."""
    current = current_builder()
    if current is not None and x.builder is not current:
        current.stores.setdefault(id(x), (x, x.builder, x.value))
    gone = Builder("lost")
    gone.closed, gone.lost = True, why
    x.value = Lost(x.value.type, why)
    x.builder = gone


def where(test: Any, yes: Any, no: Any) -> Any:
    """One of two arrays of one type."""
    return select(test, yes, no)


def shadows_of(x: Any) -> Iterable[Any]:
    """Arrays laid out as NumPy would lay out the traced one, in each way that it may; their elements stay untouched."""
    if x.layout is not UNKNOWN:
        return (outline_of(x),)
    if isinstance(x, View):
        return [(x.like or x.forth)(outline) for outline in shadows_of(x.origin)]
    return outlines(x.shape, complex if x.dtype.kind == "c" else bool)


def view(
    found: Any, origin: Any, forth: Forth, back: Back | None = None, key: Any = None,
    like: Callable[[Any], Any] | None = None,
) -> Any:  # fmt: skip
    """`found`, which `forth` gives of `origin`: a view of it if NumPy's would be one, else an array of its own.

    `like` gives what NumPy gives of an array of its own, where that is not what `forth` does.
    """
    if not isinstance(found, Tracer) or not isinstance(origin, Tracer) or found.builder.closed:
        return found
    shadows, shared = [], []
    for outline in shadows_of(origin):
        shadows.append((like or forth)(outline))
        shared.append(isinstance(shadows[-1], np.ndarray) and np.may_share_memory(shadows[-1], outline))
    if all(shared):
        seen = View(found, origin, forth, back or Inverse(forth), shadows[0], key)
        seen.like = like
        return seen
    copy = own(found)
    if not found.shape:
        copy.boxed = isinstance(shadows[0], np.ndarray)
    elif found.ndim > 1:
        orders = {order_of(shadow) for shadow in shadows}
        laid(copy, orders.pop() if len(orders) == 1 else UNKNOWN)
    if any(shared):
        doubt(copy, origin_of(origin))
    return copy


def doubt(x: Tracer, y: Tracer) -> None:
    """Let neither of two arrays be written to while the other lives: whether they are one depends on a layout that is
    not known."""
    _against(x, y)
    _against(y, x)


UFUNC_METHODS["doubt"] = lambda x, y: doubt(x, origin_of(y))


def either(x: Tracer, y: Tracer, what: str) -> None:
    """Let each of two arrays no longer be read once the other one is written to: whether they are one is known at run
    time only."""
    x.__dict__.setdefault("alternatives", []).append((ref(y), what))
    y.__dict__.setdefault("alternatives", []).append((ref(x), what))


def origin_of(x: Any) -> Any:
    """What a view of views is a view of in the end; any other array itself."""
    while isinstance(x, View):
        x = x.origin
    return x


def read_only(origin: Any, new: Any) -> Any:
    """How nothing is written to a view: raises NumPy's `ValueError`."""
    raise ValueError("assignment destination is read-only")


def repeated(origin: Any, new: Any) -> Any:
    """How nothing is written to a view that has an element in several places: raises `TracerError`."""
    raise TracerError(
        f"an array is written to{place()} whose elements stand in several places, having "
        "been broadcast; make a copy of it before (x.copy())"
    )


def own(x: Tracer) -> Tracer:
    """The same value as an array of its own, which shares nothing."""
    return Tracer(x.builder, x.value)


def assign(x: Tracer, new: Any, what: str) -> None:
    """Give a traced array new elements, cast to its dtype and broadcast to its shape.

    Raises `TracerError` where the array belongs to an enclosing trace, `ShapeError` where the shapes do not fit.
    """
    root = origin_of(x)
    builder, current = root.builder, current_builder()
    if current is not None and current.handled:
        refuse_unsure("an array")
    if isinstance(root, Fixed):
        raise TracerError(
            f"{what}: the array was not made in this call{place()}, and would hold a traced "
            "value afterwards; make a copy of it in the function (numpy.array(x))"
        )
    if builder.lost:
        lift(builder, root)  # raises
    if builder.closed or (current is not None and not builder.encloses(current)):
        raise enclosed(x, what)
    new = stored(new, x.dtype)
    if np.broadcast_shapes(new.shape, x.shape) != x.shape:
        raise ShapeError(f"{what}: {new.shape} does not broadcast to {x.type}{place()}")
    new = broadcast_to(cast(new, x.dtype), x.shape)
    # What is written may be a view of the array, and is what it was before.
    replace(x, own(new) if isinstance(new, Tracer) else new)


def enclosed(x: Any, what: str) -> TracerError:
    """The error for what writes to an array of an enclosing function."""
    kind = x.type if isinstance(x, Tracer) else type_of(x)
    return TracerError(
        f"{what}: this {kind} belongs to an enclosing function{place()}, which cannot "
        "be changed from within a branch, a loop's body or a function that is transformed; pass it as an argument and "
        "return the new one"
    )


def replace(x: Tracer, new: Any) -> None:
    """Give a traced array new elements of its type, and all that shares them."""
    for rival in rivals(x):
        raise ControlFlowError(
            f"an array is written to{place()} that may be what a loop has given to another "
            "variable, which is known at run time only; make a copy of it before (numpy.array(x))"
            if isinstance(rival, Joined) or isinstance(x, Joined)
            else f"an array is written to{place()} whose elements another one of shape "
            f"{list(rival.shape)} may share, which depends on how NumPy lays out its operands in memory; make a copy "
            "before one of them is reshaped (x.copy())"
        )
    if isinstance(x, View):
        replace(x.origin, x.back(own(x.origin), new))
        if isinstance(new, Tracer):
            x.now(new.builder, new.value)
        return
    for r, what in x.__dict__.get("alternatives", ()):
        if (other := r()) is not None:
            lose(other, what)
    if isinstance(x, Joined):
        x.check()
    write(x, new)
    if isinstance(x, Joined):
        x.spread(new)


def write(x: Tracer, new: Any) -> None:
    """Make a traced array stand for another value, within the piece that runs if it is from around that."""
    current = current_builder()
    builder = x.builder if current is None else current
    value = lift(builder, new)
    if value.name is None and not isinstance(value, Constant):
        value.name = x.__dict__.get("label")
    if builder is x.builder:
        x.value = value
    else:
        builder.enter(x, value)
    x.weak = False
