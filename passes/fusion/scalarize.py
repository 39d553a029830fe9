"""Which nodes run unrolled: within a loop over their leading axes, each element along the others is a scalar.

Small axes (the coordinates of a point, the parameters of a camera) are mixed by sums, products, slices and
concatenations. Unrolled, a whole chain of such nodes is one pass over memory with its intermediate values in registers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from graphad.graph import Graph, Node, Value
from graphad.moves import Piece
from graphad.op import Op
from graphad.ops.cumulative import Cumprod, Cumsum, Cumulative
from graphad.ops.dot_general import DotGeneral
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.reduce import Reduction
from graphad.ops.scalar import expressible
from graphad.ops.shape import Concatenate, Iota, Reshape
from graphad.ops.slicing import Pad
from graphad.types import Shape, TensorType

ELEMENTS = 64
"""Elements along the unrolled axes of one value, at most."""
NEIGHBOURS = 8
SPREAD_NEIGHBOURS = 16
"""Elements that an unrolled reduction within a loop combines, at most: for more, vectors along them are faster. The
second is for what is computed from much smaller arrays, whose elements can be brought into the order of the loop."""
_SMALLER = 8
WORK = 1024
"""Operations in one unrolled kernel, at most."""
TOTAL = 24576
"""Operations in all unrolled kernels without a loop, at most: beyond it compiling takes longer than it saves."""


def is_elementwise(node: Node) -> bool:
    """Whether a node is an elementwise op that has scalar code for its types."""
    op, types = node.op, [v.type for v in node.inputs]
    if isinstance(op, Cast):
        return "e" not in (types[0].dtype.char, node.outputs[0].type.dtype.char)
    dtypes = tuple([x.dtype for x in types])
    return isinstance(op, Elementwise) and expressible(op.code, dtypes, node.outputs[0].type.dtype)


def fits(node: Node, lead: Shape) -> bool:
    """Whether a node can run within a loop over `lead`, its leading axes, element by element along the others."""
    if len(node.outputs) != 1:
        return False
    out, d, op = node.outputs[0].type, len(lead), node.op
    if isinstance(op, (Elementwise, Cast)):
        return _leads(out, lead) and all(_broadcasts(v.type, out, d) for v in node.inputs) and is_elementwise(node)
    rule = _FITS.get(type(op)) or (_moved if op.placed else _reduction if isinstance(op, Reduction) else None)
    if rule is None or op.raises or op.effect or "e" in [v.type.dtype.char for v in node.inputs]:
        return False
    return rule(op, node, lead)


def _leads(x: TensorType, lead: Shape) -> bool:
    d = len(lead)
    return x.shape[:d] == lead and 0 < math.prod(x.shape[d:]) <= ELEMENTS


def _broadcasts(x: TensorType, out: TensorType, d: int) -> bool:
    return math.prod(x.shape[aligned(x, out, d) :]) <= ELEMENTS


def aligned(x: TensorType, out: TensorType, d: int) -> int:
    """How many leading axes of an operand go along with the last of the `d` leading axes of an elementwise result."""
    return max(0, d - (out.ndim - x.ndim))


def complete(node: Node, d: int) -> list[Value]:
    """The operands of a node that a kernel with `d` leading axes must read from outside of itself: their elements are
    needed at other positions than the loop's own."""
    if not d:
        return []
    if type(node.op) is DotGeneral:
        op = node.op
        return [] if op.rhs_batch else [node.inputs[1]]
    if isinstance(node.op, (Elementwise, Cast)):
        return [v for v in node.inputs if v.type.ndim != node.outputs[0].type.ndim and v.type.size > 1]
    return []


def _reduction(op: Any, node: Node, lead: Shape) -> bool:
    x, out = node.inputs[0].type, node.outputs[0].type
    return _leads(x, lead) and x.dtype == out.dtype and x.dtype.kind in op.loops_over


def _inner(node: Node, lead: Shape) -> bool:
    return all([_leads(v.type, lead) for v in (*node.inputs, *node.outputs)])


def _moved(op: Op, node: Node, lead: Shape) -> bool:
    """An op that moves elements and leaves the leading axes alone."""
    pieces = op.pieces(*[v.type for v in node.inputs]) if _inner(node, lead) else None
    return pieces is not None and all([_keeps(piece, lead) for piece in pieces])


def _keeps(piece: Piece, lead: Shape) -> bool:
    d = len(lead)
    outer = all([n == 1 or at == (0, 1, axis) for axis, (at, n) in enumerate(zip(piece.places, lead, strict=False))])
    return outer and all([step == 0 or axis >= d for _, step, axis in piece.places[d:]])


def _reshape(op: Reshape, node: Node, lead: Shape) -> bool:
    return _inner(node, lead)


def _pad(op: Pad, node: Node, lead: Shape) -> bool:
    d = len(lead)
    return _inner(node, lead) and not any((*op.low[:d], *op.high[:d], *op.interior[:d]))


def _cumulative(op: Cumulative, node: Node, lead: Shape) -> bool:
    return _inner(node, lead) and op.axis >= len(lead)


def _iota(op: Iota, node: Node, lead: Shape) -> bool:
    return not lead and node.outputs[0].type.size <= ELEMENTS


def _dot(op: DotGeneral, node: Node, lead: Shape) -> bool:
    d = len(lead)
    a, b, out = node.inputs[0].type, node.inputs[1].type, node.outputs[0].type
    batch = tuple(range(d))
    if not _leads(out, lead) or not _leads(a, lead) or dot_work(node, d) > 2 * ELEMENTS:
        return False
    if op.lhs_batch or op.rhs_batch:
        return tuple(op.lhs_batch[:d]) == tuple(op.rhs_batch[:d]) == batch and _leads(b, lead)
    return all(axis >= d for axis in op.lhs_contract) and b.size <= ELEMENTS


def dot_work(node: Node, d: int) -> int:
    """Products that a dot product takes within `d` leading axes of its result."""
    op: Any = node.op
    terms: int = math.prod(node.inputs[0].type.shape[i] for i in op.lhs_contract)
    return math.prod(node.outputs[0].type.shape[d:]) * terms


_MIXING = (Concatenate, Pad, Cumsum, Cumprod)
"""Ops whose small results are worth unrolling."""
_FITS: dict[type[Op], Callable[..., bool]] = {
    Reshape: _reshape, Pad: _pad, Cumsum: _cumulative, Cumprod: _cumulative, Iota: _iota, DotGeneral: _dot,
}  # fmt: skip
"""Rules of ops that are more than `pieces` tell."""


def work(node: Node, d: int, lanes: int = 1) -> int:
    """Operations of a node within `d` leading axes; without any, each is of so many `lanes`."""
    if isinstance(node.op, Elementwise):
        total = math.prod(node.outputs[0].type.shape[d:])
    else:
        total = node.op.flops(*[v.type for v in node.inputs]) // max(math.prod(leading(node, d)), 1)
    return total if d else -(-total // lanes)


def leading(node: Node, d: int) -> Shape:
    """The first `d` axes of what a node computes: of its result, or of what it reduces."""
    v = node.inputs[0] if isinstance(node.op, Reduction) else node.outputs[0]
    return v.type.shape[:d]


def seed(node: Node, maker: Mapping[Value, Node]) -> Shape | None:
    """The leading axes within which a node is worth unrolling: it mixes few elements along the others."""
    if len(node.outputs) != 1:
        return None
    op = node.op
    if isinstance(op, Reduction):
        x = node.inputs[0].type
        d = min(op.axes, default=0)
        inner = math.prod(x.shape[d:])
        most = NEIGHBOURS if math.prod(x.shape[:d]) > 1 else ELEMENTS
        small = inner <= most or (inner <= SPREAD_NEIGHBOURS and _spreads(node.inputs[0], x.size, maker))
        found = x.shape[:d] if small else None
    elif type(op) is DotGeneral:
        found = _dot_seed(node)
    elif type(op) in _MIXING and node.outputs[0].type.size <= ELEMENTS // 4:
        found = ()
    else:
        return None
    if found is not None and math.prod(found) <= 1:
        found = ()
    return found if found is not None and fits(node, found) else None


def _spreads(v: Value, size: int, maker: Mapping[Value, Node]) -> bool:
    """Whether a value is computed, element by element, from arrays much smaller than `size`."""
    if _SMALLER * v.type.size <= size:
        return True
    node = maker.get(v)
    return node is not None and is_elementwise(node) and all(_spreads(u, size, maker) for u in node.inputs)


def _dot_seed(node: Node) -> Shape | None:
    op: Any = node.op
    a = node.inputs[0].type
    depths: Sequence[int] = [len(op.lhs_batch)] if op.lhs_batch else range(a.ndim - len(op.lhs_contract) + 1)
    for d in depths:
        if fits(node, node.outputs[0].type.shape[:d]):
            return node.outputs[0].type.shape[:d]
    return None


def leads(graph: Graph, lanes: int = 1, total: int = TOTAL) -> dict[Node, Shape]:
    """For each node that is to run unrolled, the leading axes of the loop that it runs in. `lanes` as in `work`;
    without a loop no more than `total` operations are unrolled."""
    maker = {v: node for node in graph.nodes for v in node.outputs}
    seeds = [(node, lead) for node in graph.nodes if (lead := seed(node, maker)) is not None]
    found: dict[Node, Shape] = {}
    if not seeds:
        return found
    readers: dict[Value, list[Node]] = {}
    for node in graph.nodes:
        for v in node.inputs:
            readers.setdefault(v, []).append(node)
    # Fewer leading axes first: what fits within them takes in the nodes that would do with more.
    for start, lead in sorted(seeds, key=lambda pair: len(pair[1])):
        frontier = [] if start in found else [start]
        found.setdefault(start, lead)
        while frontier:
            for other in _neighbours(frontier.pop(), lead, maker, readers):
                if other not in found and fits(other, lead):
                    found[other] = lead
                    frontier.append(other)
    made: set[Value] = set()
    for node in graph.nodes:
        # What only looks at memory in another way is better left outside.
        if node in found and node.op.view and node.inputs[0] not in made:
            del found[node]
        elif node in found:
            made.update(node.outputs)
    if sum(work(node, 0, lanes) for node, lead in found.items() if not lead) > total:
        found = {node: lead for node, lead in found.items() if lead}
    return found


def _neighbours(
    node: Node, lead: Shape, maker: dict[Value, Node], readers: dict[Value, list[Node]]
) -> Iterator[Node]:
    for v in node.inputs:
        if v in maker:
            yield maker[v]
    for v in node.outputs:
        if v.type.shape[: len(lead)] == lead:
            yield from readers.get(v, ())


__all__ = ["aligned", "complete", "fits", "leads", "work"]
