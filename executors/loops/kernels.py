"""Lowering of elementwise ops, reductions and fused kernels to loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphad.executors.loops.positions import (
    Position,
    broadcast,
    condition,
    identity,
    inside,
    operands,
    scalar_index,
)
from graphad.executors.loops.program import Load, LoopNest, Reduction, ReductionResult, Store, StridedView
from graphad.graph import Constant, Graph, Node, Value
from graphad.op import Op
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.reduce import Reduction as ReductionOp
from graphad.ops.scalar import Const, Scalar, convert, operation, translate, where
from graphad.ops.shape import Iota
from graphad.types import DType, Shape

if TYPE_CHECKING:
    from graphad.executors.loops.lower import Lowering


def initial(kind: str, dtype: DType) -> Const:
    """What a reduction starts from: the value that changes nothing."""
    if kind in ("any", "all"):
        return Const(dtype, kind == "all")
    if kind in ("sum", "prod"):
        return Const(dtype, dtype.type(kind == "prod"))
    if dtype.kind == "b":
        return Const(dtype, kind == "min")
    if dtype.kind == "f":
        return Const(dtype, dtype.type(-np.inf if kind == "max" else np.inf))
    info = np.iinfo(dtype)
    return Const(dtype, dtype.type(info.min if kind == "max" else info.max))


def lower_kernel(low: Lowering, kernel: Graph, node: Node) -> None:
    """One loop for all nodes of a kernel, stores for those of its results that something reads."""
    _Kernel(low, kernel, node).lower()


class _Kernel:
    """The lowering of one kernel. What is needed is found from the results backwards, and then computed forwards."""

    def __init__(self, low: Lowering, kernel: Graph, node: Node) -> None:
        self.low = low
        self.kernel = kernel
        self.node = node
        self.space = kernel_space(kernel)
        self.outer = dict(zip(kernel.inputs, node.inputs, strict=True))
        self.maker = {v: inner for inner in kernel.nodes for v in inner.outputs}
        self.wanted: dict[Value, dict[Position, None]] = {}
        self.scalars: dict[tuple[Value, Position], Scalar] = {}
        self.loop = LoopNest(self.space, note=low.note(node))

    def lower(self) -> None:
        here = identity(self.space)
        reduced = {v: self.maker[v] for v in self.kernel.outputs if _is_reduction(self.maker.get(v))}
        for v in self.kernel.outputs:
            self.want(reduced[v].inputs[0] if v in reduced else v, here)
        for inner in reversed(self.kernel.nodes):
            for at in self.wanted.get(inner.outputs[0], ()):
                for v, there in self.reads(inner, at):
                    self.want(v, there)
        for inner in self.kernel.nodes:
            for at in self.wanted.get(inner.outputs[0], ()):
                self.scalars[inner.outputs[0], at] = self.compute(inner, at)
        for v, out in zip(self.kernel.outputs, self.node.outputs, strict=True):
            if v in reduced:
                self.reduce(reduced[v], self.read(reduced[v].inputs[0], here), out)
            elif v.type.size == 1:
                self.low.env[out] = self.read(v, here)
            else:
                self.loop.stores.append(Store(self.low.place(out), self.read(v, here)))
        if 0 not in self.space and (self.loop.stores or self.loop.reductions):
            self.low.statements.append(self.loop)

    def want(self, v: Value, at: Position) -> None:
        if v in self.maker:
            self.wanted.setdefault(v, {})[at] = None

    def reads(self, inner: Node, at: Position) -> list[tuple[Value, Position]]:
        """The elements that a node reads for one element of its result."""
        if isinstance(inner.op, (Elementwise, Cast)):
            return [(v, Position(broadcast(at.index, v.type.shape), at.guards)) for v in inner.inputs]
        found = operands(inner, at, self.space)
        assert found is not None
        return [(inner.inputs[i], there) for i, there in found]

    def compute(self, inner: Node, at: Position) -> Scalar:
        """One element of a node's result."""
        dtype = inner.outputs[0].type.dtype
        if isinstance(inner.op, Iota):
            return convert(scalar_index(at.index[0]), dtype)
        found = [self.read(v, there) for v, there in self.reads(inner, at)]
        if isinstance(inner.op, (Elementwise, Cast)):
            return element(inner.op, found, dtype)
        result: Scalar = Const(dtype, dtype.type(0))
        for (_, there), x in reversed(list(zip(self.reads(inner, at), found, strict=True))):
            holds = condition(tuple([g for g in there.guards if g not in at.guards]), self.space)
            result = x if holds is None else where(holds, x, result)
        return result

    def read(self, v: Value, at: Position) -> Scalar:
        """One element of a value: of the kernel, of memory, or a number."""
        if (v, at) not in self.scalars:
            self.scalars[v, at] = self.fetch(v, at)
        return self.scalars[v, at]

    def fetch(self, v: Value, at: Position) -> Scalar:
        low, space = self.low, self.space
        source = self.outer.get(v, v)
        single = low.single(source)
        if single is not None:
            return single
        if source in low.counts and not at.guards:
            return convert(scalar_index(at.index[low.counts[source]]), v.type.dtype)
        view = low.view(source)
        offset = view.offset + sum(a[0] * s for a, s in zip(at.index, view.strides, strict=True))
        strides = [
            sum(a[1 + axis] * s for a, s in zip(at.index, view.strides, strict=True)) for axis in range(len(space))
        ]
        # Of a kernel with a single position the element is a scalar, which loops of any other rank may use.
        alone = all(n == 1 for n in space)
        part = StridedView(view.buffer, offset, () if alone else space, () if alone else tuple(strides))
        if inside(at, view.shape, space):
            return Load(view.dtype, part)
        return Load(view.dtype, part, None, condition(at.guards, space))

    def reduce(self, inner: Node, x: Scalar, out: Value) -> None:
        """A result that combines over axes of the space."""
        low, op = self.low, inner.op
        assert isinstance(op, ReductionOp)
        reduction = Reduction(op.combines, x, op.axes, initial(op.combines, out.type.dtype))
        if 0 in self.space:
            low.env[out] = reduction.initial
            return
        if out.type.size == 1:
            reduction.result = ReductionResult(out.type.dtype)
            low.env[out] = reduction.result
        else:
            view = low.place(out)
            strides = iter(view.strides)
            target = tuple([0 if i in op.axes else next(strides) for i in range(len(self.space))])
            reduction.target = StridedView(view.buffer, view.offset, self.space, target)
        self.loop.reductions.append(reduction)


def _is_reduction(node: Node | None) -> bool:
    return node is not None and isinstance(node.op, ReductionOp)


def kernel_space(kernel: Graph) -> Shape:
    """The shape over which a kernel runs: that of its results, or of what they reduce."""
    maker = {v: inner for inner in kernel.nodes for v in inner.outputs}
    node = maker[kernel.outputs[0]]
    return (node.inputs[0] if _is_reduction(node) else node.outputs[0]).type.shape


def element(op: Op, xs: list[Scalar], dtype: DType) -> Scalar:
    """What an elementwise op gives for one element of each operand."""
    if isinstance(op, Cast):
        return convert(xs[0], dtype)
    assert isinstance(op, Elementwise)
    assert op.code is not None
    if xs and all([isinstance(x, Const) for x in xs]):
        with np.errstate(all="ignore"):
            value = op.eval(np, *[np.asarray(x.value, x.dtype) for x in xs])  # type: ignore[attr-defined]
            return Const(dtype, np.asarray(value, dtype)[()], lanes=max([x.lanes for x in xs]))
    return translate(op.code, xs, dtype)


def combine(kind: str, x: Scalar, y: Scalar) -> Scalar:
    """Two terms of a reduction as one."""
    name = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}.get(kind)
    if name is None:
        name = "bitwise_or" if kind == "any" else "bitwise_and"
    unit = initial(kind, x.dtype)
    for a, b in ((x, y), (y, x)):
        if isinstance(a, Const) and a.lanes == 1 and a.value == unit.value:
            return b
    return operation(name, x, y)


def single(node: Node) -> Graph:
    """A kernel of one node; its constants stay in it."""
    inputs = dict.fromkeys(v for v in node.inputs if not isinstance(v, Constant))
    return Graph(inputs, (node,), node.outputs, node.op.name)
