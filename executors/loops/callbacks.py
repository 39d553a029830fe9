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

Found = Callable[[int], Array]


def _found(view: StridedView, slot: int) -> Found:
    """How a view is found as a NumPy array, by a table of addresses in which its buffer's block stands in a slot."""
    shape, item, dtype, inside = view.shape, view.dtype.itemsize, view.dtype, view.buffer.offset
    if not math.prod(shape):
        return lambda table: np.empty(shape, dtype)
    block: Any = ctypes.c_char * view.buffer.nbytes
    at, word = 8 * slot, ctypes.c_int64.from_address
    start, strides = view.offset * item, [s * item for s in view.strides]
    return lambda table: np.ndarray(shape, dtype, block.from_address(word(table + at).value + inside), start, strides)


def host_call(call: HostCall, slot: Callable[[StridedView], int], failures: dict[int, BaseException]) -> Any:
    """A C function of a table of addresses that runs an op with NumPy; `slot` tells where in it a view's block stands.

    It sets the word at the address `done` when it has come to its end, or else puts the exception into `failures` under
    the thread's number. An interrupt may come before its first statement; then it does neither.
    """

    evaluate = call.op.eval
    operands, places = [[_found(view, slot(view)) for view in views] for views in (call.operands, call.results)]

    def run(table: int, done: int) -> None:
        try:
            results = evaluate(np, *[found(table) for found in operands])
            for found, result in zip(places, (results,) if len(places) == 1 else results, strict=True):
                found(table)[...] = result
            ctypes.c_int64.from_address(done).value = 1
        except BaseException as error:
            if isinstance(error, Exception):
                noted(error, call.where)
            failures[threading.get_ident()] = error

    return ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(run)


def failure(failures: dict[int, BaseException]) -> BaseException:
    """The exception of a call back into Python, in this thread; an interrupt that came before the call began."""
    return failures.pop(threading.get_ident(), None) or KeyboardInterrupt()
