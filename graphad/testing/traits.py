"""The laws of what an op says of itself: passes and executors act on it, so it must be true of every sample."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphad.costs import LIGHT, class_of
from graphad.errors import MissingRuleError, ShapeError, TypeMismatchError
from graphad.moves import Piece
from graphad.op import Op, Sample
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.reduce import Reduction
from graphad.ops.scalar import Operation, Scalar, translate, weight
from graphad.testing.numeric import assert_close, precision
from graphad.types import TensorType

_FOLDS: dict[str, Callable[..., Any]] = {
    "sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "any": np.any, "all": np.all,
}  # fmt: skip


def _computed(op: Op, operands: Sequence[Any]) -> Any:
    with np.errstate(all="ignore"):
        return op.eval(np, *operands)


def check_moves(sample: Sample) -> None:
    """A view shares its operand's memory; what moves elements does the same to all; pieces give the result; an update
    changes no more than it is given."""
    op, operands = sample.op, [np.array(x) for x in sample.operands]
    if op.view:
        strided = _computed(op, operands)
        if len(operands) != 1 or (strided.size and not np.shares_memory(strided, operands[0])):
            raise AssertionError(f"{op!r} of {list(sample.types)} is no view of one operand")
    if op.moves:
        x, *rest = operands
        result = _computed(op, operands)
        if not np.isin(result, x).all():
            raise AssertionError(f"{op!r} moves elements, and gave some that its operand does not have")
        assert_close(_computed(op, [_changed(x), *rest]), _changed(result), 0.0, f"{op!r} of other elements")
    pieces = op.pieces(*sample.types)
    if pieces is not None:
        assert_close(_put_together(pieces, sample), _computed(op, operands), 0.0, f"{op!r} by its pieces")
    if op.updates:
        result, size = _computed(op, operands), operands[1].size
        if (result.shape, result.dtype) != (operands[0].shape, operands[0].dtype):
            raise AssertionError(f"{op!r} updates its operand, and gave {result.dtype}{list(result.shape)}")
        if np.count_nonzero(result != operands[0]) > size:
            raise AssertionError(f"{op!r} changes more than the {size} elements that it is given")


def _changed(x: Any) -> Any:
    """Every element in a way that takes the largest to the smallest."""
    return ~x if x.dtype.kind in "biu" else -x


def _put_together(pieces: Sequence[Piece], sample: Sample) -> Any:
    """A result element by element from its pieces."""
    kind = sample.op.infer(*sample.types)
    assert isinstance(kind, TensorType)
    result = np.zeros(kind.shape, kind.dtype)
    for index in np.ndindex(kind.shape):
        for piece in pieces:
            x = np.asarray(sample.operands[piece.operand])
            at = tuple([start + (step * index[axis] if step else 0) for start, step, axis in piece.places])
            if all([0 <= i < n for i, n in zip(at, x.shape, strict=True)]):
                result[index] = x[at]
                break
    return result


def check_raises(sample: Sample) -> None:
    """What says that it raises nothing raises nothing: of NaN, infinities, zeros, singular and empty operands."""
    op = sample.op
    if op.raises:
        return
    for operands in (*_extremes(sample), *_empty(sample)):
        try:
            _computed(op, operands)
        except Exception as error:
            raise AssertionError(
                f"{op!r} says that it raises nothing, and of {[x.tolist() for x in operands]} raised {error!r}"
            ) from error


def _extremes(sample: Sample) -> Iterator[list[Any]]:
    for value in (np.nan, np.inf, -np.inf, 0.0, 1.0):
        yield [np.full_like(x, value) if x.dtype.kind in "fc" else x for x in map(np.asarray, sample.operands)]


def _empty(sample: Sample) -> Iterator[list[Any]]:
    """The operands without elements along a first axis, or along all, where the op takes that."""
    for cut in (lambda x: x[:0] if x.ndim else x, lambda x: np.zeros((0,) * x.ndim, x.dtype)):
        operands = [cut(np.asarray(x)) for x in sample.operands]
        try:
            sample.op.infer(*[TensorType(x.dtype, x.shape) for x in operands])
        except (ShapeError, TypeMismatchError):
            continue
        yield operands


def check_cost(sample: Sample) -> None:
    """The flops are those that numbers count which are computed with; the class of scalar code is that of what it comes
    to; a reduction is the fold that it says."""
    op, types = sample.op, sample.types
    counted = _counted(sample)
    flops = op.flops(*types)
    if counted is not None and not counted <= flops <= 2 * counted + _size(op, types):
        raise AssertionError(f"{op!r} of {list(types)} says {flops} flops, and {counted} are counted")
    if op.moves and flops:
        raise AssertionError(f"{op!r} only moves elements, and says {flops} flops")
    found = _code_weight(op, types)
    if found is not None and found != op.weight(*types):
        raise AssertionError(f"{op!r} of {list(types)} says that it weighs {op.weight(*types)}, and its code {found}")
    if isinstance(op, Reduction) and op.combines and op.infer(*types).size:
        result, x = _computed(op, sample.operands), np.asarray(sample.operands[0])
        if x.size or op.combines not in ("max", "min"):
            expected = _FOLDS[op.combines](x, axis=op.axes)
            assert_close(result, expected.astype(result.dtype), 8 * precision(result), f"{op!r} as a fold")


def _size(op: Op, types: Sequence[TensorType]) -> int:
    found = op.infer(*types)
    return sum([t.size for t in (found if isinstance(found, tuple) else (found,))])


class _Counting:
    """A number that counts what is computed with it."""

    count = 0

    def __init__(self, value: Any) -> None:
        self.value = value

    def _with(self, other: Any, compute: Callable[[Any, Any], Any]) -> _Counting:
        _Counting.count += 1
        return _Counting(compute(self.value, other.value if isinstance(other, _Counting) else other))

    def __add__(self, other: Any) -> _Counting:
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> _Counting:
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other: Any) -> _Counting:
        return self._with(other, lambda a, b: a * b)

    def __truediv__(self, other: Any) -> _Counting:
        return self._with(other, lambda a, b: a / b)


def _counted(sample: Sample) -> int | None:
    """How many operations the op's eval takes of numbers that count them; None if it computes in another way."""
    operands = [np.asarray(x) for x in sample.operands]
    if not any([x.dtype.kind == "f" for x in operands]) or isinstance(sample.op, Cast) or sample.op.regions:
        return None
    counting = np.frompyfunc(_Counting, 1, 1)
    given = [np.asarray(counting(x), object) if x.dtype.kind == "f" else x for x in operands]
    _Counting.count = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # SciPy's functions will refuse what is no number
            sample.op.eval(np, *given)
    except (TypeError, AttributeError, ValueError, np.linalg.LinAlgError):
        return None
    return _Counting.count


def _code_weight(op: Op, types: Sequence[TensorType]) -> int | None:
    """The class of the scalar code that an elementwise op comes to for these types; None without code."""
    if not isinstance(op, Elementwise) or op.code is None or any([t.dtype.kind != "f" for t in types]):
        return None
    result = op.infer(*types)
    try:
        root = translate(op.code, [Scalar(t.dtype) for t in types], result.dtype)
    except MissingRuleError:
        return None
    seen: dict[int, Scalar] = {}
    pending = [root]
    while pending:
        x = pending.pop()
        if isinstance(x, Operation) and id(x) not in seen:
            seen[id(x)] = x
            pending += x.args
    return max(class_of(sum([weight(x) for x in seen.values()])), LIGHT)


LAWS: dict[str, Callable[[Sample], None]] = {"moves": check_moves, "raises": check_raises, "cost": check_cost}
