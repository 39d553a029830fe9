"""Calls from compiled code back into Python: ops that NumPy runs, on arrays that a program holds."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from graphad.executors.loops.program import HostCall, StridedView
from graphad.location import noted
from graphad.types import Array


def elements(view: StridedView, base: int) -> Array:
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
