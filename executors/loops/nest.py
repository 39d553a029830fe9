"""The schedule of a loop: order of axes, merged axes, and the depth at which each scalar is computed."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from graphad.executors.loops.bounded import Ends, bounds
from graphad.executors.loops.program import (
    Index,
    Load,
    LoopNest,
    Reduction,
    ReductionResult,
    RuntimeCheck,
    Store,
    StridedView,
    children,
    is_identity,
    roots,
    walk,
)
from graphad.ops.scalar import Const, Scalar
from graphad.types import Shape


@dataclass(slots=True)
class Nest:
    """A scheduled loop. `extents` run from the outermost loop in; `strides[view]` are the view's along these loops.

    `places` gives the loop of each axis. `levels[d]` are the scalars and checks that stand inside `d` loops. Stores and
    the updates of all reductions stand in the innermost loop; those of `in_memory` update their target. The targets of
    those in `filled` must hold their initial value first. `bounds` are the ends of those loops that need not run over
    all positions.
    """

    extents: Shape
    places: dict[int, int]
    strides: dict[StridedView, tuple[int, ...]]
    levels: list[list[Scalar | RuntimeCheck]]
    stores: list[Store]
    reductions: list[Reduction]
    in_memory: list[Reduction]
    filled: list[Reduction]
    bounds: dict[int, Ends]

    def level(self, reduction: Reduction) -> int:
        """The depth outside of which all loops over the axes that a reduction keeps stand."""
        kept = [place for axis, place in self.places.items() if axis not in reduction.axes]
        return max(kept, default=-1) + 1


def schedule(loop: LoopNest, known: set[Scalar], rows: bool = False) -> Nest:
    """Order and merge the axes of a loop, and place its scalars. `known` holds the scalars computed before the loop at
    depth 0; those that this loop computes there are added to it. With `rows` the outermost loop is that over the first
    axis by itself. Nothing is left of a loop that copies memory onto itself but a number that it reads: behind it that
    number counts as read, and its place may be another's."""
    if not rows and is_identity(loop, known):
        loop = LoopNest((), values=[] if loop.space else [loop.stores[0].value])
    ends = bounds(loop)
    scalars = walk([*roots(loop), *[x for pair in ends.values() for x in pair]], known)
    views = views_of(loop, scalars)
    indexed = {x.axis for x in scalars if isinstance(x, Index)}
    axes = [axis for axis in order(loop, views) if not rows or axis]
    groups = _innermost(loop, _merge(loop, axes, views, indexed), views)
    if rows:
        groups.insert(0, [0])
    extents = tuple(_extent(loop.space, group) for group in groups)
    strides = {view: tuple(view.strides[group[-1]] for group in groups) for view in views}
    place = {axis: d for d, group in enumerate(groups) for axis in group}
    within = {place[axis]: pair for axis, pair in ends.items() if axis in place and not (rows and place[axis] == 0)}
    nest = Nest(extents, place, strides, [[] for _ in range(len(groups) + 1)], loop.stores, [], [], [], within)

    depth: dict[Scalar, int] = {}
    for x in scalars:
        d = max([depth.get(y, 0) for y in children(x)], default=0)
        if isinstance(x, Load) and x.view in strides:
            d = max([d, *(i + 1 for i, s in enumerate(strides[x.view]) if s)])
        elif isinstance(x, Index):
            d = max(d, place[x.axis] + 1 if x.axis in place else 0)
        depth[x] = d
        if d == 0:
            known.add(x)
        if not isinstance(x, (Const, ReductionResult)):
            nest.levels[d].append(x)
    for check in loop.checks:
        nest.levels[depth.get(check.condition, 0)].append(check)
    for reduction in loop.reductions:
        kept = {place[a] for a in range(len(loop.space)) if a not in reduction.axes and a in place}
        if kept == set(range(len(kept))):
            nest.reductions.append(reduction)
        else:
            nest.in_memory.append(reduction)
        if kept != set(range(len(kept))) or not kept.isdisjoint(within):
            nest.filled.append(reduction)
    return nest


def is_rounded(reduction: Reduction) -> bool:
    """Whether a reduction is a sum whose rounding errors grow with its length."""
    return reduction.kind == "sum" and reduction.value.dtype.kind in "fc"


def cut(turns: Sequence[int], terms: int) -> tuple[int, int] | None:
    """The loop of a nest that is run in blocks, and the turns of a block, so that a sum over all loops inside of it
    takes at most so many terms in each block; None if the whole nest has no more. `turns` are those of each loop."""
    inner = 1
    for d in reversed(range(len(turns))):
        if inner * turns[d] > terms:
            return d, max(1, terms // inner)
        inner *= turns[d]
    return None


def _extent(space: Shape, group: list[int]) -> int:
    n = 1
    for axis in group:
        n *= space[axis]
    return n


def views_of(loop: LoopNest, scalars: Sequence[Scalar] | None = None) -> list[StridedView]:
    """The arrays that a loop runs over."""
    loads = walk(roots(loop)) if scalars is None else scalars
    views: dict[StridedView, None] = {x.view: None for x in loads if isinstance(x, Load) and x.view.shape}
    views.update((store.view, None) for store in loop.stores)
    views.update((r.target, None) for r in loop.reductions if r.target is not None)
    return list(views)


def order(loop: LoopNest, views: list[StridedView]) -> list[int]:
    """The axes from the outermost loop in. Large strides go outside: the innermost loop then runs along memory. Reduced
    axes go inside where strides tie."""
    axes = [axis for axis, n in enumerate(loop.space) if n != 1]
    reduced = {axis for reduction in loop.reductions for axis in reduction.axes}

    def outwards(axis: int) -> tuple[int, bool, int]:
        return (-sum(abs(view.strides[axis]) for view in views), axis in reduced, axis)

    if any(store.add for store in loop.stores):
        return axes
    return sorted(axes, key=outwards)


def _innermost(loop: LoopNest, groups: list[list[int]], views: list[StridedView]) -> list[list[int]]:
    """The groups of axes with the one last along which vectors cost least for each element."""
    if len(groups) < 2 or any(store.add for store in loop.stores):
        return groups
    best = min(reversed(groups), key=lambda group: _cost(loop, group, views, frozenset()))
    return [group for group in groups if group is not best] + [best]


def candidates(
    loop: LoopNest, views: list[StridedView], packed: Set[StridedView] = frozenset()
) -> list[tuple[float, list[int]]]:
    """The groups of axes that may be the innermost loop, each with about how many instructions an element then takes.
    The arrays in `packed` are taken to stand along it."""
    indexed = {x.axis for x in walk(roots(loop)) if isinstance(x, Index)}
    groups = _merge(loop, order(loop, views), views, indexed)
    return [(_cost(loop, group, views, packed), group) for group in groups]


def _cost(loop: LoopNest, group: list[int], views: list[StridedView], packed: Set[StridedView]) -> float:
    n, axis = _extent(loop.space, group), group[-1]
    vectors = -(-n // _LANES)
    targets = {r.target: r for r in loop.reductions if r.target is not None}
    moved = 0.0
    for view in views:
        found, stride = targets.get(view), view.strides[axis]
        if found is None:
            moved += _access(min(abs(stride), 1) if view in packed else stride, view)
        elif axis not in found.axes:
            # Other axes are summed over outside of this one, so the sums stand in memory.
            moved += 2 * _access(stride, view)
    across = sum(axis in r.axes for r in loop.reductions)
    return (vectors * moved + _ACROSS * across) / n


_LANES = 8
_NEAR = 1 << 15
"""Bytes of an array whose lines stay in the nearest cache while a loop runs across them."""
_ACROSS = 8.0
"""Instructions that combine the lanes of a register."""


def _access(stride: int, view: StridedView) -> float:
    """About how many instructions load or store a register of elements so far apart, or take as long."""
    step = abs(stride)
    if step <= 4:
        return (0.1, 1.0, 3.0, 3.0, 3.0)[step]
    return 10.0 if view.buffer.nbytes <= _NEAR else 40.0


def _merge(loop: LoopNest, order: list[int], views: list[StridedView], indexed: set[int]) -> list[list[int]]:
    groups: list[list[int]] = []
    for axis in order:
        n = loop.space[axis]
        outer = groups[-1][-1] if groups else None
        fits = (
            outer is not None
            and axis not in indexed
            and outer not in indexed
            and all(view.strides[outer] == view.strides[axis] * n for view in views)
            and all((outer in r.axes) == (axis in r.axes) for r in loop.reductions)
        )
        if fits:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return groups
