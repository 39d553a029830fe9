"""Random programs: every pass keeps their meaning and types, and their text round-trips."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import graphad
from graphad.build import Builder
from graphad.graph import Graph
from graphad.location import Location
from graphad.op import OPS
from graphad.passes import jvp, vjp
from graphad.trace import Tracer
from graphad.types import TensorType

UNARY = ["sin", "cos", "tanh", "negative", "square"]
BINARY = ["add", "subtract", "multiply"]
CONSTANTS = [0.0, 1.0, -1.0, 2.0, np.arange(3.0), np.ones((2, 1))]
SHAPE = (2, 3)


@st.composite
def graphs(draw) -> Graph:
    builder = Builder("f")
    builder.where = Location()
    values = [Tracer(builder, builder.input(TensorType("f8", SHAPE), n)) for n in "xy"]
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["unary", "binary", "constant", "sum", "transpose", "reshape", "power", "select"]))
        x = draw(st.sampled_from(values))
        if kind == "unary":
            out = OPS[draw(st.sampled_from(UNARY))](x)
        elif kind == "binary":
            out = OPS[draw(st.sampled_from(BINARY))](x, draw(st.sampled_from(values)))
        elif kind == "constant":
            c, op = draw(st.sampled_from(CONSTANTS)), OPS[draw(st.sampled_from(BINARY))]
            out = op(x, c) if draw(st.booleans()) else op(c, x)
        elif kind == "sum":
            axes = draw(st.sampled_from([(), (0,), (1,), (0, 1)]))
            total = OPS["sum"](axes)(x)
            keep = tuple(1 if i in axes else n for i, n in enumerate(SHAPE))
            out = OPS["broadcast_to"](SHAPE)(OPS["reshape"](keep)(total))
        elif kind == "transpose":
            out = OPS["transpose"]((1, 0))(OPS["transpose"]((1, 0))(x) * 0.5)
        elif kind == "reshape":
            out = OPS["reshape"](SHAPE)(OPS["reshape"]((6,))(x))
        elif kind == "power":
            out = OPS["integer_pow"](draw(st.sampled_from([0, 1, 2, 3])))(OPS["tanh"](x))
        else:
            out = OPS["select"](OPS["less"](x, 0.3), x, draw(st.sampled_from(values)))
        values.append(OPS["tanh"](out) if draw(st.booleans()) else out)
    return builder.finish([values[-1].value, values[draw(st.integers(0, len(values) - 1))].value])


def arguments(graph: Graph) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.uniform(-1, 1, t.shape) for t in graph.input_types]


def agree(found, expected) -> None:
    with np.errstate(all="ignore"):
        for a, b in zip(found, expected, strict=True):
            scale = np.abs(b).max(initial=1.0) if np.isfinite(b).all() else 1.0
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * scale)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_passes_keep_meaning(graph: Graph) -> None:
    with np.errstate(all="ignore"):
        for program in (graph, vjp(graph), jvp(graph)):
            args = arguments(program)
            expected = program.eval(*args)
            for name in ("cse", "dce", "fold", "simplify", "inline", "decompose", "inline, simplify, cse, fold, dce"):
                found = graphad.Pipeline(name).stages(program, verify=True) if name else []
                assert found[-1].graph.output_types == program.output_types
                agree(found[-1].graph.eval(*args), expected)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_text_round_trips(graph: Graph) -> None:
    for program in (graph, vjp(graph)):
        again = graphad.parse(str(program))
        assert str(again) == str(program)
        assert again.digest == program.digest


@settings(max_examples=40, deadline=None)
@given(graphs())
def test_forward_and_reverse_agree(graph: Graph) -> None:
    rng = np.random.default_rng(5)
    args = arguments(graph)
    tangents = [rng.normal(size=t.shape) for t in graph.input_types]
    cotangents = [rng.normal(size=t.shape) for t in graph.output_types]
    with np.errstate(all="ignore"):
        forward = jvp(graph).eval(*args, *tangents)[2:]
        backward = vjp(graph).eval(*args, *cotangents)[2:]
    left = sum(np.vdot(c, t) for c, t in zip(cotangents, forward, strict=True))
    right = sum(np.vdot(c, t) for c, t in zip(backward, tangents, strict=True))
    if np.isfinite(left) and np.isfinite(right):
        size = sum(np.linalg.norm(c) * np.linalg.norm(t) for c, t in zip(cotangents, forward, strict=True))
        np.testing.assert_allclose(left, right, rtol=1e-7, atol=1e-9 * max(1.0, size))
