"""Graphs as values: verifier, digest, networkx, pickling."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import graphad
from graphad.errors import TypeMismatchError, VerifyError
from graphad.graph import Constant, Graph, Node, Value
from graphad.op import OPS, Op
from graphad.passes import Rewriter
from graphad.types import TensorType

F3 = TensorType("f8", (3,))
SIN = OPS["sin"]


def broken() -> dict[str, Graph]:
    x, y, z = Value(F3, "x"), Value(F3), Value(F3)
    good, wrong = Node(SIN, (x,), (y,)), Value(TensorType("f4", (3,)))
    return {
        "twice among the inputs": Graph([x, x], [], [x]),
        "nothing before it defines": Graph([x], [Node(SIN, (z,), (y,))], [y]),
        "return reads": Graph([x], [], [y]),
        "assigned twice": Graph([x], [good, good], [y]),
        "infers": Graph([x], [Node(SIN, (x,), (wrong,))], [wrong]),
    }


@pytest.mark.parametrize("message", broken())
def test_verifier(message: str) -> None:
    with pytest.raises(VerifyError, match=message):
        broken()[message].verify()


def test_digest_ignores_names_and_sees_structure() -> None:
    a = graphad.trace(lambda x: np.sin(x) + 1.0)(np.ones(3))
    b = graphad.trace(lambda other: np.sin(other) + 1.0)(np.ones(3))
    c = graphad.trace(lambda x: np.sin(x) + 2.0)(np.ones(3))
    assert a.digest == b.digest != c.digest


def test_networkx() -> None:
    graph = graphad.trace(lambda x: np.sin(x) * x + 1.0)(np.ones(3))
    kinds = [kind for _, kind in graph.to_networkx().nodes(data="kind")]
    assert kinds.count("op") == 3
    assert (kinds.count("input"), kinds.count("constant"), kinds.count("output")) == (1, 1, 1)


def test_deep_graphs_copy_and_pickle() -> None:
    def deep(x):
        for _ in [None] * 2500:
            x = np.sin(x) + 1.0
        return x

    graph = graphad.trace(deep)(np.ones(3))
    assert len(graph.nodes) == 5000
    for again in (pickle.loads(pickle.dumps(graph)), copy.copy(graph), copy.deepcopy(graph), graphad.parse(str(graph))):
        assert again.digest == graph.digest
        assert str(again) == str(graph)


def test_equal_constants_are_one_after_pickling() -> None:
    c = Constant(np.arange(3.0))
    assert pickle.loads(pickle.dumps(c)) is c


def test_the_users_place_is_found_though_a_library_has_equal_code() -> None:
    text = "def f(x):\n    return x + 1.0\n"
    functions = {}
    for file in (f"{np.__path__[0]}/made_up.py", "made_up.py"):
        space: dict[str, Any] = {}
        exec(compile(text, file, "exec"), space)
        functions[file] = space["f"]
    library, user = functions.values()
    assert library.__code__ == user.__code__  # equal, whatever their files
    for f, file in ((library, __file__), (user, "made_up.py")):
        (node,) = graphad.trace(lambda x, f=f: f(x))(2.0).nodes
        assert node.where is not None
        assert node.where.file == file


def test_replace_and_copies() -> None:
    graph = graphad.trace(lambda x: np.sin(x) + 1.0)(np.ones(3))
    assert graph.replace(nodes=list(graph.nodes), outputs=list(graph.outputs)) is graph
    assert graph.replace(name="g").name == "g"
    copy = graph.copy().verify()
    assert copy.digest == graph.digest
    assert {*copy.inputs, *copy.producers()}.isdisjoint({*graph.inputs, *graph.producers()})
    nodes = list(graph.nodes)
    found = graph.copy_into(nodes, graph.outputs)
    twice = graph.replace(nodes=nodes, outputs=found).verify()
    assert np.allclose(twice.eval(np.ones(3))[0], np.sin(np.sin(1.0) + 1.0) + 1.0)


def test_rewriter_enters_loops_and_keeps_what_it_may() -> None:
    def rewritten(graph: Graph) -> Graph:
        rewriter = Rewriter(graph)
        for node in rewriter.walk(rewritten):
            if node.op is SIN:
                rewriter.replace(node, node.inputs)
            else:
                rewriter.keep(node)
        return rewriter.finish()

    graph = graphad.trace(lambda x: graphad.fori_loop(0, 4, lambda i, c: np.sin(c) + x, np.cos(x)))(np.ones(3))
    found = rewritten(graph).verify()
    assert SIN in {node.op for node in graph.walk()} - {node.op for node in found.walk()}
    assert rewritten(found) is found
    assert found.nodes[0] is graph.nodes[0]
    assert np.allclose(found.eval(np.ones(3))[0], np.cos(1.0) + 4.0)


def test_attributes_of_ops() -> None:
    class Base(Op, abstract=True):
        n: int
        scale: float = 1.0

    class Derived(Base, name="derived_for_this_test"):
        axis: int | None = None

    try:
        op = Derived(2, axis=1)
        assert op.attributes == {"n": 2, "scale": 1.0, "axis": 1}
        assert op == Derived(n=2, axis=1) != op.replace(scale=2.0) == Derived(2, 2.0, 1)
        assert pickle.loads(pickle.dumps(OPS["cumsum"](1))) == OPS["cumsum"](1)
        with pytest.raises(AttributeError, match="an op does not change"):
            op.n = 3  # type: ignore[misc]
        for wrong in ({}, {"n": 1, "other": 2}):
            with pytest.raises(TypeError, match=r"Derived.__init__\(\)"):
                Derived(**wrong)
    finally:
        del OPS["derived_for_this_test"]
    with pytest.raises(TypeMismatchError, match="what does not change"):
        type("Wrong", (Op,), {"__annotations__": {"n": "list[int]"}, "n": [1]}, abstract=True)
    with pytest.raises(TypeMismatchError, match="m has no default and follows n"):
        type("Wrong", (Op,), {"__annotations__": {"n": "int", "m": "int"}, "n": 1}, abstract=True)
