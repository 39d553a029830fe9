"""What the parts of `graphad.scipy.ndimage` share: arguments, boundary modes, shifted windows, dtypes of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import axis_of, is_active, known
from graphad.ops.elementwise import cast
from graphad.trace import Tracer
from graphad.types import Array, ArrayLike, DType

RULES = {
    "reflect": "reflect", "grid-mirror": "reflect", "mirror": "mirror", "nearest": "nearest",
    "constant": "constant", "grid-constant": "constant", "wrap": "wrap", "grid-wrap": "wrap",
}  # fmt: skip
"""What a filter does beyond the edges, by SciPy's name of the mode."""


def unsupported(name: str, what: str, remedy: str) -> MissingRuleError:
    return MissingRuleError(f"{name}: {what} cannot be traced{place()}; {remedy}")


def given(name: str, value: Any, what: str, remedy: str) -> Any:
    """An argument that must be known while tracing, as a NumPy array."""
    array = known(value)
    if array is None or is_active(value):
        raise unsupported(name, f"{what} that is traced itself", remedy)
    return array


# -- dtypes -------------------------------------------------------------------------------------------------------


def result_dtype(name: str, output: Any, *xs: Any) -> DType:
    """The dtype of the result for SciPy's `output=`, of the first operand's dtype, complex if any operand is."""
    whole = any(x.dtype.kind == "c" for x in xs)
    if output is None:
        dtype = np.dtype(xs[0].dtype)
    elif isinstance(output, (np.ndarray, Tracer)):
        raise unsupported(name, "an array as output=", "leave it out and use the result, or give a dtype")
    else:
        dtype = np.dtype(output)
    return np.promote_types(dtype, np.complex64) if whole else dtype


def wide(x: Any) -> Array:
    """An operand in double precision, in which SciPy's loops compute."""
    return cast(x, np.complex128 if x.dtype.kind == "c" else np.float64)


def stored(x: ArrayLike, dtype: DType) -> Array:
    """Numbers in double precision in the dtype of the result, as C's casts store them."""
    if dtype.kind in "ub":
        x = cast(x, np.int64)
    return cast(x, dtype)


def reject_complex(name: str, x: Array) -> None:
    if x.dtype.kind == "c":
        raise TypeMismatchError(f"{name}: a complex image cannot be filtered by order; filter its parts")


# -- arguments ----------------------------------------------------------------------------------------------------


def sequence(name: str, value: Any, rank: int) -> list[Any]:
    """One value for each of `rank` axes, of one for all or as many as there are."""
    if isinstance(value, str) or (not isinstance(value, (list, tuple)) and np.ndim(value) == 0):
        return [value] * rank
    if len(value) != rank:
        raise ShapeError(f"{name}: {len(value)} values in {value} for {rank} axes; give one, or one for each axis")
    return [value[i] for i in range(rank)]


def axes_in(name: str, x: Array, axes: Any) -> list[int]:
    """The axes that are filtered, in the order in which they are given; all for None."""
    if axes is None:
        return list(range(x.ndim))
    found = [axis_of(x, axis, name) for axis in (axes if np.iterable(axes) else (axes,))]
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: axes {axes} name an axis twice")
    return found


def rule_of(name: str, mode: Any) -> str:
    """What a filter does beyond the edges in a mode."""
    if not isinstance(mode, str):
        raise ValueError(f"{name}: modes {mode!r}{place()}, one for each axis, need a window that is a full box")
    if mode not in RULES:
        raise ValueError(f"{name}: mode={mode!r}{place()} is none of {', '.join(RULES)}")
    return RULES[mode]


def check_origin(name: str, size: int, origin: Any) -> None:
    if not 0 <= size // 2 + origin < size:
        raise ValueError(f"{name}: origin={origin}{place()} puts the centre outside a window of {size}")


def by_axis(
    name: str, x: Array, axes: Sequence[int], window: Sequence[int], origin: Any, turned: bool = False
) -> list[tuple[int, int, int]]:
    """Axis, extent and origin for each axis of a window, whose axes are those of the image in order.

    The origins of a window that is `turned`, as that of a convolution, are those before it was.
    """
    if len(window) != len(axes):
        raise ShapeError(f"{name}: a window of shape {list(window)} for {len(axes)} axes of the image")
    origins = sequence(name, origin, len(axes))
    if len(axes) < x.ndim:
        origins = [o for _, o in sorted(zip(axes, origins, strict=True))]
    if turned:
        origins = [turned_origin(o, size) for o, size in zip(origins, window, strict=True)]
    for size, start in zip(window, origins, strict=True):
        check_origin(name, size, start)
    return list(zip(sorted(axes), window, origins, strict=True))


def turned_origin(origin: Any, size: int) -> Any:
    """The origin in a window that has been reversed."""
    return -origin - (size % 2 == 0)


# -- beyond the edges ---------------------------------------------------------------------------------------------


def folded(index: Any, n: int, rule: str) -> Any:
    """The places inside an axis of `n` elements that stand for integer places anywhere."""
    if rule == "nearest" or n == 1:
        return np.clip(index, 0, n - 1)
    if rule == "wrap":
        return index % n
    period, last = (2 * n - 2, 2 * n - 2) if rule == "mirror" else (2 * n, 2 * n - 1)
    index = index % period
    return np.minimum(index, last - index)


def extended(x: Array, axis: int, before: int, after: int, rule: str, cval: ArrayLike) -> Array:
    """The image with elements before and after an axis, by what stands for them in the mode."""
    if before == after == 0:
        return x
    n = x.shape[axis]
    if rule == "constant":
        widths = [(0, 0)] * x.ndim
        widths[axis] = (before, after)
        return np.pad(x, widths, constant_values=cval)
    if rule == "nearest" or max(before, after) >= n:
        return np.take(x, folded(np.arange(-before, n + after), n, rule), axis)
    # Pieces of the image, turned round where it is mirrored, which a kernel reads where they stand.
    skip = int(rule == "mirror")
    if rule == "wrap":
        left, right = along(x, axis, n - before, n), along(x, axis, 0, after)
    else:
        left = np.flip(along(x, axis, skip, skip + before), axis)
        right = np.flip(along(x, axis, n - skip - after, n - skip), axis)
    return np.concatenate([part for part in (left, x, right) if part.shape[axis]], axis)


def windows(x: Array, axis: int, size: int, origin: int, rule: str, cval: ArrayLike) -> list[Any]:
    """For each place in a window along an axis, the image of the elements that stand there."""
    before = size // 2 + origin
    n = x.shape[axis]
    wider = extended(x, axis, before, size - 1 - before, rule, cval)
    return [along(wider, axis, i, i + n) for i in range(size)]


def along(x: Array, axis: int, start: int, stop: int) -> Array:
    return x if (start, stop) == (0, x.shape[axis]) else x[(slice(None),) * axis + (slice(start, stop),)]


def neighbours(x: Array, sides: Sequence[tuple[int, int, int]], rule: str, cval: Any, chosen: ArrayLike) -> list[Any]:
    """For each chosen place in a window over axes, in C order, the image of the elements that stand there."""
    wider = x
    for axis, size, origin in sides:
        before = size // 2 + origin
        wider = extended(wider, axis, before, size - 1 - before, rule, cval)
    found = []
    for corner in np.argwhere(chosen).tolist():
        part = [slice(0, n) for n in x.shape]
        for (axis, _, _), i in zip(sides, corner, strict=True):
            part[axis] = slice(i, i + x.shape[axis])
        found.append(wider[tuple(part)])
    return found
