"""What compiled executors share at their borders: arguments made fit for native code, and calls back into Python."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphad.errors import ShapeError
from graphad.executors.base import refused
from graphad.executors.loops.program import HostCall, View
from graphad.location import noted
from graphad.types import Array, TensorType


def prepare(name: str, types: Sequence[TensorType], args: Sequence[Any]) -> list[Array]:
    """Arguments as aligned arrays of native byte order in C order. `name` stands in the errors.

    Raises `ShapeError` or `TypeMismatchError` for an argument of another type; numbers of Python take any dtype.
    """
    if len(args) != len(types):
        raise ShapeError(f"{name}: {len(args)} arguments were given to a graph of {len(types)} inputs")
    return [_prepared(name, i, x, kind) for i, (x, kind) in enumerate(zip(args, types, strict=True))]


def _prepared(name: str, i: int, x: Any, kind: TensorType) -> Array:
    array = np.asarray(x)
    if array.dtype != kind.dtype and isinstance(x, (bool, int, float, complex)):
        array = array.astype(kind.dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype != kind.dtype or array.shape != kind.shape:
        raise refused(name, i, array, kind)
    flags = array.flags
    if flags.c_contiguous and flags.aligned and array.dtype is np.dtype(kind.dtype.char):
        return array
    copied = np.empty(kind.shape, kind.dtype.char)
    copied[...] = array
    return copied


def elements(view: View, base: int) -> Array:
    """A view as a NumPy array; `base` is the address of the block that its buffer is a part of."""
    buffer, item = view.buffer, view.dtype.itemsize
    if not math.prod(view.shape):
        return np.empty(view.shape, view.dtype)
    memory: Any = (ctypes.c_char * buffer.nbytes).from_address(base + buffer.offset)
    return np.ndarray(view.shape, view.dtype, memory, view.offset * item, tuple(s * item for s in view.strides))


def host_call(call: HostCall, array: Callable[[Any, int], Array], failures: dict[int, BaseException]) -> Any:
    """A C function of a table of addresses that runs an op with NumPy; `array` finds a view's elements by the table.

    It sets the word at the address `done` when it has come to its end, or else puts the exception into `failures` under
    the thread's number. An interrupt may come before its first statement; then it does neither.
    """

    def run(table: int, done: int) -> None:
        try:
            results = call.op.eval(np, *[array(view, table) for view in call.operands])
            for view, result in zip(call.results, (results,) if len(call.results) == 1 else results, strict=True):
                array(view, table)[...] = result
            ctypes.c_int64.from_address(done).value = 1
        except BaseException as error:
            if isinstance(error, Exception):
                noted(error, call.where)
            failures[threading.get_ident()] = error

    return ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(run)


def failure(failures: dict[int, BaseException]) -> BaseException:
    """The exception of a call back into Python, in this thread; an interrupt that came before the call began."""
    return failures.pop(threading.get_ident(), None) or KeyboardInterrupt()
