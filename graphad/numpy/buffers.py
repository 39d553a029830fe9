"""Arrays that converted code makes: NumPy's own, until something traced is written to one of them.

A `Buffer` is an array of NumPy's and costs what one costs. The first write of a traced value, or one in a piece that
may not run, makes it and all its views traced arrays, in their place: every name, attribute and container that holds
one of them sees what is written from then on. The memory that they had is filled with NaN (or the smallest integer),
and its dtype is hidden from C code, which would read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from weakref import ref

import numpy as np

from graphad.arrays import HIDDEN
from graphad.build import Builder, building, current_builder
from graphad.errors import ControlFlowError, TracerError
from graphad.graph import Constant, Value
from graphad.location import place
from graphad.numpy.arguments import holds_tracer, touched
from graphad.numpy.flat import BufferFlags, Flat
from graphad.numpy.held import base_of, check_held, watcher
from graphad.numpy.layouts import order_of
from graphad.numpy.strides import seen_from
from graphad.numpy.views import View, enclosed
from graphad.ops import shape as shapes
from graphad.refusals import refuse_unsure
from graphad.trace import Tracer, lift
from graphad.types import Array, TensorType

Plain = np.ndarray[Any, Any]


class Buffer(np.ndarray[Any, Any]):
    """An array made in converted code. `home` is the builder of the piece that made it, `views` those that share it."""

    home: Builder | None
    views: list[ref[Any]]

    def __array_finalize__(self, source: Any) -> None:
        base = base_of(self) if type(source) is Buffer else None
        if type(base) is Buffer:
            base = base.__dict__.get("root", base)
            views = base.__dict__.get("views")
            if views is None:
                base.views = [ref(self)]
            else:
                views.append(ref(self))
                if len(views) > 64 and len(views) & (len(views) - 1) == 0:
                    base.views = [r for r in views if r() is not None]
        else:
            self.home = current_builder()

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else array

    def __reduce__(self) -> Any:
        return plain(self).__reduce__()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return plain(self).__reduce_ex__(protocol)

    def __deepcopy__(self, memo: Any) -> Any:
        return buffer(plain(self).__deepcopy__(memo))

    def __repr__(self) -> str:
        return repr(plain(self))

    @property
    def base(self) -> Any:  # type: ignore[override]
        base = base_of(self)
        return None if type(base) is _ndarray and "part" not in self.__dict__ else base

    flags = property(BufferFlags)  # type: ignore[assignment]

    @property
    def flat(self) -> Any:
        return Flat(self)

    @flat.setter
    def flat(self, values: Any) -> None:
        plain(self).flat = values  # type: ignore[misc]


class BufferTracer(Tracer, Buffer):  # type: ignore[misc]
    """A buffer that has become a traced array."""

    weak = False
    boxed = True
    layout = property(lambda self: order_of(plain(self)))  # type: ignore[assignment]

    def __array_finalize__(self, source: Any) -> None:
        raise _remembered()

    def __reduce__(self) -> Any:
        return Tracer.__reduce_ex__(self, 2)


class BufferView(View, Buffer):  # type: ignore[misc]
    """A view of a buffer that has become a traced array."""

    # Kept in it, a plain array that sees its memory would keep it alive for ever: no collector follows NumPy's arrays.
    shadow = property(lambda self: plain(self))  # type: ignore[assignment]

    def __array_finalize__(self, source: Any) -> None:
        raise _remembered()

    def __reduce__(self) -> Any:
        return Tracer.__reduce_ex__(self, 2)


def _remembered() -> TracerError:
    return TracerError(
        f"the memory of an array is read that has been given traced values{place()}, by a method that was looked up "
        "before, or by a library; look it up where it is used, and use NumPy's functions"
    )


def _hidden(name: str) -> property:
    def missing(x: Any) -> Any:
        raise AttributeError(f"{type(x).__name__!r} object has no attribute {name!r}", name=name, obj=x)

    return property(missing)


@cache
def _hide() -> None:
    """Hide what NumPy's arrays have and traced ones lack, which would read the memory."""
    kept = {*dir(object), *dir(Tracer), "base", "__array_finalize__", "__array_wrap__"}
    for name in set(dir(np.ndarray)) - kept:
        for cls in (BufferTracer, BufferView):
            setattr(cls, name, _hidden(name))


def plain(x: Plain) -> Plain:
    """The array of NumPy's that a buffer is."""
    return np.ndarray.view(x, np.ndarray)


_owners: dict[int, ref[Any]] = {}
"""The buffers by the identity of NumPy's array that owns their memory, which each of them keeps alive."""
_MANY, _nothing = 4096, lambda: None
_most = [_MANY]
"""How many there may be before it is looked which of them still live."""


class _Bare(np.ndarray[Any, Any]):
    """A buffer that is not one yet."""


def lay_out(x: Array, shape: Any) -> None:
    """Set the shape of an array of NumPy's, or of the memory that a traced one had."""
    kind = type(x)
    if issubclass(kind, Tracer):
        x.__class__ = _Bare
    try:
        if hasattr(x, "_set_shape"):
            # Since NumPy 2.5 a shape that is set is deprecated, with a warning that would point here.
            x._set_shape(shape)
        else:
            x.shape = shape
    finally:
        if type(x) is not kind:
            x.__class__ = kind


def buffer(x: Plain) -> Any:
    """An array that nobody else holds as a buffer."""
    found: Any = x.view(_Bare)
    found.__class__ = Buffer
    found.home = current_builder()
    owner = x
    if x.base is not None:
        found.__dict__["part"] = True
        owner = x.base
        while type(owner.base) is _ndarray:
            owner = owner.base
    _owners[id(owner)] = ref(found)
    if len(_owners) > _most[0]:
        _forget()
    return found


def renew(row: list[Any]) -> None:
    """Put buffers in the place of a list's arrays, which nobody else holds and which have memory of their own."""
    home, found = current_builder(), [x.view(_Bare) for x in row]
    for x in found:
        x.__class__ = Buffer
        x.home = home
    _owners.update(zip(map(id, row), map(ref, found), strict=True))
    row[:] = found
    if len(_owners) > _most[0]:
        _forget()


def _forget() -> None:
    """Let go of the owners of memory that no buffer sees."""
    for key in [k for k, r in list(_owners.items()) if r() is None]:
        del _owners[key]
    _most[0] = max(_MANY, 2 * len(_owners))


Flat.own = staticmethod(lambda found: buffer(found) if type(found) is _ndarray else found)  # type: ignore[method-assign]


def shared(x: Plain) -> Any:
    """The buffer whose memory a plain array sees, None if there is none."""
    base: Any = x.base
    while base is not None and not isinstance(base, Buffer):
        owner, base = base, base.obj if type(base) is memoryview else getattr(base, "base", None)
        if base is None:
            return _owners.get(id(owner), _nothing)()
    return base


def view_in(x: Plain, base: Any) -> Any:
    """A plain array that sees a buffer's memory, as a view of it."""
    if isinstance(base, Tracer):
        raise _remembered()
    root, found = root_of(base), x.view(Buffer)
    found.__dict__["root"] = found.__dict__["part"] = root
    root.__dict__.setdefault("views", []).append(ref(found))
    return found


def tracked(x: Any) -> Any:
    """A plain array that sees a buffer's memory, as code that is not converted gives it, as a view of the buffer; any
    other value as it is."""
    base = shared(x) if type(x) is _ndarray and x.base is not None else None
    return x if base is None else view_in(x, base)


def seen(found: Any, args: Sequence[Any]) -> Any:
    """What a function of NumPy's gives: a view of the buffer that it was given, where it is a plain one."""
    if type(found) is tuple:
        return tuple([seen(x, args) for x in found])
    if type(found) is not _ndarray or found.base is None:
        return found
    base = shared(found)
    if base is None and args and type(args[0]) is Buffer and np.may_share_memory(found, args[0]):
        base = args[0]
    return found if base is None else view_in(found, base)


_ndarray = np.ndarray


def root_of(x: Plain) -> Any:
    """The buffer whose memory a buffer shares."""
    base: Any = x
    while isinstance(base, Buffer):
        x, base = base, base.__dict__.get("root")
        if base is None:
            base = base_of(x)
    return x


def stays(x: Plain) -> bool:
    """Whether a plain number written to a buffer now is one of NumPy's own: no piece is traced that may not run, or the
    array is made in it."""
    builder = current_builder()
    if builder is None:
        return True
    alone = builder.outer is None and not builder.repeats
    if alone and builder.entered is None:
        return True
    own = root_of(x).__dict__.get("home") is builder
    if alone and not own:
        touched(x)  # of a function around a jitted one
    return alone or own


def writable(x: Any, given: Sequence[Any]) -> Any:
    """An array that something is written to which is computed from what is `given`: a traced one where it has to be.

    Raises `ControlFlowError` where a piece that may not run writes to an array from outside of the call.
    """
    refuse_unsure("an array")
    x = tracked(x)
    if isinstance(x, Tracer) or (type(x) is Buffer and stays(x) and not holds_tracer(given)):
        return x
    if type(x) is Buffer:
        return become(x)
    builder = current_builder()
    if builder is not None and (builder.outer is not None or builder.repeats) and x.dtype.kind != "O":
        raise ControlFlowError(
            "a branch, a loop or a batch, which may not run or run often, writes to an array that was not made in the "
            f"traced function{place()}, and would change it once in any case; make a copy of it in the function "
            f"(numpy.array(x)), or pass the array as an argument and return the new one{watcher()}"
        )
    return touched(x)


def outside(write: Callable[[], Any]) -> Any:
    """Write to an array that was not made in this call. Raises `TracerError` for what is traced and not known, or goes
    into a derivative."""
    try:
        return write()
    except TracerError as error:
        raise _refused() from error


def _refused() -> TracerError:
    return TracerError(
        "a traced value is written to an array that was not made in the traced function, or whose memory another one "
        f"shares{place()}, and would be left in it; make a copy of the array in the "
        f"function (numpy.array(x)), or pass the array as an argument and return the new one{watcher()}"
    )


def become(x: Any, kept: bool = False) -> Tracer:
    """Make a buffer a traced array, in its place, with all its views. What its memory holds is `kept` for those that
    read it where nothing is written.

    Raises `TracerError` for one of an earlier call, and where somebody else reads what is written to.
    """
    if isinstance(x, Tracer):
        return x
    if not plain(x).flags.writeable:
        raise ValueError("assignment destination is read-only")
    _hide()
    root = root_of(x)
    home = root.__dict__.get("home")
    current = current_builder()
    if home is None or home.closed or current is None:
        raise _refused()
    if not home.encloses(current):
        raise enclosed(root, "an assignment in place")
    views = [v for r in root.__dict__.get("views", ()) if (v := r()) is not None]
    if not kept:
        check_held(root, views)
    found = [seen_from(plain(v), plain(root)) for v in views]
    root.builder, root.value = home, _recorded(home, plain(root))
    root.__class__ = BufferTracer
    for v, part in zip(views, found, strict=True):
        v.__class__ = BufferView
        v.origin, v.forth, v.back, v.key = root, *part, None
        v._found, v._seen = (home, Value(TensorType(plain(v).dtype, plain(v).shape))), None
    if not kept:
        _poison(plain(root))
        for v in (root, *views):
            hide(v)
    trace = home
    while trace.outer is not None:
        trace = trace.outer
    trace.buffers.append(ref(root))
    return x  # type: ignore[no-any-return]


def _recorded(home: Builder, array: Plain) -> Value:
    """The value of an array: a number that is repeated, or a constant."""
    first: Any = array.flat[0] if array.size else np.zeros((), array.dtype)[()]
    if array.shape and (array == first).all() and not (first == 0 and np.signbit(np.real(array)).any()):
        with building(home):
            return lift(home, shapes.full(array.shape, first.item(), array.dtype))
    return Constant(array)


# From NumPy 2.5 on the property warns.
_set_dtype: Callable[[Any, Any], None] = getattr(np.ndarray, "_set_dtype", None) or np.ndarray.dtype.__set__  # type: ignore[attr-defined]


def hide(x: Any) -> None:
    """Let C code, which would read the memory of a traced array, find nothing there that it can compute with."""
    dtype = x.__dict__["hidden"] = plain(x).dtype
    _set_dtype(x, np.dtype([(HIDDEN, f"V{dtype.itemsize}")]))


def _poison(array: Plain) -> None:
    kind = array.dtype.kind
    if kind in "fc":
        array[...] = np.nan
    elif kind == "b":
        array[...] = True
    else:
        bounds = np.iinfo(array.dtype)
        array[...] = bounds.min if kind == "i" else bounds.max


def revive(builder: Builder) -> None:
    """Make the buffers of a trace that has ended NumPy's own again, as far as their values are known and nobody outside
    differentiates them."""
    for r in builder.buffers:
        _revive(r(), builder)
    builder.buffers = []


class Unchanged:
    """Buffers that become traced arrays from here on, in what may turn out to be in vain."""

    def __init__(self) -> None:
        self.trace = current_builder()
        while self.trace is not None and self.trace.outer is not None:
            self.trace = self.trace.outer
        self.start = 0 if self.trace is None else len(self.trace.buffers)

    def restore(self) -> None:
        """Make them NumPy's own again, if they hold what they held."""
        if self.trace is not None:
            for r in self.trace.buffers[self.start :]:
                root = r()
                if root is not None and not root.builder.closed:
                    _revive(root, root.home)
            del self.trace.buffers[self.start :]


def _revive(root: Any, builder: Builder) -> None:
    if root is None or root.builder is not builder or builder.active_outside(root.value):
        return
    try:
        array = builder.evaluate(root.value)
    except TracerError:
        return
    views = [v for s in root.__dict__.get("views", ()) if (v := s()) is not None]
    for x in (root, *views):
        _set_dtype(x, x.__dict__.pop("hidden", plain(x).dtype))
    plain(root)[...] = array
    for x in (root, *views):
        for name in ("builder", "value", "origin", "forth", "back", "key", "_found", "_seen"):
            x.__dict__.pop(name, None)
        x.__class__ = Buffer


__all__ = [
    "Buffer", "BufferTracer", "BufferView", "Unchanged", "become", "buffer", "hide", "lay_out", "outside", "plain",
    "renew", "revive", "root_of", "seen", "shared", "stays", "tracked", "view_in", "writable",
]  # fmt: skip
