"""Printing of branches and sequential loops as Python statements that numba compiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graphad.executors.loops.program import Branch, PushStack, SequentialLoop, Statement, StridedView
from graphad.executors.loops.work import CHUNK, whole
from graphad.ops.scalar import Const

if TYPE_CHECKING:
    from graphad.executors.numba.printer import Printer


def print_branch(printer: Printer, branch: Branch) -> None:
    """`if` and `elif` over the statements of the branches."""
    _print(printer, branch.before)
    selector = printer.use(branch.selector)
    last = len(branch.branches) - 1
    order = list(enumerate(branch.branches))
    if branch.selector.dtype.kind == "b":
        tests = [f"if not {selector}:", *["else:"][:last]]
    else:
        tests = [f"if {selector} <= 0:", *[f"elif {selector} == {i}:" for i in range(1, last)], *["else:"][:last]]
        tests = tests if last else ["if True:"]
    before, ends = printer.owed, [0.0]
    for test, (_, statements) in zip(tests, order, strict=False):
        printer.line(test)
        printer.owed = before
        with _block(printer):
            _print(printer, statements)
        ends.append(printer.owed)
    printer.owed = max(ends)
    _print(printer, branch.after)


def print_sequential_loop(printer: Printer, loop: SequentialLoop) -> None:
    """`for` with a trip count, `while` with a condition, around the statements of the body."""
    _print(printer, loop.before)
    index = f"n{printer.fresh()}"
    count = None if loop.count is None else printer.use(loop.count)
    if count is not None:
        for stack in loop.pushed:
            _reserve(printer, stack, count, loop.error)
            printer.line(f"{_header(printer, stack, 1)} = {count}")
        for stack in {e.source: None for e in loop.entries if isinstance(e.source, PushStack)}:
            printer.line(f"if {_header(printer, stack, 1)} < {count}:")
            printer.line(f"    return {1 + loop.short}")
    for old, new in loop.swaps:
        for buffer in (old, new):
            start = buffer.parents[0]
            printer.moving[buffer] = printer.array(start), f"m{printer.fresh()}"
            printer.line(f"{printer.moving[buffer][1]} = {start.offset // start.dtype.itemsize}")
    if count is None:
        printer.line(f"{index} = 0")
        printer.line("while True:")
    else:
        printer.line(f"for {index} in range({count}):")
    with _block(printer):
        position = f"{count} - 1 - {index}" if loop.reverse else index
        if isinstance(loop.count, Const) and loop.reverse:
            position = f"{int(loop.count.value) - 1} - {index}"
        name = f"p{printer.fresh()}"
        printer.line(f"{name} = {position}")
        printer.names[loop.iteration] = name
        printer.known.add(loop.iteration)
        if count is None:
            assert loop.test is not None
            _print(printer, loop.condition)
            printer.line(f"if not {printer.use(loop.test)}:")
            printer.line("    break")
            for stack in loop.pushed:
                printer.line(f"if {index} >= {_header(printer, stack, 2)}:")
                printer.depth += 1
                _reserve(printer, stack, f"{index} + 1", loop.error)
                printer.depth -= 1
        for entry in loop.entries:
            offset = f"m{printer.fresh()}"
            source = entry.source
            if isinstance(source, StridedView):
                array = printer.array(source.buffer)
                first = printer.flat_index(source, source.strides[:1], [name], None)
            else:
                array = f"k{printer.fresh()}"
                kind = printer.memory(source.dtype)
                printer.line(f"{array} = memory({_header(printer, source, 0)}, {kind})")
                first = f"{name} * {source.size}"
            printer.line(f"{offset} = {first}")
            printer.moving[entry.buffer] = array, offset
        owed, printer.owed = printer.owed, 0.0
        _print(printer, loop.body)
        nanoseconds = whole(loop)
        if nanoseconds > CHUNK:
            printer.spend(printer.owed)
        printer.owed = owed if nanoseconds > CHUNK else owed + nanoseconds
        for old, new in loop.swaps:
            a, b = printer.moving[old][1], printer.moving[new][1]
            printer.line(f"{a}, {b} = {b}, {a}")
        if count is None:
            printer.line(f"{index} += 1")
    if count is None:
        for stack in loop.pushed:
            printer.line(f"{_header(printer, stack, 1)} = {index}")
    _print(printer, loop.after)


def print_empty(printer: Printer, stacks: Sequence[PushStack]) -> None:
    """Make all stacks empty."""
    for stack in stacks:
        for i in range(3):
            printer.line(f"{_header(printer, stack, i)} = 0")


def _print(printer: Printer, statements: Sequence[Statement]) -> None:
    for statement in statements:
        printer.statement(statement)


@contextmanager
def _block(printer: Printer) -> Iterator[None]:
    # What is computed within is not known behind the block.
    known, lines = set(printer.known), len(printer.lines)
    printer.depth += 1
    yield
    if all(line.lstrip().startswith("#") for line in printer.lines[lines:]):
        printer.line("pass")
    printer.depth -= 1
    printer.known.clear()
    printer.known.update(known)


def _header(printer: Printer, stack: PushStack, i: int) -> str:
    return f"{printer.array(stack.header)}[{stack.header.offset // 8 + i}]"


def _reserve(printer: Printer, stack: PushStack, count: str, error: int) -> None:
    address, room = _header(printer, stack, 0), _header(printer, stack, 2)
    name = f"w{printer.fresh()}"
    printer.line(f"if {room} < {count}:")
    printer.line(f"    {name} = max(64, 2 * {room}, {count})")
    printer.line(f"    {address} = reallocate({address}, {name} * {stack.entry})")
    printer.line(f"    {room} = {name}")
    printer.line(f"    if {address} == 0:")
    printer.line(f"        return {1 + error}")
