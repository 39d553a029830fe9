"""Pipelines as text, passes and rules of the user's own, and the verifier between passes."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad import Pipeline, graph_pass
from graphad.errors import PipelineError, VerifyError
from graphad.graph import Graph
from graphad.passes import PASSES, rewrite
from graphad.passes.cleanup.simplify import RULES


@pytest.fixture
def graph() -> Graph:
    return graphad.trace(lambda x: np.sin(x) - 0.0)(np.ones(3))


@pytest.mark.parametrize(
    ("text", "message"),
    [("nothing", "no pass is named"), ("cse(", "cannot be read"), ("cse(1)", "is not a pass"), ("1", "is not a pass"),
     ("vjp(wrong=1)", "no option wrong"), ("vjp(wrt=print())", "literals"), ("cse.dce", "is not a pass")],
)  # fmt: skip
def test_text_errors(text: str, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        Pipeline(text)


def test_stages(graph) -> None:
    stages = Pipeline("simplify, dce").stages(graph)
    assert [s.name for s in stages] == ["simplify", "dce"]
    assert len(stages[-1].graph.nodes) == 1
    assert stages[-1].seconds >= 0


@pytest.mark.parametrize("debug", [False, True])
def test_wrong_graphs_name_their_pass(graph, monkeypatch, debug) -> None:
    def forget(graph: Graph) -> Graph:
        return graph.replace(nodes=graph.nodes[1:])

    def twice(graph: Graph) -> Graph:
        return graph.replace(nodes=[*graph.nodes, graph.nodes[-1]])

    monkeypatch.setenv("GRAPHAD_DEBUG", "1" if debug else "")
    named = graph_pass(forget)
    try:
        for run in (named, Pipeline("forget"), Pipeline([forget])):
            with pytest.raises(VerifyError, match=r"the pass forget gave .* nothing before it defines"):
                run(graph)
        with pytest.raises(VerifyError, match=r"the pass twice gave .* assigned twice"):
            Pipeline([twice])(graph)
    finally:
        del PASSES["forget"]


def test_wrong_graphs_of_graphad_name_their_pass_where_verified(graph, monkeypatch) -> None:
    monkeypatch.setattr(graphad.passes.Rewriter, "finish", lambda self: self.graph.replace(nodes=()))
    assert not Pipeline("cse").stages(graph, verify=False)[0].graph.nodes
    with pytest.raises(VerifyError, match="the pass cse gave"):
        Pipeline("cse").stages(graph, verify=True)


def test_user_rule(graph) -> None:
    @rewrite("sin")
    def cosine(node, x):
        return np.cos(x)

    @rewrite("exp")
    def wrong(node, x):
        return x > 0

    try:
        found = Pipeline("simplify, dce")(graph)
        assert [n.op.name for n in found.nodes] == ["cos"]
        with pytest.raises(VerifyError, match="wrong"):
            Pipeline("simplify")(graphad.trace(np.exp)(np.ones(3)))
    finally:
        RULES["sin"].remove(cosine)
        RULES["exp"].remove(wrong)
        rewrite()(cosine)


def test_values_survive_simplify() -> None:
    graph = graphad.trace(lambda x: np.sin(x - 0.0) ** 1.0)(np.ones(3))
    found = Pipeline("simplify, dce")(graph)
    assert found.outputs[0] is graph.nodes[1].outputs[0]
