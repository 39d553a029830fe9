"""Lowering: a graph becomes a loop program. Shape ops become views; every other op has a rule, or runs on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import IndexOutOfBoundsError
from graphad.executors.loops.blocks import in_blocks
from graphad.executors.loops.kernels import kernel_space, lower_kernel, single
from graphad.executors.loops.layout import apart, lay_out
from graphad.executors.loops.merge import merged
from graphad.executors.loops.packing import packed
from graphad.executors.loops.parallel import shared
from graphad.executors.loops.positions import behind
from graphad.executors.loops.program import (
    Buffer,
    HostCall,
    Load,
    LoopNest,
    Program,
    PushStack,
    Statement,
    Store,
    StridedView,
)
from graphad.executors.loops.rows import by_rows
from graphad.executors.loops.scalarized import kernel_lead, lower_unrolled
from graphad.executors.loops.specials import exported
from graphad.executors.loops.statements import rewritten
from graphad.graph import Constant, Graph, Node, Value
from graphad.once import LOCK
from graphad.op import Op
from graphad.ops.fused import Fused
from graphad.ops.reduce import Reduction
from graphad.ops.scalar import Const, Scalar
from graphad.ops.shape import Iota, Reshape
from graphad.passes.fusion.grouping import is_kernel_op, is_movement
from graphad.passes.fusion.scalarize import complete, fits
from graphad.types import Array, Shape

NUMBERS = 64
"""Single numbers among a program's results that are stored together: a printer may put groups in functions."""
Rule = Callable[["Lowering", Node], bool]
RULES: dict[type[Op], Rule] = {}
"""How each op is lowered, by its class, and by `Op` all others. A rule answers False where it cannot, and the op then
runs on the host. What is derived from an op may mean something else, and has no part in its rule."""


def rule(*kinds: type[Op]) -> Callable[[Rule], Rule]:
    """Register a lowering rule for ops of these classes."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(kinds, function))
        return function

    return register


class Lowering:
    """The state of one lowering: where each value of the graph stands, and the statements so far."""

    def __init__(self, graph: Graph, lanes: int = 1, threads: int = 1, local: int = 0) -> None:
        self.graph = graph
        self.lanes = lanes
        self.threads = threads
        self.local = local
        # A scalar stands for a value that has it in every element.
        self.env: dict[Value, StridedView | Scalar] = {}
        self.scalars: dict[Value, Scalar] = {}
        self.statements: list[Statement] = []
        self.errors: list[tuple[type[Exception], str]] = []
        self.constants: list[tuple[Buffer, Array]] = []
        self.stacks: dict[Value, PushStack] = {}
        self.made: list[PushStack] = []
        self.numbers: set[Value] = set()
        # Ranges from 0 on along an axis, whose elements kernels need not read.
        self.counts: dict[Value, int] = {}
        # Values whose memory a loop may take: what each becomes there. Other loops that update it copy it.
        self.given_up: dict[Value, Value] = {}
        self._constant_views: dict[Constant, StridedView] = {}
        self._loads: dict[Buffer, dict[Any, Load]] = {}
        self.factors: dict[Any, Any] = {}
        self.inputs = [Buffer("input", v.type.dtype, v.type.size, i) for i, v in enumerate(graph.inputs)]
        self.outputs = [Buffer("output", v.type.dtype, v.type.size, i) for i, v in enumerate(graph.outputs)]
        self.results: dict[Value, int] = {}
        for i, v in enumerate(graph.outputs):
            self.results.setdefault(v, i)
        for v, buffer in zip(graph.inputs, self.inputs, strict=True):
            self.env[v] = StridedView.whole(buffer, v.type.shape)
        self.homes = self._homes(self._results())

    def region(self, graph: Graph, places: list[StridedView | None]) -> Lowering:
        """The lowering of a region, whose outputs are to stand in the given places, as statements of their own."""
        inner = Lowering(graph.replace(inputs=()), self.lanes, 1, self.local)
        inner.inputs, inner.outputs, inner.errors = self.inputs, self.outputs, self.errors
        inner.constants, inner._constant_views, inner.made = self.constants, self._constant_views, self.made
        inner.homes = inner._homes(places)
        return inner

    # -- reading ----------------------------------------------------------------------------------------------

    def view(self, v: Value) -> StridedView:
        """Where a value stands in memory; a scalar is stored first."""
        if isinstance(v, Constant):
            return self.constant(v)
        found = self.env[v]
        if isinstance(found, StridedView):
            return found
        cell = StridedView(Buffer("temporary", v.type.dtype, 1), 0, (), ())
        self.statements.append(LoopNest((), [Store(cell, found)]))
        self.env[v] = cell.broadcast(v.type.shape)
        self.scalars[v] = found
        return cell.broadcast(v.type.shape)

    def scalar(self, v: Value, space: Shape) -> Scalar:
        """The element of a value at the position of a loop over `space`, into which the value broadcasts."""
        single = self.single(v)
        return single if single is not None else Load(v.type.dtype, self.view(v).broadcast(space))

    def single(self, v: Value) -> Scalar | None:
        """The scalar that stands for a value of one element, or for a value that has it in every element."""
        if isinstance(v, Constant):
            first = v.array.reshape(-1)[:1]
            if v.array.size == 1 or (v.array.size and v.array.tobytes() == first.tobytes() * v.array.size):
                return Const(v.type.dtype, first[0])
            return None
        found = self.scalars.get(v, self.env[v])
        if isinstance(found, Scalar):
            return found
        if v.type.size == 1:
            self.scalars[v] = Load(v.type.dtype, StridedView(found.buffer, found.offset, (), ()))
            return self.scalars[v]
        return None

    def constant(self, v: Constant) -> StridedView:
        """A constant's place in the block of constants."""
        if v not in self._constant_views:
            buffer = Buffer("constant", v.type.dtype, v.type.size, len(self.constants))
            self.constants.append((buffer, v.array))
            self._constant_views[v] = StridedView.whole(buffer, v.type.shape)
        return self._constant_views[v]

    def load(self, view: StridedView) -> Load:
        """The element of a view over a loop's space: one scalar for each view, as long as what stands there does."""
        found = self._loads.setdefault(view.buffer, {})
        key = (view.offset, view.shape, view.strides)
        if key not in found:
            found[key] = Load(view.dtype, view)
        return found[key]

    # -- writing ----------------------------------------------------------------------------------------------

    def place(self, v: Value) -> StridedView:
        """New memory for a value in C order: the result's own where the graph returns it."""
        return self.settle_in(v, self.homes.get(v) or self.temporary(v))

    def settle_in(self, v: Value, view: StridedView) -> StridedView:
        """Let a value stand in a place from here on, where another value may have stood."""
        self._loads.pop(view.buffer, None)
        self.env[v] = view
        return view

    def _homes(self, places: Sequence[StridedView | None]) -> dict[Value, StridedView]:
        """Where values stand that are results with a place, or of which such a result is another view."""
        maker = {v: node for node in self.graph.nodes for v in node.outputs}
        homes: dict[Value, StridedView] = {}
        for v, i in self.results.items():
            view = places[i]
            if view is None or v not in maker or (view.buffer.kind == "local" and v.type.size == 1):
                continue
            homes[v] = view
            while v in maker and maker[v].op.view and v.type.size:
                op = maker[v].op
                (v,) = maker[v].inputs
                back = behind(op, view, v.type)
                if back is None or v in homes or v in self.results or isinstance(v, Constant):
                    break
                view = homes[v] = back
        return homes

    def temporary(self, v: Value) -> StridedView:
        """Memory in the arena for one value."""
        return StridedView.whole(Buffer("temporary", v.type.dtype, v.type.size), v.type.shape)

    def copy(self, source: StridedView, target: StridedView, note: str = "") -> None:
        """Write the elements of one view to another of the same shape."""
        if 0 not in source.shape and source != target:
            self.statements.append(LoopNest(source.shape, [Store(target, Load(source.dtype, source))], note=note))

    def fill(self, target: StridedView, value: Any, note: str = "") -> None:
        """Write one number to every element of a view."""
        if 0 not in target.shape:
            dtype = target.dtype
            self.statements.append(LoopNest(target.shape, [Store(target, Const(dtype, dtype.type(value)))], note=note))

    def compact(self, view: StridedView) -> StridedView:
        """The view itself where its elements stand in C order, else a copy that does."""
        if view.contiguous:
            return view
        target = StridedView.whole(Buffer("temporary", view.dtype, int(np.prod(view.shape))), view.shape)
        self.copy(view, target)
        return target

    def error(self, message: str, kind: type[Exception] = IndexOutOfBoundsError) -> int:
        """The number of a new error that the program can stop with."""
        self.errors.append((kind, message))
        return len(self.errors) - 1

    def note(self, node: Node) -> str:
        """What a statement is for: the op, its result and the user's line."""
        names = "kernel" if isinstance(node.op, Fused) else node.op.name
        kinds = ", ".join(f"{v.name}: {v.type}" if v.name else str(v.type) for v in node.outputs)
        return f"{names} -> {kinds}" + (f"  ({node.where})" if node.where is not None and str(node.where) else "")

    # -- the whole --------------------------------------------------------------------------------------------

    def lower_all(self) -> None:
        """Add all nodes to the program."""
        from graphad.executors.loops.control import only_counted

        self.numbers = only_counted(self.graph)
        for node in self.graph.nodes:
            if node.outputs and node.outputs[0] in self.numbers:
                continue
            if isinstance(node.op, Iota) or (isinstance(node.op, Reshape) and node.inputs[0] in self.counts):
                (out,) = node.outputs
                self.counts[out] = next((axis for axis, n in enumerate(out.type.shape) if n != 1), 0)
            if isinstance(node.op, Fused) and not _is_kernel(node.op):
                _lower_apart(self, node)
            else:
                self.lower(node)

    def lower(self, node: Node) -> None:
        """Add one node to the program."""
        op = node.op
        if isinstance(op, Fused):
            if op.depth < 0:
                lower_kernel(self, op.kernel, node)
            else:
                lower_unrolled(self, op.kernel, node, op.depth)
            return
        types = tuple([v.type for v in node.inputs])
        if len(node.outputs) == 1 and is_kernel_op(op, types, node.outputs[0].type) and exported(op, len(types)):
            kernel = single(node)
            lower_kernel(self, kernel, Node(op, kernel.inputs, node.outputs, node.where))
            return
        found = RULES.get(type(op), RULES[Op])
        if not found(self, node):
            self.host(node)

    def host(self, node: Node) -> None:
        """Run a node with NumPy, which finds only what does not move."""
        operands = [self.steady(self.view(v)) for v in node.inputs]
        places = [self.place(v) for v in node.outputs]
        results = [p if p.buffer.kind not in ("local", "moving") else self.temporary(v)
                   for p, v in zip(places, node.outputs, strict=True)]  # fmt: skip
        self.statements.append(HostCall(node.op, operands, results, node.where, self.note(node)))
        for found, place in zip(results, places, strict=True):
            if found is not place:
                self.copy(found, place)

    def steady(self, view: StridedView) -> StridedView:
        """The view itself, or a copy of one whose buffer is the function's own or moves."""
        if view.buffer.kind not in ("local", "moving"):
            return view
        target = StridedView.whole(Buffer("temporary", view.dtype, int(np.prod(view.shape))), view.shape)
        self.copy(view, target)
        return target

    def _results(self) -> list[StridedView | None]:
        return [StridedView.whole(b, v.type.shape) for b, v in zip(self.outputs, self.graph.outputs, strict=True)]

    def settle(self, places: Sequence[StridedView | None], group: int = 0) -> None:
        """Move the graph's outputs to their places where they do not stand there yet, single numbers all at once, or in
        groups of so many where no place is read."""
        numbers: list[Store] = []
        for i, (v, target) in enumerate(zip(self.graph.outputs, places, strict=True)):
            if target is None or not v.type.size:
                continue
            found = self.env.get(v)
            if isinstance(found, StridedView) and found.buffer is target.buffer and _same(found, target):
                continue
            if v.type.size == 1:
                numbers.append(Store(StridedView(target.buffer, target.offset, (), ()), self.scalar(v, ())))
                continue
            value = self.scalar(v, v.type.shape)
            self.statements.append(LoopNest(v.type.shape, [Store(target, value)], note=f"result {i}"))
        for start in range(0, len(numbers), group or max(len(numbers), 1)):
            some = numbers[start : start + group] if group else numbers
            self.statements.append(LoopNest((), some, note="results"))

    def finish(self, gap: int = 0) -> Program:
        """Move results to their places and lay out the arena, with a `gap` as in `lower`."""
        self.settle(self._results(), NUMBERS)
        statements = rewritten(merged(self.statements), lambda part: in_blocks(by_rows(packed(part))))
        statements = shared(statements, self.threads)
        program = Program(
            self.graph.name, self.inputs, self.outputs, self.graph.input_types, self.graph.output_types,
            statements, self.constants, self.errors, self.made,
        )  # fmt: skip
        program.constant_bytes = apart([buffer for buffer, _ in program.constants], gap)
        program.arena_bytes = lay_out(program.statements, program.stacks, gap)
        return program


def lower(graph: Graph, lanes: int = 1, threads: int = 1, gap: int = 0, local: int = 1) -> Program:
    """The loop program of a graph. Kernels that hold what loops cannot express are taken apart first.

    Carries of loops of up to `local` elements are memory of the function itself. With `lanes` of a register above
    1, small arrays are held in scalars of several lanes. Loops over much data are split into blocks for `threads`.
    With a `gap`, no temporaries share memory, and at least so many bytes (a multiple of `ALIGNMENT`) that belong to
    none lie before and after each temporary and each constant.
    """
    _load_rules()

    low = Lowering(graph, lanes, threads, 0 if gap else local)
    low.lower_all()
    return low.finish(gap)


def _load_rules() -> None:
    """Fill `RULES`, whose modules import this one."""
    with LOCK:
        from graphad.executors.loops import (  # noqa: F401
            checks,
            contract,
            control,
            indexing,
            linalg,
            movement,
            running,
            singular,
            spectral,
        )


def _is_kernel(fused: Fused) -> bool:
    kernel = fused.kernel
    if not kernel.nodes:
        return False
    if any(not exported(node.op, len(node.inputs)) for node in kernel.nodes):
        return False
    reduced: set[Value] = set()
    if fused.depth >= 0:
        lead = kernel_lead(kernel, fused.depth)
        outside = {*kernel.inputs, *kernel.constants()}
        for node in kernel.nodes:
            if not fits(node, lead) or any(v in reduced for v in node.inputs):
                return False
            if any(v not in outside for v in complete(node, fused.depth)):
                return False
            if isinstance(node.op, Reduction) and any(axis < fused.depth for axis in node.op.axes):
                reduced.update(node.outputs)
        return True
    return _is_loop(kernel)


def _is_loop(kernel: Graph) -> bool:
    maker = {v: node for node in kernel.nodes for v in node.outputs}
    if any(v not in maker for v in kernel.outputs):
        return False
    space = kernel_space(kernel)
    reduced = {node.outputs[0] for node in kernel.nodes if isinstance(node.op, Reduction)}
    for node in kernel.nodes:
        types = tuple(v.type for v in node.inputs)
        if any(v in reduced for v in node.inputs):
            return False
        if not is_kernel_op(node.op, types, node.outputs[0].type) and not is_movement(node):
            return False
    over = [maker[v].inputs[0] if v in reduced else v for v in kernel.outputs]
    return all(v.type.shape == space for v in over) and all(v in kernel.outputs for v in reduced)


def _lower_apart(low: Lowering, node: Node) -> None:
    # A kernel made by someone else's pass: its nodes one by one, the kernel's inputs standing for the node's.
    kernel = node.op.regions["kernel"]
    env = dict(zip(kernel.inputs, node.inputs, strict=True))
    made = {v for inner in kernel.nodes for v in inner.outputs}
    env.update((v, out) for v, out in zip(kernel.outputs, node.outputs, strict=True) if v in made)
    for inner in kernel.nodes:
        low.lower(inner.renamed(env))
    for v, out in zip(kernel.outputs, node.outputs, strict=True):
        if out not in low.env:
            source = env.get(v, v)
            low.env[out] = low.view(source)


def _same(a: StridedView, b: StridedView) -> bool:
    return a.offset == b.offset and all(
        n == 1 or s == t for n, s, t in zip(a.shape, a.strides, b.strides, strict=True)
    )
