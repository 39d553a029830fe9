"""What goes from one iteration of a loop to the next: found by tracing the body until its types repeat."""

from __future__ import annotations

import dis
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.conversion.heap import UNSET, Heap, Slot
from graphad.api.conversion.items import changed
from graphad.api.conversion.parts import (
    Part,
    common,
    describe,
    is_number,
    is_weak,
    kind,
    placeholder,
    quoted,
    same,
    shown,
    truth,
    type_blank,
)
from graphad.api.conversion.scope import nested_codes
from graphad.errors import ControlFlowError
from graphad.graph import Value
from graphad.ops.elementwise import cast
from graphad.trace import Tracer
from graphad.types import TensorType

_ROUNDS = 16


class Carried:
    """One slot that the loop changes: its value before the loop, within an iteration, and after one.

    `inputs` has a traced value for each leaf that is a number, `None` for those that stay as they are.
    """

    def __init__(self, slot: Slot, value: Any) -> None:
        self.slot = slot
        self.value = value
        self.after: Any = UNSET
        self.inputs: list[Tracer | None] = []
        self.entered: list[Value | None] = []
        self.results: list[Any] = []

    def enter(self, part: Part) -> list[Tracer | None]:
        """Put fresh inputs of a piece in the slot."""
        if self.value is UNSET:
            self.slot.container.write(self.slot.key, UNSET)
            return []
        self.leaves, self.treedef = tree.flatten(self.value)
        paths = tree.paths(self.value, self.slot.path)
        inputs = [
            part.input(kind(x), path, is_weak(x)) if is_number(x) else None
            for x, path in zip(self.leaves, paths, strict=True)
        ]
        given = [x if new is None else new for x, new in zip(self.leaves, inputs, strict=True)]
        self.slot.container.write(self.slot.key, tree.unflatten(self.treedef, given))
        return inputs

    def _varies(self, i: int) -> bool:
        x, new = self.inputs[i], self.results[i]
        return new is not x or (x is not None and x.value is not self.entered[i])

    def varying(self) -> list[int]:
        """The positions of the leaves that an iteration changes."""
        return [i for i, x in enumerate(self.inputs) if x is not None and self._varies(i)]

    def constant(self) -> list[int]:
        """The positions of the leaves that are numbers and that no iteration changes."""
        return [i for i, x in enumerate(self.inputs) if x is not None and not self._varies(i)]


class Loop:
    """A loop of the user's code on its way into the graph."""

    def __init__(self, functions: Sequence[Callable[..., Any]], dead: Sequence[str], what: str) -> None:
        self.heap = Heap(functions)
        self.dead = dead
        self.what = what
        self.carried: dict[tuple[int, Any], Carried] = {}
        names = {name for f in functions for name in stored(f.__code__)}
        for container in self.heap.containers.values():
            slot = Slot(container, None)
            if slot.path in names and slot.path not in dead and type(container).__name__ == "Cell":
                self.carried[slot.identity] = Carried(slot, slot.before)

    def settle(self, step: Callable[[list[Any]], None], entries: Sequence[TensorType]) -> tuple[Part, list[Tracer]]:
        """The traced body, whose carries come out as they went in, and its inputs for the entries."""
        try:
            for _ in range(_ROUNDS):
                part = Part("loop")
                rows = [part.input(t) for t in entries]
                for c in self.carried.values():
                    c.inputs = c.enter(part)
                    c.entered = _values(c.inputs)
                part.run(lambda rows=rows: step(list(rows)), f"in {self.what}")  # type: ignore[misc]
                for c in self.carried.values():
                    c.after = c.slot.read()
                again = self._extra()
                resized = self.heap.resized()
                self.heap.restore()
                if resized is not None:
                    raise ControlFlowError(
                        f"the {type(resized.target).__name__} {quoted(resized.path)} changes its length in {self.what}"
                        f"{shown()}, whose trip count is known at run time only; use an array of fixed length and "
                        "assign to its elements"
                    )
                if not again and self._agree():
                    return part, rows
        except BaseException:
            self.heap.restore()
            raise
        raise ControlFlowError(
            f"the types of what {self.what} carries do not settle{shown()}; give them before the loop"
        )

    def _extra(self) -> bool:
        """Take up what an iteration changed beyond the variables that it assigns."""
        found = [
            s
            for s in self.heap.changes()
            if s.identity not in self.carried and not (s.key is None and s.container.path in self.dead)
        ]
        for slot in found:
            self.carried[slot.identity] = Carried(slot, slot.before)
        return bool(found)

    def _agree(self) -> bool:
        """Whether all types repeat; where they do not, the values before the loop are changed so that they may."""
        settled = True
        for identity, c in list(self.carried.items()):
            if c.value is UNSET:
                if c.after is UNSET:
                    del self.carried[identity]
                else:
                    c.value, settled = placeholder(c.after), False
                continue
            if c.after is UNSET:
                raise self._error(c.slot.path, c.value, "deleted", "keep it")
            found, treedef = tree.flatten(c.after)
            if treedef != c.treedef:
                remedy = "give it a value of the same structure before the loop"
                raise self._error(c.slot.path, c.value, describe(c.after), remedy)
            paths = tree.paths(c.value, c.slot.path)
            leaves = [self._leaf(*four) for four in zip(paths, c.leaves, c.inputs, found, strict=True)]
            if any(new is not old for new, old in zip(leaves, c.leaves, strict=True)):
                c.value, settled = tree.unflatten(treedef, leaves), False
            c.results = found
        return settled

    def _leaf(self, path: str, before: Any, taken: Tracer | None, after: Any) -> Any:
        """The value before the loop, cast where an iteration promotes it."""
        if taken is None:
            if not same(before, after):
                remedy = "give it a number or an array of that type before the loop"
                raise self._error(path, before, describe(after), remedy)
            return before
        if after is taken:
            return before
        if not is_number(after):
            raise self._error(path, before, describe(after), "only numbers and arrays can change in such a loop")
        if kind(after).shape != taken.shape:
            raise self._error(path, before, describe(after), "give it the same shape before the loop")
        found = common([taken, after])
        if found is None:
            raise self._error(path, before, describe(after), "give it the same dtype before the loop (astype)")
        dtype, weak = found
        if dtype == taken.dtype:
            return before
        if isinstance(before, Tracer):
            return cast(before, dtype)
        return type(type_blank(TensorType(dtype)))(before) if weak else np.asarray(before, dtype)[()]

    def _error(self, path: str, before: Any, after: str, remedy: str) -> ControlFlowError:
        return ControlFlowError(
            f"{quoted(path)} is {describe(before)} before {self.what} and {after} after an iteration{shown()}; {remedy}"
        )

    def tested(self, test: Callable[[], Any]) -> Part | None:
        """The traced condition of a while loop; `None` if it changes what the loop carries."""
        part = Part("test")
        try:
            inputs = [_values(c.enter(part)) for c in self.carried.values()]
            entered = [c.slot.read() for c in self.carried.values()]
            value = part.run(lambda: truth(test(), self.what), f"in the test of {self.what}")
            changed = [c.slot.read() is not x for c, x in zip(self.carried.values(), entered, strict=True)]
            known = {c.slot.identity for c in self.carried.values()}
            extra = any(s.identity not in known for s in self.heap.changes())
        finally:
            self.heap.restore()
        if any(changed) or extra:
            return None
        self._order(part, inputs, [])
        part.finish([part.lifted(value, np.dtype(bool))])
        return part

    def refuse_integers(self) -> None:
        """Raise where an iteration changes an integer of Python, which may be needed as one after the loop."""
        for c in self.carried.values():
            own = c.slot.path.startswith("graphad_")
            if c.value is not UNSET and not own and any([isinstance(c.leaves[i], int) for i in c.varying()]):
                raise ControlFlowError(f"{quoted(c.slot.path)} is an integer of Python that {self.what} changes")

    def close(self, part: Part, rows: Sequence[Tracer]) -> None:
        """Give the traced body its results: the carries after an iteration."""
        outputs = [
            part.lifted(c.results[i], c.inputs[i].dtype)  # type: ignore[union-attr]
            for c in self.carried.values()
            for i in c.varying()
        ]
        self._order(part, [c.entered for c in self.carried.values()], _values(rows))
        part.finish(outputs)

    def _order(self, part: Part, inputs: Sequence[Sequence[Value | None]], rows: Sequence[Value | None]) -> None:
        every = list(zip(self.carried.values(), inputs, strict=True))
        fixed = [xs[i] for c, xs in every for i in c.constant()]
        moving = [xs[i] for c, xs in every for i in c.varying()]
        part.builder.inputs = [v for v in (*fixed, *moving, *rows) if v is not None]

    def operands(self) -> tuple[list[Any], list[Any]]:
        """The values before the loop: of the leaves that stay, and of those that vary."""
        fixed = [_array(c.leaves[i], c.inputs[i]) for c in self.carried.values() for i in c.constant()]
        moving = [_array(c.leaves[i], c.inputs[i]) for c in self.carried.values() for i in c.varying()]
        return fixed, moving

    def write(self, results: Sequence[Any]) -> None:
        """Put what the loop leaves behind in its slots."""
        rest = iter(results)
        for c in self.carried.values():
            leaves = list(c.leaves)
            for i in c.varying():
                before, leaves[i] = leaves[i], next(rest)
                if c.results[i] is c.inputs[i] and isinstance(before, Tracer) and before.shape:
                    leaves[i] = changed(before, leaves[i])
                elif isinstance(leaves[i], Tracer):
                    leaves[i].weak = is_weak(c.results[i]) and is_weak(c.leaves[i])
            c.slot.container.write(c.slot.key, tree.unflatten(c.treedef, leaves))


def _values(xs: Sequence[Tracer | None]) -> list[Value | None]:
    """The values that fresh inputs stand for; what an iteration writes into them takes others."""
    return [x.value if x is not None else None for x in xs]


def _array(x: Any, taken: Tracer | None) -> Any:
    assert taken is not None
    return x if isinstance(x, Tracer) else np.asarray(x, taken.dtype)


_stored: dict[int, tuple[CodeType, frozenset[str]]] = {}


def stored(code: CodeType) -> frozenset[str]:
    """The variables around a function that it may assign."""
    found = _stored.get(id(code))
    if found is None:
        names = frozenset(
            str(i.argval)
            for c in nested_codes(code)
            for i in dis.get_instructions(c)
            if i.opname in ("STORE_DEREF", "DELETE_DEREF")
        )
        found = _stored[id(code)] = code, names
    return found[1]
