"""Packing: small arrays that a loop reads again and again are copied so that they stand along its innermost axis."""

from __future__ import annotations

import math

from graphad.executors.loops.bounded import bounds
from graphad.executors.loops.nest import candidates, order, views_of
from graphad.executors.loops.program import (
    Buffer,
    Index,
    Load,
    LoopNest,
    Statement,
    Store,
    StridedView,
    c_strides,
    roots,
    walk,
)
from graphad.executors.loops.rewriting import rebuilt
from graphad.ops.scalar import Scalar

SIZE = 4096
"""Iterations of a loop from which packing is considered."""
REUSE = 8
"""How many times a loop must read each element of what is packed for it."""
_GAIN = 1.3


def packed(statements: list[Statement]) -> list[Statement]:
    """The statements, each loop after the copies that it gains from."""
    return [part for s in statements for part in (_pack(s) if isinstance(s, LoopNest) else [s])]


def _pack(loop: LoopNest) -> list[Statement]:
    size = math.prod(loop.space)
    if size < SIZE or loop.checks or any(store.add for store in loop.stores) or bounds(loop):
        return [loop]
    loads = [x for x in walk(roots(loop)) if isinstance(x, Load) and x.view.shape and x.shift is x.mask is None]
    small = {x.view for x in loads if REUSE * _elements(x.view) <= size}
    views = views_of(loop)
    groups = candidates(loop, views, frozenset(small))
    if not groups:
        return [loop]
    cost, group = min(groups, key=lambda pair: pair[0])
    if cost * _GAIN > min(plain for plain, _ in candidates(loop, views)):
        return [loop]
    axis = group[-1]
    moved = [x for x in loads if x.view in small and abs(x.view.strides[axis]) > 1]
    copies, places = _copies(moved, [a for a in order(loop, views) if a not in group] + group, loop.note)

    def change(x: Load | Index) -> Scalar:
        if isinstance(x, Load) and x.shift is None and x.view in places:
            return Load(x.dtype, places[x.view])
        return x

    return [*copies, rebuilt(loop, change)]


def _elements(view: StridedView) -> int:
    return math.prod(n for n, s in zip(view.shape, view.strides, strict=True) if s)


def _copies(loads: list[Load], axes: list[int], note: str) -> tuple[list[Statement], dict[StridedView, StridedView]]:
    """Copies of what loads read, in C order of the given axes; views of one array a constant step apart in one copy."""
    families: dict[tuple[Buffer, tuple[int, ...]], dict[int, StridedView]] = {}
    for x in loads:
        families.setdefault((x.view.buffer, x.view.strides), {})[x.view.offset] = x.view
    copies: list[Statement] = []
    places: dict[StridedView, StridedView] = {}
    for (buffer, strides), family in families.items():
        kept = [a for a in axes if strides[a]]
        offsets = sorted(family)
        while offsets:
            step, count = (offsets[1] - offsets[0] if len(offsets) > 1 else 0), 1
            while count < len(offsets) and offsets[count] - offsets[count - 1] == step:
                count += 1
            rows, offsets = offsets[:count], offsets[count:]
            shape = (len(rows), *[family[rows[0]].shape[a] for a in kept])
            target = StridedView.whole(Buffer("temporary", buffer.dtype, math.prod(shape)), shape)
            source = StridedView(buffer, rows[0], shape, (step, *[strides[a] for a in kept]))
            copies.append(LoopNest(shape, [Store(target, Load(buffer.dtype, source))], note=note))
            inner = dict(zip(kept, c_strides(shape)[1:], strict=True))
            for i, offset in enumerate(rows):
                view = family[offset]
                along = tuple([inner.get(a, 0) for a in range(len(strides))])
                places[view] = StridedView(target.buffer, i * target.strides[0], view.shape, along)
    return copies, places
