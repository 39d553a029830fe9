"""The samples of the ops: what the generated tests run on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from graphad import passes
from graphad.build import Builder
from graphad.errors import MissingRuleError
from graphad.graph import Graph
from graphad.op import OPS, Op, Sample
from graphad.testing.numeric import narrow, widen
from graphad.types import TensorType


def samples(names: list[str] | None = None) -> Iterator[Sample]:
    """Every sample of every op, or of the ops of the given names."""
    for name in OPS if names is None else names:
        yield from samples_of(OPS[name])


def samples_of(op: Op | type[Op]) -> Iterator[Sample]:
    """The samples of one op, given as its class or as an instance."""
    yield from op.samples()


def label(sample: Sample) -> str:
    """A short name of a sample: op, operand dtypes, operand shapes, such as `multiply-f8_f8-3x4_4`."""
    dtypes = "_".join(t.dtype.str[1:] for t in sample.types)
    shapes = "_".join("x".join(map(str, t.shape)) or "s" for t in sample.types)
    return f"{sample.op.name}-{dtypes}-{shapes}"


def graph_of(sample: Sample) -> Graph:
    """The graph of one node that applies the sample's op to inputs of the operands' types."""
    builder = Builder(sample.op.name)
    inputs = tuple(builder.input(t, f"x{i}") for i, t in enumerate(sample.types))
    return builder.finish(builder.emit(sample.op, inputs)).verify()


def widened(sample: Sample) -> Sample:
    """The sample with its floating operands in double precision."""
    return Sample(sample.op, tuple(widen(x) for x in sample.operands))


def narrowed(sample: Sample) -> Sample:
    """The sample with its floating operands in single precision."""
    return Sample(sample.op, tuple(narrow(x) for x in sample.operands))


def differentiable(types: Sequence[TensorType]) -> list[int]:
    """The positions of types that have derivatives."""
    return [i for i, t in enumerate(types) if t.differentiable]


@lru_cache(maxsize=4)
def differentiable_inputs(graph: Graph) -> tuple[int, ...]:
    """The floating inputs that the graph can be differentiated in.

    An op may refuse a derivative in one operand, with an error of its own; raises `MissingRuleError` if it lacks one.
    """
    found = []
    for i in differentiable(graph.input_types):
        try:
            passes.jvp(graph, (i,))
        except MissingRuleError as error:
            if "has no derivative rule" in str(error):
                raise
        else:
            found.append(i)
    return tuple(found)


def non_contiguous(x: Any) -> Any:
    """An equal, read-only view with a stride of two along the last axis; a 0-d array is only made read-only."""
    x = np.asarray(x)
    spread = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)[..., ::2] if x.ndim else np.empty((), x.dtype)
    spread[...] = x
    spread.flags.writeable = False
    return spread
