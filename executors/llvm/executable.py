"""A program compiled by LLVM as a callable."""

from __future__ import annotations

import ctypes
import math
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ExecutorError
from graphad.executors.arguments import host_call, prepare
from graphad.executors.llvm.engine import Library
from graphad.executors.llvm.entry import FIELDS, Layout
from graphad.executors.loops.program import Buffer, HostCall, Program
from graphad.types import Array, TensorType

POOLED_BYTES = 1 << 18
"""Results from this size on come from memory that is used again once its array is gone: the first touch of new memory
costs more than filling it."""


class _Method(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)
    ]  # fmt: skip


_FASTCALL = 0x80


def _numpy_function(number: int) -> int:
    from numpy._core import _multiarray_umath

    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = pointer(_multiarray_umath._ARRAY_API, None)
    return int(ctypes.c_void_p.from_address(int(table or 0) + 8 * number).value or 0)


_NEW, _SCALAR = 94, 60  # PyArray_NewFromDescr and PyArray_Scalar


class Pool:
    """Arrays of one type, whose memory is used again when nothing refers to them any more."""

    KEPT = 3

    def __init__(self, kind: TensorType) -> None:
        self.kind = kind
        self._blocks: list[Any] = []
        # What `getrefcount` says of a block that only the list and its own argument refer to.
        probe = [np.empty(0)]
        self._idle = [sys.getrefcount(x) for x in probe][0]

    def __call__(self) -> Array:
        """A new array; its contents are undefined."""
        blocks = self._blocks
        for block in blocks:
            if sys.getrefcount(block) == self._idle:
                return block[:]  # type: ignore[no-any-return]
        block = np.empty(self.kind.shape, self.kind.dtype)
        if len(blocks) < self.KEPT:
            blocks.append(block)
            return block[:]
        return block


class Executable:
    """A compiled graph: call it with one array for each input; it answers a tuple of arrays. Calls may overlap in many
    threads.

    Raises `ShapeError` or `TypeMismatchError` for arguments of other types than it was compiled for, and what an op
    raises while it runs (`IndexError` for an index out of bounds).
    """

    def __init__(self, program: Program, hosts: Sequence[HostCall], code: bytes, symbols: dict[str, int]) -> None:
        self.program = program
        self._hosts = hosts
        array_type = {"graphad.array_type": id(np.ndarray)}
        self._library = Library(code, {**symbols, **array_type}, ["run", "call"])
        self._failures: dict[int, BaseException] = {}
        self._callbacks = [host_call(call, self._array, self._failures) for call in hosts]
        self._constants = _block(program)
        self._pools = [
            Pool(t) if t.shape and t.nbytes >= POOLED_BYTES else None for t in program.output_types
        ]
        self._keep: list[Any] = []
        exact = self.bind(self._refuse)
        program_name, types = program.name, program.input_types
        self.call = self.bind(lambda *args: exact(*prepare(program_name, types, args)))

    def bind(
        self, fallback: Callable[..., Any], single: bool = False, numbers: Sequence[type | None] = ()
    ) -> Callable[..., Any]:
        """The function that Python calls. Arguments of other types go to `fallback`; with `single` the answer is one
        result by itself. `numbers` gives for an input without axes the type of Python or NumPy number that stands for
        it (`float` or `np.float64`, for an input of that dtype)."""
        program = self.program
        layout = Layout(len(program.inputs), len(program.outputs))
        context = np.zeros(layout.host(len(self._hosts)), np.uint64)

        def put(i: int, x: Any) -> None:
            context[i] = x if isinstance(x, int) else id(x)

        values = {
            "constants": int(self._constants.ctypes.data), "fallback": fallback, "failed": self._fail,
            "single": int(single), "new": _numpy_function(_NEW), "scalar": _numpy_function(_SCALAR),
        }  # fmt: skip
        kept: list[Any] = [context, fallback, values["failed"]]
        for name, value in values.items():
            put(FIELDS.index(name), value)
        for i, kind in enumerate(program.input_types):
            put(layout.descr(i), _singleton(kind))
            number = numbers[i] if i < len(numbers) else None
            if number is not None and kind.dtype == np.float64 and number in (float, np.float64):
                put(layout.weak(i), number)
        for i, kind in enumerate(program.output_types):
            put(layout.result(i), _singleton(kind))
            if self._pools[i] is not None:
                put(layout.maker(i), self._pools[i])
        for i, callback in enumerate(self._callbacks):
            put(layout.host(i), ctypes.cast(callback, ctypes.c_void_p).value or 0)
        method = _Method(b"call", self._library.addresses["call"], _FASTCALL, None)
        owner = int(context.ctypes.data)
        new = ctypes.pythonapi.PyCFunction_NewEx
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
        function = new(ctypes.addressof(method), owner, None)
        self._keep.append((method, kept))
        return function  # type: ignore[no-any-return]

    def __call__(self, *args: Any) -> tuple[Array, ...]:
        return self.call(*args)  # type: ignore[no-any-return]

    def __del__(self) -> None:
        for _, (context, *_) in self._keep:
            arena = int(context[FIELDS.index("arena")])
            if arena:
                ctypes.pythonapi.PyMem_RawFree(ctypes.c_void_p(arena))

    def memory(self) -> dict[str, int]:
        """Bytes of the arena (all intermediate values), of the results and of the constants."""
        return {
            "arena": self.program.arena_bytes,
            "results": sum(t.nbytes for t in self.program.output_types),
            "constants": self.program.constant_bytes,
        }

    def _array(self, view: Any, table: int) -> Array:
        """A view as a NumPy array, for a host call."""
        buffer: Buffer = view.buffer
        slot = {"temporary": 0, "constant": 1, "input": 2 + buffer.number}.get(
            buffer.kind, 2 + len(self.program.inputs) + buffer.number
        )
        base = ctypes.c_int64.from_address(table + 8 * slot).value
        if not math.prod(view.shape):
            return np.empty(view.shape, view.dtype)
        memory: Any = (ctypes.c_char * buffer.nbytes).from_address(base + buffer.offset)
        item = view.dtype.itemsize
        return np.ndarray(view.shape, view.dtype, memory, view.offset * item, tuple(s * item for s in view.strides))

    def _refuse(self, *args: Any) -> None:
        raise ExecutorError(f"{self.program.name}: arguments of {[type(x).__name__ for x in args]} were not understood")

    def _fail(self, status: int) -> None:
        if status <= len(self.program.errors):
            kind, message = self.program.errors[status - 1]
            raise kind(message)
        raise self._failures.pop(threading.get_ident())


def _singleton(kind: TensorType) -> Any:
    return np.dtype(kind.dtype.char)


def _block(program: Program) -> Array:
    block = aligned(program.constant_bytes)
    for buffer, array in program.constants:
        block[buffer.offset : buffer.offset + buffer.nbytes] = np.frombuffer(array.tobytes(), np.uint8)
    return block


def aligned(nbytes: int) -> Array:
    """Uninitialised bytes that begin at a cache line."""
    block = np.empty(nbytes + 64, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + nbytes]
