"""A pass that rewrites inside loops: a product with itself is a square."""

import numpy as np

import graphad
from graphad.ops.arithmetic import multiply, square
from graphad.passes import Rewriter


@graphad.graph_pass
def squares(graph):
    rewriter = Rewriter(graph)
    for node in rewriter.walk(squares):
        if node.op is multiply and node.inputs[0] is node.inputs[1]:
            node = node.with_op(square).with_inputs(node.inputs[:1])
        rewriter.keep(node)
    return rewriter.finish()


def f(x):
    return graphad.fori_loop(0, 3, lambda i, c: np.sin(c * c) + x * x, x)


graph = graphad.trace(f)(0.5)
better = graphad.Pipeline("squares, dce")(graph)
assert "multiply" in str(graph)
assert "multiply" not in str(better)
assert np.allclose(better.eval(0.5), f(0.5))
