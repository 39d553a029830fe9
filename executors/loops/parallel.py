"""Loops over much data, large products and many calls of a routine, cut into blocks that threads may share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphad.executors.loops.blocks import Split, outermost
from graphad.executors.loops.bounded import bounds
from graphad.executors.loops.cost import LoopCost, cost, routine
from graphad.executors.loops.nest import order, views_of
from graphad.executors.loops.program import (
    Buffer,
    LibraryCall,
    LoopNest,
    RowLoops,
    SequentialLoop,
    Statement,
    StridedView,
    loops_of,
)
from graphad.executors.loops.routines import settable
from graphad.executors.loops.statements import parts

GAIN = {False: 0.75, True: 0.65}
"""What part of its time in one thread a statement may take in several, outside and inside of sequential loops: there it
runs often, and what stands between two such statements finds its data in the caches of others."""
_START = {False: 15_000.0, True: 4_000.0}
"""Nanoseconds until sleeping threads have begun, and those that are still awake from the last statement."""
_SHARE = 15_000.0
"""Nanoseconds of one thread's share."""
_GRAIN = 15_000.0
"""Nanoseconds of a block, beside which taking it costs little."""
_BLOCKS = (2, 64)
"""The least and the largest number of blocks; it does not depend on the number of threads."""
_LEAST = 32
"""Positions along an axis from which it is cut."""
_ROW = 256
"""Elements of a block that are enough for an inner loop."""
_ROWS = 64
"""Rows or columns that a block of a product has at least: all of the other matrix is read for each."""
OWN = 50_000_000.0
"""Nanoseconds of one call of a routine from which it uses threads of its own."""


def shared(statements: list[Statement], threads: int, inside: bool = False) -> list[Statement]:
    """The statements with all that is worth it split into blocks, `threads` of which may run at a time; `inside` of a
    sequential loop or not."""
    if threads < 2:
        return statements
    for statement in statements:
        for part in parts(statement):
            again = isinstance(statement, SequentialLoop) and (part is statement.body or part is statement.condition)
            part[:] = shared(part, threads, inside or again)
    prices = [_price(statement) if inside or _long(statement) else None for statement in statements]
    sharing = Sharing(threads, inside, _elsewhere([x for x in prices if x is not None]) if inside else {})
    result: list[Statement] = []
    for statement, price in zip(statements, prices, strict=True):
        if price is None:
            result.append(statement)
        elif isinstance(statement, LibraryCall):
            result += _calls(statement, sharing.useful(price))
        elif isinstance(statement, RowLoops):
            result += _rows(statement, price, sharing)
        elif isinstance(statement, LoopNest):
            result += _split(statement, price, sharing)
    return result


@dataclass(frozen=True)
class Sharing:
    """Up to `threads` threads, inside of a sequential loop or not, and the bytes of each buffer that only one thread
    touches in each turn of it."""

    threads: int
    inside: bool
    elsewhere: Mapping[Buffer, float]

    def useful(self, cost: LoopCost) -> int:
        """How many threads are worth it, 1 if two are not: whether a loop is in blocks, on which the roundings of its
        sums depend, does not depend on how many threads there are."""
        worth = cost.together(2, self.elsewhere) + _START[self.inside] < GAIN[self.inside] * cost.alone
        return min(self.threads, max(int(cost.alone / _SHARE), 2)) if worth else 1


def _long(statement: Statement) -> bool:
    """Whether a statement might be cut: not if it is a loop all of whose axes are short."""
    return not isinstance(statement, LoopNest) or any([n >= _LEAST for n in statement.space])


def _price(statement: Statement) -> LoopCost | None:
    if isinstance(statement, LibraryCall):
        each = routine(statement)
        return LoopCost(statement.count * each.compute, {b: statement.count * n for b, n in each.touched.items()})
    loops = loops_of(statement)
    return cost(loops) if loops else None


def _elsewhere(prices: list[LoopCost]) -> dict[Buffer, float]:
    """The bytes of each buffer that one thread alone touches in a turn of a sequential loop, with these prices of its
    statements. A statement whose data is there is worth less in several threads, and may leave more to one."""
    found: dict[Buffer, float] = {}
    rest, alone = prices, prices
    while alone:
        sharing = Sharing(2, True, found)
        useful = [(x, sharing.useful(x) > 1) for x in rest]
        rest, alone = ([x for x, several in useful if several is wanted] for wanted in (True, False))
        for x in alone:
            for buffer, nbytes in x.touched.items():
                found[buffer] = found.get(buffer, 0.0) + nbytes
    return found


def _rows(rows: RowLoops, price: LoopCost, sharing: Sharing) -> list[Statement]:
    if any(0 in r.axes for loop in rows.loops for r in loop.reductions):
        apart = [part for loop in rows.loops for part in _split(loop, cost([loop]), sharing)]
        return apart if len(apart) > len(rows.loops) else [rows]
    return [RowLoops(rows.loops, sharing.useful(price))]


def _split(loop: LoopNest, price: LoopCost, sharing: Sharing) -> list[Statement]:
    useful = sharing.useful(price)
    if useful == 1 or any(store.shift is not None or store.add for store in loop.stores):
        return [loop]
    if bounds(loop):
        return [loop]  # what it costs is known at run time
    axis = next((a for a in order(loop, views_of(loop)) if loop.space[a] >= _LEAST), None)
    if axis is None or any(store.view.strides[axis] == 0 for store in loop.stores):
        return [loop]
    n = loop.space[axis]
    blocks = _blocks(loop, axis, price)
    if blocks == n and not any(axis in r.axes for r in loop.reductions):
        return [RowLoops([outermost(loop, axis)], useful)]
    rest = n % blocks
    split = Split(loop, axis, blocks + bool(rest))
    found: list[Statement] = [RowLoops([split.part(0, blocks, n // blocks, 0)], min(useful, blocks))]
    if rest:
        found.append(split.part(blocks, 1, rest, n - rest))
    return found + split.combined()


def _blocks(loop: LoopNest, axis: int, cost: LoopCost) -> int:
    """Into how many blocks to cut an axis: at its every position, where nothing is summed along it and the rest of the
    loop is long; else so many that no positions are left over, where that is possible."""
    n = loop.space[axis]
    if math.prod(loop.space) >= _ROW * n and not any(axis in r.axes for r in loop.reductions):
        return n
    least, most = _BLOCKS
    wanted = min(max(int(cost.alone / _GRAIN), least), most, n)
    return next((blocks for blocks in range(wanted, max(wanted // 2, least) - 1, -1) if n % blocks == 0), wanted)


# -- routines -----------------------------------------------------------------------------------------------------


def _calls(call: LibraryCall, useful: int) -> list[Statement]:
    """The calls of a routine, which threads share if there are many or if the routine is a large product."""
    if not settable():
        return [call]
    product = _product(call, useful) if useful > 1 and call.count == 1 else []
    if product:
        return product
    apart = call.count >= useful > 1 and all(view.strides[0] for view in call.writes)
    return [replace(call, threads=useful) if apart else replace(call, own=routine(call).alone > OWN)]


def _product(call: LibraryCall, threads: int) -> list[Statement]:
    """A product of matrices as the products of blocks of rows of the first, or of columns of the second, with all of
    the other; nothing for other routines."""
    if not call.routine.endswith("gemm"):
        return []
    n, m = call.arguments[2:4]
    by_rows = m >= n  # type: ignore[operator]
    extent = max(int(n), int(m))  # type: ignore[arg-type]
    if extent < 2 * _ROWS:
        return []
    blocks = max(min(threads, extent // _ROWS), min(2 * threads, extent // (4 * _ROWS)))
    size, rest = divmod(extent, blocks)
    whole = [_block(call, by_rows, 0, blocks, size)]
    return [replace(whole[0], threads=threads), *([_block(call, by_rows, extent - rest, 1, rest)] if rest else [])]


def _block(call: LibraryCall, by_rows: bool, start: int, count: int, size: int) -> LibraryCall:
    """Some blocks of one size of a product, one after another, from `start` on."""

    def part(view: StridedView, axis: int) -> StridedView:
        step = view.strides[axis]
        shape = (count, *view.shape[1:axis], size, *view.shape[axis + 1 :])
        return StridedView(view.buffer, view.offset + start * step, shape, (size * step, *view.strides[1:]))

    def every(view: StridedView) -> StridedView:
        return StridedView(view.buffer, view.offset, (count, *view.shape[1:]), (0, *view.strides[1:]))

    arguments = list(call.arguments)
    y, x, out = arguments[6], arguments[8], arguments[11]
    assert isinstance(y, StridedView) and isinstance(x, StridedView) and isinstance(out, StridedView)  # noqa: PT018
    if by_rows:
        arguments[3], arguments[6], arguments[8], arguments[11] = size, every(y), part(x, 1), part(out, 1)
    else:
        arguments[2], arguments[6], arguments[8], arguments[11] = size, part(y, 2), every(x), part(out, 2)
    return replace(call, arguments=tuple(arguments), count=count, writes=(arguments[11],))  # type: ignore[arg-type]
