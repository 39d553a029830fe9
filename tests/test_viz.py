"""Drawings: what is on them, how large graphs are tamed, and that files are never lost."""

import os
import shutil
import sys
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import graphad
from graphad.build import Builder
from graphad.errors import MissingExtraError, TypeMismatchError
from graphad.graph import Graph, Node, Value
from graphad.op import OPS
from graphad.passes.base import PASSES
from graphad.types import parse_type
from graphad.viz import DrawingError, DrawingTimeoutError, diff, draw, draw_stages, drawing
from graphad.viz import engine as engines
from graphad.viz.style import LOOKS


def model(x, y):
    a = x * np.sin(x)
    return a + y**2


def chain(x, steps=700):
    for _ in [None] * steps:
        x = np.sin(x) * 1.01
    return x


def gradient(fun, *args):
    return graphad.trace(graphad.grad(fun))(*args)


try:
    engines.engines()
    HAS_ENGINE = True
except MissingExtraError:
    HAS_ENGINE = False
needs_engine = pytest.mark.skipif(not HAS_ENGINE, reason="no Graphviz engine")


def test_labels_carry_op_name_type_and_place():
    dot = draw(graphad.trace(model)(1.0, 2.0)).dot
    assert "<b>a = multiply</b>" in dot
    assert "f64[]" in dot
    assert "test_viz.py:" in dot
    assert "a = x * np.sin(x)" in dot  # the tooltip has the source line


def test_roles_are_told_apart_by_colour():
    picture = draw(gradient(model, 1.0, 2.0)).picture
    categories = {box.category for box in picture.boxes.values()}
    assert {"input", "forward", "residual", "tangent", "cotangent", "output"} <= categories
    dot = draw(gradient(model, 1.0, 2.0)).dot
    assert all(LOOKS[name].fill in dot for name in categories - {"constant"})


def test_long_edges_become_linked_stubs():
    drawn = draw(gradient(lambda x: chain(x, 40), 1.0), collapse=None)
    stubs = [box for box in drawn.picture.boxes.values() if box.kind == "stub"]
    assert stubs
    assert all(box.href in drawn.picture.boxes for box in stubs)
    levels = drawn.picture.levels()
    assert all(levels[e.head] - levels[e.tail] <= drawing.FAR for e in drawn.picture.edges)


def test_regions_are_clusters_and_can_be_closed():
    inner = graphad.jit(lambda x: np.sin(x) * 2.0)
    graph = graphad.trace(lambda x: inner(x) + 1.0)(1.0)
    opened, closed = draw(graph), draw(graph, collapse="region")
    assert "subgraph cluster_" in opened.dot
    assert "<b>sin</b>" in opened.dot
    assert "subgraph cluster_" not in closed.dot
    assert "2 ops" in closed.dot
    assert "subgraph cluster_" in draw(graph, layout="layered").dot


def clusters(graph, **options):
    """The labels of the frames up to the names of functions, with the words on the inputs and results in them."""
    picture = draw(graph, **options).picture
    found = {}
    for cluster in picture.root.walk():
        boxes = [picture.boxes[id] for id in cluster.boxes]
        words = [box.detail for box in boxes if box.kind == "input"]
        words += [box.title for box in boxes if box.kind == "output"]
        found[cluster.label.partition("  ·  ")[0].partition(": ")[0]] = words
    return found


def test_branches_are_named_by_what_selects_them():
    halve = [lambda x: x / 2, lambda x: x / 4, lambda x: x]
    found = clusters(graphad.trace(lambda x: graphad.cond(x > 2, halve[0], halve[1], x))(1.0))
    assert found["false"] == found["true"] == ["f64[]", "result"]
    found = clusters(graphad.trace(lambda i, x: graphad.switch(i, halve, x))(1, 1.0))
    assert {"branch 0", "branch 1", "branch 2"} <= set(found)


def test_loops_tell_consts_carries_and_entries_apart():
    def total(x, rows):
        return graphad.scan(lambda c, row: (c * x + row, c), x, rows, reverse=True)

    graph = graphad.trace(total)(1.0, np.ones(3))
    found = clusters(graph)
    roles = ["const  ·  f64[]", "carry  ·  f64[]", "entry  ·  f64[]"]
    assert found["scan(length=3, reverse)"] == []
    assert found["body"] == [*roles, "carry", "stacked"]
    assert "<b>scan(length=3, reverse) · 2 ops</b>" in draw(graph, collapse="region").dot

    graph = gradient(lambda x: graphad.while_loop(lambda y: y < 9, lambda y: y * y + x, x), 1.0)
    picture = draw(graph).picture
    labels = {cluster.label.partition("  ·  ")[0].partition(": ")[0] for cluster in picture.root.walk()}
    assert {"while", "cond", "body", "scan(length=?, reverse)"} <= labels


def test_a_loop_of_carries_alone_is_no_plain_call():
    graph = graphad.trace(lambda x: graphad.fori_loop(0, 5, lambda i, y: y * 2.0, x))(1.0)
    drawn = draw(graph)
    assert "<b>scan(length=5)</b>" in drawn.dot
    assert any(box.detail.startswith("carry") for box in drawn.picture.boxes.values())


@pytest.mark.parametrize("collapse", ["line", "function"])
def test_collapsed_groups_open(collapse):
    graph = gradient(chain, 1.0)
    drawn = draw(graph, collapse=collapse)
    assert len(drawn.picture.boxes) < 50
    assert sum(map(len, drawn.groups.values())) <= len(graph.nodes)
    name = next(iter(drawn.groups))
    assert "sin" in drawn.open(name).dot or "multiply" in drawn.open(name).dot
    with pytest.raises(DrawingError, match="no collapsed box"):
        drawn.open("nothing")


def test_diff_categories():
    def f(x):
        a = np.sin(x)
        b = np.sin(x)
        np.exp(x)
        return a + b

    graph = graphad.trace(f)(1.0)
    merged = PASSES["cse"](graph)
    categories = [box.category for box in diff(graph, merged).picture.boxes.values()]
    assert categories.count("merged") == 1
    assert "kept" in categories
    categories = [box.category for box in diff(merged, PASSES["dce"](merged)).picture.boxes.values()]
    assert categories.count("removed") == 1
    categories = [box.category for box in diff(graph, PASSES["jvp"](graph)).picture.boxes.values()]
    assert "added" in categories
    assert "nothing changed" in diff(graph, graph).dot


def test_heat():
    graph = graphad.trace(lambda x: np.sin(x) * 2.0)(np.ones(1000))
    assert " kB" in draw(graph, heat="bytes").dot
    assert "flop" in draw(graph, heat="flops").dot
    assert "2 ms" in draw(graph, heat={graph.nodes[0]: 2e-3}).dot
    with pytest.raises(TypeMismatchError):
        draw(graph, heat="beauty")


ODD = 'x<&>"\\N\n\x00 %{|}é'


@needs_engine
@pytest.mark.parametrize("layout", ["dot", "layered"])
def test_odd_names(layout):
    x = Value(parse_type("f64[]"), ODD)
    y = Value(parse_type("f64[]"), "]]><script>&amp;")
    graph = Graph([x], [Node(OPS["sin"], (x,), (y,))], [y], ODD)
    svg = draw(graph, layout=layout).svg()
    ET.fromstring(svg)
    assert "<script>" not in svg


@needs_engine
@pytest.mark.parametrize(
    ("suffix", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"digraph")]
)
def test_save(tmp_path, suffix, magic):
    path = draw(gradient(model, 1.0, 2.0)).save(tmp_path / f"a.{suffix}")
    assert path.read_bytes().startswith(magic)


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.svg"
    path.write_text("old")

    def none(engine="auto"):
        raise MissingExtraError("pygraphviz", "viz", "drawing")

    monkeypatch.setattr(engines, "engines", none)
    with pytest.raises(MissingExtraError):
        draw(graphad.trace(model)(1.0, 2.0)).save(path)
    assert path.read_text() == "old"
    with pytest.raises(DrawingError, match="formats are"):
        draw(graphad.trace(model)(1.0, 2.0)).save(tmp_path / "a.xyz")
    assert [p.name for p in tmp_path.iterdir()] == ["a.svg"]


def test_missing_engine(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    drawn = draw(graphad.trace(model)(1.0, 2.0))
    assert drawn.render("dot").startswith(b"digraph")
    with pytest.raises(MissingExtraError, match=r'pip install "graphad\[viz\]"'):
        drawn.svg()
    assert "image/svg+xml" not in drawn._repr_mimebundle_()
    assert drawn._repr_svg_() is None


PROGRAM = """#!{python}
import re, sys, time
{first}
import pygraphviz
options = dict(re.fullmatch("-([KTnG])(.*)", x).groups() for x in sys.argv[1:])
engine = {{("dot", None): "dot", ("neato", "2"): "nop2"}}[options["K"], options.get("n")]
picture = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(picture.draw(format=options["T"], prog=engine))
"""
"""The program `dot`, for machines that have pygraphviz alone."""


def _program(folder, monkeypatch, first):
    (folder / "dot").write_text(PROGRAM.format(python=sys.executable, first=first))
    (folder / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@needs_engine
@pytest.mark.parametrize("layout", ["dot", "layered"])
@pytest.mark.parametrize("format", ["svg", "png"])
def test_the_program_dot_draws(tmp_path, monkeypatch, layout, format):
    pytest.importorskip("pygraphviz")
    drawn = draw(graphad.trace(model)(1.0, 2.0), layout=layout, engine="pygraphviz")
    expected = drawn.render(format)
    _program(tmp_path, monkeypatch, "")
    drawn = draw(graphad.trace(model)(1.0, 2.0), layout=layout, engine="dot", timeout=60.0)
    found = drawn.render(format)
    assert found[:8] == expected[:8]
    assert format == "png" or found == expected
    # graphviz's own way gives the same.
    options = {"neato_no_op": 2} if layout == "layered" else {}
    assert format == "png" or drawn.source.pipe(format="svg", **options) == expected
    assert drawn.source.source == drawn.dot


def test_the_program_dot_has_a_timeout_and_its_messages_are_told(tmp_path, monkeypatch):
    _program(tmp_path, monkeypatch, "time.sleep(60)")
    start = time.perf_counter()
    with pytest.raises(DrawingTimeoutError, match=r"\(dot\) did not finish the layout in 0.5 s"):
        engines.render("digraph {}", "svg", engine="dot", timeout=0.5)
    assert time.perf_counter() - start < 30
    _program(tmp_path, monkeypatch, "sys.exit('no such font')")
    with pytest.raises(DrawingError, match="could not draw the picture as svg: no such font"):
        engines.render("digraph {}", "svg", engine="dot", timeout=30.0)


@needs_engine
def test_a_timeout_falls_back_to_the_layered_layout(monkeypatch):
    def render(text, format, *, layout="dot", **options):
        if layout == "dot":
            raise DrawingTimeoutError("too long")
        return b"<svg/>"

    monkeypatch.setattr(drawing, "render", render)
    assert draw(graphad.trace(model)(1.0, 2.0)).svg() == "<svg/>"


@needs_engine
def test_a_gradient_of_two_thousand_nodes():
    graph = gradient(chain, 1.0)
    assert len(graph.nodes) >= 2000
    start = time.perf_counter()
    drawn = draw(graph, collapse=None)
    svg = drawn.svg()
    assert time.perf_counter() - start < 30
    assert drawn.layout == "layered"
    assert svg.count('class="node"') >= len(graph.nodes)


def test_same_graph_same_text():
    first, second = (gradient(chain, 1.0) for _ in range(2))
    assert draw(first, collapse=None).dot == draw(second, collapse=None).dot


def test_an_empty_graph_and_constants():
    x = Value(parse_type("f64[2]"), "x")
    assert "result" in draw(Graph([x], [], [x])).dot
    builder = Builder("none")
    assert draw(builder.finish([]), layout="layered").dot.startswith("digraph")
    assert "[1, 2]" in draw(graphad.trace(lambda x: x * np.array([1.0, 2.0]))(np.ones(2))).dot


@needs_engine
def test_stages(tmp_path):
    compiled = graphad.jit(graphad.grad(model)).compile(1.0, 2.0)
    paths = draw_stages(compiled, tmp_path)
    assert paths[0].name == "00-trace.svg"
    assert paths[-1].name == "index.html"
    assert all(path.name in paths[-1].read_text() for path in paths[:-1])


def test_what_is_no_graph():
    with pytest.raises(TypeMismatchError, match="cannot be drawn"):
        draw(3)
    with pytest.raises(TypeMismatchError, match="collapse"):
        draw(graphad.trace(model)(1.0, 2.0), collapse="wish")


@needs_engine
def test_notebooks():
    graph = graphad.trace(model)(1.0, 2.0)
    assert "<svg" in graph._repr_mimebundle_()["image/svg+xml"]
    assert "<svg" in graph._repr_svg_()
