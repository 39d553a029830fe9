"""The text form: exact round trips, and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest

import graphad
from graphad.errors import ParseError
from graphad.graph import Constant, Graph, Node, Value
from graphad.location import Location
from graphad.op import OPS
from graphad.passes import grad
from graphad.types import TensorType

F3 = TensorType("f8", (3,))
GOOD = "graph @f(%x: f64[3]) -> (f64[3]) {\n  %0: f64[3] = sin %x\n  return %0\n}\n"


def round_trip(graph: Graph) -> Graph:
    text = str(graph)
    again = graphad.parse(text)
    assert str(again) == text
    assert again.digest == graph.digest
    return again


def test_trace_and_gradient() -> None:
    def model(x, y):
        z = np.sin(x) * y + 2.0
        return OPS["sum"]((0,))(z)

    graph = graphad.trace(model)(np.ones(3), np.ones(3))
    again = round_trip(graph)
    assert "%z: f64[3] = add" in str(graph)
    assert [str(n.where) for n in again.nodes] == [str(n.where) for n in graph.nodes]
    backward = round_trip(grad(graph))
    assert backward.nodes[-1].where.role == "cotangent"


def test_regions() -> None:
    inner = graphad.jit(lambda x: np.sin(x) + 1.0)
    round_trip(graphad.trace(lambda x: inner(inner(x)))(np.ones(3)))


@pytest.mark.parametrize(
    "array",
    [2.0, -0.0, np.inf, -np.inf, np.nan, -np.float64(np.nan), 3, True, 1e-320, np.float32(0.1), np.float16(1e-7),
     np.uint64(2**64 - 1), np.int8(-128), complex(-0.0, np.nan), complex(np.inf, -0.0), np.complex64(1 + 2j),
     np.array([1.0, -0.0]), np.zeros((0, 3)), np.arange(4).reshape(2, 2), np.array([True, False]), np.arange(100.0),
     np.arange(20, dtype="i2"), np.array([1 + 2j, np.nan]), np.frombuffer(b"\1\0\0\0\0\0\xf8\x7f", "f8")],
    ids=repr,
)  # fmt: skip
def test_constants_are_exact(array) -> None:
    c = Constant(array)
    again = round_trip(Graph([], [], [c], "f"))
    assert again.outputs[0] is c


def test_names_places_and_quoting() -> None:
    x, y = Value(F3, "p['a']"), Value(F3, "x")
    out, other = Value(F3, "x"), Value(F3)
    nodes = [
        Node(OPS["sin"], (x,), (out,), Location("/home/me/my model.py", 12, role="tangent")),
        Node(OPS["multiply"], (out, y), (other,), Location().with_role("cotangent")),
    ]
    again = round_trip(Graph([x, y], nodes, [other, out], "<lambda>"))
    assert again.name == "<lambda>"
    assert [v.name for v in again.inputs] == ["p['a']", "x"]
    first, second = [n.where for n in again.nodes]
    assert (first.file, first.line, first.role) == ("my model.py", 12, "tangent")
    assert second.role == "cotangent"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1"), (GOOD + "more", "expected the end"), (GOOD[:-3], "found"), (GOOD[:30], "found"),
        (GOOD.replace("sin", "sine"), "line 2, column 16: no op is named 'sine'"),
        (GOOD.replace("sin %x", "sin %z"), "%z is not defined before this"),
        (GOOD.replace("%0: f64[3] =", "%0: f32[3] ="), "sin gives"),
        (GOOD.replace("-> (f64[3])", "-> (f64[4])"), "returns"),
        (GOOD.replace("%0: f64[3]", "%x: f64[3]"), "defined twice"),
        (GOOD.replace("sin %x", "sin[a=1] %x"), "no attribute a"),
        (GOOD.replace("sin %x", "reshape[shape=3] %x"), "shape must be"),
        (GOOD.replace("sin %x", "reshape[shape=(3.0,)] %x"), "shape must be"),
        (GOOD.replace("sin %x", "reshape %x"), "reshape"),
        (GOOD.replace("sin %x", "reshape[shape=__import__] %x"), "expected a literal"),
        (GOOD.replace("sin %x", "reshape[shape=<function f>] %x"), "Python object"),
        (GOOD.replace("sin %x", "sum[axes=(7,)] %x"), "axes"),
        (GOOD.replace("sin %x", "multiply %x [1.0, 2.0]:f64[3]"), "does not have the shape"),
        (GOOD.replace("sin %x", "multiply %x 300:i8"), "line 2"),
        (GOOD.replace("sin %x", "multiply %x @c0"), "not in the constants section"),
        (GOOD.replace("sin %x", "sin %x %x"), "sin"), (GOOD.replace("sin", "$"), "not expected"),
        (GOOD + 'constants {\n  @c0: f64[99999999999] = "AAAA"\n}\n', "takes"),
        ("graph @f(%x: q9[3]) -> () {return}", "line 1"), ("graph @f() -> (" + "(" * 5000, "line 1"),
    ],
)  # fmt: skip
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ParseError, match="line") as caught:
        graphad.parse(text)
    assert message in str(caught.value)


def test_every_truncation_is_refused() -> None:
    text = str(graphad.trace(lambda x: x * np.arange(20.0))(np.ones(20)))
    for end in range(len(text) - 1):
        if text[:end].count("}") == text.count("}"):
            continue
        with pytest.raises(ParseError):
            graphad.parse(text[:end])


def test_deep_nesting_is_refused() -> None:
    text = "graph @f() -> () {\n call {\n function = " * 500
    with pytest.raises(ParseError, match="nested deeper"):
        graphad.parse(text)
