"""Loops made from loops: the same operations on other loads and positions, over the same space or another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graphad.executors.loops.program import (
    Index,
    Load,
    LoopNest,
    Reduction,
    RuntimeCheck,
    Store,
    StridedView,
    roots,
    walk,
)
from graphad.ops.scalar import Operation, Scalar
from graphad.types import Shape

Places = Callable[[StridedView], StridedView]
"""What a view is over another space."""


def rebuilt(
    loop: LoopNest, change: Callable[[Any], Scalar], space: Shape | None = None, view: Places = lambda v: v,
    reduction: Callable[[Reduction, Scalar], Reduction] = lambda r, value: replace(r, value=value),
) -> LoopNest:  # fmt: skip
    """A loop that computes no values for others, with what `change` gives for each of its loads and indices.

    Over another `space`, `view` says what the places of its stores are there, and `reduction` what a reduction of a new
    value is.
    """
    new = _scalars(loop, change)
    stores = [Store(view(s.view), new[s.value], s.shift and new[s.shift], s.add) for s in loop.stores]
    reductions = [reduction(r, new[r.value]) for r in loop.reductions]
    checks = [RuntimeCheck(new[c.condition], c.error) for c in loop.checks]
    return LoopNest(loop.space if space is None else space, stores, reductions, checks, loop.note)


def over(
    loop: LoopNest, space: Shape, view: Places, index: Callable[[Index], Scalar],
    reduction: Callable[[Reduction, Scalar], Reduction] = lambda r, value: replace(r, value=value),
) -> LoopNest:  # fmt: skip
    """A loop over another space, with what its views, its indices and its reductions, of new values, are there."""

    def change(x: Load | Index) -> Scalar:
        if isinstance(x, Index):
            return index(x)
        return Load(x.dtype, view(x.view), x.shift, x.mask) if x.view.shape else x

    return rebuilt(loop, change, space, view, reduction)


def _scalars(loop: LoopNest, change: Callable[[Any], Scalar]) -> dict[Scalar, Scalar]:
    """New scalars for those of a loop: what `change` gives, which is asked for each load and index once its own
    operands are new, and the same operations of the new ones."""
    new: dict[Scalar, Scalar] = {}
    for x in walk(roots(loop)):
        if isinstance(x, Load):
            shift, mask = (new[y] if y is not None else None for y in (x.shift, x.mask))
            same = shift is x.shift and mask is x.mask
            new[x] = change(x if same else Load(x.dtype, x.view, shift, mask))
        elif isinstance(x, Operation):
            args = tuple([new[y] for y in x.args])
            same = all([a is b for a, b in zip(args, x.args, strict=True)])
            new[x] = x if same else Operation(x.dtype, x.name, args, lanes=x.lanes)
        else:
            new[x] = change(x) if isinstance(x, Index) else x
    return new


__all__ = ["over", "rebuilt"]
