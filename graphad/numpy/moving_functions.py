"""NumPy's functions of slices whose extent is traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.arrays import PYTHON_SCALARS
from graphad.errors import AxisError, ShapeError
from graphad.location import place
from graphad.numpy.arguments import operand, recorded
from graphad.numpy.bounds import linear, span
from graphad.numpy.masked import ELEMENTWISE, REDUCED, REDUCTIONS, extreme, options, reduction
from graphad.numpy.moving import ALONG, Moving, aligned, made, mask_of, moved, unsliced
from graphad.numpy.slices import Ends, check, ends
from graphad.ops.shape import iota
from graphad.types import Array


def ufunc(function: Any, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    first = _partial((*inputs, *kwargs.get("out", ())))
    if method == "reduce" and function.__name__ in REDUCED:
        return _reduce(first, REDUCED[function.__name__], **{"axis": 0, **kwargs})
    if method == "outer" and function is np.multiply:
        return _outer(*inputs)
    out = kwargs.pop("out", (None,))
    if method != "__call__" or kwargs or len(out) != 1:
        what = f".{method}" if method != "__call__" else " with options"
        raise first.refusal(f"{function.__name__}{what}")
    if function.signature is not None and function is not np.matmul:
        raise first.refusal(function.__name__)
    found = _product(np.matmul, *inputs) if function is np.matmul else each(function, inputs)
    if out[0] is None:
        return found
    if not isinstance(out[0], Moving):
        raise first.refusal(f"{function.__name__} into an array")
    out[0].fill(found, "same_kind")
    return out[0]


def each(f: Callable[..., Any], inputs: Sequence[Any], **kwargs: Any) -> Any:
    """What a function gives for the elements, one by one."""
    options = [x for x in inputs if isinstance(x, (type, np.dtype))]
    if any([isinstance(x, Moving) or np.ndim(x) for x in kwargs.values()]):
        raise _partial((*inputs, *kwargs.values())).refusal(f"{f.__name__} with arrays by name")
    wholes, found = aligned([x for x in inputs if not isinstance(x, (type, np.dtype))], f.__name__)
    if f not in ALONG:
        wholes = [_harmless(x, found) for x in wholes]
    result = f(*wholes, *options, **kwargs)
    if isinstance(result, tuple):
        return tuple([made(r, {axis + r.ndim: e for axis, e in found.items()}) for r in result])
    return made(result, {axis + result.ndim: e for axis, e in found.items()})


def _harmless(x: Any, found: dict[int, Ends]) -> Any:
    """An array with a number in place of what is not used."""
    if isinstance(x, PYTHON_SCALARS):
        return x
    here = {axis + x.ndim: e for axis, e in found.items() if x.ndim >= -axis and x.shape[axis] != 1}
    return np.where(mask_of(here, x.shape), x, x.dtype.type(1)) if here else x


# -- reductions ---------------------------------------------------------------------------------------------------


def _axes(x: Moving, axis: Any) -> list[int]:
    given = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for i in given:
        if not -x.ndim <= i < x.ndim:
            raise AxisError(f"axis {i} is out of bounds for a slice of {x.ndim} axes{place()}")
    return [i % x.ndim for i in given]


def _left(x: Moving, axes: Sequence[int], keepdims: bool) -> dict[int, Ends]:
    """The ends of a result without some axes."""
    kept = [i for i in range(x.ndim) if i not in axes]
    return {(i if keepdims else kept.index(i)): e for i, e in x.ends.items() if i not in axes}


def _reduce(x: Moving, name: str, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
            **kwargs: Any) -> Any:  # fmt: skip
    given = options(x, name, {**kwargs, "out": out})
    keepdims = bool(keepdims) and keepdims is not np._NoValue
    axes = _axes(x, axis)
    if name in ("max", "min") and "initial" not in given:
        _not_empty(x, axes, f"zero-size array to reduction operation {name}imum which has no identity")
        given["initial"] = _least(x, name)
    if dtype is not None:
        given["dtype"] = dtype
    mask = np.broadcast_to(x.mask(), x.bounds)
    found = REDUCTIONS[name](x.get(), axis=tuple(axes), where=mask, keepdims=keepdims, **given)
    return made(found, _left(x, axes, keepdims))


def _least(x: Moving, name: str) -> Any:
    if x.dtype.kind == "c":
        raise x.refusal(f"the {name} of complex numbers")
    return extreme(x.dtype, name)


def _not_empty(x: Moving, axes: Sequence[int], message: str) -> None:
    for i in axes:
        if i in x.ends and span(x.ends[i].size)[0] < 1:
            check(x.ends[i].size > 0, ValueError, message + place())


def _arg(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def found(x: Moving, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
        if (x.ndim > 1 and axis is None) or out is not None:
            raise x.refusal(f"{name} of several axes")
        (i,) = _axes(x, 0 if axis is None else axis)
        _not_empty(x, [i], f"attempt to get {name} of an empty sequence")
        keepdims = bool(keepdims) and keepdims is not np._NoValue
        whole, here = x.filled(_least(x, name[3:])), x.ends.get(i)
        if here is not None:
            # From the first place on, so that of equal elements none that is not used comes first.
            whole = moved(whole, i - x.ndim, here, Ends(0, here.size, here.size), x.bounds[i], name)
        return made(function(whole, axis=i, keepdims=keepdims), _left(x, [i], keepdims))

    return found


def _running(name: str, value: int) -> Callable[..., Any]:
    function = getattr(np, name)

    def found(x: Moving, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        if (x.ndim > 1 and axis is None) or out is not None:
            raise x.refusal(f"{name} of several axes")
        (i,) = _axes(x, 0 if axis is None else axis)
        return made(function(x.filled(value), axis=i, dtype=dtype), x.ends)

    return found


def _norm(x: Moving, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord not in (None, 1, 2, "fro") or (x.ndim > 1 and ord not in (None, "fro")):
        raise x.refusal(f"the norm with ord={ord!r}")
    axes = _axes(x, axis)
    whole: Any = np.linalg.norm
    return made(whole(x.filled(0), ord, axis=axis, keepdims=keepdims), _left(x, axes, keepdims))


# -- products -----------------------------------------------------------------------------------------------------


def _arrays(xs: Sequence[Any]) -> list[Any]:
    return [x if isinstance(x, Moving) else operand(x) for x in xs]


def _product(function: Any, a: Any, b: Any) -> Any:
    """`dot`, `matmul`, `inner` and `vdot`."""
    a, b = _arrays((a, b))
    moving = _partial((a, b))
    if (not a.ndim or not b.ndim) and function in (np.dot, np.inner):
        return each(np.multiply, (a, b))
    if not a.ndim or not b.ndim or a.ndim > 2 or b.ndim > 2 or (function is np.vdot and a.ndim * b.ndim > 1):
        raise moving.refusal(f"{function.__name__} of {a.ndim} and {b.ndim} axes")
    last = b.ndim - 1 if b.ndim == 1 or function is np.inner else 0
    one, other = _summed(a, a.ndim - 1, b, last, function.__name__)
    left = [e for x, axis in ((a, a.ndim - 1), (b, last)) for i in range(x.ndim) if i != axis for e in [_end(x, i)]]
    return made(function(one, other), {i: e for i, e in enumerate(left) if e is not None})


def _end(x: Any, axis: int) -> Ends | None:
    return x.ends.get(axis) if isinstance(x, Moving) else None


def _zero(x: Any) -> Any:
    return x.filled(0) if isinstance(x, Moving) else x


def _summed(a: Any, i: int, b: Any, j: int, what: str) -> tuple[Any, Any]:
    """Two arrays for a product that sums over these axes."""
    first, second = _end(a, i), _end(b, j)
    if (first is None) != (second is None):
        raise unsliced(what, a.shape[i] if first is None else b.shape[j])
    one, other = _zero(a), _zero(b)
    if first is not None and second is not None:
        other = moved(other, j - b.ndim, second, first, a.bounds[i], what)
    return one, other


def _outer(a: Any, b: Any, out: Any = None) -> Any:
    a, b = _arrays((a, b))
    moving = _partial((a, b))
    if a.ndim != 1 or b.ndim != 1 or out is not None:
        raise moving.refusal(f"outer of {a.ndim} and {b.ndim} axes")
    left = {i: e for i, e in enumerate((_end(a, 0), _end(b, 0))) if e is not None}
    return made(np.multiply(_zero(a)[:, None], _zero(b)[None, :]), left)


def _einsum(subscripts: Any, *xs: Any, **kwargs: Any) -> Any:
    moving = _partial(xs)
    if not isinstance(subscripts, str) or "." in subscripts or kwargs.get("out") is not None:
        raise moving.refusal("einsum in this form")
    inputs, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if not arrow:
        result = "".join(sorted({c for c in inputs if c != "," and inputs.count(c) == 1}))
    arrays = _arrays(xs)
    labels: dict[str, tuple[Ends, int]] = {}
    wholes = []
    for term, x in zip(terms, arrays, strict=True):
        if len(term) != x.ndim:
            raise ShapeError(f"einsum{place()}: {term!r} names {len(term)} axes of an array of {x.ndim}")
        for axis, label in enumerate(term):
            if (e := _end(x, axis)) is not None:
                labels.setdefault(label, (e, x.bounds[axis]))
    for term, x in zip(terms, arrays, strict=True):
        whole = _zero(x)
        for axis, label in enumerate(term):
            if label in labels:
                mine = _end(x, axis)
                if mine is None or term.count(label) > 1:
                    raise moving.refusal(f"einsum with the axis {label!r}, which is not sliced in every operand,")
                whole = moved(whole, axis - x.ndim, mine, *labels[label], "einsum")
        wholes.append(whole)
    found = np.einsum(f"{inputs}->{result}", *wholes)
    return made(found, {i: labels[c][0] for i, c in enumerate(result) if c in labels})


def _clip(x: Any, a_min: Any = None, a_max: Any = None, out: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    if out is not None:
        raise _partial((x, low, high, out)).refusal("clip with out")
    x = x if low is None else each(np.maximum, (x, low))
    return x if high is None else each(np.minimum, (x, high))


# -- rearrangements -----------------------------------------------------------------------------------------------


def _flip(x: Moving, axis: Any = None) -> Any:
    axes = _axes(x, axis)
    return x[tuple([slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim)])]


def _concatenate(xs: Sequence[Any], axis: int = 0, **kwargs: Any) -> Any:
    parts = [x if isinstance(x, Moving) else recorded(operand(x)) for x in xs]
    moving = _partial(parts)
    if kwargs or any([x.ndim != 1 for x in parts]) or axis not in (0, -1):
        raise moving.refusal("concatenate of arrays of several axes")
    sizes = [x.ends[0].size if isinstance(x, Moving) and x.ends else x.shape[0] for x in parts]
    total: Any = sum(sizes)
    terms, length = linear(total)
    bound = sum([x.bounds[0] if isinstance(x, Moving) else x.shape[0] for x in parts]) if terms else length
    at, start, result = iota(bound), 0, np.zeros(bound, np.result_type(*[x.dtype for x in parts]))
    for x, size in zip(parts, sizes, strict=True):
        whole, low = (x.get(), x.ends[0].low if x.ends else 0) if isinstance(x, Moving) else (x, 0)
        if whole.shape[0]:
            found = np.take(whole, np.clip(at - start + low, 0, whole.shape[0] - 1))
            result = np.where(at >= start, found, result)
        start = start + size
    return made(result, {0: ends(0, total)} if terms else {})


def _append(x: Any, values: Any, axis: Any = None) -> Any:
    return _concatenate([v if isinstance(v, Moving) else np.atleast_1d(operand(v)) for v in (x, values)])


def _diff(x: Moving, n: int = 1, axis: int = -1, **kwargs: Any) -> Any:
    (i,) = _axes(x, axis)
    if kwargs:
        raise x.refusal("diff with prepend or append")
    for _ in range(n):
        before = (slice(None),) * i
        x = each(np.subtract, (x[(*before, slice(1, None))], x[(*before, slice(None, -1))]))
    return x


def _average(x: Any, axis: Any = None, weights: Any = None, **kwargs: Any) -> Any:
    if kwargs:
        raise _partial((x, weights)).refusal("average with returned or keepdims")
    if weights is None:
        return np.mean(x, axis=axis)
    if x.ndim != 1 or weights.ndim != 1:
        raise _partial((x, weights)).refusal("a weighted average of several axes")
    return np.dot(x, weights) / np.sum(weights)


def _partial(xs: Sequence[Any]) -> Moving:
    return next(x for x in xs if isinstance(x, Moving))


def _count_nonzero(x: Moving, axis: Any = None, *, keepdims: bool = False) -> Any:
    return _reduce(each(np.not_equal, (x, 0)), "sum", axis, keepdims=keepdims)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.argmax: _arg("argmax"), np.argmin: _arg("argmin"), np.cumsum: _running("cumsum", 0),
    np.cumprod: _running("cumprod", 1), np.linalg.norm: _norm, np.einsum: _einsum, np.outer: _outer,
    np.flip: _flip, np.flipud: lambda x: _flip(x, 0), np.fliplr: lambda x: _flip(x, 1), np.concatenate: _concatenate,
    np.hstack: lambda xs: _concatenate(xs), np.append: _append, np.diff: _diff, np.average: _average,
    np.count_nonzero: _count_nonzero,
    np.transpose: lambda x, axes=None: x.transpose(*(axes or ())), np.size: lambda x, axis=None: x.size
    if axis is None else x.shape[axis], np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim,
    np.result_type: lambda *xs: np.result_type(*[x.dtype if isinstance(x, Moving) else x for x in xs]),
    np.dot: lambda a, b, out=None: _product(np.dot, a, b), np.inner: lambda a, b: _product(np.inner, a, b),
    np.vdot: lambda a, b: _product(np.vdot, a, b), np.linalg.outer: _outer,
    np.clip: _clip,
}  # fmt: skip


def function(f: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Array:
    name = reduction(f)
    if name in REDUCTIONS and isinstance(args[0], Moving):
        return _reduce(args[0], name, *args[1:], **kwargs)
    if f in _FUNCTIONS:
        return _FUNCTIONS[f](*args, **kwargs)
    if f in ELEMENTWISE:
        return each(f, args, **kwargs)
    raise _partial(list(_flat((*args, *kwargs.values())))).refusal(f"numpy.{f.__name__}")


def _flat(xs: Any) -> Any:
    for x in xs:
        if isinstance(x, (list, tuple)):
            yield from _flat(x)
        else:
            yield x


def _method(name: str) -> Callable[..., Any]:
    def method(x: Moving, *args: Any, **kwargs: Any) -> Any:
        return function(getattr(np, name), (x, *args), kwargs)

    method.__name__ = name
    return method


for _name in (*REDUCTIONS, "argmax", "argmin", "cumsum", "cumprod", "dot", "clip", "round"):
    setattr(Moving, _name, _method(_name))
setattr(Moving, "conj", lambda x: np.conjugate(x))  # noqa: B010
Moving.__array_ufunc__ = lambda x, f, method, *inputs, **kwargs: ufunc(f, method, inputs, kwargs)
Moving.__array_function__ = lambda x, f, types, args, kwargs: function(f, args, kwargs)
