"""The loop program: what a graph becomes before a compiler prints it. Typed, flat, nothing dispatched per op.

A `Program` is a list of statements over flat buffers: a `LoopNest` of scalar expressions (with computed addresses for
gathers and scatters), a `LibraryCall` of BLAS or LAPACK, and a `HostCall` of NumPy for what loops cannot express;
`SequentialLoop` and `Branch` hold statements of their own. Offsets and strides count elements, not bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphad.location import Location
from graphad.op import Op
from graphad.ops.scalar import Const, Operation, Scalar
from graphad.types import Array, DType, Shape, TensorType


@dataclass(eq=False, slots=True)
class Buffer:
    """Flat memory of one dtype: an argument (`input`, `output`, numbered), a part of the arena or of the constants
    (`temporary`, `constant`, at a byte offset), or one of two kinds that only a `SequentialLoop` or a `Branch` makes:
    memory of the function itself (`local`), and memory whose place changes from iteration to iteration (`moving`),
    which is that of the `parents`."""

    kind: str
    dtype: DType
    size: int
    number: int = 0
    offset: int = 0
    parents: tuple[Buffer, ...] = ()

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class StridedView:
    """An array laid over a buffer: element `(i, j, ...)` stands at `offset + i * strides[0] + j * strides[1] + ...`."""

    buffer: Buffer
    offset: int
    shape: Shape
    strides: tuple[int, ...]

    @classmethod
    def whole(cls, buffer: Buffer, shape: Shape) -> StridedView:
        """The buffer as an array in C order."""
        return cls(buffer, 0, shape, c_strides(shape))

    @property
    def dtype(self) -> DType:
        return self.buffer.dtype

    @property
    def contiguous(self) -> bool:
        """Whether the elements stand one after another in C order."""
        expected = c_strides(self.shape)
        return 0 in self.shape or all(
            n == 1 or a == b for n, a, b in zip(self.shape, self.strides, expected, strict=True)
        )

    def broadcast(self, shape: Shape) -> StridedView:
        """NumPy's `broadcast_to`: repeated axes have stride 0."""
        lead = len(shape) - len(self.shape)
        strides = [0] * lead + [
            0 if n == 1 else s for n, s in zip(self.shape, self.strides, strict=True)
        ]
        return StridedView(self.buffer, self.offset, shape, tuple(strides))

    def transpose(self, axes: Sequence[int]) -> StridedView:
        return StridedView(
            self.buffer, self.offset, tuple(self.shape[i] for i in axes), tuple(self.strides[i] for i in axes)
        )

    def slice(self, start: Sequence[int], step: Sequence[int], shape: Shape) -> StridedView:
        """`shape` elements from `start` on, `step` apart (negative steps too)."""
        offset = self.offset + sum(a * s for a, s in zip(start, self.strides, strict=True))
        strides = tuple(k * s for k, s in zip(step, self.strides, strict=True))
        return StridedView(self.buffer, offset if 0 not in shape else self.offset, shape, strides)

    def reverse(self, axes: Sequence[int]) -> StridedView:
        start = [n - 1 if i in axes and n else 0 for i, n in enumerate(self.shape)]
        step = [-1 if i in axes else 1 for i in range(len(self.shape))]
        return self.slice(start, step, self.shape)

    def reshape(self, shape: Shape) -> StridedView | None:
        """The same elements in C order under another shape; None where that takes a copy."""
        if 0 in shape:
            return StridedView(self.buffer, self.offset, shape, c_strides(shape))
        old = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        strides: list[int] = []
        i = j = 0
        while j < len(shape):
            if shape[j] == 1:
                strides.append(0)
                j += 1
                continue
            # The shortest runs of old and of new axes with the same number of elements: the old run must be one stride.
            first, have, want, stop = i, old[i][0], shape[j], j + 1
            while have != want:
                if have < want:
                    i += 1
                    have *= old[i][0]
                else:
                    want *= shape[stop]
                    stop += 1
            if any(old[k][1] != old[k + 1][0] * old[k + 1][1] for k in range(first, i)):
                return None
            stride = old[i][1]
            run: list[int] = []
            for n in reversed(shape[j:stop]):
                run.append(stride)
                stride *= n
            strides += reversed(run)
            i, j = i + 1, stop
        return StridedView(self.buffer, self.offset, shape, tuple(strides))


def c_strides(shape: Shape) -> tuple[int, ...]:
    """Strides of an array in C order, in elements."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


@dataclass(eq=False, slots=True)
class Load(Scalar):
    """The element of a view, which spans the loop's space, at the loop's position; `shift` is added to the address.
    Several lanes are the elements that follow it in memory.

    Where `mask` does not hold, nothing is read, and the number is any.
    """

    view: StridedView
    shift: Scalar | None = None
    mask: Scalar | None = None


@dataclass(eq=False, slots=True)
class Index(Scalar):
    """The loop's position along an axis of its space."""

    axis: int


@dataclass(eq=False, slots=True)
class ReductionResult(Scalar):
    """What a reduction over the whole space came to: known after its loop."""


@dataclass(eq=False, slots=True)
class Iteration(Scalar):
    """The position of a `SequentialLoop`: the number of its running iteration, or with `reverse` of those yet to come.

    It is less than `count`, where that is not zero.
    """

    count: int = 0


@dataclass(eq=False, slots=True)
class Lane(Scalar):
    """One of the values of a scalar of several lanes."""

    wide: Scalar
    number: int


@dataclass(eq=False, slots=True)
class Pack(Scalar):
    """Scalars of one lane side by side."""

    parts: tuple[Scalar, ...]


@dataclass(eq=False, slots=True)
class Across(Scalar):
    """The lanes of a scalar combined into one, as `Reduction` combines."""

    kind: str
    wide: Scalar


@dataclass(eq=False, slots=True)
class Store:
    """Write a scalar at the loop's position; with `add`, add it to what stands there. `shift` as in `Load`."""

    view: StridedView
    value: Scalar
    shift: Scalar | None = None
    add: bool = False


@dataclass(eq=False, slots=True)
class Reduction:
    """Combine a scalar over `axes` of the space with `kind`: sum, prod, max, min, any or all.

    `target` is the result's place, over the space, with stride 0 along `axes`; `result` stands for the result where
    all axes are reduced.
    """

    kind: str
    value: Scalar
    axes: tuple[int, ...]
    initial: Const
    target: StridedView | None = None
    result: ReductionResult | None = None


@dataclass(eq=False, slots=True)
class RuntimeCheck:
    """Stop with an error unless the condition holds; `error` numbers one of the program's errors."""

    condition: Scalar
    error: int


@dataclass(eq=False, slots=True)
class LoopNest:
    """One loop nest over `space`: reductions and stores, computed together in one pass.

    Scalars in `values`, which do not depend on the space, are computed for later statements.
    """

    space: Shape
    stores: list[Store] = field(default_factory=list)
    reductions: list[Reduction] = field(default_factory=list)
    checks: list[RuntimeCheck] = field(default_factory=list)
    note: str = ""
    values: list[Scalar] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class RowLoops:
    """Loops with the same first axis: all of them for one position along it, then all for the next. Each gives the same
    when they run one after another. With `threads`, so many may share the positions."""

    loops: list[LoopNest]
    threads: int = 1

    @property
    def note(self) -> str:
        """What the loops are for."""
        return "; ".join(loop.note for loop in self.loops)


@dataclass(eq=False, slots=True)
class LibraryCall:
    """Call a routine of BLAS or LAPACK once for each of `count` batch elements, every argument by its address.

    A view is the address of its first element; its first axis is the batch. A number or a one-letter string is the
    address of a constant: an `int` that of a C `int`, a NumPy scalar that of its dtype. `writes` are those of the views
    that the routine changes. `threads` may share the calls; with `own` the routine has as many threads as the user
    lets it have, else one.
    """

    routine: str
    arguments: tuple[StridedView | int | str | np.generic, ...]
    count: int
    writes: tuple[StridedView, ...]
    note: str = ""
    threads: int = 1
    own: bool = False

    @property
    def views(self) -> list[StridedView]:
        """The arrays that the routine reads or writes."""
        return [x for x in self.arguments if isinstance(x, StridedView)]


@dataclass(eq=False, slots=True)
class HostCall:
    """Run an op with NumPy: operands read from views or known arrays, results written to views."""

    op: Op
    operands: list[StridedView]
    results: list[StridedView]
    where: Location | None
    note: str = ""


@dataclass(eq=False, slots=True)
class PushStack:
    """Entries of `size` elements each, as many as a loop pushes. `header` holds the address of the first, how many
    there are, and for how many there is room; it is zero before the program runs."""

    dtype: DType
    size: int
    header: Buffer

    @property
    def entry(self) -> int:
        """Bytes of one entry."""
        return max(self.size * self.dtype.itemsize, 1)


@dataclass(eq=False, slots=True)
class EntryView:
    """A moving buffer that lies at the entry of a sequential loop's position: of a view along its first axis, or of a
    stack."""

    buffer: Buffer
    source: StridedView | PushStack


@dataclass(eq=False, slots=True)
class SequentialLoop:
    """Statements again and again: `count` times, or as long as the scalar `test` holds that `condition` computes.

    `before` and `after` run once. `swaps` are pairs of moving buffers, which begin as their parents and change places
    after each iteration. `pushed` are the stacks that grow by one entry in each iteration. With `reverse` the positions
    run downwards. `error` and `short` are the program's errors where there is no memory for a stack, and where one has
    fewer entries than the loop reads.
    """

    iteration: Iteration
    count: Scalar | None
    body: list[Statement]
    before: list[Statement] = field(default_factory=list)
    after: list[Statement] = field(default_factory=list)
    condition: list[Statement] = field(default_factory=list)
    test: Scalar | None = None
    entries: list[EntryView] = field(default_factory=list)
    swaps: list[tuple[Buffer, Buffer]] = field(default_factory=list)
    pushed: list[PushStack] = field(default_factory=list)
    reverse: bool = False
    error: int = 0
    short: int = 0
    note: str = ""


@dataclass(eq=False, slots=True)
class Branch:
    """The statements that a scalar selects, which `before` computes: a truth value (the first for false) or an integer,
    clamped. `after` follows all of them."""

    selector: Scalar
    branches: list[list[Statement]]
    before: list[Statement] = field(default_factory=list)
    after: list[Statement] = field(default_factory=list)
    note: str = ""


Statement = LoopNest | RowLoops | LibraryCall | HostCall | SequentialLoop | Branch


@dataclass(eq=False, slots=True)
class Program:
    """Statements in order, over the buffers of the inputs and outputs, an arena and the constants.

    `arena_bytes` is the size of the arena; `constants` holds each constant's array by its byte offset in one block.
    """

    name: str
    inputs: list[Buffer]
    outputs: list[Buffer]
    input_types: tuple[TensorType, ...]
    output_types: tuple[TensorType, ...]
    statements: list[Statement]
    constants: list[tuple[Buffer, Array]]
    errors: list[tuple[type[Exception], str]]
    stacks: list[PushStack] = field(default_factory=list)
    arena_bytes: int = 0
    constant_bytes: int = 0


def roots_of(buffer: Buffer) -> list[Buffer]:
    """The buffers that do not move whose memory a buffer is."""
    return [root for parent in buffer.parents for root in roots_of(parent)] if buffer.parents else [buffer]


def loops_of(statement: Statement) -> list[LoopNest]:
    """The loops of a statement, in order."""
    if isinstance(statement, RowLoops):
        return statement.loops
    return [statement] if isinstance(statement, LoopNest) else []


def children(x: Scalar) -> tuple[Scalar, ...]:
    """The scalars that a scalar is computed from."""
    below = _BELOW.get(type(x))
    return () if below is None else below(x)


_BELOW: dict[type[Scalar], Callable[[Any], tuple[Scalar, ...]]] = {
    Operation: lambda x: x.args,  # type: ignore[no-any-return]
    Load: lambda x: () if x.shift is x.mask is None else tuple([y for y in (x.shift, x.mask) if y is not None]),
    Pack: lambda x: tuple([part.wide if type(part) is Lane else part for part in x.parts]),
    Lane: lambda x: (x.wide,),
    Across: lambda x: (x.wide,),
}


def roots(loop: LoopNest) -> Iterator[Scalar]:
    """The scalars that a loop needs."""
    for store in loop.stores:
        if store.shift is not None:
            yield store.shift
        yield store.value
    for reduction in loop.reductions:
        yield reduction.value
    for check in loop.checks:
        yield check.condition
    yield from loop.values


def walk(scalars: Iterable[Scalar], known: Set[Scalar] = frozenset()) -> list[Scalar]:
    """Scalars and all that they are computed from, each once and operands first; nothing behind those in `known`."""
    seen: set[Scalar] = set()
    found: list[Scalar] = []
    for root in scalars:
        # A scalar by itself is to be opened; what it is computed from stands above the tuple with it.
        stack: list[Any] = [root]
        while stack:
            x = stack.pop()
            if type(x) is tuple:
                found.append(x[0])
            elif x not in seen and x not in known:
                seen.add(x)
                below = x.args if type(x) is Operation else children(x)
                if below:
                    stack.append((x,))
                    stack.extend(below[::-1])
                else:
                    found.append(x)
    return found


def is_identity(loop: LoopNest, known: Set[Scalar]) -> bool:
    """Whether a loop copies memory onto itself. A number in `known` is not in memory any more."""
    if loop.reductions or loop.checks or loop.values or len(loop.stores) != 1:
        return False
    store, load = loop.stores[0], loop.stores[0].value
    if not isinstance(load, Load) or load in known or load.shift is not None or store.shift is not None or store.add:
        return False
    a, b = store.view, load.view
    same = a.buffer.kind == b.buffer.kind == "temporary" and a.buffer.offset == b.buffer.offset
    return same and (a.offset, a.strides) == (b.offset, b.strides)
