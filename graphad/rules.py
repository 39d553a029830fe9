"""The rules of ops that stand outside of graphad, watched: what they give is compared with what was to be given.

A rule that gives something else would end in an accident far from its cause, or in wrong numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from graphad.errors import ShapeError, TypeMismatchError
from graphad.types import TensorType


def watched(rule: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The method `rule` of an op, whose answers are checked. Raises naming the op, the rule and what it gave."""
    check = _CHECKS[rule]

    @wraps(function)
    def run(op: Any, *args: Any, **kwargs: Any) -> Any:
        answer = function(op, *args, **kwargs)
        check(op, answer, *args)
        return answer

    return run


def _infer(op: Any, answer: Any, *xs: TensorType) -> None:
    if not all([isinstance(t, TensorType) for t in _all(answer)]):
        raise TypeMismatchError(
            f"{op.name}: infer gave {answer!r}; it must give a TensorType, or a tuple of them for several results"
        )


def _eval(op: Any, answer: Any, xp: Any, *xs: Any) -> None:
    types = _all(op.infer(*[TensorType(x.dtype, x.shape) for x in xs]))
    _count(op, "eval", answer, len(types), "results")
    for x, kind in zip(_all(answer), types, strict=True):
        if xp is np and not isinstance(x, (np.ndarray, np.generic)):
            raise TypeMismatchError(f"{op.name}: eval gave a {type(x).__name__}, and should give an array of {kind}")
        if tuple(x.shape) != kind.shape or x.dtype != kind.dtype:
            error = ShapeError if x.dtype == kind.dtype else TypeMismatchError
            raise error(f"{op.name}: eval gave {x.dtype}{list(x.shape)}, and infer said {kind}; let both agree")


def _jvp(op: Any, answer: Any, out: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> None:
    results = _all(out)
    _count(op, "jvp", answer, len(results), "tangents")
    for t, x in zip(_all(answer), results, strict=True):
        if t is None:
            continue
        shape, wanted = getattr(t, "shape", ()), x.shape
        fits = len(shape) <= len(wanted) and all(
            [n in (1, m) for n, m in zip(shape[::-1], wanted[::-1], strict=False)]
        )
        if isinstance(t, (str, bytes, list, dict)) or not fits:
            given = f"a tangent of shape {list(shape)}" if hasattr(t, "shape") else f"a {type(t).__name__}"
            raise ShapeError(f"{op.name}: jvp gave {given} for a result of shape {list(wanted)}; let them agree")


def _transpose(op: Any, answer: Any, ct: Any, *xs: Any) -> None:
    _count(op, "transpose", answer, len(xs), "cotangents")


def _batch(op: Any, answer: Any, batched: Sequence[bool], size: int, *xs: Any) -> None:
    for x in _all(answer):
        if tuple(getattr(x, "shape", ()))[:1] != (size,):
            given = f"shape {list(x.shape)}" if hasattr(x, "shape") else f"type {type(x).__name__}"
            raise ShapeError(
                f"{op.name}: batch gave a result of {given}; all results have a first axis of extent {size}"
            )


def _all(answer: Any) -> Sequence[Any]:
    return answer if isinstance(answer, tuple) else (answer,)


def _count(op: Any, rule: str, answer: Any, count: int, what: str) -> None:
    if len(_all(answer)) != count:
        raise TypeMismatchError(
            f"{op.name}: {rule} gave {len(_all(answer))} {what} where there are {count}; give "
            f"{'one' if count == 1 else f'a tuple of {count}'}"
        )


_CHECKS: dict[str, Callable[..., None]] = {
    "infer": _infer, "eval": _eval, "jvp": _jvp, "transpose": _transpose, "batch": _batch,
}  # fmt: skip

__all__ = ["watched"]
