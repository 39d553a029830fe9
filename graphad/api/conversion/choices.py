"""Which array a variable has after branches: one from around them, or one that another variable has too, each under the
test that says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from graphad import tree
from graphad.api.conversion.items import identity, inside_of
from graphad.api.conversion.parts import StagedRegion
from graphad.api.conversion.pools import moved, places_of
from graphad.build import building
from graphad.numpy.buffers import become
from graphad.numpy.views import OUTSIDE, Joined, Shared, View, candidates, origin_of
from graphad.trace import Tracer

Output = Callable[[Sequence[Any], Any, bool], int]
_MOST = 12
"""Arrays of which one may be any, each under its test."""


class Choice(NamedTuple):
    """An array that a variable may have in a branch.

    `test` is the place among the results of the test that says so, None where it always has it; `value` that of the
    elements of an array made in the branch. Where the variable has a view, `array` is what it is a view of.
    """

    array: Any
    test: int | None = None
    value: int | None = None
    view: Any = None


class Choices:
    """The arrays that the variables have in branches."""

    def __init__(self, parts: Sequence[StagedRegion]) -> None:
        self.parts = parts
        self.uses: Counter[tuple[int, int]] = Counter()
        self.shared: dict[tuple[int, int], Any] = {}
        self.viewed: dict[tuple[int, int], Any] = {}
        self.whole: dict[tuple[int, int], int] = {}

    def of(self, column: Sequence[Any], at: int, output: Output) -> list[list[Choice]]:
        """What a variable may have in each branch, where it has `column`, the result at a place. `output` takes up one
        value of each branch as a result, and gives its place."""
        found = [list(self._in_branch(i, column, at, output)) for i in range(len(column))]
        for i, choices in enumerate(found):
            inside = [c for c in choices if self._inside(i, c.array)]
            self.uses.update([(i, id(c.array)) for c in inside])
            self.viewed.update({(i, id(c.array)): c.array for c in inside if c.view is not None})
        return found

    def complete(self, output: Output) -> None:
        """Take up the arrays made in a branch of which a variable has a view, and something else more."""
        for (i, at), x in self.viewed.items():
            if self.uses[i, at] > 1:
                others: Any = np.zeros(x.shape, x.dtype)
                self.whole[i, at] = output([x if j == i else others for j in range(len(self.parts))], x.dtype, False)

    def _inside(self, i: int, x: Any) -> bool:
        return x is not OUTSIDE and inside_of(origin_of(x), self.parts[i].builder)

    def _in_branch(self, i: int, column: Sequence[Any], at: int, output: Output) -> Iterator[Choice]:
        x = column[i]
        root = identity(x, self.parts[i].builder)
        if root is None:
            return
        if root is OUTSIDE or not self._inside(i, root):
            yield Choice(OUTSIDE) if root is OUTSIDE else self._around(i, x)
            return
        if x is not root and not isinstance(x, View):
            with building(self.parts[i].builder):
                become(root)
        yield Choice(root, None, at) if x is root else Choice(root, None, None, x)
        if isinstance(root, Joined):
            for _, test, y in root.sources():
                given = [j == i and (test is None or test) for j in range(len(column))]
                place = output(given, np.dtype(bool), False)
                yield self._source(i, column, y, place, output) if x is root else self._seen(i, x, y, place)

    def _source(self, i: int, column: Sequence[Any], y: Any, test: int, output: Output) -> Choice:
        """What an array of a branch may be."""
        if not self._inside(i, y):
            return self._around(i, y, test)
        if isinstance(y, View):
            return Choice(origin_of(y), test, None, y)
        return Choice(y, test, output([y if j == i else x for j, x in enumerate(column)], y.dtype, False))

    def _around(self, i: int, x: Any, test: int | None = None) -> Choice:
        """An array from around a branch, or a view of one, as far as it can be made again."""
        lasts = not isinstance(x, View) or self._lasts(i, x)
        return Choice(x, test) if lasts else Choice(origin_of(x), test, None, x)

    def _seen(self, i: int, x: View, y: Any, test: int) -> Choice:
        """What a view is of where the array of which it is a view is another one."""
        if y is OUTSIDE:
            return Choice(OUTSIDE, test)
        if places_of(x) is None:
            return Choice(origin_of(y), test, None, x)
        view = moved(x, None, y)
        if self._inside(i, y):
            return Choice(origin_of(y), test, None, view)
        return self._around(i, view, test)

    def _lasts(self, i: int, x: Any) -> bool:
        """Whether a view of an array from around a branch can be made after it: its indices are no values of the
        branch."""
        while isinstance(x, View):
            if any([isinstance(k, Tracer) and k.builder is self.parts[i].builder for k in tree.leaves(x.key)]):
                return False
            x = x.origin
        return True

    def _known(self, i: int, x: Any) -> bool:
        """Whether what a variable has at the end of a branch is one of the sources."""
        return x.closed if isinstance(x, Joined) else not self._inside(i, x)

    def joined(self, results: Sequence[Any], at: int, tests: Sequence[Any], choices: Sequence[Sequence[Choice]]) -> Any:
        """The array after the branches, each of which runs where its test holds."""
        sources: list[tuple[Any, Any]] = []
        others: list[Any] = []
        for i, each in enumerate(choices):
            for c in each:
                test, key, array = tests[i] if c.test is None else results[c.test], (i, id(c.array)), c.array
                if self._inside(i, array):
                    if isinstance(array, Joined):
                        others += [y for y in array.excluded() if not self._inside(i, y)]
                    if self.uses[key] <= 1:
                        continue
                    one = results[self.whole[key] if c.value is None else c.value]
                    array = self.shared.setdefault(key, Shared(one.builder, one.value))
                if c.view is None:
                    sources.append((test, array))
                elif places_of(c.view) is None:
                    sources.append((test, OUTSIDE))
                    others += [y for y in [origin_of(array)] if isinstance(y, Tracer)]
                else:
                    sources.append((test, moved(c.view, c.array, array)))
        if not sources:
            return results[at]
        sources, excluded = _distinct(sources)
        new = Joined(results[at], sources)
        new.closed = all([self._known(i, each[0].array) if each else False for i, each in enumerate(choices)])
        for y in [*others, *excluded]:
            new.exclude(y)
        return new


def _distinct(sources: Sequence[tuple[Any, Any]]) -> tuple[list[tuple[Any, Any]], list[Any]]:
    """Arrays that one may be, each once, with what these may be in turn; and those beside which it is not to be written
    to. Of too many nothing else is known than that."""
    every: dict[int, tuple[Any, Any]] = {}
    others: list[Any] = []
    for test, x in sources:
        found = [(test, x)]
        if isinstance(x, Joined):
            # It may go where nothing but this array has it; what it may be stays.
            found += [(test if t is None else np.logical_and(test, t), y) for _, t, y in x.sources()]
            others += x.excluded()
        for t, y in found:
            every[id(y)] = (np.logical_or(every[id(y)][0], t), y) if id(y) in every else (t, y)
    if len(every) <= _MOST:
        return list(every.values()), others
    others += [z for _, y in every.values() for z in candidates(origin_of(y)) if isinstance(z, Tracer)]
    return [(None, OUTSIDE)], others
