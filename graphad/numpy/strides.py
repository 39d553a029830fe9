"""Where a view of an array of NumPy's stands in it, read off its strides: how it comes from its root's elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import ControlFlowError
from graphad.location import place
from graphad.numpy.inverse import Back, Forth, Inverse
from graphad.numpy.updates import At
from graphad.numpy.views import read_only, repeated
from graphad.ops.complex import from_parts
from graphad.ops.shape import reshape, transpose
from graphad.trace import Tracer
from graphad.types import Array

Plain = np.ndarray[Any, Any]


def seen_from(one: Plain, other: Plain) -> tuple[Forth, Back]:
    """How a view comes from the elements of its root, and how new elements of it go back."""
    if not one.flags.writeable:
        forth, _ = _seen_in(one, other)
        return forth, read_only
    if any([n > 1 and stride == 0 for n, stride in zip(one.shape, one.strides, strict=True)]):
        forth, _ = _seen_in(one, other)
        return forth, repeated
    return _seen_in(one, other)


def _seen_in(one: Plain, other: Plain) -> tuple[Forth, Back]:
    offset = _address(one) - _address(other)
    if one.dtype == other.dtype:
        return _placed(one.shape, one.strides, offset, other)
    if other.dtype.kind == "c" and one.dtype == np.real(other[:0].reshape(-1)).dtype:
        half = other.itemsize // 2
        imaginary = offset % other.itemsize == half
        forth, back = _placed(one.shape, one.strides, offset - half * imaginary, other)
        if imaginary:
            return lambda a: np.imag(forth(a)), lambda a, new: back(a, from_parts(np.real(forth(a)), new))
        return lambda a: np.real(forth(a)), lambda a, new: back(a, from_parts(new, np.imag(forth(a))))
    raise ControlFlowError(
        f"a traced value is written to an array of {other.dtype} whose bytes are seen as {one.dtype} too"
        f"{place()}; cast with astype in place of view"
    )


def _address(x: Plain) -> int:
    return int(x.__array_interface__["data"][0])


def _placed(shape: Sequence[int], strides: Sequence[int], offset: int, root: Plain) -> tuple[Forth, Back]:
    if not root.size or 0 in shape:
        return lambda a: reshape(reshape(a, (-1,))[:0], tuple(shape)), lambda a, new: a
    found = _sliced(shape, strides, offset, root)
    if found is not None:
        return found
    if root.flags.c_contiguous:
        flat = _sliced(shape, strides, offset, root.reshape(-1))
        if flat is not None:
            forth, back = flat
            whole = root.shape
            return (lambda a: forth(reshape(a, (-1,))), lambda a, new: reshape(back(reshape(a, (-1,)), new), whole))
        if offset == 0 and np.prod(shape) == root.size and _is_contiguous(shape, strides, root.itemsize):
            return lambda a: reshape(a, tuple(shape)), lambda a, new: reshape(new, root.shape)
    order = _addresses(root.shape, root.strides).reshape(-1)
    rank = np.argsort(order, kind="stable")
    places = rank[np.searchsorted(order[rank], _addresses(shape, strides) + offset)]
    forth = lambda a: reshape(a, (-1,))[places]
    return forth, Inverse(lambda a: a.reshape(-1)[places])


def _addresses(shape: Sequence[int], strides: Sequence[int]) -> Plain:
    """Where the elements of an array stand in memory, from its first one on."""
    found = np.zeros((), np.int64)
    for n, stride in zip(shape, strides, strict=True):
        found = found[..., None] + np.arange(n) * stride
    return found


def _is_contiguous(shape: Sequence[int], strides: Sequence[int], size: int) -> bool:
    for n, stride in zip(reversed(shape), reversed(strides), strict=True):
        if n > 1 and stride != size:
            return False
        size *= n
    return True


def _sliced(shape: Sequence[int], strides: Sequence[int], offset: int, root: Plain) -> tuple[Forth, Back] | None:
    """A view that is slices of axes of its root in another order, None for any other."""
    steps = dict(sorted(((s, k) for k, s in enumerate(root.strides) if root.shape[k] > 1), reverse=True))
    if any([s <= 0 for s in steps]) or len(steps) < sum([n > 1 for n in root.shape]):
        return None
    key: list[Any] = [0] * root.ndim
    for stride, k in steps.items():
        key[k], offset = divmod(offset, stride)
        if key[k] >= root.shape[k]:
            return None
    if offset:
        return None
    axes: list[int] = []
    for n, stride in zip(shape, strides, strict=True):
        if n == 1:
            continue
        k = next((k for s, k in steps.items() if s <= abs(stride) and stride % s == 0), -1)
        if k < 0 or k in axes:
            return None
        step = stride // root.strides[k]
        last = key[k] + step * (n - 1)
        if not 0 <= last < root.shape[k]:
            return None
        stop = last + (1 if step > 0 else -1)
        key[k] = slice(key[k], None if stop < 0 else stop, step)
        axes.append(k)
    index = tuple(key)
    order = np.argsort(np.argsort(axes)).tolist()
    inner = tuple([n for n in shape if n > 1])
    back_order = np.argsort(order).tolist()
    shape = tuple(shape)

    def forth(a: Any) -> Any:
        if not isinstance(a, Tracer):
            return a[index].transpose(order).reshape(shape)
        return reshape(transpose(a[index], order), shape)

    def back(a: Array, new: Array) -> Array:
        return At(a)[index].set(transpose(reshape(new, inner), back_order))

    return forth, back
