"""Einstein summation, as a sequence of pairwise contractions in the order that opt_einsum finds."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.op import Traced
from graphad.ops.dot_general import DotGeneral
from graphad.ops.elementwise import cast
from graphad.ops.index import diagonal
from graphad.ops.machinery import multiply
from graphad.ops.reduce import Any_, Sum
from graphad.ops.shape import as_operand, common_dtype, reshape, transpose
from graphad.trace import kind_of
from graphad.types import Array

Labels = Sequence[Hashable]


def einsum(*operands: Any, optimize: Any = True) -> Array:
    """NumPy's `einsum(subscripts, *operands)` in all its forms: ellipsis, implicit result, repeated and interleaved.

    Operands are promoted to one dtype. Raises `ShapeError` where an index has two extents other than 1, and
    `ValueError` for subscripts that cannot be read.
    """
    if not any(isinstance(x, Traced) for x in operands):
        return np.einsum(*operands, optimize=optimize)
    from opt_einsum import contract_path
    from opt_einsum.parser import parse_einsum_input

    given = [x if isinstance(x, (str, list, tuple)) or x is Ellipsis else as_operand(x) for x in operands]
    inputs, output, arrays = parse_einsum_input(given)
    xs = [as_operand(x) for x in arrays]
    dtype = common_dtype(kind_of(x) for x in xs)
    terms = [_unrepeated(cast(x, dtype), labels) for x, labels in zip(xs, inputs.split(","), strict=True)]
    terms = _without_broadcast(terms)
    if len(terms) > 2:
        subscripts = ",".join("".join(labels) for _, labels in terms) + "->" + output
        shapes = [x.shape for x, _ in terms]
        strategy = "auto" if optimize is True else "greedy" if optimize is False else optimize
        path = contract_path(subscripts, *shapes, shapes=True, optimize=strategy)[0]
    else:
        path = [tuple(range(len(terms)))]
    for positions in path:
        chosen = [terms.pop(i) for i in sorted(positions, reverse=True)][::-1]
        while len(chosen) > 1:
            first, second, *chosen = chosen
            wanted = set(output).union(*[labels for _, labels in (*terms, *chosen)])
            chosen.insert(0, contract_pair(first, second, wanted))
        terms.append(chosen[0])
    x, labels = _summed(*terms[0], set(output))
    return transpose(x, [labels.index(label) for label in output])


def contract_pair(first: tuple[Any, Labels], second: tuple[Any, Labels], kept: set[Any]) -> tuple[Any, list[Any]]:
    """The product of two labelled arrays, summed over the labels not in `kept`, with the result's labels.

    No array has a label twice, and shared labels have equal extents. Where nothing is summed in common it is an
    elementwise product, which can be fused with its neighbours.
    """
    x, xl = _summed(*first, kept.union(second[1]))
    y, yl = _summed(*second, kept.union(xl))
    shared = [label for label in xl if label in yl]
    batch = [label for label in shared if label in kept]
    summed = [label for label in shared if label not in kept]
    labels = batch + [a for a in xl if a not in shared] + [a for a in yl if a not in shared]
    if summed:
        op = DotGeneral(
            tuple(xl.index(a) for a in summed),
            tuple(yl.index(a) for a in summed),
            tuple(xl.index(a) for a in batch),
            tuple(yl.index(a) for a in batch),
        )
        return op(x, y), labels
    return multiply(_aligned(x, xl, labels), _aligned(y, yl, labels)), labels


def _aligned(x: Any, labels: list[Any], wanted: list[Any]) -> Any:
    """`x` with its axes in the order of `wanted` and extent 1 for the labels that it lacks."""
    here = [a for a in wanted if a in labels]
    x = transpose(x, [labels.index(a) for a in here])
    extents = dict(zip(here, x.shape, strict=True))
    first = next((i for i, a in enumerate(wanted) if a in extents), len(wanted))
    return reshape(x, tuple(extents.get(a, 1) for a in wanted[first:]))


def _summed(x: Array, labels: Labels, kept: set[Any]) -> tuple[Any, list[Any]]:
    axes = tuple(i for i, label in enumerate(labels) if label not in kept)
    if axes:
        x = (Any_ if x.dtype.kind == "b" else Sum)(axes)(x)
    return x, [label for label in labels if label in kept]


def _unrepeated(x: Array, labels: Labels) -> tuple[Any, list[Any]]:
    """`x` with the diagonal taken for a label that stands twice."""
    labels = list(labels)
    if len(labels) != x.ndim:
        raise ShapeError(f"einsum: subscripts {''.join(map(str, labels))!r} for an operand of {x.ndim} axes")
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ShapeError(f"einsum: index {label!r} has the extents {x.shape[i]} and {x.shape[j]}")
            x = diagonal(x, i, j)
            labels = [*(a for k, a in enumerate(labels) if k not in (i, j)), label]
    return x, labels


def _without_broadcast(terms: Sequence[tuple[Any, list[Any]]]) -> list[tuple[Any, list[Any]]]:
    """The terms without the axes of extent 1 whose label has a larger extent elsewhere."""
    extents: dict[Any, int] = {}
    for x, labels in terms:
        for label, n in zip(labels, x.shape, strict=True):
            if extents.get(label, 1) not in (1, n) and n != 1:
                raise ShapeError(f"einsum: index {label!r} has the extents {extents[label]} and {n}")
            extents[label] = n if extents.get(label, 1) == 1 else extents[label]
    found = []
    for x, labels in terms:
        stays = [n == extents[label] for label, n in zip(labels, x.shape, strict=True)]
        shape = tuple(n for n, stay in zip(x.shape, stays, strict=True) if stay)
        found.append((reshape(x, shape), [label for label, stay in zip(labels, stays, strict=True) if stay]))
    return found


__all__ = ["contract_pair", "einsum"]
