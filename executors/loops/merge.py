"""Loops merged with those that read what they store, where the whole then runs over part of an axis only.

A row of a matrix, the part of it that a mask chooses and its product with another such part are three loops, and only
the last has nothing to do outside of the part: taken into one loop all of them cost what is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from graphad.executors.loops.bounded import bounds, moves, same_place
from graphad.executors.loops.program import (
    Across,
    Buffer,
    HostCall,
    Index,
    Lane,
    LibraryCall,
    Load,
    LoopNest,
    Pack,
    SequentialLoop,
    Statement,
    Store,
    StridedView,
    loops_of,
    roots,
    roots_of,
    walk,
)
from graphad.executors.loops.rewriting import over, rebuilt
from graphad.executors.loops.statements import all_statements, rewritten
from graphad.ops.scalar import Scalar
from graphad.types import Shape

LIMIT = 256
"""Scalars of a merged loop, at most."""
SHORT = 8
"""Scalars of a loop that is run again and again along axes that it does not have, at most."""
COPIED = 24
"""Scalars that are not the same at all positions of a loop of which others take copies in, at most."""
BACK = 32
"""Statements among which a loop is looked for."""


def merged(statements: list[Statement]) -> list[Statement]:
    """The statements, with loops taken into the masked ones that alone read what they store."""
    every = list(all_statements(statements))
    access = _Accesses({x for statement in every for loop in loops_of(statement) for x in loop.values})
    readers = Counter([buffer for statement in every for buffer in access.reads[statement]])
    result = rewritten(statements, lambda part: _merged(part, readers, access))
    read = {buffer for statement in all_statements(result) for buffer in access.reads[statement]}
    # What is stored at places that are computed leaves the rest as it was.
    stores = [s for statement in all_statements(result) for loop in loops_of(statement) for s in loop.stores]
    read |= {s.view.buffer for s in stores if s.shift is not None}
    return rewritten(result, lambda part: [each for each in part if not _copied_everywhere(each, read, access)])


def _copied_everywhere(statement: Statement, read: set[Buffer], access: _Accesses) -> bool:
    """Whether nothing reads what a loop stores, in memory that the program has for itself."""
    if not isinstance(statement, LoopNest) or statement.reductions or statement.checks or statement.values:
        return False
    own = access.writes[statement]
    return bool(own) and all([b.kind == "temporary" and not b.parents and b not in read for b in own])


def _merged(statements: list[Statement], readers: Counter[Buffer], access: _Accesses) -> list[Statement]:
    result: list[Statement] = []
    left = list(statements)
    while left:
        last = left.pop()
        if isinstance(last, LoopNest) and _may_rest(last):
            last, left = _taken(last, left, readers, access)
        result.append(last)
    return result[::-1]


def _may_rest(loop: LoopNest) -> bool:
    """Whether a loop may have no effect at some positions."""
    if not loop.space or loop.values:
        return False
    read = {x.view.buffer for x in walk(roots(loop)) if isinstance(x, Load)}
    return all([s.add or s.view.buffer in read for s in loop.stores])


def _taken(
    loop: LoopNest, before: list[Statement], readers: Counter[Buffer], access: _Accesses
) -> tuple[LoopNest, list[Statement]]:
    """A loop with those that it takes in, and the statements that are left before it: as they are where the whole would
    run over all positions. Of a short loop that others read as well a copy is taken in."""
    left, whole, taken, group, i = list(before), loop, [loop], [loop], len(before)
    wanted = set(access.reads[loop])
    while i > max(0, len(before) - BACK):
        i -= 1
        first = left[i]
        if not isinstance(first, LoopNest) or wanted.isdisjoint(access.writes[first]):
            continue
        part, rest = _parted(first, wanted, access)
        alone = all([readers[b] == sum([b in access.reads[each] for each in group]) for b in access.writes[part]])
        if not alone:
            rest = [first]
            changes = access.written_roots[part] & access.read_roots[part]
            if part.checks or changes or len(moves(walk(roots(part)))) > COPIED:
                continue
        if _passes(part, left[i + 1 :], access, alone) and (both := _joined(part, whole, access)) is not None:
            whole = both
            taken.append(part)
            wanted |= access.reads[part]
            left[i : i + 1] = rest
            if alone:
                group.append(part)
    return (whole, left) if len(taken) > 1 and bounds(whole) else (loop, before)


def _parted(loop: LoopNest, wanted: set[Buffer], access: _Accesses) -> tuple[LoopNest, list[LoopNest]]:
    """The part of a loop that stores what is `wanted`, and the rest where there is one, to which belong checks of
    what does not move."""
    stores = [s for s in loop.stores if s.view.buffer in wanted]
    others = [s for s in loop.stores if s not in stores]
    if not stores or loop.reductions or loop.values or not (others or loop.checks):
        return loop, []
    moving = moves(walk(roots(loop))) if loop.checks else {}
    if any([c.condition in moving for c in loop.checks]):
        return loop, []
    part = LoopNest(loop.space, stores, note=loop.note)
    rest = [LoopNest((), checks=loop.checks, note=loop.note)] if loop.checks else []
    rest += [LoopNest(loop.space, others, note=loop.note)] if others else []
    apart = not any([access.written_roots[each] & access.read_roots[part] for each in rest])
    return (part, rest) if apart else (loop, [])


def _joined(first: LoopNest, second: LoopNest, access: _Accesses) -> LoopNest | None:
    """Two loops as one, if none reads what the other writes at another position, and the second reads something that
    the first stores."""
    if first.space != second.space:
        spread = _spread(first, second.space)
        if spread is None:
            return None
        first = spread
    if first.reductions or first.values:
        return None
    if second.checks and any([c.condition in moves(walk(roots(first))) for c in first.checks]):
        return None  # the first failure would be another one
    places = {store.view.buffer: store for store in first.stores}
    if len(places) < len(first.stores) or any([s.add or s.shift is not None for s in first.stores]):
        return None
    if not any([b in access.reads[second] for b in places]) or any([b.kind != "temporary" for b in places]):
        return None
    for x in walk(roots(second)):
        if isinstance(x, (Lane, Pack, Across)):
            return None
        if isinstance(x, Load) and x.view.buffer in places and not _here(x, places[x.view.buffer]):
            return None
    written = access.written_roots[second]
    if written & access.read_roots[first] or written & set(_roots(places)):
        return None

    def change(x: Load | Index) -> Scalar:
        return places[x.view.buffer].value if isinstance(x, Load) and x.view.buffer in places else x

    both = rebuilt(second, change)
    both.checks = [*first.checks, *both.checks]
    return both if len(walk(roots(both))) <= LIMIT else None


def _spread(loop: LoopNest, space: Shape) -> LoopNest | None:
    """A short loop, over a space that its own broadcasts into; None for others."""
    lead = len(space) - len(loop.space)
    scalars = walk(roots(loop))
    fits = lead >= 0 and all([n in (1, m) for n, m in zip(loop.space, space[lead:], strict=True)])
    if not fits or len(scalars) > SHORT or loop.reductions or loop.checks or loop.values:
        return None
    if any([s.shift is not None or s.add for s in loop.stores]):
        return None
    if any([isinstance(x, Index) and loop.space[x.axis] != space[lead + x.axis] for x in scalars]):
        return None

    return over(loop, space, lambda v: v.broadcast(space), lambda x: Index(x.dtype, x.axis + lead))


def _here(x: Load, store: Store) -> bool:
    """Whether a load reads what a store has written at the same position."""
    return x.shift is None and x.lanes == store.value.lanes == 1 and same_place(x.view, store.view)


def _passes(loop: LoopNest, statements: Iterable[Statement], access: _Accesses, moves: bool) -> bool:
    """Whether a loop may run after statements, instead of before them if it `moves`."""
    own, read = access.written_roots[loop] if moves else frozenset[Buffer](), access.read_roots[loop]
    for statement in all_statements(statements):
        if own & access.read_roots[statement] or (own | read) & access.written_roots[statement]:
            return False
        if loop.checks and (not isinstance(statement, LoopNest) or statement.checks):
            return False
    return True


class _Accesses:
    """The buffers that a statement reads and writes itself, each found once: it is asked about for every statement that
    might be taken in. Not what others have `computed` before."""

    def __init__(self, computed: set[Scalar]) -> None:
        self.computed = computed
        self.reads = _Once(self._reads)
        self.writes = _Once(_writes)
        self.read_roots = _Once(lambda statement: _roots(self.reads[statement]))
        self.written_roots = _Once(lambda statement: _roots(self.writes[statement]))

    def _reads(self, statement: Statement) -> Iterator[Buffer]:
        """What a statement reads; what it changes counts."""
        if isinstance(statement, HostCall):
            yield from [view.buffer for view in statement.operands]
        elif isinstance(statement, LibraryCall):
            yield from [view.buffer for view in statement.views]
        elif isinstance(statement, SequentialLoop):
            places = [e.source for e in statement.entries]
            yield from [x.buffer if isinstance(x, StridedView) else x.header for x in places]
            yield from [b for pair in statement.swaps for x in pair for b in x.parents]
        for loop in loops_of(statement):
            known = self.computed.difference(loop.values) if loop.values else self.computed
            yield from [x.view.buffer for x in walk(roots(loop), known) if isinstance(x, Load)]
            yield from [s.view.buffer for s in loop.stores if s.add]


class _Once(dict[Statement, frozenset[Buffer]]):
    """Buffers by statement, found when they are first asked for."""

    def __init__(self, find: Callable[[Statement], Iterable[Buffer]]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, statement: Statement) -> frozenset[Buffer]:
        found = self[statement] = frozenset(self._find(statement))
        return found


def _roots(buffers: Iterable[Buffer]) -> Iterator[Buffer]:
    for buffer in buffers:
        yield from roots_of(buffer) if buffer.parents else (buffer,)


def _writes(statement: Statement) -> Iterator[Buffer]:
    """What a statement writes, or lets others write."""
    if isinstance(statement, HostCall):
        yield from [view.buffer for view in statement.results]
    elif isinstance(statement, LibraryCall):
        yield from [view.buffer for view in statement.writes]
    elif isinstance(statement, SequentialLoop):
        yield from [stack.header for stack in statement.pushed]
        yield from [b for pair in statement.swaps for x in pair for b in x.parents]
    for loop in loops_of(statement):
        yield from [s.view.buffer for s in loop.stores]
        yield from [r.target.buffer for r in loop.reductions if r.target is not None]
