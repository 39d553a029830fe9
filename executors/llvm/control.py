"""Emission of branches and sequential loops: native control flow within the function that is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from graphad.executors.llvm.chunks import Chunks
from graphad.executors.loops.program import Branch, LoopNest, PushStack, SequentialLoop, Statement
from graphad.executors.loops.work import ticks, turns
from graphad.ops.scalar import Const, Scalar

if TYPE_CHECKING:
    from graphad.executors.llvm.emit import Emitter

THOROUGH = "; elements of arrays are carried from iteration to iteration\n"
"""The first line of a module that all passes of LLVM's first level are worth: they keep such elements in registers."""
SHORT = "; a run does few instructions more than once\n"
"""The first line of a module of which ten thousand runs take no longer than choosing better instructions would."""


@contextmanager
def scoped(emitter: Emitter) -> Iterator[None]:
    """What is computed within is not known behind the block."""
    outer = set(emitter.known)
    yield
    for x in emitter.known - outer:
        emitter.function.env.forget(x)
    emitter.known = outer


def emit_branch(emitter: Emitter, branch: Branch) -> None:
    """Write the statements of each branch, and a jump to those that the selector names."""
    write(emitter, branch.before)
    code = emitter.code
    labels, join = [code.name() for _ in branch.branches], code.name()
    selector, dtype = register(emitter, branch.selector), branch.selector.dtype
    if dtype.kind == "b":
        code.do(f"br i1 {selector}, label %{labels[min(1, len(labels) - 1)]}, label %{labels[0]}")
    else:
        kind = f"i{dtype.itemsize * 8}"
        last = len(labels) - 1
        if dtype.kind == "i":
            selector = code.intrinsic("smax", kind, 1, selector, "0")
        cases = " ".join(f"{kind} {i}, label %{label}" for i, label in enumerate(labels[:-1]))
        code.do(f"switch {kind} {selector}, label %{labels[last]} [ {cases} ]")
    before, ends = emitter.owed, [0.0]
    for label, statements in zip(labels, branch.branches, strict=True):
        code.begin(label)
        emitter.owed = before
        with scoped(emitter):
            write(emitter, statements)
        code.do(f"br label %{join}")
        ends.append(emitter.owed)
    code.begin(join)
    emitter.owed = max(ends)
    write(emitter, branch.after)


def emit_sequential_loop(emitter: Emitter, loop: SequentialLoop) -> None:
    """Write a loop around the statements of the body."""
    write(emitter, loop.before)
    code = emitter.code
    count = None if loop.count is None else register(emitter, loop.count)
    if count is not None:
        for stack in loop.pushed:
            _reserve(emitter, stack, count, loop.error)
            _header(emitter, stack, 1, count)
    sources = [
        None if isinstance(e.source, PushStack)
        else emitter.pointer(e.source.buffer, e.source.buffer.offset + e.source.offset * e.source.dtype.itemsize)
        for e in loop.entries
    ]  # fmt: skip
    bases = [
        emitter.pointer_of_stack(e.source) if count is not None and isinstance(e.source, PushStack) else source
        for e, source in zip(loop.entries, sources, strict=True)
    ]
    starts = {b: emitter.pointer(b.parents[0], b.parents[0].offset) for pair in loop.swaps for b in pair}
    fixed = isinstance(loop.count, Const)
    if count is not None:
        _all_there(emitter, loop, count)
    chunks = Chunks(emitter, loop, count, starts)
    head, body = code.name(), code.name()
    code.do(f"br label %{head}")
    code.begin(head)
    index, following = f"%{code.name()}", f"%{code.name()}"
    phis: list[Any] = []
    code.lines.append(phis)
    emitter.moving.update((b, f"%{code.name()}") for b in starts)
    outside = emitter.owed, emitter.metered
    emitter.owed, emitter.metered = 0.0, chunks.metered
    with scoped(emitter):
        if loop.count is None:
            assert loop.test is not None
            with code.repeated(turns(loop)):
                write(emitter, loop.condition)
            code.do(f"br i1 {register(emitter, loop.test)}, label %{body}, label %{chunks.after}")
            code.begin(body)
        elif not fixed:
            code.do(f"br i1 {chunks.goes_on(index)}, label %{body}, label %{chunks.leave}")
            code.begin(body)
        position = index
        if loop.reverse:
            last = code(f"sub i64 {count}, 1")
            position = code(f"sub i64 {last}, {index}")
        emitter.function.env[loop.iteration] = position
        emitter.known.add(loop.iteration)
        if count is None:
            _grow(emitter, loop, index)
        for entry, base in zip(loop.entries, bases, strict=True):
            source = entry.source
            if isinstance(source, PushStack):
                base = base or emitter.pointer_of_stack(source)
                step = source.size * source.dtype.itemsize
            else:
                step = source.strides[0] * source.dtype.itemsize
            moved = code(f"mul nsw i64 {position}, {step}")
            emitter.moving[entry.buffer] = code(f"getelementptr i8, ptr {base}, i64 {moved}")
        with code.repeated(turns(loop)):
            write(emitter, loop.body)
        if chunks.metered:
            emitter.function.count(str(ticks(emitter.owed)))
        code.do(f"{following} = add nuw nsw i64 {index}, 1")
        latch = code.block
        tested = fixed or (count is None and chunks.long)
        if tested:
            code.do(f"br i1 {chunks.goes_on(following)}, label %{head}, label %{chunks.leave}")
        else:
            code.do(f"br label %{head}")
    emitter.owed, emitter.metered = outside
    turned = {x: emitter.moving[y] for a, b in loop.swaps for x, y in ((a, b), (b, a))}
    phis.append(f"{index} = phi i64 [ {chunks.first}, %{chunks.before} ], [ {following}, %{latch} ]")
    for b, start in chunks.starts.items():
        phis.append(f"{emitter.moving[b]} = phi ptr [ {start}, %{chunks.before} ], [ {turned[b]}, %{latch} ]")
    chunks.end(following if tested else index, turned if tested else {b: emitter.moving[b] for b in starts})
    chunks.account(count or index)
    if count is None:
        for stack in loop.pushed:
            _header(emitter, stack, 1, index)
    write(emitter, loop.after)


def changes_elements(statement: Statement) -> bool:
    """Whether a statement is a sequential loop that changes single elements of an array."""
    return isinstance(statement, SequentialLoop) and any(
        store.shift is not None for s in statement.body if isinstance(s, LoopNest) and not s.space for store in s.stores
    )


def write(emitter: Emitter, statements: Sequence[Statement]) -> None:
    """Write statements one after another, in the function that is written now."""
    for statement in statements:
        emitter.statement(statement)


def register(emitter: Emitter, x: Scalar) -> str:
    """The register of a scalar that has been computed."""
    if isinstance(x, Const):
        return str(emitter.target.scalars(emitter.code, 1).constant(x))
    return str(emitter.function.env[x])


def _field(emitter: Emitter, stack: PushStack, i: int) -> str:
    return emitter.pointer(stack.header, stack.header.offset + 8 * i)


def _header(emitter: Emitter, stack: PushStack, i: int, value: str) -> None:
    emitter.code.do(f"store i64 {value}, ptr {_field(emitter, stack, i)}, align 8")


def _reserve(emitter: Emitter, stack: PushStack, count: str, error: int) -> None:
    code = emitter.code
    status = code(
        f"call i64 @graphad.reserve(ptr {_field(emitter, stack, 0)}, i64 {count}, "
        f"i64 {stack.entry})"
    )
    after = code.name()
    code.do(f"br i1 {code(f'icmp eq i64 {status}, 0')}, label %{after}, label %{emitter.function.fail(error)}")
    code.begin(after)


def _all_there(emitter: Emitter, loop: SequentialLoop, count: str) -> None:
    """Stop where a stack that the loop reads has fewer entries than it asks for."""
    code = emitter.code
    for stack in {e.source: None for e in loop.entries if isinstance(e.source, PushStack)}:
        kept = code(f"load i64, ptr {_field(emitter, stack, 1)}, align 8")
        after = code.name()
        enough = code(f"icmp sge i64 {kept}, {count}")
        code.do(f"br i1 {enough}, label %{after}, label %{emitter.function.fail(loop.short)}")
        code.begin(after)


def _grow(emitter: Emitter, loop: SequentialLoop, index: str) -> None:
    """Make room for one more entry on each stack. The room of all is the same number of entries."""
    if not loop.pushed:
        return
    code = emitter.code
    room = code(f"load i64, ptr {_field(emitter, loop.pushed[-1], 2)}, align 8")
    full, ready = code.name(), code.name()
    code.do(f"br i1 {code(f'icmp slt i64 {index}, {room}')}, label %{ready}, label %{full}")
    code.begin(full)
    needed = code(f"add i64 {index}, 1")
    for stack in loop.pushed:
        _reserve(emitter, stack, needed, loop.error)
    code.do(f"br label %{ready}")
    code.begin(ready)


STACKS = """
declare ptr @realloc(ptr, i64)
declare void @free(ptr)

define internal i64 @graphad.reserve(ptr %header, i64 %count, i64 %bytes) nounwind noinline {
entry:
  %room.at = getelementptr i64, ptr %header, i64 2
  %room = load i64, ptr %room.at
  %enough = icmp sge i64 %room, %count
  br i1 %enough, label %done, label %more
more:
  %double = mul i64 %room, 2
  %larger = icmp sgt i64 %double, %count
  %wanted.0 = select i1 %larger, i64 %double, i64 %count
  %few = icmp slt i64 %wanted.0, 64
  %wanted = select i1 %few, i64 64, i64 %wanted.0
  %product = call { i64, i1 } @llvm.smul.with.overflow.i64(i64 %wanted, i64 %bytes)
  %size = extractvalue { i64, i1 } %product, 0
  %over = extractvalue { i64, i1 } %product, 1
  br i1 %over, label %failed, label %allocate
allocate:
  %old = load ptr, ptr %header
  %new = call ptr @realloc(ptr %old, i64 %size)
  %none = icmp eq ptr %new, null
  br i1 %none, label %failed, label %keep
keep:
  store ptr %new, ptr %header
  store i64 %wanted, ptr %room.at
  br label %done
done:
  ret i64 0
failed:
  ret i64 1
}
declare { i64, i1 } @llvm.smul.with.overflow.i64(i64, i64)
"""
"""`graphad.reserve(header, count, bytes)` makes room for so many entries of so many bytes, twice as many as before at
least; it answers 1 where there is no memory. The header's words are the address, the number of entries, the room."""


REACHED = "graphad.reached"
"""The symbol of a word that has the most bytes that the stacks of one run have taken."""


def with_stacks(stacks: Sequence[PushStack], inner: str, attributes: str) -> str:
    """The function `run` of a program with stacks: they are empty before it and freed behind it."""
    headers = [stack.header.offset for stack in stacks]
    lines = [f"define i64 @run(ptr noalias %table) {attributes} {{", "entry:", "  %arena = load ptr, ptr %table"]
    for i, at in enumerate(headers):
        lines += [f"  %h{i} = getelementptr i8, ptr %arena, i64 {at}", f"  store [3 x i64] zeroinitializer, ptr %h{i}"]
    lines.append(f"  %status = call i64 @{inner}(ptr %table)")
    total = "0"
    for i, stack in enumerate(stacks):
        lines += [
            f"  %p{i} = load ptr, ptr %h{i}", f"  call void @free(ptr %p{i})",
            f"  %r{i} = getelementptr i64, ptr %h{i}, i64 2", f"  %n{i} = load i64, ptr %r{i}",
            f"  %b{i} = mul i64 %n{i}, {stack.entry}", f"  %t{i} = add i64 {total}, %b{i}",
        ]  # fmt: skip
        total = f"%t{i}"
    lines.append(f"  %most = atomicrmw umax ptr @{REACHED}, i64 {total} monotonic")
    return "\n".join([f"@{REACHED} = external global i64", *lines, "  ret i64 %status", "}", ""])
