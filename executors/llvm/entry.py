"""The way from Python into a compiled program: one function of CPython's and NumPy's C interfaces, as LLVM IR.

It checks every argument's type, dtype, shape and layout, makes the results, and calls the program, all of which a
context describes. Arguments that are not exactly what the program was compiled for go to a fallback in Python. The
layouts of `PyArrayObject` and `PyFloatObject` and the numbers of NumPy's functions are those of their stable binary
interfaces (NumPy C-API, `PyArrayObject`; Python/C API, "Common Object Structures").
"""

from __future__ import annotations

import ctypes

import numpy as np

from graphad.executors.llvm import interrupts
from graphad.once import once

FIELDS = (
    "run", "constants", "slot", "arena_bytes", "fallback", "failed", "single", "new", "scalar", "array_type",
    "release", "inputs", "outputs", "hosts", "given", "made", "called", "scalar_bytes", "owner",
)  # fmt: skip
"""The words of a context: addresses of the compiled function, of the constants and of where a free arena is kept, bytes
of the arena, the Python functions for other arguments and for errors, whether to answer one bare result, two of NumPy's
functions, the type of its arrays, whether to let go of Python's lock; numbers of inputs, outputs and host calls, and
the addresses of what describes each; bytes of all results without axes; the thread that handles signals."""
INPUT = ("dtype", "number", "ndim", "shape")
"""The words that describe an input: its dtype, the type of Python number that stands for it (or none), its shape."""
OUTPUT = ("dtype", "maker", "ndim", "shape", "axes", "at")
"""The words that describe an output: its dtype, the Python function that makes it (or none), its shape, whether it has
axes, and where it stands among those that have none."""
STACK_BYTES = 8192
"""Arenas up to this size stand on the stack."""
_NEW, _SCALAR = 94, 60  # PyArray_NewFromDescr and PyArray_Scalar


def numpy_function(number: int) -> int:
    """The address of a function of NumPy's C interface."""
    from numpy._core import _multiarray_umath  # type: ignore[attr-defined]

    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = pointer(_multiarray_umath._ARRAY_API, None)
    return int(ctypes.c_void_p.from_address(int(table or 0) + 8 * number).value or 0)


@once
def constants() -> dict[str, int]:
    """The words that are the same in every context."""
    functions = {"new": numpy_function(_NEW), "scalar": numpy_function(_SCALAR)}
    return {**functions, "array_type": id(np.ndarray), "owner": interrupts.owner()}


def _field(name: str, kind: str) -> str:
    return f"""  %{name}.word = getelementptr i64, ptr %context, i64 {FIELDS.index(name)}
  %{name} = load {kind}, ptr %{name}.word
"""


def _word(name: str, base: str, i: int, kind: str) -> str:
    return f"""  %{name}.word = getelementptr i64, ptr %{base}, i64 {i}
  %{name} = load {kind}, ptr %{name}.word
"""


def text() -> str:
    """IR of `PyObject *call(PyObject *self, PyObject *const *args, Py_ssize_t n)`; `self` is the context's address."""
    numbers = ("arena_bytes", "single", "release", "inputs", "outputs", "hosts", "scalar_bytes", "owner")
    fields = "".join(_field(name, "i64" if name in numbers else "ptr") for name in FIELDS)
    given = "".join(_word(f"in.{n}", "in", i, "i64" if n == "ndim" else "ptr") for i, n in enumerate(INPUT))
    made = "".join(
        _word(f"out.{n}", "out", i, "ptr" if n in ("dtype", "maker", "shape") else "i64") for i, n in enumerate(OUTPUT)
    )
    return f"""{interrupts.text()}
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyObject_CallNoArgs(ptr)
declare ptr @PyObject_CallOneArg(ptr, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyMem_RawMalloc(i64)
declare void @PyMem_RawFree(ptr)
declare ptr @PyErr_NoMemory()
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)

define ptr @call(ptr %self, ptr %args, i64 %n) nounwind {{
entry:
  %context = call ptr @PyLong_AsVoidPtr(ptr %self)
{fields}
  %enough = icmp eq i64 %n, %inputs
  br i1 %enough, label %begin, label %other
begin:
  %words.0 = add i64 %inputs, %outputs
  %words.1 = add i64 %words.0, %hosts
  %words = add i64 %words.1, 2
  %control = alloca [{len(interrupts.CONTROL)} x i64], align 16
  store [{len(interrupts.CONTROL)} x i64] zeroinitializer, ptr %control
  %control.owner = getelementptr i64, ptr %control, i64 {interrupts.CONTROL.index("owner")}
  store i64 %owner, ptr %control.owner
  %block.words = add i64 %words, 1
  %table.block = alloca ptr, i64 %block.words, align 16
  store ptr %control, ptr %table.block
  %table = getelementptr ptr, ptr %table.block, i64 1
  %results = alloca ptr, i64 %outputs, align 16
  %numbers = alloca i8, i64 %scalar_bytes, align 16
  %some = icmp ne i64 %inputs, 0
  br i1 %some, label %argument, label %make

argument:
  %i = phi i64 [ 0, %begin ], [ %i.next, %accept ]
  %x.at = getelementptr ptr, ptr %args, i64 %i
  %x = load ptr, ptr %x.at
  %in.first = mul i64 %i, {len(INPUT)}
  %in = getelementptr i64, ptr %given, i64 %in.first
{given}
  %type.at = getelementptr i8, ptr %x, i64 8
  %type = load ptr, ptr %type.at
  %number = icmp eq ptr %type, %in.number
  br i1 %number, label %payload, label %array
payload:
  %payload.at = getelementptr i8, ptr %x, i64 16
  br label %accept
array:
  %array.good = icmp eq ptr %type, %array_type
  br i1 %array.good, label %dtype, label %other
dtype:
  %descr.at = getelementptr i8, ptr %x, i64 56
  %descr = load ptr, ptr %descr.at
  %descr.good = icmp eq ptr %descr, %in.dtype
  br i1 %descr.good, label %rank, label %other
rank:
  %ndim.at = getelementptr i8, ptr %x, i64 24
  %ndim.short = load i32, ptr %ndim.at
  %ndim = sext i32 %ndim.short to i64
  %ndim.good = icmp eq i64 %ndim, %in.ndim
  br i1 %ndim.good, label %layout, label %other
layout:
  %flags.at = getelementptr i8, ptr %x, i64 64
  %flags = load i32, ptr %flags.at
  %flags.kept = and i32 %flags, 257
  %flags.good = icmp eq i32 %flags.kept, 257
  br i1 %flags.good, label %shape, label %other
shape:
  %axes = icmp ne i64 %ndim, 0
  %dims.at = getelementptr i8, ptr %x, i64 32
  %dims = load ptr, ptr %dims.at
  br i1 %axes, label %axis, label %plain
axis:
  %a = phi i64 [ 0, %shape ], [ %a.next, %extent ]
  %have.at = getelementptr i64, ptr %dims, i64 %a
  %have = load i64, ptr %have.at
  %want.at = getelementptr i64, ptr %in.shape, i64 %a
  %want = load i64, ptr %want.at
  %extent.good = icmp eq i64 %have, %want
  br i1 %extent.good, label %extent, label %other
extent:
  %a.next = add i64 %a, 1
  %a.more = icmp slt i64 %a.next, %ndim
  br i1 %a.more, label %axis, label %plain
plain:
  %data.at = getelementptr i8, ptr %x, i64 16
  %data = load ptr, ptr %data.at
  br label %accept
accept:
  %address = phi ptr [ %payload.at, %payload ], [ %data, %plain ]
  %i.slot.0 = add i64 %i, 2
  %i.slot = getelementptr ptr, ptr %table, i64 %i.slot.0
  store ptr %address, ptr %i.slot
  %i.next = add i64 %i, 1
  %i.more = icmp slt i64 %i.next, %inputs
  br i1 %i.more, label %argument, label %make

make:
  %outputs.at = add i64 %inputs, 2
  %any = icmp ne i64 %outputs, 0
  br i1 %any, label %result, label %ready
result:
  %j = phi i64 [ 0, %make ], [ %j.next, %placed ]
  %out.first = mul i64 %j, {len(OUTPUT)}
  %out = getelementptr i64, ptr %made, i64 %out.first
{made}
  %has.axes = icmp ne i64 %out.axes, 0
  %j.slot = getelementptr ptr, ptr %results, i64 %j
  br i1 %has.axes, label %allocate, label %cell
cell:
  %cell.at = getelementptr i8, ptr %numbers, i64 %out.at
  store ptr null, ptr %j.slot
  br label %placed
allocate:
  %pooled = icmp ne ptr %out.maker, null
  br i1 %pooled, label %from.pool, label %fresh
from.pool:
  %taken = call ptr @PyObject_CallNoArgs(ptr %out.maker)
  br label %allocated
fresh:
  call void @Py_IncRef(ptr %out.dtype)
  %ndim.out = trunc i64 %out.ndim to i32
  %created = call ptr %new(
    ptr %array_type, ptr %out.dtype, i32 %ndim.out, ptr %out.shape, ptr null, ptr null, i32 0, ptr null)
  br label %allocated
allocated:
  %object = phi ptr [ %taken, %from.pool ], [ %created, %fresh ]
  store ptr %object, ptr %j.slot
  %there = icmp ne ptr %object, null
  br i1 %there, label %filled, label %nothing
filled:
  %object.data.at = getelementptr i8, ptr %object, i64 16
  %object.data = load ptr, ptr %object.data.at
  br label %placed
placed:
  %place = phi ptr [ %cell.at, %cell ], [ %object.data, %filled ]
  %j.table.0 = add i64 %outputs.at, %j
  %j.table = getelementptr ptr, ptr %table, i64 %j.table.0
  store ptr %place, ptr %j.table
  %j.next = add i64 %j, 1
  %j.more = icmp slt i64 %j.next, %outputs
  br i1 %j.more, label %result, label %ready

ready:
  %hosts.at = add i64 %outputs.at, %outputs
  %calls = icmp ne i64 %hosts, 0
  br i1 %calls, label %host, label %arena
host:
  %k = phi i64 [ 0, %ready ], [ %k.next, %host ]
  %function.at = getelementptr ptr, ptr %called, i64 %k
  %function = load ptr, ptr %function.at
  %k.table.0 = add i64 %hosts.at, %k
  %k.table = getelementptr ptr, ptr %table, i64 %k.table.0
  store ptr %function, ptr %k.table
  %k.next = add i64 %k, 1
  %k.more = icmp slt i64 %k.next, %hosts
  br i1 %k.more, label %host, label %arena

arena:
  %constants.slot = getelementptr ptr, ptr %table, i64 1
  store ptr %constants, ptr %constants.slot
  %small = icmp ule i64 %arena_bytes, {STACK_BYTES}
  br i1 %small, label %stack, label %heap
stack:
  %local = alloca i8, i64 %arena_bytes, align 64
  br label %start
heap:
  %own = atomicrmw xchg ptr %slot, ptr null seq_cst, align 8
  %missing = icmp eq ptr %own, null
  br i1 %missing, label %grow, label %block
grow:
  %bytes = add i64 %arena_bytes, 64
  %new.block = call ptr @PyMem_RawMalloc(i64 %bytes)
  %full = icmp eq ptr %new.block, null
  br i1 %full, label %memory, label %block
block:
  %kept = phi ptr [ %own, %heap ], [ %new.block, %grow ]
  %block.int = ptrtoint ptr %kept to i64
  %block.up = add i64 %block.int, 63
  %block.even = and i64 %block.up, -64
  %aligned = inttoptr i64 %block.even to ptr
  br label %start
start:
  %work = phi ptr [ %local, %stack ], [ %aligned, %block ]
  %held = phi ptr [ null, %stack ], [ %kept, %block ]
  store ptr %work, ptr %table
  %let.go = icmp ne i64 %release, 0
  br i1 %let.go, label %free.run, label %plain.run
free.run:
  %state = call ptr @PyEval_SaveThread()
  %status.0 = call i64 %run(ptr %table)
  call void @PyEval_RestoreThread(ptr %state)
  br label %ran
plain.run:
  %status.1 = call i64 %run(ptr %table)
  br label %ran
ran:
  %status = phi i64 [ %status.0, %free.run ], [ %status.1, %plain.run ]
  %to.keep = icmp ne ptr %held, null
  br i1 %to.keep, label %give.back, label %judge
give.back:
  %swap = cmpxchg ptr %slot, ptr null, ptr %held seq_cst seq_cst, align 8
  %swapped = extractvalue {{ ptr, i1 }} %swap, 1
  br i1 %swapped, label %judge, label %spare
spare:
  call void @PyMem_RawFree(ptr %held)
  br label %judge
judge:
  %good = icmp eq i64 %status, 0
  br i1 %good, label %answer, label %bad

answer:
  %one = icmp eq i64 %outputs, 1
  %want.bare = icmp ne i64 %single, 0
  %bare = and i1 %one, %want.bare
  br i1 %bare, label %item, label %pack
pack:
  %tuple = call ptr @PyTuple_New(i64 %outputs)
  br i1 %any, label %item, label %finish
item:
  %m = phi i64 [ 0, %answer ], [ 0, %pack ], [ %m.next, %set ]
  %target = phi ptr [ null, %answer ], [ %tuple, %pack ], [ %target, %set ]
  %m.slot = getelementptr ptr, ptr %results, i64 %m
  %m.object = load ptr, ptr %m.slot
  %is.number = icmp eq ptr %m.object, null
  br i1 %is.number, label %box, label %boxed
box:
  %m.first = mul i64 %m, {len(OUTPUT)}
  %m.out = getelementptr i64, ptr %made, i64 %m.first
  %m.dtype = load ptr, ptr %m.out
  %m.table.0 = add i64 %outputs.at, %m
  %m.table = getelementptr ptr, ptr %table, i64 %m.table.0
  %m.place = load ptr, ptr %m.table
  %m.number = call ptr %scalar(ptr %m.place, ptr %m.dtype, ptr null)
  br label %boxed
boxed:
  %m.value = phi ptr [ %m.object, %item ], [ %m.number, %box ]
  br i1 %bare, label %single.answer, label %set
set:
  %ignored = call i32 @PyTuple_SetItem(ptr %target, i64 %m, ptr %m.value)
  %m.next = add i64 %m, 1
  %m.more = icmp slt i64 %m.next, %outputs
  br i1 %m.more, label %item, label %finish
finish:
  %answered = phi ptr [ %tuple, %pack ], [ %target, %set ]
  ret ptr %answered
single.answer:
  ret ptr %m.value

bad:
  call void @graphad.drop(ptr %results, i64 %outputs)
  %stop = load i64, ptr %control
  %stopped = icmp ne i64 %stop, 0
  br i1 %stopped, label %interrupted, label %refused
interrupted:
  call void @graphad.raise(ptr %control)
  ret ptr null
refused:
  %code = call ptr @PyLong_FromLongLong(i64 %status)
  %raised = call ptr @PyObject_CallOneArg(ptr %failed, ptr %code)
  ret ptr %raised
other:
  %elsewhere = call ptr @PyObject_Vectorcall(ptr %fallback, ptr %args, i64 %n, ptr null)
  ret ptr %elsewhere
memory:
  call void @graphad.drop(ptr %results, i64 %outputs)
  %no.memory = call ptr @PyErr_NoMemory()
  ret ptr null
nothing:
  call void @graphad.drop(ptr %results, i64 %j)
  ret ptr null
}}

define internal void @graphad.drop(ptr %results, i64 %n) nounwind noinline {{
entry:
  %any = icmp ne i64 %n, 0
  br i1 %any, label %next, label %done
next:
  %i = phi i64 [ 0, %entry ], [ %i.next, %after ]
  %at = getelementptr ptr, ptr %results, i64 %i
  %x = load ptr, ptr %at
  %there = icmp ne ptr %x, null
  br i1 %there, label %drop, label %after
drop:
  call void @Py_DecRef(ptr %x)
  br label %after
after:
  %i.next = add i64 %i, 1
  %more = icmp slt i64 %i.next, %n
  br i1 %more, label %next, label %done
done:
  ret void
}}
"""
