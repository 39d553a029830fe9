"""Products of vectors, matrices and tensors."""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np

from graphad.arrays import Unsized
from graphad.errors import ShapeError
from graphad.numpy.arguments import axis_of, operand, reject
from graphad.numpy.dispatch import implements, unlaid
from graphad.numpy.layouts import UNKNOWN, laid
from graphad.ops import contraction as ops
from graphad.ops import shape as shapes
from graphad.ops.elementwise import cast
from graphad.registry import LATER
from graphad.trace import UFUNCS, Tracer
from graphad.types import Array, ArrayLike


@implements(np.dot, method="dot")
def dot(a: ArrayLike, b: ArrayLike, out: Any = None) -> Array:
    reject("dot", out=out)
    return ops.dot(operand(a), operand(b))


def matmul(a: Any, b: Any) -> Array:
    """NumPy's `matmul`, which is what `a @ b` means; of sparse matrices too."""
    for x in (a, b):
        if type(x) is not Tracer and hasattr(type(x), "tocsr"):
            return LATER["scipy.sparse.product"](a, b)
    return ops.matmul(operand(a), operand(b))


def generalized(handler: Any, *ranks: int) -> Any:
    """The handler with the keywords axes=, axis= and keepdims= of a generalized ufunc.

    `ranks` counts the last axes that it works on, of each operand and of the result.
    """

    @wraps(handler)
    def function(*xs: Any, axes: Any = None, axis: int | None = None, keepdims: bool = False) -> Array:
        if axes is None and axis is None and not keepdims:
            return handler(*xs)
        if axes is None:
            axes = [tuple(range(-n, 0)) if axis is None else (axis,) for n in ranks[: len(xs)]]
        given = [(entry,) if isinstance(entry, int) else tuple(entry) for entry in axes]
        last = [tuple(range(-n, 0)) for n in ranks]
        moved = [shapes.moveaxis(operand(x), a, b) for x, a, b in zip(xs, given, last, strict=False)]
        found = handler(*moved)
        if keepdims:
            return shapes.expand_dims(found, [axis_of(operand(xs[0]), i, handler.__name__) for i in given[0]])
        return shapes.moveaxis(found, last[-1], given[-1]) if len(given) > len(xs) else found

    return function


def _matmul_operator(a: Array, b: Any) -> Array:
    return NotImplemented if isinstance(b, Unsized) else matmul(a, b)


UFUNCS[np.matmul] = generalized(matmul, 2, 2, 2)
setattr(Tracer, "__matmul__", _matmul_operator)  # noqa: B010
setattr(Tracer, "__rmatmul__", lambda self, other: matmul(other, self))  # noqa: B010


@implements(np.linalg.matmul)
def linalg_matmul(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    return matmul(x1, x2)


def vecdot(x1: Any, x2: Any) -> Any:
    """NumPy's `vecdot`: inner products along the last axis, the first operand conjugated, in the operands' dtype."""
    x1, x2 = operand(x1), operand(x2)
    if not x1.ndim or not x2.ndim or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"vecdot: the last axes of shapes {list(x1.shape)} and {list(x2.shape)} do not fit")
    products = (np.conj(x1) if x1.dtype.kind == "c" else x1) * x2
    return np.sum(products, axis=-1, dtype=products.dtype)


def matvec(x1: ArrayLike, x2: ArrayLike) -> Array:
    """NumPy's `matvec`: matrices times vectors."""
    return matmul(x1, operand(x2)[..., None])[..., 0]


def vecmat(x1: Any, x2: Any) -> Any:
    """NumPy's `vecmat`: conjugated vectors times matrices."""
    x1 = operand(x1)
    return matmul((np.conj(x1) if x1.dtype.kind == "c" else x1)[..., None, :], x2)[..., 0, :]


for _handler, _ranks in ((vecdot, (1, 1, 0)), (matvec, (2, 1, 1)), (vecmat, (1, 2, 1))):
    if hasattr(np, _handler.__name__):
        UFUNCS[getattr(np, _handler.__name__)] = generalized(_handler, *_ranks)


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Array:
    return vecdot(np.moveaxis(operand(x1), axis, -1), np.moveaxis(operand(x2), axis, -1))


@implements(np.tensordot)
def tensordot(a: ArrayLike, b: ArrayLike, axes: Any = 2) -> Array:
    return ops.tensordot(operand(a), operand(b), axes)


@implements(np.linalg.tensordot)
def linalg_tensordot(x1: ArrayLike, x2: ArrayLike, /, *, axes: Any = 2) -> Array:
    return tensordot(x1, x2, axes)


@implements(np.einsum, laid=True)
def einsum(*operands: Any, out: Any = None, optimize: Any = True, **kwargs: Any) -> Array:
    """NumPy's `einsum` in any form, contracted pair by pair in an order of few operations."""
    dtype = kwargs.get("dtype")
    # In the form of operands and lists of axes, every second argument is an operand.
    at = range(1, len(operands)) if isinstance(operands[0], str) else range(0, len(operands) - 1, 2)
    operands = tuple(operand(x) if i in at else x for i, x in enumerate(operands))
    if dtype is not None:
        operands = tuple(cast(x, dtype) if i in at else x for i, x in enumerate(operands))
    found = ops.einsum(*operands, optimize=True if optimize is False else optimize)
    return laid(found, UNKNOWN) if found.ndim > 1 and len(at) > 1 else unlaid(found)


@implements(np.einsum_path)
def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    """NumPy's `einsum_path`, which reads shapes only."""
    blank = [np.broadcast_to(np.zeros((), x.dtype), x.shape) if isinstance(x, Tracer) else x for x in operands]
    return np.einsum_path(*blank, optimize=optimize, einsum_call=einsum_call)  # type: ignore[arg-type]


@implements(np.inner)
def inner(a: ArrayLike, b: ArrayLike, /) -> Array:
    return ops.inner(operand(a), operand(b))


@implements(np.outer)
def outer(a: ArrayLike, b: ArrayLike, out: Any = None) -> Array:
    reject("outer", out=out)
    return ops.outer(operand(a), operand(b))


@implements(np.linalg.outer)
def linalg_outer(x1: ArrayLike, x2: ArrayLike, /) -> Array:
    return outer(x1, x2)


@implements(np.vdot)
def vdot(a: ArrayLike, b: ArrayLike, /) -> Array:
    return ops.vdot(operand(a), operand(b))


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    a, b = operand(a), operand(b)
    rank = max(a.ndim, b.ndim)
    m, n = ((1,) * (rank - x.ndim) + x.shape for x in (a, b))
    left = shapes.reshape(a, tuple(k for extent in m for k in (extent, 1)))
    right = shapes.reshape(b, tuple(k for extent in n for k in (1, extent)))
    return shapes.reshape(left * right, tuple(i * j for i, j in zip(m, n, strict=True)))


@implements(np.cross, laid=None)
def cross(
    a: ArrayLike, b: ArrayLike, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Array:
    """NumPy's `cross`: products of vectors of 3 components. Raises `ShapeError` for others."""
    a, b = operand(a), operand(b)
    if axis is not None:
        axisa = axisb = axisc = axis
    a = shapes.moveaxis(a, axis_of(a, axisa, "cross"), -1)
    b = shapes.moveaxis(b, axis_of(b, axisb, "cross"), -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ShapeError(f"cross: vectors have 3 components, not {a.shape[-1]} and {b.shape[-1]}")
    dtype = np.result_type(a.dtype, b.dtype)
    x, y = (tuple(cast(v[..., i], dtype) for i in range(3)) for v in (a, b))
    parts = [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]
    return shapes.stack(parts, axisc if axisc >= 0 else axisc + parts[0].ndim + 1)


@implements(np.linalg.cross)
def linalg_cross(x1: ArrayLike, x2: ArrayLike, /, *, axis: int = -1) -> Array:
    return cross(x1, x2, axis=axis)
