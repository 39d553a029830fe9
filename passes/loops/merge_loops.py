"""Merging of loops that run over the same positions."""

from __future__ import annotations

from collections.abc import Sequence

from graphad.graph import Graph, Node, Value
from graphad.ops.guarding import must_be_reached, turns
from graphad.ops.regions.scan import Scan
from graphad.passes.base import graph_pass


@graph_pass
def merge_loops(graph: Graph) -> Graph:
    """Make one loop of those with the same trip count and direction, of which none reads anything of another, or only
    entries that the other stacks: these it is then handed in the same iteration. Regions are treated too."""
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    nodes = [node.map_regions(merge_loops) for node in graph.nodes]
    turn = turns(nodes)
    leader = _Groups(nodes, turn).leader
    members: dict[int, list[Node]] = {}
    readers: dict[Value, set[int]] = {v: {-1} for v in graph.outputs}
    for i, node in zip(leader, nodes, strict=True):
        members.setdefault(i, []).append(node)
        for v in node.inputs:
            readers.setdefault(v, set()).add(i)
    if len(members) == len(nodes):
        return graph.replace(nodes=nodes)
    found = []
    for i in _ordered(nodes, leader, turn):
        outside = {v for node in members[i] for v in node.outputs if readers.get(v, set()) != {i}}
        found.append(members[i][0] if len(members[i]) == 1 else _merged(members[i], outside))
    return graph.replace(nodes=found)


class _Groups:
    """Which loops run as one: `leader` holds the position of the first of its group for each node, else its own.

    A loop joins the first group that it fits. It fits if nothing leads to it from the group but entries that the group
    stacks and the loop reads one by one. Sets of groups are bits of integers: the values of `behind` come from them.
    """

    def __init__(self, nodes: Sequence[Node], turn: dict[Node, int]) -> None:
        self.leader = list(range(len(nodes)))
        self.behind: dict[Value, int] = {}
        self.stacked: dict[Value, int] = {}
        self.needs: list[int] = []
        self.grown = 0  # the groups that have come to need more since what follows them was looked at
        alike: dict[tuple[int | None, bool, Value | None], int] = {}
        firsts: list[int] = []
        # What raises or has an effect follows all that does so in earlier turns.
        now, earlier, latest = 0, 0, 0
        for i, node in enumerate(nodes):
            reached, op = must_be_reached(node.op), node.op
            if reached and turn[node] != now:
                now, earlier, latest = turn[node], earlier | latest, 0
            ordered = earlier if reached else 0
            mask = ordered | self._all_behind(node.inputs)
            if isinstance(op, Scan) and not op.effect:
                mask = self._closed(mask)
                key = (op.length, op.reverse, node.inputs[0] if op.length is None else None)
                group = self._fitting(node, op, alike.get(key, 0), mask, ordered)
                if group is None:
                    group = len(firsts)
                    firsts.append(i)
                    self.needs.append(mask)
                    alike[key] = alike.get(key, 0) | 1 << group
                self.leader[i] = firsts[group]
                more = mask & ~self.needs[group] & ~(1 << group)
                self.needs[group] |= more
                self.grown |= bool(more) << group
                mask |= self.needs[group] | 1 << group
                self.stacked.update(dict.fromkeys(node.outputs[op.carries :], group))
            self.behind.update(dict.fromkeys(node.outputs, mask))
            latest |= mask if reached else 0

    def _all_behind(self, values: Sequence[Value]) -> int:
        found = 0
        for v in values:
            found |= self.behind.get(v, 0)
        return found

    def _closed(self, groups: int) -> int:
        """Groups, and what they have come to need."""
        done = 0
        while todo := groups & self.grown & ~done:
            group = todo.bit_length() - 1
            groups |= self.needs[group]
            done |= 1 << group
        return groups

    def _fitting(self, node: Node, op: Scan, alike: int, mask: int, ordered: int) -> int | None:
        """The first of some groups that a loop fits, before which all groups of `mask` and `ordered` come."""
        fixed = op.lead + op.consts + op.carries
        rest, arrays = node.inputs[:fixed], node.inputs[fixed:]
        free = alike & ~mask
        for group in {self.stacked[v] for v in arrays if v in self.stacked}:
            others = self._all_behind([*rest, *[v for v in arrays if self.stacked.get(v) != group]])
            free |= alike & 1 << group & ~self._closed(ordered | others)
        return (free & -free).bit_length() - 1 if free else None


def _ordered(nodes: Sequence[Node], leader: Sequence[int], turn: dict[Node, int]) -> list[int]:
    """The leaders in an order in which each follows what its group needs, and else that of the nodes."""
    maker = {v: i for i, node in zip(leader, nodes, strict=True) for v in node.outputs}
    before: dict[int, set[int]] = {i: set() for i in leader}
    for i, node in zip(leader, nodes, strict=True):
        before[i].update([maker[v] for v in node.inputs if maker.get(v, i) != i])
        if must_be_reached(node.op):
            # Negative numbers stand between the turns of what raises or has an effect.
            start = -1 - turn[node]
            before[i].add(start)
            before.setdefault(start, set()).add(start + 1)
            before.setdefault(start - 1, set()).add(i)
    found: dict[int, None] = {}
    for i in before:
        stack = [i]
        while stack:
            waiting = sorted([k for k in before.get(stack[-1], ()) if k not in found], reverse=True)
            if waiting:
                stack += waiting
            else:
                found[stack.pop()] = None
    return [i for i in found if i >= 0]


def _merged(loops: Sequence[Node], outside: set[Value]) -> Node:
    """One loop of several; of what is handed from one to another only what is read `outside` is stacked too."""
    inputs: tuple[list[Value], ...] = ([], [], [])
    operands: tuple[list[Value], ...] = ([], [], [])
    carried: list[tuple[Value, Value]] = []
    stacked: dict[Value, Value] = {}
    nodes: list[Node] = []
    handed: set[Value] = set()
    for node in loops:
        op = node.op
        assert isinstance(op, Scan)
        # The bodies are copied, so that two loops of one body do not share values.
        bound: dict[Value, Value] = {v: Value(v.type, v.name) for v in op.body.inputs}
        own = node.inputs[op.lead :]
        for k, v, x in zip(_kinds(op), op.body.inputs, own, strict=True):
            if k == 2 and x in stacked:
                bound[v] = stacked[x]
                handed.add(x)
            else:
                inputs[k].append(bound[v])
                operands[k].append(x)
        made = op.body.copy_into(nodes, bound.values())
        carried += zip(node.outputs[: op.carries], made[: op.carries], strict=True)
        stacked.update(zip(node.outputs[op.carries :], made[op.carries :], strict=True))
    kept = [*carried, *[(x, v) for x, v in stacked.items() if x in outside or x not in handed]]
    first = loops[0].op
    assert isinstance(first, Scan)
    body = Graph([v for part in inputs for v in part], nodes, [v for _, v in kept], first.body.name)
    op = Scan(body, len(operands[0]), first.length, len(operands[1]), first.reverse)
    given = (*loops[0].inputs[: op.lead], *[x for part in operands for x in part])
    return Node(op, given, tuple([x for x, _ in kept]), loops[0].where)


def _kinds(op: Scan) -> list[int]:
    """0 for the consts of a loop, 1 for its carries, 2 for the arrays that it reads entry by entry."""
    return [0] * op.consts + [1] * op.carries + [2] * (len(op.body.inputs) - op.consts - op.carries)
