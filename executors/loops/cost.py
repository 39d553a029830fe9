"""About how long the parts of a program take: what they compute, and the memory that they touch, by the cache it fits.

The prices are those of one core of a server of some 3 GHz with registers of eight numbers; a machine without them takes
longer, and its threads gain more than is said here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from graphad.costs import HEAVY, SPECIAL
from graphad.executors.loops.program import (
    Buffer,
    Index,
    LibraryCall,
    Load,
    LoopNest,
    StridedView,
    children,
    roots,
    walk,
)
from graphad.ops.scalar import Operation, Scalar, weigh_name, weight

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_USUAL = {1: 32 << 10, 2: 1 << 20, 3: 16 << 20}
"""Bytes of the caches where the system does not tell."""
_BANDWIDTHS = (200.0, 80.0, 30.0, 10.0)
"""Bytes in a nanosecond from and to the caches of each level, and memory."""
_BETWEEN = 10.0
"""Bytes in a nanosecond from the cache of another core that has changed them."""
_LIGHT, _SPECIAL, _PRICES = 0.02, 30.0, {HEAVY: 0.6, SPECIAL: 0.8}
"""Nanoseconds for one of the elements of a vector: of an instruction, of a special function that is called for each
element, and of what weighs as much as a division or an elementary function."""
_ACCESS, _GATHERED = 0.02, 0.5
_FLOPS = {"f": 80.0, "F": 80.0, "d": 40.0, "D": 40.0}
"""Operations in a nanosecond of a product of large matrices, by the character of the dtype."""
_FACTORS, _OTHER = {"potrf": 0.7, "getrf": 1.4, "getri": 2.8}, 20.0
"""Operations of a product in whose time a factorisation is done, for the cube of a matrix's extent; of others."""
_LINEAR = ("gemv", "trsv", "laswp")
_CALL = 300.0
"""Nanoseconds of a call that does nothing."""


@dataclass(frozen=True)
class LoopCost:
    """Nanoseconds of computation, and bytes of memory that are touched, by their buffers."""

    compute: float
    touched: Mapping[Buffer, float]

    @property
    def alone(self) -> float:
        """The nanoseconds in one thread."""
        nbytes = sum(self.touched.values())
        return self.compute + nbytes / _bandwidth(nbytes, 1)

    def together(self, threads: int, elsewhere: Mapping[Buffer, float]) -> float:
        """The nanoseconds in several, whose data no cache of one core holds; so many bytes of each buffer as are
        `elsewhere` come from the core that was alone with them, or go there."""
        nbytes = sum(self.touched.values())
        moved = sum([min(n, elsewhere[buffer]) for buffer, n in self.touched.items() if buffer in elsewhere])
        least = _bandwidth(nbytes, 3)
        return (self.compute + (nbytes - moved) / least + moved / min(least, _BETWEEN)) / threads


def nanoseconds(loop: LoopNest, known: Set[Scalar] = frozenset()) -> float:
    """About how long one thread takes for a loop, where the scalars in `known` are computed already."""
    return cost([loop], known).alone


def cost(loops: Sequence[LoopNest], known: Set[Scalar] = frozenset()) -> LoopCost:
    """The cost of loops, of which a later one finds in the nearest cache what an earlier one has touched."""
    scalars = [(loop, walk(roots(loop), known)) for loop in loops]
    touched = [x for loop, found in scalars for x in _views(loop, found)]
    return LoopCost(sum([_compute(loop, found) for loop, found in scalars]), dict(_bytes(touched)))


def routine(call: LibraryCall) -> LoopCost:
    """The cost of one call of a routine."""
    touched: dict[Buffer, float] = {}
    for view in call.views:
        nbytes = math.prod(view.shape[1:]) * view.dtype.itemsize
        touched[view.buffer] = touched.get(view.buffer, 0.0) + nbytes
    return LoopCost(_CALL + operations(call) / _FLOPS.get(call.writes[0].dtype.char, 40.0), touched)


def operations(call: LibraryCall) -> float:
    """About how many operations of a product a routine takes the time of."""
    name = call.routine[1:]
    weight = 4.0 if call.routine[0] in "cz" else 1.0
    if name == "gemm":
        n, m, k = (int(x) for x in call.arguments[2:5])  # type: ignore[arg-type]
        return weight * 2.0 * n * m * k
    sizes = [math.prod(view.shape[1:]) for view in call.views]
    if name in _FACTORS:
        return float(weight * _FACTORS[name] * max(sizes) ** 1.5)
    if name in ("getrs", "trsm"):
        return float(weight * 4.0 * max(sizes) ** 0.5 * math.prod(call.writes[0].shape[1:]))
    return weight * (2.0 * max(sizes) if name in _LINEAR else _OTHER * max(sizes) ** 1.5)


def flops(loop: LoopNest) -> float:
    """The operations that a loop does, each counted as the instructions that it takes."""
    scalars = walk(roots(loop))
    inner = _innermost(loop, scalars)
    found = [math.prod(loop.space[: inner[x] + 1]) * weight(x) for x in scalars if isinstance(x, Operation)]
    return float(sum(found) + math.prod(loop.space) * len(loop.reductions))


def _compute(loop: LoopNest, scalars: Sequence[Scalar]) -> float:
    each = _ACCESS * len(loop.stores) + _LIGHT * len(loop.reductions)
    if not loop.space:
        return sum(map(_price, scalars)) + each
    inner, times = _innermost(loop, scalars), [math.prod(loop.space[:d]) for d in range(len(loop.space) + 1)]
    return sum([times[inner[x] + 1] * _price(x) for x in scalars]) + times[-1] * each


def _innermost(loop: LoopNest, scalars: Sequence[Scalar]) -> dict[Scalar, int]:
    """The innermost axis on which each scalar depends, -1 for those that are computed before the loop."""
    found: dict[Scalar, int] = {}
    for x in scalars:
        deepest = -1
        for y in children(x):
            deepest = max(deepest, found.get(y, -1))
        if isinstance(x, Index):
            deepest = x.axis
        elif isinstance(x, Load):
            deepest = max([deepest, *[a for a, stride in enumerate(x.view.strides) if stride]])
        found[x] = deepest
    return found


def _price(x: Any) -> float:
    if isinstance(x, Operation):
        return _operation(x.name) * x.dtype.itemsize / 8
    if isinstance(x, Load):
        return _ACCESS if x.shift is None else _GATHERED
    return 0.0


@cache
def _operation(name: str) -> float:
    """The price of an operation on numbers of eight bytes."""
    return _SPECIAL if name.startswith("special_") else _PRICES.get(weigh_name(name), weigh_name(name) * _LIGHT)


def _views(loop: LoopNest, scalars: Sequence[Scalar]) -> Iterable[tuple[StridedView, int]]:
    """The views of a loop, each with how many of its elements are touched."""
    size = math.prod(loop.space)
    for x in scalars:
        if isinstance(x, Load):
            yield x.view, size if x.shift is not None else _elements(x.view)
    yield from ((s.view, size if s.shift is not None else _elements(s.view)) for s in loop.stores)
    yield from ((r.target, _elements(r.target)) for r in loop.reductions if r.target is not None)


def _elements(view: StridedView) -> int:
    return math.prod([n for n, s in zip(view.shape, view.strides, strict=True) if s])


def _bytes(touched: Iterable[tuple[StridedView, int]]) -> Iterable[tuple[Buffer, float]]:
    """The bytes of each buffer that views touch: all of them between the first and the last, or fewer."""
    buffers: dict[Buffer, list[tuple[StridedView, int]]] = {}
    for view, count in touched:
        buffers.setdefault(view.buffer, []).append((view, count))
    for buffer, found in buffers.items():
        gathered = any(count > max(_elements(view), 1) for view, count in found)
        lows, highs = zip(*[_span(view) for view, _ in found], strict=True)
        room = buffer.size if gathered else min(max(highs) - min(lows) + 1, buffer.size)
        yield buffer, float(min(sum(count for _, count in found), room) * buffer.dtype.itemsize)


def _span(view: StridedView) -> tuple[int, int]:
    reach = [(n - 1) * s for n, s in zip(view.shape, view.strides, strict=True) if n]
    return view.offset + sum(min(x, 0) for x in reach), view.offset + sum(max(x, 0) for x in reach)


def _bandwidth(nbytes: float, least: int) -> float:
    """Bytes in a nanosecond for so much memory; no better than those of the caches of a level."""
    sizes = caches()
    level = next((i for i in (1, 2, 3) if nbytes <= sizes[i]), 4)
    return _BANDWIDTHS[max(level, least) - 1]


@cache
def caches() -> dict[int, int]:
    """Bytes of the caches of each level that one core may use, as the system tells; of one that others share, half."""
    found = dict(_USUAL)
    for index in _CACHES.glob("index*"):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction" and level in "123" and size.endswith("K") and size[:-1].isdigit():
            found[int(level)] = int(size[:-1]) << 10
    return {**found, 3: found[3] // 2}
