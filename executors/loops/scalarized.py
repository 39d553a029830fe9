"""Lowering of unrolled kernels: the leading axes become one loop nest, and within it every element is a scalar.

A value of the kernel is an array of scalars over its remaining axes, so shape ops only move scalars about, and
reductions and small products become straight-line code. Without leading axes the elements of a value are computed
together, as the lanes of one scalar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphad.executors.loops.kernels import combine, element, initial
from graphad.executors.loops.lanes import ScalarArray, apply, contracted, loaded, reduced, widen
from graphad.executors.loops.program import Buffer, LoopNest, Pack, Reduction, ReductionResult, Store, StridedView
from graphad.graph import Constant, Graph, Node, Value
from graphad.moves import Place
from graphad.op import Op
from graphad.ops.cumulative import Cumprod, Cumsum
from graphad.ops.dot_general import DotGeneral
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.reduce import Reduction as ReductionOp
from graphad.ops.scalar import Const, Scalar
from graphad.ops.shape import Concatenate, Iota, Reshape
from graphad.ops.slicing import Pad
from graphad.passes.fusion.scalarize import aligned, leading
from graphad.types import DType, Shape

if TYPE_CHECKING:
    from graphad.executors.loops.lower import Lowering

def lower_unrolled(low: Lowering, kernel: Graph, node: Node, depth: int) -> None:
    """One loop over the `depth` leading axes of a kernel, every element along the others computed by itself."""
    _Unrolling(low, kernel, node, depth).lower()


class _Unrolling:
    def __init__(self, low: Lowering, kernel: Graph, node: Node, depth: int) -> None:
        self.low = low
        self.kernel = kernel
        self.node = node
        self.depth = depth
        self.lanes = low.lanes if depth == 0 else 1
        self.outer = dict(zip(kernel.inputs, node.inputs, strict=True))
        self.space = kernel_lead(kernel, depth)
        self.loop = LoopNest(self.space, note=low.note(node))
        self.elements: dict[Value, ScalarArray] = {}
        self.operands: dict[tuple[Value, int], ScalarArray] = {}
        self.reductions: dict[Value, Node] = {}
        self.copies: list[tuple[StridedView, StridedView]] = []

    def lower(self) -> None:
        for node in self.kernel.nodes:
            (out,) = node.outputs
            if isinstance(node.op, ReductionOp) and any(axis < self.depth for axis in node.op.axes):
                self.reductions[out] = node
            else:
                self.elements[out] = self.compute(node)
        for v, out in zip(self.kernel.outputs, self.node.outputs, strict=True):
            if v in self.reductions:
                self.reduce(self.reductions[v], out)
            else:
                self.write(self.read(v), out)
        if 0 not in self.space and (self.loop.stores or self.loop.reductions):
            self.low.statements.append(self.loop)
        for sums, target in self.copies:
            self.low.copy(sums, target)

    # -- operands ----------------------------------------------------------------------------------------------

    def read(self, v: Value, lead: int | None = None) -> ScalarArray:
        """The scalars of a value at the loop's position. The first `lead` axes of an operand from outside go along with
        the loop's last ones (by default with all of them)."""
        if v in self.elements:
            return self.elements[v]
        lead = self.depth if lead is None else lead
        if (v, lead) not in self.operands:
            self.operands[v, lead] = self.loads(v, lead)
        return self.operands[v, lead]

    def loads(self, v: Value, lead: int) -> ScalarArray:
        """The scalars of an operand, of whose axes the first `lead` go along with the loop's last ones."""
        low = self.low
        inner = v.type.shape[lead:]
        elements = np.empty(inner, object)
        source = self.outer.get(v, v)
        constant = isinstance(source, Constant)
        if v.type.size == 1 or (not constant and isinstance(low.env[source], Scalar)):
            elements[...] = low.scalar(source, ())
            return elements
        if isinstance(source, Constant) and all(n == 1 for n in v.type.shape[:lead]):
            values = source.array.reshape(inner)
            for i in np.ndindex(inner):
                elements[i] = Const(v.type.dtype, values[i])
            return elements
        view = low.view(source)
        if self.lanes > 1:
            return loaded(view, low.load, self.lanes)
        along = [0 if n == 1 else s for n, s in zip(view.shape[:lead], view.strides[:lead], strict=True)]
        strides = (*(0,) * (self.depth - lead), *along)
        moves = any(strides)
        for i in np.ndindex(inner):
            offset = view.offset + sum(a * s for a, s in zip(i, view.strides[lead:], strict=True))
            space, steps = (self.space, strides) if moves else ((), ())
            elements[i] = low.load(StridedView(view.buffer, offset, space, steps))
        return elements

    # -- nodes -------------------------------------------------------------------------------------------------

    def compute(self, node: Node) -> ScalarArray:
        """The scalars of a node's result."""
        (out,) = node.outputs
        op: Any = node.op
        d = self.depth
        inner = out.type.shape[d:]
        rule = _RULES.get(type(op))
        if rule is not None:
            xs = [self.read(v) for v in node.inputs]
            return rule(op, d, inner, xs, out.type.dtype)
        if type(op) is DotGeneral:
            xs = [self.read(v, d if i == 0 or op.rhs_batch else 0) for i, v in enumerate(node.inputs)]
            return self.contract(op, inner, xs, out.type.dtype)
        if isinstance(op, ReductionOp):
            x = self.read(node.inputs[0])
            return reduced(op.combines, x, tuple(axis - d for axis in op.axes), out.type.dtype, self.lanes)
        if not isinstance(op, (Elementwise, Cast)):
            return self.moved(node, inner, out.type.dtype)
        xs = [self.read(v, aligned(v.type, out.type, d)) for v in node.inputs]
        return apply(lambda *args: element(op, list(args), out.type.dtype), xs, inner, self.lanes)

    def moved(self, node: Node, inner: Shape, dtype: DType) -> ScalarArray:
        """The elements of the pieces that a result is put together from."""
        d = self.depth
        if node.op.view:
            (piece,) = node.op.pieces(node.inputs[0].type) or ()
            return _viewed(self.read(node.inputs[0]), [(a, k, axis - d) for a, k, axis in piece.places[d:]], inner)
        result = _zeros(inner, dtype)
        grid = np.indices(inner, sparse=True)
        for piece in reversed(node.op.pieces(*[v.type for v in node.inputs]) or ()):
            x = self.read(node.inputs[piece.operand])
            places = piece.places[d:]
            at = [np.asarray(start + step * grid[axis - d] if step else start) for start, step, axis in places]
            within = np.array(True)
            for i, n in zip(at, x.shape, strict=True):
                within = within & (i >= 0) & (i < n)
            chosen = x[tuple([np.where(within, i, 0) for i in at])] if within.any() else result
            result = np.where(within, chosen, result)
        return np.broadcast_to(result, inner)

    def contract(self, op: DotGeneral, inner: Shape, xs: list[ScalarArray], dtype: DType) -> ScalarArray:
        """A product of elements, of which each result is written out as a sum."""
        d, (a, b) = self.depth, xs
        lc, rc = [i - d for i in op.lhs_contract], [i - d for i in op.rhs_contract]
        # Batch axes beyond the loop's are walked here.
        lb, rb = [i - d for i in op.lhs_batch if i >= d], [i - d for i in op.rhs_batch if i >= d]
        if not op.rhs_batch:
            rc = list(op.rhs_contract)
        la = [i for i in range(a.ndim) if i not in lb and i not in lc]
        ra = [i for i in range(b.ndim) if i not in rb and i not in rc]
        batch = tuple(a.shape[i] for i in lb)
        terms = int(np.prod([a.shape[i] for i in lc], dtype=int))
        rows, columns = (int(np.prod([x.shape[i] for i in axes], dtype=int)) for x, axes in ((a, la), (b, ra)))
        left = a.transpose(*lb, *la, *lc).reshape(*batch, rows, 1, terms)
        right = b.transpose(*rb, *ra, *rc).reshape(*batch, 1, columns, terms)
        return contracted(left, right, (*batch, rows, columns), dtype, self.lanes).reshape(inner)

    # -- results -----------------------------------------------------------------------------------------------

    def write(self, elements: ScalarArray, out: Value) -> None:
        if out.type.size == 1:
            self.low.env[out] = elements.reshape(-1)[0]
            return
        target = self.low.place(out)
        if self.lanes > 1 and target.contiguous:
            row = elements.reshape(-1)
            for start in range(0, row.size, self.lanes):
                part = row[start : start + self.lanes]
                value = widen(part)
                if value.lanes < part.size:
                    value = Pack(value.dtype, (value,) * part.size, lanes=part.size)
                self.loop.stores.append(Store(StridedView(target.buffer, target.offset + start, (), ()), value))
            return
        for i, view in self.spots(target, range(self.depth)):
            self.loop.stores.append(Store(view, elements[i]))

    def spots(self, target: StridedView, kept: Any) -> Any:
        """For each position along the remaining axes of a result, the view of its elements over the loop's space.
        `kept` are the loop's axes that the result has."""
        kept = list(kept)
        lead = len(kept)
        strides = [0] * len(self.space)
        for axis, stride in zip(kept, target.strides[:lead], strict=True):
            strides[axis] = stride
        for i in np.ndindex(target.shape[lead:]):
            offset = target.offset + sum(a * s for a, s in zip(i, target.strides[lead:], strict=True))
            yield i, StridedView(target.buffer, offset, self.space, tuple(strides))

    def reduce(self, node: Node, out: Value) -> None:
        """A result that sums (or otherwise combines) over axes of the loop."""
        op: Any = node.op
        d, dtype = self.depth, out.type.dtype
        looped = tuple([axis for axis in op.axes if axis < d])
        unrolled = tuple(a - d for a in op.axes if a >= d)
        elements = reduced(op.combines, self.read(node.inputs[0]), unrolled, dtype, self.lanes)
        kept = [axis for axis in range(d) if axis not in looped]
        if 0 in self.space:
            self.low.fill(self.low.place(out), initial(op.combines, dtype).value)
            return
        if out.type.size == 1:
            result = ReductionResult(dtype)
            first = elements.reshape(-1)[0]
            unit = initial(op.combines, dtype)
            self.loop.reductions.append(Reduction(op.combines, first, looped, unit, result=result))
            self.low.env[out] = result
            return
        target = self.low.place(out)
        if kept and elements.size > 1:
            # Summed up in an order in which the loop runs along memory, and then put in its place.
            outer, inner = target.shape[: len(kept)], target.shape[len(kept) :]
            whole = StridedView.whole(Buffer("temporary", dtype, out.type.size), (*inner, *outer))
            order = [*range(len(inner), len(whole.shape)), *range(len(inner))]
            sums = whole.transpose(order)
            self.copies.append((sums, target))
            target = sums
        for i, view in self.spots(target, kept):
            reduction = Reduction(op.combines, elements[i], looped, initial(op.combines, dtype), view)
            self.loop.reductions.append(reduction)


def kernel_lead(kernel: Graph, depth: int) -> Shape:
    """The shape over which an unrolled kernel loops."""
    return leading(kernel.nodes[0], depth) if kernel.nodes else ()


def _viewed(x: ScalarArray, places: Sequence[Place], shape: Shape) -> ScalarArray:
    """The elements that a view looks at."""
    ends = [start + step * shape[axis] if step else start for start, step, axis in places]
    cuts = [slice(a, e if e >= 0 else None, k) if k else a for (a, k, _), e in zip(places, ends, strict=True)]
    axes = [axis for _, step, axis in places if step]
    part = x[(*cuts, ...)].transpose(sorted(range(len(axes)), key=axes.__getitem__))
    return np.broadcast_to(part[tuple([slice(None) if i in axes else None for i in range(len(shape))])], shape)


def _zeros(shape: Shape, dtype: DType) -> ScalarArray:
    result = np.empty(shape, object)
    result[...] = Const(dtype, dtype.type(0))
    return result


def _pad(op: Pad, d: int, inner: Shape, xs: list[ScalarArray], dtype: DType) -> ScalarArray:
    result, x = _zeros(inner, dtype), xs[0]
    for i in np.ndindex(x.shape):
        at = tuple(a + n * (k + 1) for n, a, k in zip(i, op.low[d:], op.interior[d:], strict=True))
        if all(0 <= n < m for n, m in zip(at, inner, strict=True)):
            result[at] = x[i]
    return result


def _cumulative(op: Cumsum | Cumprod, d: int, inner: Shape, xs: list[ScalarArray], dtype: DType) -> ScalarArray:
    x: Any = np.moveaxis(xs[0], op.axis - d, 0)
    x = x[::-1] if op.reverse else x
    result = x.copy()
    for i in np.ndindex(x.shape):
        if i[0]:
            result[i] = combine(op.combines, result[(i[0] - 1, *i[1:])], x[i])
    return np.moveaxis(result[::-1] if op.reverse else result, 0, op.axis - d)


def _iota(op: Iota, d: int, inner: Shape, xs: list[ScalarArray], dtype: DType) -> ScalarArray:
    elements = np.empty(inner, object)
    for i in range(op.size):
        elements[i] = Const(dtype, dtype.type(i))
    return elements


_Rule = Callable[[Any, int, Shape, list[ScalarArray], DType], ScalarArray]
_RULES: dict[type[Op], _Rule] = {
    Reshape: lambda op, d, inner, xs, dtype: xs[0].reshape(inner),
    Concatenate: lambda op, d, inner, xs, dtype: np.concatenate(xs, op.axis - d),
    Pad: _pad,
    Iota: _iota,
    Cumsum: _cumulative,
    Cumprod: _cumulative,
}
"""The ops of which `pieces` does not tell all, or not as quickly."""
