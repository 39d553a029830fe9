"""Fusion: nodes that share an iteration space become one kernel, so that each array is read and written once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from graphad.graph import Constant, Graph, Node, Value
from graphad.op import Op
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.fused import Fused
from graphad.ops.reduce import Reduction
from graphad.ops.scalar import expressible
from graphad.passes.base import graph_pass
from graphad.passes.rewriting import map_regions
from graphad.passes.unroll import REDUCTIONS, TOTAL, WORK, complete, leads, work
from graphad.types import Shape, TensorType

PIECES = 4
"""Operands of a concatenation that a kernel chooses among, at most."""
COPIES = 24
"""How often a kernel may compute an element of what it takes in, at most."""
LIMIT = 256
"""Nodes in one kernel: beyond it registers spill and compile time grows faster than the kernel."""
MOVEMENT = frozenset({"transpose", "reverse", "slice", "broadcast_to", "reshape", "pad", "concatenate", "iota"})
"""Shape ops that a kernel can hold: they only say which element is read."""
_CHEAP = frozenset(
    {
        "add", "subtract", "negative", "positive", "multiply", "square", "cast", "select", "equal", "not_equal",
        "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_not", "maximum",
        "minimum", "absolute", "multiply_no_nan", "sign", "conjugate", "real", "imag",
    }
)


def is_kernel_op(op: Op, inputs: Sequence[TensorType], output: TensorType) -> bool:
    """Whether an op of these types can be part of a kernel: an elementwise op with scalar code, or a reduction."""
    if isinstance(op, Reduction):
        (x,) = inputs
        empty = x.size == 0 and op.name in ("max", "min")
        known = x.dtype.kind in REDUCTIONS.get(op.name, "") and x.dtype.char != "e"
        return known and x.dtype == output.dtype and not empty
    if isinstance(op, Cast):
        return "e" not in (inputs[0].dtype.char, output.dtype.char)
    return isinstance(op, Elementwise) and expressible(op.code, tuple([x.dtype for x in inputs]), output.dtype)


def is_movement(node: Node) -> bool:
    """Whether a kernel can hold a shape op: one whose element at each position is one element of one operand, or
    zero."""
    op: Any = node.op
    if op.name not in MOVEMENT or node.outputs[0].type.dtype.char == "e":
        return False
    if op.name == "reshape":
        old, new = ([n for n in v.type.shape if n != 1] for v in (node.inputs[0], node.outputs[0]))
        return old == new
    if op.name == "pad":
        return not any(op.interior)
    return op.name != "concatenate" or len(node.inputs) <= PIECES


def evaluations_pay(work: int, times: int) -> bool:
    """Whether computing the nodes of a kernel at several positions in another one costs less than their arrays' way
    through memory. `work` counts arithmetic operations per element."""
    return times == 1 or work * (times - 1) <= 24


def recompute_pays(flops: int, extra_loads: float, readers: int) -> bool:
    """Whether computing a value again in each of its readers' kernels costs less than one store and a load in each.

    Counted in arithmetic operations per element; a load or a store costs about as much as four of them.
    """
    return readers * flops + 4 * extra_loads < 4 * (1 + readers)


class _Group:
    """Nodes that run together, at a position in the order of groups."""

    __slots__ = ("copies", "depth", "kernel", "needs", "nodes", "reads", "space", "users", "work")

    def __init__(self, space: Shape, kernel: bool, depth: int) -> None:
        self.space = space
        self.kernel = kernel
        self.depth = depth
        self.work = 0
        self.copies = 1
        self.nodes: list[Node] = []
        self.reads: set[Value] = set()
        self.needs: set[int] = set()
        self.users: set[int] = set()


class _Fusion:
    """Groups in an order that keeps every group after those that it reads.

    `home[v]` is the group that computes `v`; `inside[v]` says that the group's other nodes may read it.
    """

    def __init__(self, graph: Graph, lanes: int, total: int) -> None:
        self.lanes = lanes
        self.groups: list[_Group] = []
        self.home: dict[Value, int] = {}
        self.inside: set[Value] = set()
        # What a node must read from another kernel than its own.
        self.apart: set[tuple[Node, Value]] = set()
        self.merged: dict[int, int] = {}
        self.effect = -1
        self.leads = leads(graph, lanes, total)
        for node in graph.nodes:
            self.add(node)

    def group(self, v: Value) -> int:
        """The group that computes a value; -1 for inputs and constants."""
        return self.root(self.home.get(v, -1))

    def root(self, i: int) -> int:
        while i in self.merged:
            i = self.merged[i]
        return i

    def add(self, node: Node) -> None:
        shape = node.outputs[0].type.shape if node.outputs else ()
        lead = self.leads.get(node)
        depth = -1 if lead is None else len(lead)
        size = 1 if lead is None else work(node, depth, self.lanes)
        kernel = lead is not None or (
            len(node.outputs) == 1 and is_kernel_op(node.op, [v.type for v in node.inputs], node.outputs[0].type)
        )
        reduction = isinstance(node.op, Reduction) and (depth < 0 or any(axis < depth for axis in node.op.axes))
        space = lead if lead is not None else node.inputs[0].type.shape if kernel and reduction else shape
        sources = {self.group(v) for v in node.inputs} - {-1}
        chosen = -1
        if kernel:
            inputs = [(v, self.group(v)) for v in node.inputs if v in self.home]
            apart = set(complete(node, depth)) if lead is not None else set()
            self.apart.update((node, v) for v in apart)
            joinable = {i for v, i in inputs if v in self.inside and self.accepts(i, space, depth, size)}
            joinable -= {i for v, i in inputs if v in apart}
            after = max([i if v in self.inside and i in joinable else i + 1 for v, i in inputs], default=0)
            ready = [i for i in joinable if i >= after]
            if ready:
                chosen = max(ready)
        if chosen < 0:
            chosen = len(self.groups)
            self.groups.append(_Group(space, kernel, depth))
            if not node.op.pure:
                if self.effect >= 0:
                    sources.add(self.root(self.effect))
                self.effect = chosen
        group = self.groups[chosen]
        group.nodes.append(node)
        group.work += size
        group.reads.update(v for v in node.inputs if not isinstance(v, Constant))
        for i in sources - {chosen}:
            group.needs.add(i)
            self.groups[i].users.add(chosen)
        for v in node.outputs:
            self.home[v] = chosen
            if kernel and not reduction:
                self.inside.add(v)
        if kernel:
            for v in node.inputs:
                if v in self.inside:
                    self.merge(self.group(v), self.root(chosen))

    def accepts(self, i: int, space: Shape, depth: int, size: int) -> bool:
        if i < 0 or not self.groups[i].kernel:
            return False
        group = self.groups[i]
        return (group.space, group.depth) == (space, depth) and group.work + size <= (LIMIT if depth < 0 else WORK)

    def merge(self, i: int, j: int) -> None:
        """Make one group of two of one space, unless something must run between them."""
        i, j = min(i, j), max(i, j)
        first, second = self.groups[i], self.groups[j]
        if i == j or i < 0 or not first.kernel or not self.accepts(i, second.space, second.depth, second.work):
            return
        if not second.kernel or any(v not in self.inside for v in self.read_by(second, i)):
            return
        if any(self.group(v) == i for node in second.nodes for v in node.inputs if (node, v) in self.apart):
            return
        users = {self.root(k) for k in first.users}
        needs = {self.root(k) for k in second.needs}
        if not any(i < k < j for k in users):
            place, gone = j, i
        elif not any(i < k < j for k in needs):
            place, gone = i, j
        else:
            return
        kept, lost = self.groups[place], self.groups[gone]
        kept.nodes = first.nodes + second.nodes
        kept.work = first.work + second.work
        kept.reads = first.reads | second.reads
        kept.needs = {self.root(k) for k in first.needs | second.needs} - {i, j}
        kept.users = {self.root(k) for k in first.users | second.users} - {i, j}
        lost.nodes = []
        for node in kept.nodes:
            for v in node.outputs:
                self.home[v] = place
        self.merged[gone] = place

    def read_by(self, group: _Group, i: int) -> Iterable[Value]:
        return [v for v in group.reads if self.group(v) == i]

    def join_siblings(self) -> None:
        """Merge kernels that read the same array over the same space: one pass over memory for all of them."""
        readers: dict[tuple[Value, Shape], list[int]] = {}
        for i, group in enumerate(self.groups):
            if group.kernel and group.nodes and (group.space or group.depth == 0):
                for v in group.reads:
                    if v.type.size > 1:
                        readers.setdefault((v, group.space), []).append(i)
        for found in readers.values():
            for a, b in pairwise(found):
                self.merge(self.root(a), self.root(b))


    def absorb(self, outputs: Sequence[Value]) -> None:
        """Move shape ops, and the kernels before them, into the one kernel that reads them."""
        readers: dict[Value, set[int]] = {}
        for i, group in enumerate(self.groups):
            for node in group.nodes:
                for v in node.inputs:
                    readers.setdefault(v, set()).add(i)
        kept = set(outputs)
        for i in reversed(range(len(self.groups))):
            group = self.groups[i]
            if not group.nodes or not group.kernel or group.depth >= 0:
                continue
            queue = [v for node in group.nodes for v in node.inputs]
            while queue:
                j = self.group(queue.pop())
                if j >= 0 and j != i:
                    taken, times = self.absorbed(i, j, readers, kept)
                    group.copies *= times
                    for k in taken:
                        queue += self.take(i, k, readers)

    def absorbed(self, i: int, j: int, readers: dict[Value, set[int]], kept: set[Value]) -> tuple[list[int], int]:
        """The groups that group `i` computes by itself if it takes in group `j`, which it reads, and at how many
        positions; none if it cannot."""
        nothing: tuple[list[int], int] = ([], 1)
        other = self.groups[j]
        movement = not other.kernel and len(other.nodes) == 1 and is_movement(other.nodes[0])
        if movement and other.nodes[0].op.name not in ("pad", "concatenate", "iota"):
            # What only looks at memory in another way is better left outside, unless its source comes along.
            source = self.group(other.nodes[0].inputs[0])
            return self.absorbed(i, source, readers, kept) if source >= 0 and source != i else nothing
        if not (movement or (other.kernel and other.depth < 0)):
            return nothing
        results = [v for node in other.nodes for v in node.outputs]
        paths: list[tuple[int, ...]] = []
        if any(v in kept or (not movement and v not in self.inside) for v in results):
            return nothing
        if not all(self.paths(v, i, j, (), readers, kept, paths) for v in results):
            return nothing
        taken = dict.fromkeys(k for path in paths for k in path)
        size = max(v.type.size for v in results)
        grown = any(self.groups[k].nodes[0].outputs[0].type.size > 2 * size for k in taken)
        # Read as it is, by a larger space: computed again along the axes that it lacks, but for the innermost ones.
        space = self.groups[i].space
        grown |= () in paths and any(_repeats(v.type.shape, space) for v in results if i in readers.get(v, set()))
        total = sum(_weight(node) for node in other.nodes)
        if self.groups[i].work + other.work + len(taken) > LIMIT:
            return nothing
        times = len(set(paths))
        # What is computed at several positions may read what is again: the numbers multiply.
        if self.groups[i].copies * other.copies * times > COPIES or not evaluations_pay(total, 64 if grown else times):
            return nothing
        return [*taken, j], times

    def paths(
        self, v: Value, i: int, j: int, path: tuple[int, ...], readers: dict[Value, set[int]], kept: set[Value],
        found: list[tuple[int, ...]],
    ) -> bool:
        """Whether a value of group `j` is read by group `i` only, through shape ops or not; adds the ways it is."""
        for k in readers.get(v, set()) - {j}:
            if k == i:
                found.append(path)
                continue
            (node, *more) = self.groups[k].nodes
            if self.groups[k].kernel or more or not is_movement(node) or node.outputs[0] in kept:
                return False
            if not self.paths(node.outputs[0], i, k, (*path, k), readers, kept, found):
                return False
        return True

    def take(self, i: int, j: int, readers: dict[Value, set[int]]) -> list[Value]:
        """Move the nodes of group `j` into group `i`; answers what they read."""
        group, other = self.groups[i], self.groups[j]
        moved, other.nodes = other.nodes, []
        group.nodes = moved + group.nodes
        group.work += other.work
        group.copies *= other.copies
        group.reads |= other.reads
        for node in moved:
            for v in node.outputs:
                self.home[v] = i
                self.inside.add(v)
            for v in node.inputs:
                readers[v] = {i if k == j else k for k in readers.get(v, set())}
        return [v for node in moved for v in node.inputs]


def _repeats(shape: Shape, space: Shape) -> bool:
    outer = len(space) - len(shape)
    varies = [i for i, n in enumerate(shape) if n > 1]
    stretched = any(n == 1 != space[outer + i] for i, n in enumerate(shape[: max(varies, default=0)]))
    return bool(varies) and (math.prod(space[:outer]) > 1 or stretched)


def _weight(node: Node) -> int:
    return 1 if node.op.name in _CHEAP or node.op.name in MOVEMENT else 4 if node.op.name in ("divide", "sqrt") else 20


@graph_pass
def fuse(graph: Graph, *, lanes: int = 1, total: int = TOTAL) -> Graph:
    """Group elementwise nodes and reductions that share an iteration space into `fused` nodes.

    `lanes` says how many elements of a small array one operation of the executor computes, `total` how many operations
    on elements of small arrays it may have to compile, the regions' not counted.

    The region of a `fused` node is its kernel: elementwise nodes over one shape, and reductions of it whose results
    the kernel itself does not read. Reshapes, transposes, slices and broadcasts stay between kernels: they cost
    nothing, since kernels read strided views.
    """
    graph = _regions_fused(graph, lanes, total)
    fusion = _Fusion(graph, lanes, total)
    fusion.join_siblings()
    fusion.absorb(graph.outputs)
    groups = [group for group in fusion.groups if group.nodes]
    recomputed = _recompute(groups, {*graph.outputs, *(v for _, v in fusion.apart)}, fusion.inside)
    needed: set[Value] = set(graph.outputs)
    position = {node: i for i, node in enumerate(graph.nodes)}
    parts: list[list[Node]] = []
    for group, nodes in zip(reversed(groups), reversed(recomputed), strict=True):
        if not group.kernel:
            parts.append(nodes)
            for node in nodes:
                needed.update(node.inputs)
            continue
        results = {v for node in group.nodes for v in node.outputs if v in needed}
        live = _live(sorted(nodes, key=position.__getitem__), results)
        if live:
            parts.append(_kernel(live, results, group.depth))
            for node in parts[-1]:
                needed.update(node.inputs)
    return Graph(graph.inputs, [node for part in reversed(parts) for node in part], graph.outputs, graph.name)


def _regions_fused(graph: Graph, lanes: int, total: int) -> Graph:
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    nodes = [
        node if isinstance(node.op, Fused) else map_regions(node, lambda region: fuse(region, lanes=lanes, total=total))
        for node in graph.nodes
    ]
    return Graph(graph.inputs, nodes, graph.outputs, graph.name)


def _recompute(
    groups: list[_Group], kept: set[Value], inside: set[Value]
) -> list[list[Node]]:
    # A cheap value that other kernels over the same space read is computed in each of them, not stored and loaded.
    extra: list[dict[Node, None]] = [{} for _ in groups]
    kernels = [(i, group) for i, group in enumerate(groups) if group.kernel]
    made = {v: (i, node) for i, group in kernels for node in group.nodes for v in node.outputs}
    readers: dict[Value, set[int]] = {}
    for i, group in enumerate(groups):
        for node in group.nodes:
            for v in node.inputs:
                if v in made and made[v][0] != i:
                    readers.setdefault(v, set()).add(i)
    stored = kept | {v for v in readers if v not in inside}
    for v, used in readers.items():
        i, _ = made[v]
        space = groups[i].space
        shared = all(groups[k].kernel and (groups[k].space, groups[k].depth) == (space, groups[i].depth) for k in used)
        if v in stored or v.type.size <= 1 or not shared:
            continue
        cone = _cone(v, i, made, inside, stored | (readers.keys() - {v}))
        if cone is None:
            continue
        size = v.type.size
        read = dict.fromkeys(u for node in cone for u in node.inputs if type(u) is Value)
        sources = [u for u in read if made.get(u, (-1, None))[1] not in cone]
        new = [u for u in sources if not all(u in groups[k].reads for k in used)]
        loads = sum(min(1.0, u.type.size / size) for u in new)
        if recompute_pays(sum(_weight(node) for node in cone), loads, len(used)):
            for k in used:
                extra[k].update(dict.fromkeys(cone))
        else:
            stored.add(v)
    order = {node: n for n, node in enumerate(node for group in groups for node in group.nodes)}
    return [[*sorted(more, key=order.__getitem__), *group.nodes] for more, group in zip(extra, groups, strict=True)]


_CONE = 8


def _cone(
    v: Value, i: int, made: dict[Value, tuple[int, Node]], inside: set[Value], stored: set[Value]
) -> list[Node] | None:
    """The nodes of group `i` that compute a value from what is stored or comes from elsewhere; None if they are
    many."""
    found: dict[Node, None] = {}
    queue = [v]
    while queue:
        group, node = made[queue.pop()]
        if group != i or node in found:
            continue
        found[node] = None
        if len(found) > _CONE:
            return None
        queue += [u for u in node.inputs if u in made and made[u][0] == i and u in inside and u not in stored]
    return list(found)


def _live(nodes: list[Node], results: set[Value]) -> list[Node]:
    live, wanted = [], set(results)
    for node in reversed(nodes):
        if any(v in wanted for v in node.outputs):
            live.append(node)
            wanted.update(node.inputs)
    live.reverse()
    return live


def _kernel(nodes: list[Node], wanted: set[Value], depth: int) -> list[Node]:
    if len(nodes) == 1 and depth < 0:
        return nodes
    outer: dict[Value, Value] = {}
    inner: dict[Value, Value] = {}
    body: list[Node] = []
    for node in nodes:
        for v in node.inputs:
            if v not in inner:
                inner[v] = v if isinstance(v, Constant) else outer.setdefault(v, Value(v.type, v.name))
        inner.update((v, Value(v.type, v.name)) for v in node.outputs)
        made = tuple([inner[v] for v in node.outputs])
        body.append(Node(node.op, tuple([inner[v] for v in node.inputs]), made, node.where))
    results = [v for node in nodes for v in node.outputs if v in wanted]
    kernel = Graph(outer.values(), body, [inner[v] for v in results], "kernel")
    return [Node(Fused(kernel, depth), tuple(outer), tuple(results), nodes[-1].where)]

