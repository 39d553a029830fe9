"""Which nodes share an iteration space and run together, for the pass `fuse`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from graphad.graph import Constant, Graph, Node, Value
from graphad.op import Op
from graphad.ops.elementwise import Cast, Elementwise
from graphad.ops.reduce import Reduction
from graphad.ops.scalar import expressible
from graphad.ops.shape import Iota
from graphad.passes.cost import cheap, evaluations_pay, weight
from graphad.passes.fusion.scalarize import WORK, complete, leads, work
from graphad.types import Shape, TensorType

PIECES = 4
"""Operands of a concatenation that a kernel chooses among, at most."""
COPIES = 24
"""How often a kernel may compute an element of what it takes in, at most."""
LIMIT = 256
"""Nodes in one kernel: beyond it registers spill and compile time grows faster than the kernel."""


def is_kernel_op(op: Op, inputs: Sequence[TensorType], output: TensorType) -> bool:
    """Whether an op of these types can be part of a kernel: an elementwise op with scalar code, or a reduction. What
    raises or has an effect runs by itself."""
    if op.raises or op.effect:
        return False
    if isinstance(op, Reduction):
        (x,) = inputs
        known = x.dtype.kind in op.loops_over and x.dtype.char != "e"
        return known and x.dtype == output.dtype and (x.size > 0 or op.of_nothing)
    if isinstance(op, Cast):
        return "e" not in (inputs[0].dtype.char, output.dtype.char)
    return isinstance(op, Elementwise) and expressible(op.code, tuple([x.dtype for x in inputs]), output.dtype)


def is_movement(node: Node) -> bool:
    """Whether a kernel can hold an op that moves: one whose element at each position is one element of one operand, or
    zero, or the position."""
    op = node.op
    if isinstance(op, Iota):
        return node.outputs[0].type.dtype.char != "e"
    if not op.placed or node.outputs[0].type.dtype.char == "e" or len(node.inputs) > PIECES:
        return False
    return op.pieces(*[v.type for v in node.inputs]) is not None


class Group:
    """Nodes that run together, at a position in the order of groups."""

    __slots__ = ("depth", "kernel", "needs", "nodes", "reads", "space", "users", "work")

    def __init__(self, space: Shape, kernel: bool, depth: int) -> None:
        self.space = space
        self.kernel = kernel
        self.depth = depth
        self.work = 0
        self.nodes: list[Node] = []
        self.reads: set[Value] = set()
        self.needs: set[int] = set()
        self.users: set[int] = set()


class Grouping:
    """Groups in an order that keeps every group after those that it reads.

    `home[v]` is the group that computes `v`; `inside[v]` says that the group's other nodes may read it.
    """

    def __init__(self, graph: Graph, lanes: int, total: int) -> None:
        self.lanes = lanes
        self.groups: list[Group] = []
        self.home: dict[Value, int] = {}
        self.inside: set[Value] = set()
        # What a node must read from another kernel than its own.
        self.apart: set[tuple[Node, Value]] = set()
        self.merged: dict[int, int] = {}
        # At how many positions a kernel computes what it has taken in.
        self.times: dict[Node, int] = {}
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
            self.groups.append(Group(space, kernel, depth))
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

    def read_by(self, group: Group, i: int) -> Iterable[Value]:
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
            parted: set[int] = set()
            while queue:
                j = self.group(queue.pop())
                if j >= 0 and j != i and j not in parted:
                    taken, times = self.absorbed(i, j, readers, kept)
                    if not taken:
                        taken = self.split(i, j, readers, kept)
                        parted.add(j)
                    for node in [node for k in taken for node in self.groups[k].nodes]:
                        self.times[node] = self.times.get(node, 1) * times
                    for k in taken:
                        queue += self.take(i, k, readers)

    def absorbed(self, i: int, j: int, readers: dict[Value, set[int]], kept: set[Value]) -> tuple[list[int], int]:
        """The groups that group `i` computes by itself if it takes in group `j`, which it reads, and at how many
        positions; none if it cannot."""
        nothing: tuple[list[int], int] = ([], 1)
        other = self.groups[j]
        movement = not other.kernel and len(other.nodes) == 1 and is_movement(other.nodes[0])
        if movement and other.nodes[0].op.view:
            # What only looks at memory in another way is better left outside, unless its source comes along.
            source = self.group(other.nodes[0].inputs[0])
            return self.absorbed(i, source, readers, kept) if source >= 0 and source != i else nothing
        if not (movement or (other.kernel and other.depth < 0)):
            return nothing
        results = [v for node in other.nodes for v in node.outputs]
        paths: dict[tuple[int, ...], int] = {}
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
        if self.groups[i].work + other.work + len(taken) > LIMIT:
            return nothing
        # What is computed at several positions may read what is again: the numbers multiply.
        times = sum(paths.values())
        total = sum(weight(node) * self.times.get(node, 1) for node in other.nodes)
        most = max(self.times.get(node, 1) for node in other.nodes)
        if most * times > COPIES or not evaluations_pay(total, 64 if grown else times):
            return nothing
        return [*taken, j], times

    def split(self, i: int, j: int, readers: dict[Value, set[int]], kept: set[Value]) -> list[int]:
        """Cheap last nodes of group `j`, of one array each, that group `i` alone reads, through shape ops: computed
        there they leave one array to store, as in a sum of one array's multiples, each shifted."""
        other = self.groups[j]
        if not other.kernel or other.depth >= 0 or len(other.nodes) == 1:
            return []
        found: list[int] = []
        inner = {v for node in other.nodes for v in node.inputs}
        for node in other.nodes[::-1]:
            (v,) = node.outputs
            paths: dict[tuple[int, ...], int] = {}
            arrays = sum(x.type.size > 1 for x in node.inputs if not isinstance(x, Constant))
            if v in inner or v in kept or v not in self.inside or not cheap(node) or arrays != 1:
                continue
            if _repeats(v.type.shape, self.groups[i].space):
                continue
            if not self.paths(v, i, j, (), readers, kept, paths) or len(paths) != 1:
                continue
            ((path, _),) = paths.items()
            if self.groups[i].work + len(found) + len(path) + 1 > LIMIT:
                break
            self.home[v] = len(self.groups)
            single = Group(other.space, True, -1)
            single.nodes, single.work = [node], 1
            single.reads.update(x for x in node.inputs if not isinstance(x, Constant))
            for x in single.reads:
                readers.setdefault(x, set()).add(len(self.groups))
            found += [*path, len(self.groups)]
            self.groups.append(single)
            other.nodes.remove(node)
        return found

    def paths(
        self, v: Value, i: int, j: int, path: tuple[int, ...], readers: dict[Value, set[int]], kept: set[Value],
        found: dict[tuple[int, ...], int],
    ) -> bool:
        """Whether a value of group `j` is read by group `i` only, through shape ops or not; adds the ways it is, and at
        how many positions each."""
        for k in readers.get(v, set()) - {j}:
            if k == i:
                at = [self.times.get(node, 1) for node in self.groups[i].nodes if v in node.inputs]
                found[path] = max([found.get(path, 1), *at])
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
    if outer < 0:
        return False  # an array of more axes is read through a shape op of the group
    varies = [i for i, n in enumerate(shape) if n > 1]
    stretched = any(n == 1 != space[outer + i] for i, n in enumerate(shape[: max(varies, default=0)]))
    return bool(varies) and (math.prod(space[:outer]) > 1 or stretched)

