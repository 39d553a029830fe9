"""Facts that cross the borders of regions: constants go in, what never changes comes out."""

from __future__ import annotations

from collections.abc import Sequence

from graphad.graph import Constant, Graph, Node, Value
from graphad.ops.regions.base import substituted
from graphad.ops.regions.checkpoint import Checkpoint
from graphad.ops.regions.cond import Cond
from graphad.ops.regions.loop import Loop
from graphad.ops.regions.scan import Scan
from graphad.ops.regions.while_ import While
from graphad.ops.shape import BroadcastTo
from graphad.passes.base import graph_pass
from graphad.rewriter import Rewriter


@graph_pass
def simplify_regions(graph: Graph) -> Graph:
    """Simplify loops and branches by what stands around them.

    An operand that is a constant, or that is given twice, stands in the region itself; a carry that its body leaves as
    it is becomes a const; what a loop stacks again and again is broadcast; a branch whose selector is known, or that
    all selectors share, takes the place of its `cond`. Regions are simplified too.
    """
    if not any([node.op._region_fields for node in graph.nodes]):
        return graph
    sweep = _Sweep(graph)
    for node in sweep.walk():
        found = sweep.simplified(node)
        if found is not None:
            sweep.keep(found.map_regions(simplify_regions))
    return sweep.finish()


class _Sweep(Rewriter):
    def simplified(self, node: Node) -> Node | None:
        """The node with a simpler op; None where nothing is left of it."""
        op = node.op
        if isinstance(op, Cond):
            return self.cond(node, op)
        if isinstance(op, Checkpoint):
            env, kept = _given(op.function.inputs, node.inputs)
            if not env:
                return node
            return Node(Checkpoint(_entered(op.function, env)), kept, node.outputs, node.where)
        if isinstance(op, Loop):
            return self.loop(node, op)
        return node

    # -- branches ---------------------------------------------------------------------------------------------

    def cond(self, node: Node, op: Cond) -> Node | None:
        index, *operands = node.inputs
        branches = op.branches
        chosen = None
        if isinstance(index, Constant):
            chosen = min(max(int(index.array), 0), len(branches) - 1)
        elif not op.effect and all([b.digest == branches[0].digest for b in branches]):
            chosen = 0
        if chosen is not None:
            self.splice(node, branches[chosen], operands)
            return None
        maps = [dict(zip(b.inputs, operands, strict=True)) for b in branches]
        for i, v in enumerate(node.outputs):
            outside = [m.get(b.outputs[i], b.outputs[i]) for m, b in zip(maps, branches, strict=True)]
            first = outside[0]
            known = isinstance(first, Constant) or branches[0].outputs[i] in maps[0]
            if known and all([x is first for x in outside]):
                self.env[v] = first
        envs = [_given(b.inputs, operands) for b in branches]
        if not envs[0][0]:
            return node
        entered = tuple([_entered(b, env) for b, (env, _) in zip(branches, envs, strict=True)])
        return Node(Cond(entered), (index, *envs[0][1]), node.outputs, node.where)

    # -- loops ------------------------------------------------------------------------------------------------

    def loop(self, node: Node, op: Loop) -> Node | None:
        lead = op.lead
        k, n, body = op.consts, op.carried, op.body
        consts, state = list(node.inputs[lead : lead + k]), list(node.inputs[lead + k : lead + k + n])
        inner_consts, inner_state = list(body.inputs[:k]), list(body.inputs[k : k + n])
        tested = list(op.cond.inputs) if isinstance(op, While) else []
        fixed = [i for i in range(n) if body.outputs[i] is inner_state[i] or body.outputs[i] is state[i]]
        for i in fixed:
            self.env[node.outputs[i]] = state[i]
        moving = [i for i in range(n) if i not in fixed]
        env, kept = _given([*inner_consts, *[inner_state[i] for i in fixed]], [*consts, *[state[i] for i in fixed]])
        outside = dict(zip([*inner_consts, *inner_state], [*consts, *state], strict=True))
        stacked = self.stacked(node, op, outside, fixed)
        rows, arrays = _given(body.inputs[k + n :], node.inputs[lead + k + n :], constants=False)
        if not fixed and not env and not rows and len(stacked) == len(node.outputs) - n:
            return node
        env.update(rows)
        inner_kept = [v for v in (*inner_consts, *[inner_state[i] for i in fixed]) if v not in env]
        outputs = [body.outputs[i] for i in (*moving, *stacked)]
        inputs = [*inner_kept, *[inner_state[i] for i in moving]]
        inputs += [v for v in body.inputs[k + n :] if v not in rows]
        region = substituted(body.replace(outputs=outputs), env, inputs)
        results = tuple([node.outputs[i] for i in (*moving, *stacked)])
        operands = (*node.inputs[:lead], *kept, *[state[i] for i in moving], *arrays)
        if isinstance(op, Scan):
            return Node(Scan(region, len(kept), op.length, len(moving), op.reverse), operands, results, node.where)
        assert isinstance(op, While)
        given = dict(zip(body.inputs, tested, strict=True))
        inside = {given[v]: given.get(w, w) for v, w in env.items() if v in given}
        test = substituted(op.cond, inside, [given[v] for v in (*inner_kept, *[inner_state[i] for i in moving])])
        return Node(While(region, len(kept), test), operands, results, node.where)

    def stacked(self, node: Node, op: Loop, outside: dict[Value, Value], fixed: Sequence[int]) -> list[int]:
        """The positions of the stacked results that the loop must make; the others are found without it."""
        n, body = op.carried, op.body
        changing = {body.inputs[op.consts + i] for i in range(n) if i not in fixed}
        length = op.length if isinstance(op, Scan) else None
        arrays: dict[Value, Value] = {}
        if isinstance(op, Scan):
            count = len(body.inputs) - op.consts - n
            arrays = dict(zip(body.inputs[op.consts + n :], node.inputs[len(node.inputs) - count :], strict=True))
        seen: dict[Value, Value] = {}
        made: list[int] = []
        for i in range(n, len(node.outputs)):
            v, out = body.outputs[i], node.outputs[i]
            if v in seen:
                self.env[out] = seen[v]
            elif v in arrays and arrays[v].type is out.type:
                self.env[out] = arrays[v]
            elif length is not None and (isinstance(v, Constant) or v in outside) and v not in changing:
                repeated = BroadcastTo((length, *v.type.shape))
                self.keep(Node(repeated, (outside.get(v, v),), (out,), node.where))
            else:
                seen[v] = out
                made.append(i)
        return made


def _given(
    inputs: Sequence[Value], operands: Sequence[Value], constants: bool = True
) -> tuple[dict[Value, Value], tuple[Value, ...]]:
    """Which inputs stand for constants or for other inputs, and the operands that are left."""
    env: dict[Value, Value] = {}
    first: dict[Value, Value] = {}
    kept = []
    for v, x in zip(inputs, operands, strict=True):
        if constants and isinstance(x, Constant):
            env[v] = x
        elif x in first:
            env[v] = first[x]
        else:
            first[x] = v
            kept.append(x)
    return env, tuple(kept)


def _entered(region: Graph, env: dict[Value, Value]) -> Graph:
    return substituted(region, env, [v for v in region.inputs if v not in env])
