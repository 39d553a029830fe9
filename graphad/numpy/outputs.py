"""`out=`: a result that is written into an array that the caller gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphad.errors import TracerError, TypeMismatchError
from graphad.location import place
from graphad.numpy.arguments import is_active, known
from graphad.numpy.buffers import Buffer, become
from graphad.numpy.views import assign, own
from graphad.trace import UFUNC_METHODS, Tracer


def check_cast(x: Tracer, dtype: Any, what: str, casting: Any = "same_kind") -> None:
    if not np.can_cast(dtype, x.dtype, casting):
        raise TypeMismatchError(
            f"{what}: a result of {dtype} cannot be written into {x.type}{place()}; write it into a new array"
        )


def into(out: Any, result: Any, name: str, where: Any = True, casting: str = "same_kind") -> Any:
    """Write a result into the array given as `out=`, and give that array; where there is none, the result itself.

    Of several results each has its own, in a tuple. Raises `TypeMismatchError` for what `casting` forbids,
    `TracerError` for an array of NumPy's, which cannot hold a traced value; where values are known, it can hold one
    that no derivative goes through.
    """
    if isinstance(result, tuple) and isinstance(out, tuple):
        return tuple([into(x, r, name, where, casting) for x, r in zip(out, result, strict=True)])
    if isinstance(out, tuple):
        (out,) = out
    if out is None:
        return result
    if isinstance(out, Buffer):
        out = become(out)
    if not isinstance(out, Tracer):
        array = None if result.builder.staged or is_active(result) else known(result)
        if array is not None:
            np.copyto(out, array, casting=casting, where=where)  # type: ignore[arg-type]
            return out
        raise TracerError(
            f"{name}: out= is a NumPy array, which cannot hold a traced {result.type}"
            f"{place()}; leave it out, or make the array from a traced one (zeros_like(x))"
        )
    check_cast(out, result.dtype, f"{name}: out=", casting)
    assign(out, result if where is True else np.where(where, result, own(out)), f"{name}: out=")
    return out


UFUNC_METHODS["into"] = into


__all__ = ["check_cast", "into"]
