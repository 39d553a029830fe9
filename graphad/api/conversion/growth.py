"""Lists that a loop of the graph only appends to: what is appended is stacked, and gives the list's items afterwards.

Its last items, `found[-1]`, are carried from one iteration to the next where an iteration reads them. Where the trip
count is known at run time only the list's length is too: any other use of it afterwards is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.conversion.aliases import root
from graphad.api.conversion.heap import Container, Heap, ListContainer, Slot
from graphad.api.conversion.items import inside_of
from graphad.api.conversion.ledger import unread
from graphad.api.conversion.parts import StagedRegion, describe, is_number, is_weak, quoted
from graphad.api.conversion.structure import flatten
from graphad.build import Builder
from graphad.errors import ControlFlowError
from graphad.graph import Constant, Value
from graphad.location import place
from graphad.numpy.entries import ArrayEntry
from graphad.numpy.views import OUTSIDE, candidates
from graphad.ops.arithmetic import add, subtract
from graphad.ops.machinery import multiply
from graphad.trace import Tracer


class Unread:
    """What stands in a list whose items are not known."""

    def __init__(self, why: str) -> None:
        object.__setattr__(self, "why", why)

    def refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise ControlFlowError(object.__getattribute__(self, "why").replace("@", place()))

    __getattr__ = __iter__ = __getitem__ = __call__ = __bool__ = __len__ = __setattr__ = __eq__ = __hash__ = refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = refuse
    __setitem__ = __delitem__ = __contains__ = __matmul__ = __rmatmul__ = __floordiv__ = __mod__ = __rpow__ = refuse
    __neg__ = __lt__ = __gt__ = __le__ = __ge__ = __float__ = __int__ = __abs__ = __array__ = __str__ = refuse


class Tail(Container):
    """The last items of a list, as an iteration finds them."""

    __slots__ = ()

    def read(self) -> dict[Any, Any]:
        return dict(enumerate(self.target))

    def write(self, key: Any, value: Any) -> None:
        self.target[key] = value

    def slot_path(self, key: Any) -> str:
        return f"{self.path}[{key - len(self.target)}]"


class MoreItemsError(ControlFlowError):
    """An iteration reads more of the last items of a list than are carried."""

    def __init__(self, growth: Growth, count: int) -> None:
        super().__init__(f"an item of the list {growth.path} is read{place()} that is not carried")
        self.growth, self.count = growth, count


class Growth:
    """A list that an iteration appends to."""

    def __init__(self, container: ListContainer, what: str) -> None:
        self.container = container
        self.list: list[Any] = container.target
        self.path = quoted(container.path)
        self.what = what
        self.mark = Unread(
            f"the list {self.path} is used@ while {what} appends to it, which is a loop of the graph; use variables "
            "for what the next iteration needs, or its last items by negative numbers (x[-1])"
        )
        self.tail = Tail([], container.path)
        self.each = len(container.target) - len(container.saved)
        self.positions: Collection[Value] = ()
        self.before: Callable[..., Any] | None = None
        self.items: list[Any] = []

    def follow(self, count: int) -> list[Slot]:
        """Carry so many of the last items; gives the slots in which they stand."""
        self.tail = Tail(list(self.container.saved.values())[-count:], self.container.path)
        return [Slot(self.tail, key) for key in range(count)]

    def enter(self) -> None:
        """Let any use of the list be refused but to append to it, and to read the items that are carried."""
        self.list[:] = [self.mark, *self.tail.target]
        self.before = unread(self.list, self._asked)

    def _asked(self, index: Any = None) -> Any:
        if isinstance(index, Tracer):
            index = self._from_end(index)
        if type(index) is int and index < 0:
            there, carried = len(self.list) - 1, len(self.tail.target)
            if -index <= there:
                return index
            known = [x for x in self.container.saved.values() if type(x) is not Unread]
            if carried - there - index <= len(known):
                raise MoreItemsError(self, carried - there - index)
            if self.before is not None:
                self.before(index + there - carried)
        return self.mark.refuse()

    def _from_end(self, index: Tracer) -> int | None:
        """The index counted from the end, where that is the same in all iterations: a list becomes longer by as much
        as an index that the loop counts. It is nowhere negative."""
        saved = self.container.saved.values()
        found = None if index.shape else _affine(index.builder, index.value, self.positions)
        if found is None or found[0] != self.each or found[1] < 0 or any([type(x) is Unread for x in saved]):
            return None
        return found[1] - len(saved) - (len(self.list) - 1 - len(self.tail.target))

    def leave(self) -> list[Any]:
        """What an iteration has appended; the list is what it was before."""
        self.free()
        if not self.list or self.list[0] is not self.mark:
            self.mark.refuse()
        carried = len(self.tail.target)
        items = self.list[1 + carried :]
        self.tail.target[:] = self.list[len(self.list) - carried :]
        self.container.restore()
        return items

    def free(self) -> None:
        """Let the list be used, as far as it could be before."""
        unread(self.list, self.before)

    def leaves(self) -> list[Any]:
        """The numbers that an iteration appends."""
        return [x for item in self.items for x in flatten(item)[0] if is_number(x)]

    def check(self, part: StagedRegion, steady: set[int], given: set[int]) -> None:
        """Raise `ControlFlowError` for items that are no numbers, and for arrays that something else may change:
        `steady` are those of variables that no iteration writes to, `given` those that the next one may."""
        for x in [x for item in self.items for x in flatten(item)[0]]:
            if type(x) is Unread:
                x.refuse()
            if isinstance(x, (Tracer, np.ndarray)) and is_number(x):
                array = root(x)
                around = [y for y in candidates(array) if y is OUTSIDE or not inside_of(y, part.builder)]
                changed = [y for y in candidates(array) if id(y) in given] if array is not None else []
                if array is not None and (changed or any([id(y) not in steady for y in around])):
                    raise ControlFlowError(
                        f"{self.what} appends an array to the list {self.path}{place()} that another iteration may "
                        "change; append a copy (x.copy())"
                    )
            elif isinstance(x, (Tracer, np.ndarray)):
                raise ControlFlowError(f"{self.what} appends {describe(x)} to the list {self.path}{place()}")

    def extend(self, stacks: Sequence[Tracer], count: int) -> None:
        """Append the items of all iterations, from the numbers stacked."""
        flat = [flatten(item) for item in self.items]
        for i in range(count):
            given = iter(stacks)
            for leaves, treedef in flat:
                found = [ArrayEntry(next(given), i, is_weak(x)) if is_number(x) else x for x in leaves]
                self.list.append(tree.unflatten(treedef, found))

    def lose(self) -> None:
        """Let the list be one of unknown length, of which the carried items are known."""
        mark = Unread(
            f"the list {self.path} is used@ after {self.what} has appended to it: its length is known at run time "
            "only; use an array with room for the most items, and a counter (out[n] = x; n += 1)"
        )
        self.list[:] = [mark, *self.tail.target]
        count = len(self.tail.target)
        unread(self.list, lambda i=None: i if type(i) is int and -count <= i < 0 else mark.refuse())


class Growths(list[Growth]):
    """The lists that an iteration appends to."""

    def take_up(self, heap: Heap, what: str) -> bool:
        """Take up those that an iteration has appended to; answers whether there are any. Raises `ControlFlowError` for
        a list whose length has changed otherwise."""
        found = [c for c in heap.containers.values() if isinstance(c, ListContainer) and c.resized()]
        for container in found:
            if not _grown(container):
                raise ControlFlowError(
                    f"the {type(container.target).__name__} {quoted(container.path)} changes its length in {what}"
                    f"{place()}, whose trip count is known at run time only; use an array of fixed length and "
                    "assign to its elements"
                )
            self.append(Growth(container, what))
        return bool(found)

    def enter(self, positions: Collection[Value] = ()) -> None:
        """Begin an iteration, in which some values are its number."""
        for g in self:
            g.positions = positions
            g.enter()

    def leave(self) -> None:
        """Note what an iteration has appended; the lists are what they were before."""
        for g in self:
            g.items = g.leave()

    def free(self) -> None:
        for g in self:
            g.free()

    def leaves(self) -> list[Any]:
        """The numbers that an iteration appends."""
        return [x for g in self for x in g.leaves()]

    def write(self, stacks: Sequence[Tracer], count: int | None) -> None:
        """Append the items of all iterations, if it is known how many there are."""
        rest = iter(stacks)
        for g in self:
            if count is None:
                g.lose()
            else:
                g.extend([next(rest) for _ in g.leaves()], count)


def _affine(builder: Builder, value: Value, roots: Collection[Value]) -> tuple[int, int] | None:
    """`scale` and `offset`, where an integer is `scale * root + offset`; None for any other."""
    scale, offset = 1, 0
    while value not in roots:
        node = builder.maker(value)
        if node is None or node.op not in (add, subtract, multiply):
            return None
        a, b = node.inputs
        if isinstance(a, Constant) and node.op != subtract:
            a, b = b, a
        if not isinstance(b, Constant) or b.type.shape:
            return None
        n = int(b.array)
        if node.op == multiply:
            scale *= n
        else:
            offset += scale * (n if node.op == add else -n)
        value = a
    return scale, offset


def _grown(container: ListContainer) -> bool:
    """Whether a list has only been appended to."""
    now, before = container.target, list(container.saved.values())
    return type(now) is list and len(now) > len(before) and all([a is b for a, b in zip(now, before, strict=False)])
