"""The way out of a long run: compiled code asks now and then whether Python has a signal to handle."""

from __future__ import annotations

import ctypes
import threading
import time

from graphad.types import Array

INTERRUPTED = 1 << 62
"""The error that ends a program, numbered as its own errors are, when the handler of a signal has raised."""
FORKED = INTERRUPTED + 1
"""The error that ends a program in the child of a fork that took place within a loop which threads shared."""
_PERIOD = 20_000_000
"""Nanoseconds after which the lock is taken to look for signals."""
CONTROL = ("stop", "owner", "due", "type", "value", "traceback", "done")
"""The words of a run that is asked for: whether it has to stop, the thread that handles signals, when to look for
signals next, the exception that a handler has raised, and whether a call back into Python came to its end."""


def owner() -> int:
    """The thread that handles signals."""
    return threading.main_thread().ident or 0


def prepare(words: Array) -> None:
    """Fill the words of a run to come."""
    words[:] = [owner() if name == "owner" else 0 for name in CONTROL]


def leave(words: Array) -> None:
    """Raise the exception of a run that was told to stop."""
    restore = ctypes.pythonapi.PyErr_Restore
    restore.restype, restore.argtypes = None, [ctypes.c_void_p] * 3
    restore(*[int(words[CONTROL.index(name)]) or None for name in ("type", "value", "traceback")])


def text() -> str:
    """IR of `i64 poll(ptr %control)`, which answers 1 where the run must stop. Only the main thread looks for signals;
    others see that it stopped."""
    return f"""
declare i64 @PyThread_get_thread_ident()
declare i32 @PyGILState_Ensure()
declare void @PyGILState_Release(i32)
declare i32 @PyErr_CheckSignals()
declare void @PyErr_Fetch(ptr, ptr, ptr)
declare void @PyErr_Restore(ptr, ptr, ptr)
declare i32 @clock_gettime(i32, ptr)

define i64 @poll(ptr %control) nounwind noinline {{
entry:
  %now.at = alloca [2 x i64], align 8
  %stop = load atomic i64, ptr %control monotonic, align 8
  %stopped = icmp ne i64 %stop, 0
  br i1 %stopped, label %end, label %who
who:
  %owner.at = getelementptr i64, ptr %control, i64 1
  %owner = load i64, ptr %owner.at
  %me = call i64 @PyThread_get_thread_ident()
  %main = icmp eq i64 %me, %owner
  br i1 %main, label %when, label %on
when:
  %ignored = call i32 @clock_gettime(i32 {time.CLOCK_MONOTONIC}, ptr %now.at)
  %seconds = load i64, ptr %now.at
  %rest.at = getelementptr i64, ptr %now.at, i64 1
  %rest = load i64, ptr %rest.at
  %scaled = mul i64 %seconds, 1000000000
  %now = add i64 %scaled, %rest
  %due.at = getelementptr i64, ptr %control, i64 2
  %due = load i64, ptr %due.at
  %first = icmp eq i64 %due, 0
  %late = icmp sge i64 %now, %due
  br i1 %late, label %set, label %on
set:
  %next = add i64 %now, {_PERIOD}
  store i64 %next, ptr %due.at
  br i1 %first, label %on, label %look
look:
  %state = call i32 @PyGILState_Ensure()
  %raised = call i32 @PyErr_CheckSignals()
  %quiet = icmp eq i32 %raised, 0
  br i1 %quiet, label %release, label %fetch
fetch:
  %type = getelementptr i64, ptr %control, i64 3
  %value = getelementptr i64, ptr %control, i64 4
  %traceback = getelementptr i64, ptr %control, i64 5
  call void @PyErr_Fetch(ptr %type, ptr %value, ptr %traceback)
  store atomic i64 1, ptr %control monotonic, align 8
  br label %release
release:
  call void @PyGILState_Release(i32 %state)
  br i1 %quiet, label %on, label %end
on:
  ret i64 0
end:
  ret i64 1
}}

define void @graphad.raise(ptr %control) nounwind noinline {{
  %type.at = getelementptr i64, ptr %control, i64 3
  %value.at = getelementptr i64, ptr %control, i64 4
  %traceback.at = getelementptr i64, ptr %control, i64 5
  %type = load ptr, ptr %type.at
  %value = load ptr, ptr %value.at
  %traceback = load ptr, ptr %traceback.at
  call void @PyErr_Restore(ptr %type, ptr %value, ptr %traceback)
  ret void
}}
"""
