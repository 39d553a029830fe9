"""Linear algebra on matrices of a few rows: one loop over the stack, each element of a matrix a scalar.

A call of LAPACK costs more than the arithmetic of such a matrix, and a loop runs on several matrices at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.executors.loops.kernels import combine
from graphad.executors.loops.lanes import ScalarArray
from graphad.executors.loops.lower import Lowering, Rule, rule
from graphad.executors.loops.program import LoopNest, RuntimeCheck, Store, StridedView
from graphad.executors.loops.stacks import failure
from graphad.graph import Constant, Node, Value
from graphad.op import Op
from graphad.ops.determinant import Cofactor, CofactorDerivative, Det, Slogdet
from graphad.ops.linalg import Cholesky, Inv, Solve, TriangularSolve
from graphad.ops.scalar import Const, Scalar, convert, operation, where
from graphad.types import DType, Shape

ROWS = {"f": 6, "c": 4}
"""Rows of a matrix up to which it is written out, by the kind of its dtype."""
FEW = 3
"""The same for a compiler that makes vector code by itself: it takes seconds over the scalars of more rows."""
ELEMENTS = 36
"""Elements of a right-hand side up to which it is written out."""

Answer = tuple[list[ScalarArray], list[Scalar]]
"""Results for one matrix, and the conditions under which they exist."""


def matrix_rule(*kinds: type[Op], message: str = "") -> Callable[[Rule], Rule]:
    """Register the rule for matrices that are not small; `message` is the error of those that are."""

    def register(large: Rule) -> Rule:
        @rule(*kinds)
        def lower(low: Lowering, node: Node) -> bool:
            if not node.inputs[0].type.size and not any(v.type.size for v in node.outputs):
                for v in node.outputs:
                    low.place(v)
                return True
            return _written_out(low, node, message) or large(low, node)

        return lower

    return register


def _written_out(low: Lowering, node: Node, message: str) -> bool:
    a = node.inputs[0].type
    *lead, n = a.shape[:-1]
    if n > (ROWS[a.dtype.kind] if low.lanes > 1 else FEW) or type(node.op) not in _RULES:
        return False
    if any(not 0 < math.prod(v.type.shape[-2:]) <= ELEMENTS for v in node.inputs):
        return False
    # One matrix needs no loop.
    space = tuple(lead) if math.prod(lead) > 1 else ()
    results, conditions = _RULES[type(node.op)](node.op, *[_elements(low, v, len(lead), space) for v in node.inputs])
    loop = LoopNest(space, note=low.note(node))
    loop.checks = [RuntimeCheck(condition, failure(low, node, message)) for condition in conditions]
    for v, elements in zip(node.outputs, results, strict=True):
        if v.type.size == 1:
            low.env[v] = elements.reshape(-1)[0]
            continue
        target = low.place(v)
        for i, part in _parts(target, len(lead), space):
            loop.stores.append(Store(part, elements[i]))
    if loop.stores or loop.checks:
        low.statements.append(loop)
    return True


def _elements(low: Lowering, v: Value, lead: int, space: Shape) -> ScalarArray:
    """The elements of a matrix of a value at the loop's position."""
    shape = v.type.shape[lead:]
    elements = np.empty(shape, object)
    if isinstance(v, Constant) and not space:
        for i, x in np.ndenumerate(v.array.reshape(shape)):
            elements[i] = Const(v.type.dtype, x)
        return elements
    single = low.single(v)
    if single is not None:
        elements[...] = single
        return elements
    for i, part in _parts(low.view(v), lead, space):
        elements[i] = low.load(part)
    return elements


def _parts(view: StridedView, lead: int, space: Shape) -> list[tuple[tuple[int, ...], StridedView]]:
    """For each position in a matrix, the view of its elements over the loop's space."""
    strides = view.strides[:lead] if space and any(view.strides[:lead]) else ()
    found = []
    for i in np.ndindex(view.shape[lead:]):
        offset = view.offset + sum(a * s for a, s in zip(i, view.strides[lead:], strict=True))
        found.append((i, StridedView(view.buffer, offset, space if strides else (), strides)))
    return found


# -- arithmetic ---------------------------------------------------------------------------------------------------


def _number(dtype: DType, value: float) -> Const:
    return Const(dtype, dtype.type(value))


def _product(x: Scalar, y: Scalar) -> Scalar:
    return combine("prod", x, y)


def _difference(x: Scalar, y: Scalar) -> Scalar:
    return operation("subtract", x, y)


def _reciprocal(x: Scalar) -> Scalar:
    return operation("divide", _number(x.dtype, 1), x)


def _size(x: Scalar) -> Scalar:
    """What LAPACK compares pivots by."""
    if x.dtype.kind != "c":
        return operation("abs", x)
    return operation("add", *[operation("abs", operation(part, x)) for part in ("real", "imag")])


def _nonzero(xs: Sequence[Scalar]) -> Scalar:
    zero = _number(xs[0].dtype, 0)
    condition = operation("not_equal", xs[0], zero)
    for x in xs[1:]:
        condition = operation("bitwise_and", condition, operation("not_equal", x, zero))
    return condition


# -- factorisations -----------------------------------------------------------------------------------------------


def _cholesky(op: Cholesky, a: ScalarArray) -> Answer:
    dtype = a[0, 0].dtype
    factor = np.full(a.shape, _number(dtype, 0), object)
    conditions = []
    for j in range(len(a)):
        square = operation("real", a[j, j])
        for x in factor[j, :j]:
            square = _difference(square, operation("real", _product(x, operation("conj", x))))
        # A NaN passes, as it does in LAPACK.
        conditions.append(operation("invert", operation("less_equal", square, _number(square.dtype, 0))))
        root = operation("sqrt", square)
        factor[j, j] = convert(root, dtype)
        scale = convert(_reciprocal(root), dtype)
        for i in range(j + 1, len(a)):
            x = a[i, j]
            for y, z in zip(factor[i, :j], factor[j, :j], strict=True):
                x = _difference(x, _product(y, operation("conj", z)))
            factor[i, j] = _product(x, scale)
    return [factor], conditions


def _substituted(a: ScalarArray, b: ScalarArray, rows: Sequence[int], unit: bool = False) -> ScalarArray:
    """`x` with `a @ x == b`, row by row; a row's equation has only the unknowns of the rows before it, and its own."""
    x = b.copy()
    for at, i in enumerate(rows):
        for j in rows[:at]:
            for k in range(x.shape[1]):
                x[i, k] = _difference(x[i, k], _product(a[i, j], x[j, k]))
        if not unit:
            scale = _reciprocal(a[i, i])
            for k in range(x.shape[1]):
                x[i, k] = _product(x[i, k], scale)
    return x


def _triangular_solve(op: TriangularSolve, a: ScalarArray, b: ScalarArray) -> Answer:
    conditions = [] if op.unit_diagonal else [_nonzero(a.diagonal().tolist())]
    n = len(a)
    rows = range(n) if op.lower != op.transpose_a else range(n)[::-1]
    return [_substituted(a.T if op.transpose_a else a, b, rows, op.unit_diagonal)], conditions


def _eliminated(a: ScalarArray, b: ScalarArray) -> tuple[ScalarArray, ScalarArray, Scalar]:
    """Gaussian elimination: the upper triangle that `a` becomes, what `b` becomes, and the sign of the exchanges."""
    n = len(a)
    both = np.concatenate([a, b], axis=1)
    sign: Scalar = _number(a[0, 0].dtype, 1)
    for j in range(n):
        # The largest element of the column comes up by exchanges with each of the rows below.
        largest = _size(both[j, j])
        for i in range(j + 1, n):
            size = _size(both[i, j])
            exchange = operation("greater", size, largest)
            largest = where(exchange, size, largest)
            sign = where(exchange, operation("negative", sign), sign)
            for k in range(j, both.shape[1]):
                x, y = both[j, k], both[i, k]
                both[j, k], both[i, k] = where(exchange, y, x), where(exchange, x, y)
        pivot, zero = both[j, j], _number(sign.dtype, 0)
        # Below a pivot of zero there is nothing to eliminate.
        scale = where(operation("equal", pivot, zero), zero, _reciprocal(pivot))
        for i in range(j + 1, n):
            factor = _product(both[i, j], scale)
            for k in range(j + 1, both.shape[1]):
                both[i, k] = _difference(both[i, k], _product(factor, both[j, k]))
    return both[:, :n], both[:, n:], sign


def _solve(op: Solve | Inv, a: ScalarArray, b: ScalarArray) -> Answer:
    upper, right, _ = _eliminated(a, b)
    return [_substituted(upper, right, range(len(a))[::-1])], [_nonzero(upper.diagonal().tolist())]


def _inv(op: Inv, a: ScalarArray) -> Answer:
    dtype = a[0, 0].dtype
    one = np.empty(a.shape, object)
    for i in np.ndindex(a.shape):
        one[i] = _number(dtype, i[0] == i[1])
    return _solve(op, a, one)


# -- determinants -------------------------------------------------------------------------------------------------


def phase(x: Scalar) -> Scalar:
    """`x / abs(x)`, and 0 for 0. The sign of a NaN is 1."""
    one, zero = _number(x.dtype, 1), _number(x.dtype, 0)
    if x.dtype.kind == "c":
        direction = operation("divide", x, convert(operation("abs", x), x.dtype))
    else:
        direction = where(operation("less", x, zero), operation("negative", one), one)
    return where(operation("equal", x, zero), zero, direction)


def _det(op: Det, a: ScalarArray) -> Answer:
    upper, _, result = _eliminated(a, a[:, :0])
    for x in upper.diagonal():
        result = _product(result, x)
    return [np.array(result, object)], []


def _slogdet(op: Slogdet, a: ScalarArray) -> Answer:
    upper, _, sign = _eliminated(a, a[:, :0])
    logarithm: Scalar | None = None
    for x in upper.diagonal():
        sign = _product(sign, phase(x))
        term = operation("log", operation("abs", x))
        logarithm = term if logarithm is None else operation("add", logarithm, term)
    return [np.array(sign, object), np.array(logarithm, object)], []


class _Minors:
    """Minors of `a`, and their derivatives along `da`, by expansion along rows."""

    def __init__(self, a: ScalarArray, da: ScalarArray | None = None) -> None:
        self.a = a
        self.da = da
        self._known: dict[Any, tuple[Scalar, Scalar | None]] = {}

    def __call__(self, rows: tuple[int, ...], columns: tuple[int, ...]) -> tuple[Scalar, Scalar | None]:
        """The determinant of a part of the matrix, and its derivative."""
        if not rows:
            dtype = self.a[0, 0].dtype
            return _number(dtype, 1), None if self.da is None else _number(dtype, 0)
        if (rows, columns) not in self._known:
            self._known[rows, columns] = self._expand(rows, columns)
        return self._known[rows, columns]

    def _expand(self, rows: tuple[int, ...], columns: tuple[int, ...]) -> tuple[Scalar, Scalar | None]:
        total: Scalar | None = None
        change: Scalar | None = None
        for k, column in enumerate(columns):
            x = self.a[rows[0], column]
            minor, slope = self(rows[1:], columns[:k] + columns[k + 1 :])
            name = "subtract" if k % 2 else "add"
            total = _summed(name, total, _product(x, minor))
            if self.da is not None and slope is not None:
                term = combine("sum", _product(self.da[rows[0], column], minor), _product(x, slope))
                change = _summed(name, change, term)
        assert total is not None
        return total, change

    def cofactors(self, which: int) -> ScalarArray:
        """The minors without each row and column, signed (`which` is 0), or their derivatives (1)."""
        n = len(self.a)
        found = np.empty((n, n), object)
        for i, j in np.ndindex(n, n):
            rows, columns = tuple(k for k in range(n) if k != i), tuple(k for k in range(n) if k != j)
            x = self(rows, columns)[which]
            assert x is not None
            found[i, j] = operation("negative", x) if (i + j) % 2 else x
        return found


def _summed(name: str, total: Scalar | None, x: Scalar) -> Scalar:
    return x if total is None else operation(name, total, x)


_RULES: dict[type[Op], Callable[..., Answer]] = {
    Cholesky: _cholesky,
    TriangularSolve: _triangular_solve,
    Solve: _solve,
    Inv: _inv,
    Det: _det,
    Slogdet: _slogdet,
    Cofactor: lambda op, a: ([_Minors(a).cofactors(0)], []),
    CofactorDerivative: lambda op, a, da: ([_Minors(a, da).cofactors(1)], []),
}
