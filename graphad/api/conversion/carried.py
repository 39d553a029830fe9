"""What a loop carries, one by one: slots that an iteration binds anew, and arrays that it changes in place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from graphad import tree
from graphad.api.conversion import ledger
from graphad.api.conversion.heap import UNSET, Slot
from graphad.api.conversion.parts import StagedRegion, is_number, is_weak, kind, same
from graphad.api.conversion.scope import generated
from graphad.api.conversion.structure import flatten, is_object, nodes, positions_of_numbers
from graphad.build import current_builder
from graphad.graph import Value
from graphad.location import user_location
from graphad.numpy.buffers import Buffer
from graphad.numpy.layouts import UNKNOWN, laid, standing
from graphad.trace import Tracer


class Carried:
    """One slot that the loop changes: its value before the loop, within an iteration, and after one.

    `inputs` has a traced value for each leaf that is a number, `None` for those that stay as they are.
    """

    def __init__(self, slot: Slot, value: Any) -> None:
        self.slot = slot
        self.value = value
        self.blank = False  # whether the value stands for that of a variable that has none before the loop
        self.after: Any = UNSET
        self.inputs: list[Tracer | None] = []
        self.entered: list[Value | None] = []
        self.results: list[Any] = []
        self.unlike: set[int] = set()  # the leaves that lie in memory otherwise after an iteration
        # Objects within, and numbers of attributes, are taken to stay what they are until an iteration shows otherwise.
        self.held = frozenset([id(x) for x in nodes(value)[1:] if is_object(type(x))])
        self.steady: set[int] | None = None

    def enter(self, part: StagedRegion) -> list[Tracer | None]:
        """Put fresh inputs of a piece in the slot."""
        if self.value is UNSET:
            self.slot.container.write(self.slot.key, UNSET)
            return []
        self.leaves, self.treedef = flatten(self.value, self.held)
        if self.steady is None:
            self.steady = set(positions_of_numbers(self.treedef, self.leaves))
        paths = tree.paths_of(self.treedef, self.slot.path)
        inputs = [
            part.input(kind(x), path, is_weak(x)) if is_number(x) and i not in self.steady else None
            for i, (x, path) in enumerate(zip(self.leaves, paths, strict=True))
        ]
        for i, (x, new) in enumerate(zip(self.leaves, inputs, strict=True)):
            laid(standing(new, [x]), UNKNOWN if i in self.unlike else None)
        given = [x if new is None else new for x, new in zip(self.leaves, inputs, strict=True)]
        self.slot.container.write(self.slot.key, tree.unflatten(self.treedef, given))
        return inputs

    def opened(self) -> bool:
        """Whether objects within are no longer taken to stay what they are."""
        if not self.held:
            return False
        self.held, self.steady = frozenset(), None
        return True

    def differs(self, after: Sequence[Any], treedef: Any) -> bool:
        """Whether something that was taken to stay what it is does not; it is carried from then on."""
        moved = any([id(x) in self.held and y is not x for x, y in zip(self.leaves, after, strict=False)])
        if (moved or treedef != self.treedef) and self.opened():
            return True
        steady = () if self.steady is None or treedef != self.treedef else self.steady
        found = {i for i in steady if not same(self.leaves[i], after[i]) and is_number(after[i])}
        self.steady = (self.steady or set()) - found
        return bool(found)

    def read(self) -> Any:
        """What is carried of the value that the slot has after an iteration."""
        return self.slot.read()

    def put(self, leaves: list[Any]) -> None:
        """Put in the slot what is carried of it."""
        new = tree.unflatten(self.treedef, leaves)
        self.slot.container.write(self.slot.key, ledger.made(new, [self.value, self.after]))

    def _varies(self, i: int) -> bool:
        x, new = self.inputs[i], self.results[i]
        return new is not x or (x is not None and x.value is not self.entered[i])

    def varying(self) -> list[int]:
        """The positions of the leaves that an iteration changes."""
        return [i for i, x in enumerate(self.inputs) if x is not None and self._varies(i)]

    def constant(self) -> list[int]:
        """The positions of the leaves that are numbers and that no iteration changes."""
        return [i for i, x in enumerate(self.inputs) if x is not None and not self._varies(i)]

    def written(self, i: int) -> bool:
        """Whether an iteration wrote to the array that stood for a leaf."""
        x = self.inputs[i]
        return x is not None and x.value is not self.entered[i]


class Changed:
    """An array that the loop changes in place: the input that stands for it, and what it is after an iteration."""

    def __init__(self, x: Tracer) -> None:
        self.x = x
        self.input: Value | None = None
        self.after: Value | None = None

    def enter(self, part: StagedRegion) -> Value:
        """Let an input of a piece stand for it."""
        value = part.builder.input(self.x.type, self.x.__dict__.get("label"))
        part.builder.enter(self.x, value)
        return value

    @property
    def varies(self) -> bool:
        return self.after is not self.input


def values(xs: Sequence[Tracer | None]) -> list[Value | None]:
    """The values that inputs stand for before an iteration writes into them."""
    return [x.value if x is not None else None for x in xs]


def array(x: Any, taken: Tracer | None) -> Any:
    assert taken is not None
    if type(x) is Buffer:
        return np.array(x, taken.dtype)  # its memory may be given up when the loop has been recorded
    return x if isinstance(x, Tracer) else np.asarray(x, taken.dtype)


def tell_unset(
    carried: Iterable[Carried], dead: Sequence[str], what: str, begins: bool, filled: Collection[str]
) -> None:
    """Note, at the end of a loop, variables that are read after it and have their value from it alone, if it may make
    no iteration that gives one: where Python raises `UnboundLocalError` they are NaN or 0. `begins` tells that there is
    an iteration, `filled` are those that have no value where a jump leaves a branch in it, and were given a blank."""
    fresh = {c.slot.path for c in carried if c.blank and not generated(c.slot.path)}
    names = sorted([x for x in fresh.difference(dead) if not begins or x in filled])
    builder = current_builder()
    if names and builder is not None:
        where = user_location()
        listed = ", ".join([f"`{x}`" for x in names])
        builder.unrolled[f"{where} {listed}"] = (
            f"{what} alone gives {listed} a value, which is read after it and is NaN or 0 where no iteration does so "
            "(Python raises UnboundLocalError); give it a value before the loop",
            where,
        )
