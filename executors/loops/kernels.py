"""Lowering of elementwise ops, reductions and fused kernels to loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphad.executors.loops.program import Loop, Reduction, Result, Store
from graphad.graph import Constant, Graph, Node, Value
from graphad.op import Op
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.reduce import Reduction as ReductionOp
from graphad.ops.scalar import Const, Scalar, convert, operation, translate
from graphad.types import DType

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
    outer = dict(zip(kernel.inputs, node.inputs, strict=True))
    space = kernel_space(kernel)
    local: dict[Value, Scalar] = {}
    loop = Loop(space, note=low.note(node))
    results: dict[Value, Reduction] = {}

    def read(v: Value) -> Scalar:
        if v not in local:
            local[v] = low.scalar(outer.get(v, v), space)
        return local[v]

    for inner in kernel.nodes:
        (out,) = inner.outputs
        if isinstance(inner.op, ReductionOp):
            start = initial(inner.op.name, out.type.dtype)
            results[out] = Reduction(inner.op.name, read(inner.inputs[0]), inner.op.axes, start)
            loop.reductions.append(results[out])
        else:
            local[out] = element(inner.op, [read(v) for v in inner.inputs], out.type.dtype)
    for v, out in zip(kernel.outputs, node.outputs, strict=True):
        reduction = results.get(v)
        if reduction is None:
            if v.type.size == 1:
                low.env[out] = read(v)
                continue
            view = low.place(out)
            loop.stores.append(Store(view, read(v)))
        elif 0 in space:
            low.env[out] = reduction.initial
        elif out.type.size == 1:
            reduction.result = Result(out.type.dtype)
            low.env[out] = reduction.result
        else:
            view = low.place(out)
            strides = iter(view.strides)
            target = tuple([0 if i in reduction.axes else next(strides) for i in range(len(space))])
            reduction.target = type(view)(view.buffer, view.offset, space, target)
    if 0 not in space and (loop.stores or loop.reductions):
        low.statements.append(loop)


def kernel_space(kernel: Graph) -> tuple[int, ...]:
    """The shape over which all nodes of a kernel run."""
    node = kernel.nodes[0]
    v = node.inputs[0] if isinstance(node.op, ReductionOp) else node.outputs[0]
    return v.type.shape


def element(op: Op, xs: list[Scalar], dtype: DType) -> Scalar:
    """What an elementwise op gives for one element of each operand."""
    if isinstance(op, Cast):
        return convert(xs[0], dtype)
    assert isinstance(op, Elementwise)
    assert op.code is not None
    if xs and all([isinstance(x, Const) for x in xs]):
        with np.errstate(all="ignore"):
            return Const(dtype, dtype.type(op.eval(np, *[np.asarray(x.value, x.dtype) for x in xs])))  # type: ignore[attr-defined]
    return translate(op.code, xs, dtype)


def combine(kind: str, x: Scalar, y: Scalar) -> Scalar:
    """Two terms of a reduction as one."""
    name = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}.get(kind)
    if name is None:
        name = "bitwise_or" if kind == "any" else "bitwise_and"
    unit = initial(kind, x.dtype)
    for a, b in ((x, y), (y, x)):
        if isinstance(a, Const) and a.value == unit.value:
            return b
    return operation(name, x, y)


def single(node: Node) -> Graph:
    """A kernel of one node; its constants stay in it."""
    inputs = dict.fromkeys(v for v in node.inputs if not isinstance(v, Constant))
    return Graph(inputs, (node,), node.outputs, node.op.name)
