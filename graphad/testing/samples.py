"""The samples of the ops: what the generated tests run on."""

from __future__ import annotations

from collections.abc import Iterator

from graphad.build import Builder
from graphad.graph import Graph
from graphad.op import OPS, Op, Sample
from graphad.testing.numeric import narrow, widen


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
