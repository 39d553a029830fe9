"""What a loop of the graph leaves behind: in its slots, in arrays that it changed, in lists that it appended to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphad.api.conversion.aliases import EITHER, LOST, Place
from graphad.api.conversion.carried import tell_unset
from graphad.api.conversion.items import identity, watched
from graphad.api.conversion.parts import is_weak
from graphad.api.conversion.peers import peers_of, settle
from graphad.build import current_builder
from graphad.numpy.layouts import standing
from graphad.numpy.views import OUTSIDE, Joined, candidates, either, lose, write
from graphad.trace import Tracer

if TYPE_CHECKING:
    from graphad.api.conversion.carries import StagedLoop


def leave(loop: StagedLoop, results: Sequence[Any], count: int | None = None) -> None:
    """Put what a loop leaves behind in its slots, and the items of lists if the trip count is known."""
    rest = iter(results)
    found = {(key, i): next(rest) for key, c in loop.carried.items() for i in c.varying()}
    for (key, i), x in found.items():
        c = loop.carried[key]
        if isinstance(x, Tracer):
            standing(x, [c.inputs[i]]).weak = is_weak(c.results[i]) and is_weak(c.leaves[i])
    for a in loop.changed.values():
        if a.varies:
            write(a.x, next(rest))
    new: dict[Place, Any] = {}
    for told in loop.told:
        new.update(told.found([next(rest) for _ in told.places], found, loop.lost))
    for key, c in loop.carried.items():
        leaves = list(c.leaves)
        for i in c.varying():
            leaves[i] = new[key, i] if (key, i) in new else _shared(loop, (key, i), found[key, i])
        c.put(leaves)
    tell_unset(loop.carried.values(), loop.dead, loop.what, loop.begins or bool(count), loop.filled)
    loop.rounds.leave(peers_of(), loop.carried)
    settle(current_builder())
    for x in loop.lost.values():
        lose(x, LOST.format(loop.what))
    loop.lists.write(list(rest), count)


def _shared(loop: StagedLoop, place: Place, found: Any) -> Any:
    """An array after a loop: one that is not written to, where it may be one that something else has too."""
    alone = place in loop.alone and place not in loop.shared
    if not alone and place not in loop.shared:
        return found
    before = [loop.carried[place[0]].leaves[place[1]]] if alone else loop.shared[place]
    arrays = [y for x in before if (root := identity(x, None)) is not None for y in candidates(root)]
    if alone and not any([y is OUTSIDE for y in arrays]):
        for y in arrays:
            either(found, y, EITHER.format(loop.what))
        return found
    new = Joined(found, [(None, OUTSIDE)])
    new.outside = watched(before)
    for y in [y for y in arrays if isinstance(y, Tracer)]:
        new.exclude(y)
    return new
