"""A program compiled by LLVM as a callable."""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from graphad.errors import ExecutorError
from graphad.executors.arguments import memory_of, prepare
from graphad.executors.llvm import blas, entry, pool
from graphad.executors.llvm.control import REACHED, SHORT
from graphad.executors.llvm.engine import Library, assembly, object_code
from graphad.executors.llvm.entry import FIELDS, constants
from graphad.executors.llvm.image import Image
from graphad.executors.llvm.interrupts import FORKED
from graphad.executors.loops.callbacks import failure, host_call
from graphad.executors.loops.program import Buffer, StridedView
from graphad.once import once
from graphad.types import Array, DType, TensorType

POOLED_BYTES = 1 << 18
"""Results from this size on come from memory that is used again once its array is gone: the first touch of new memory
costs more than filling it."""

ALIGNMENT = 64
"""Bytes of a cache line, at which blocks begin."""

SHARED = ("poll", "parallel", "blas.one", "blas.back")
"""Functions that all programs share and call."""


class _Method(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)
    ]  # fmt: skip


_FASTCALL = 0x80


class _Address(int):
    """The address of a context. The function that has it keeps alive what the context refers to."""

    kept: Any


class Pool:
    """Arrays of one type, whose memory is used again when nothing refers to them any more."""

    KEPT = 3

    def __init__(self, kind: TensorType) -> None:
        self.kind = kind
        # Who looks at a block has taken it out: no other thread sees it, and there is no lock that a fork could leave.
        self._blocks: deque[Array] = deque()
        self._idle = self._references(deque([np.empty(0)]))

    @staticmethod
    def _references(blocks: deque[Array]) -> int:
        """What `getrefcount` says of a block that nobody has."""
        block = blocks.popleft()
        return sys.getrefcount(block)

    def __call__(self) -> Array:
        """A new array; its contents are undefined."""
        blocks = self._blocks
        for _ in range(len(blocks)):
            try:
                block = blocks.popleft()
            except IndexError:
                break
            if sys.getrefcount(block) == self._idle:
                found = block[:]
                blocks.appendleft(block)
                return found  # type: ignore[no-any-return]
            blocks.append(block)
        block = np.empty(self.kind.shape, self.kind.dtype)
        if len(blocks) < self.KEPT:
            blocks.append(block)
            return block[:]  # type: ignore[no-any-return]
        return block


class Executable:
    """A compiled graph: call it with one array for each input; it answers a tuple of arrays. Calls may overlap in many
    threads.

    Raises `ShapeError` or `TypeMismatchError` for arguments of other types than it was compiled for, and what an op
    raises while it runs (`IndexError` for an index out of bounds).
    """

    def __init__(self, image: Image, code: bytes, addresses: Mapping[str, int] = MappingProxyType({})) -> None:
        self.image = replace(image, constants=b"")
        self._slot = _Slot()
        symbols = {name: symbol.address for name, symbol in image.symbols.items()}
        shared = {f"graphad.{name}": native().addresses[name] for name in SHARED}
        self._reached = ctypes.c_uint64(0)
        own = {REACHED: ctypes.addressof(self._reached)}
        self._library = Library(code, {**symbols, **shared, **own, **addresses}, ["run"])
        self._failures: dict[int, BaseException] = {}
        # What the functions that `bind` makes refer to does not refer back to this object: it goes with its last user.
        self._fail = _failing(image, self._failures)
        self._callbacks = [host_call(call, _slots(len(image.input_types)), self._failures) for call in image.hosts]
        self._constants = aligned(image.constant_bytes)
        self._constants[:] = np.frombuffer(image.constants, np.uint8)
        self._pools = [
            Pool(t) if t.shape and t.nbytes >= POOLED_BYTES else None for t in image.output_types
        ]
        exact = self.bind(_refusing(image.name))
        name, types = image.name, image.input_types
        self.call = self.bind(lambda *args: exact(*prepare(name, types, args)))

    def bind(
        self, fallback: Callable[..., Any], single: bool = False, numbers: Sequence[type | None] = ()
    ) -> Callable[..., Any]:
        """The function that Python calls. Arguments of other types go to `fallback`; with `single` the answer is one
        result by itself. `numbers` gives for an input without axes the type of Python or NumPy number that stands for
        it (`float` or `np.float64`, for an input of that dtype)."""
        image, pools = self.image, self._pools
        numbers = [*numbers, *[None] * (len(image.input_types) - len(numbers))]
        inputs = [
            (_singleton(t), x if _stands_for(x, t) else None, t.ndim, shape)
            for t, x, shape in zip(image.input_types, numbers, _shapes(image.input_types), strict=True)
        ]
        at = np.cumsum([0, *[16 if t.shape == () else 0 for t in image.output_types]])
        kinds = image.output_types
        outputs = [
            (_singleton(t), pool, t.ndim, shape, int(t.shape != ()), int(start))
            for t, pool, shape, start in zip(kinds, pools, _shapes(kinds), at[:-1], strict=True)
        ]
        hosts = [ctypes.cast(callback, ctypes.c_void_p).value or 0 for callback in self._callbacks]
        tables = [_words([x for row in rows for x in row]) for rows in (inputs, outputs)] + [_words(hosts)]
        words = {
            **constants(), "run": self._library.addresses["run"], "constants": _address(self._constants),
            "slot": self._slot.words, "arena_bytes": image.arena_bytes, "fallback": fallback, "failed": self._fail,
            "single": int(single),
            "release": int(image.releases), "inputs": len(inputs), "outputs": len(outputs), "hosts": len(hosts),
            "given": _address(tables[0]), "made": _address(tables[1]), "called": _address(tables[2]),
            "scalar_bytes": int(at[-1]),
        }  # fmt: skip
        context = _words([words[name] for name in FIELDS])
        method = _Method(b"call", _caller(), _FASTCALL, None)
        new = ctypes.pythonapi.PyCFunction_NewEx
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
        place = _Address(_address(context))
        owned = (self._library, self._slot, self._constants, self._callbacks, self._reached)
        place.kept = (owned, method, context, tables, inputs, outputs, words)
        return new(ctypes.addressof(method), place, None)  # type: ignore[no-any-return]

    def __call__(self, *args: Any) -> tuple[Array, ...]:
        return self.call(*args)  # type: ignore[no-any-return]

    def memory(self) -> dict[str, int]:
        """What `memory_of` tells."""
        image = self.image
        reached = self._reached.value if image.pushed_bytes else None
        return memory_of(image.output_types, image.arena_bytes, image.constant_bytes, image.pushed_bytes, reached)

    @property
    def quick(self) -> bool:
        """Whether LLVM made the code in its quickest way, since a run does few instructions more than once."""
        return self.image.text.startswith(SHORT)

    def source(self, kind: str | None = None) -> str:
        """The code: LLVM's `ir` (the default) or the machine's `assembly`. Raises `ExecutorError` for other kinds."""
        if kind not in (None, "ir", "assembly"):
            raise ExecutorError(f"llvm: there is no source of the kind {kind!r}; there are 'ir' and 'assembly'")
        return assembly(self.image.text) if kind == "assembly" else self.image.text


class _Slot:
    """The address of an arena that no call is using, which goes with this object."""

    def __init__(self) -> None:
        self.words = (ctypes.c_uint64 * 1)()

    def __del__(self, free: Any = ctypes.pythonapi.PyMem_RawFree, address: Any = ctypes.c_void_p) -> None:
        free(address(self.words[0]))  # by names of its own: those of the module are gone when the interpreter ends


def _slots(inputs: int) -> Callable[[StridedView], int]:
    """Where a view's block stands in the table of addresses of a program of so many inputs."""

    def slot(view: StridedView) -> int:
        buffer: Buffer = view.buffer
        first = {"temporary": 0, "constant": 1, "input": 2 + buffer.number}
        return first.get(buffer.kind, 2 + inputs + buffer.number)

    return slot


def _refusing(name: str) -> Callable[..., None]:
    def refuse(*args: Any) -> None:
        raise ExecutorError(f"{name}: arguments of {[type(x).__name__ for x in args]} were not understood")

    return refuse


def _failing(image: Image, failures: dict[int, BaseException]) -> Callable[[int], None]:
    """What raises the error that a run ended with."""
    errors = image.errors

    def fail(status: int) -> None:
        if status <= len(errors):
            kind, message = errors[status - 1]
            raise kind(message)
        if status == FORKED + 1:
            raise ExecutorError(
                f"{image.name}: the process was forked within a loop that threads shared, of which the child has "
                "its own part only; fork between calls, or give threads=1"
            )
        raise failure(failures)

    return fail


def _caller() -> int:
    """The address of the function through which Python calls every program."""
    return native().addresses["call"]


@once
def native() -> Library:
    """The functions that all programs share."""
    library = Library(object_code(entry.text() + pool.text() + blas.text())[1], {}, ["call", *SHARED, *pool.HOOKS])
    pool.install(library.addresses)
    return library


def _stands_for(number: type | None, kind: TensorType) -> bool:
    """Whether numbers of a type hold what an input without axes would."""
    return number in (float, np.float64) and kind.dtype == np.float64 and not kind.shape


def _words(values: Sequence[Any]) -> Array:
    """Numbers, and the addresses of Python objects (0 for None), as words of 8 bytes."""
    return np.array([_word(x) for x in values], np.uint64)


def _word(x: Any) -> int:
    if isinstance(x, ctypes.Array):
        return ctypes.addressof(x)
    return x if isinstance(x, int) else 0 if x is None else id(x)


def _address(array: Array) -> int:
    return int(array.ctypes.data)


def _shapes(kinds: Sequence[TensorType]) -> list[Any]:
    return [(ctypes.c_int64 * max(t.ndim, 1))(*t.shape) for t in kinds]


def _singleton(kind: TensorType) -> DType:
    return np.dtype(kind.dtype.char)


def aligned(nbytes: int) -> Array:
    """Uninitialised bytes that begin at a cache line."""
    block = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    return block[start : start + nbytes]
