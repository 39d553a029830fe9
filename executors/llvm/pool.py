"""The threads that share loops: they live as long as the process, and one loop at a time has them.

A loop is cut into chunks. Its caller takes them from the front, the workers from the back, so that a worker meets the
same data again in the next loop over it. Nobody waits for a worker that has not taken a chunk: where all other cores
are busy the caller does the whole loop, and a worker that finds itself on its caller's core sleeps again. A worker
looks out for the next loop for `SPIN` nanoseconds, then it sleeps. One that other programs keep from ending its chunk
holds its caller up; after that all loops run alone for a while, so that little time is lost in all.
Where another thread has the workers, or none can be had, a loop runs in its caller alone.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import time

from graphad.executors.llvm import workers
from graphad.executors.llvm.interrupts import FORKED, INTERRUPTED
from graphad.executors.llvm.workers import DECLARED, PAUSE, SPIN

_PATIENCE = 10_000_000
"""Nanoseconds of sleep after which a caller that waits for a worker looks for signals."""
_VAIN, _AGAIN = 4, 1024
"""Loops in a row with which no worker has helped, after which workers that sleep are woken more and more rarely, after
twice as many loops each time up to so many: the other cores are busy then, and who wakes another may lose its own."""
_FAIR, _APART, _MOST = 4, 16, 200_000_000
"""A caller that waits for the last chunk longer than it had for so many of its own has lost that time, since another
program keeps a worker from running. Loops then run in their callers alone for so many times as long, and at most for so
many nanoseconds, the time between them not counted."""
HOOKS = ("pool.closed", "pool.forked")


_STATE = f"""
{DECLARED}
declare i64 @pthread_self()
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_timedwait(ptr, ptr, ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)

@ticket = internal global i64 0, align 64
@pending = internal global i64 0, align 64
@awaited = internal global i64 0, align 64
@sleeping = internal global i64 0, align 64
@owner = internal global i64 0, align 64
@workers = internal global i64 0
@closed = internal global i64 0
@ready = internal global i64 0
@vain = internal global i64 0
@debt = internal global i64 0
@job = internal global [5 x i64] zeroinitializer, align 64
@guard = internal global i64 0, align 64
@failed = internal global i64 0
@status = internal global i64 0
@mutex = internal global [16 x i64] zeroinitializer, align 64
@begun = internal global [16 x i64] zeroinitializer, align 64
@ended = internal global [16 x i64] zeroinitializer, align 64
@threads = internal global [64 x i64] zeroinitializer, align 64
"""

_CALLER = f"""
define i64 @parallel(ptr %f, ptr %table, ptr %frame, i64 %n, i64 %threads, i64 %chunks) nounwind noinline {{
entry:
  %count = alloca i64, align 8
  store i64 0, ptr %count
  %time = call i64 @now(i32 {time.CLOCK_MONOTONIC})
  %debt = load atomic i64, ptr @debt monotonic, align 8
  %free = icmp sle i64 %debt, 0
  br i1 %free, label %ask, label %pay
pay:
  %paid = call i64 %f(ptr %table, ptr %frame, i64 0, i64 %n)
  %later = call i64 @now(i32 {time.CLOCK_MONOTONIC})
  %work = sub i64 %later, %time
  %owed = atomicrmw sub ptr @debt, i64 %work monotonic
  ret i64 %paid
ask:
  %me = call i64 @pthread_self()
  %claim = cmpxchg ptr @owner, i64 0, i64 %me acquire monotonic
  %mine = extractvalue {{ i64, i1 }} %claim, 1
  br i1 %mine, label %begin, label %alone
alone:
  %own = call i64 %f(ptr %table, ptr %frame, i64 0, i64 %n)
  ret i64 %own
begin:
  %f.word = ptrtoint ptr %f to i64
  %table.word = ptrtoint ptr %table to i64
  %frame.word = ptrtoint ptr %frame to i64
  store i64 %f.word, ptr @job
  store i64 %table.word, ptr getelementptr (i64, ptr @job, i64 1)
  store i64 %frame.word, ptr getelementptr (i64, ptr @job, i64 2)
  store i64 %n, ptr getelementptr (i64, ptr @job, i64 3)
  store i64 %chunks, ptr getelementptr (i64, ptr @job, i64 4)
  store i64 -1, ptr @failed
  store i64 0, ptr @status
  store atomic i64 %chunks, ptr @pending monotonic, align 8
  call void @here()
  %wanted = sub i64 %threads, 1
  %seats = call i64 @hired(i64 %wanted)
  %before = load atomic i64, ptr @ticket monotonic, align 8
  %number = lshr i64 %before, 32
  %number.1 = add i64 %number, 1
  %high.part = shl i64 %number.1, 32
  %seats.part = shl i64 %seats, 24
  %end.part = shl i64 %chunks, 12
  %lower = or i64 %seats.part, %end.part
  %new = or i64 %high.part, %lower
  store atomic i64 %new, ptr @ticket seq_cst, align 8
  %asleep = load atomic i64, ptr @sleeping seq_cst, align 8
  %some = icmp ne i64 %asleep, 0
  %several = icmp ne i64 %seats, 0
  %sleepers = and i1 %some, %several
  %vain = load i64, ptr @vain
  %useful = icmp ult i64 %vain, {_VAIN}
  %turn = urem i64 %vain, {_AGAIN}
  %bits = call i64 @llvm.ctpop.i64(i64 %turn)
  %again = icmp ult i64 %bits, 2
  %hope = or i1 %useful, %again
  %to.wake = and i1 %sleepers, %hope
  br i1 %to.wake, label %wake, label %take
wake:
  %fewer = call i64 @llvm.umin.i64(i64 %asleep, i64 %seats)
  call void @awoken(i64 %fewer)
  br label %take
take:
  %t = load atomic i64, ptr @ticket monotonic, align 8
  %low = and i64 %t, 4095
  %end.0 = lshr i64 %t, 12
  %end = and i64 %end.0, 4095
  %left = icmp ult i64 %low, %end
  br i1 %left, label %try, label %finish
try:
  %t.next = add i64 %t, 1
  %pair = cmpxchg ptr @ticket, i64 %t, i64 %t.next acq_rel monotonic
  %taken = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %taken, label %run, label %take
run:
  %good = call i1 @chunk(i64 %low)
  br i1 %good, label %did, label %cancel
cancel:
  %rest = atomicrmw and ptr @ticket, i64 -16777216 acq_rel
  %rest.low = and i64 %rest, 4095
  %rest.end.0 = lshr i64 %rest, 12
  %rest.end = and i64 %rest.end.0, 4095
  %rest.n = call i64 @llvm.usub.sat.i64(i64 %rest.end, i64 %rest.low)
  %skipped = atomicrmw sub ptr @pending, i64 %rest.n seq_cst
  br label %did
did:
  call void @done()
  %n.own = load i64, ptr %count
  %n.more = add i64 %n.own, 1
  store i64 %n.more, ptr %count
  br label %take

finish:
  %n.all = load i64, ptr %count
  %helped = icmp ult i64 %n.all, %chunks
  %vain.1 = add i64 %vain, 1
  %vain.new = select i1 %helped, i64 0, i64 %vain.1
  store i64 %vain.new, ptr @vain
  %control.at = getelementptr ptr, ptr %table, i64 -1
  %control = load ptr, ptr %control.at
  %stop = call i64 @waited(ptr %control, i64 %time, i64 %n.all)
  %found = load i64, ptr @status
  %told = icmp ne i64 %stop, 0
  %answer = select i1 %told, i64 {INTERRUPTED + 1}, i64 %found
  store atomic i64 0, ptr @owner release, align 8
  ret i64 %answer
}}

define internal i1 @chunk(i64 %i) nounwind noinline {{
entry:
  %f = load ptr, ptr @job
  %table = load ptr, ptr getelementptr (i64, ptr @job, i64 1)
  %frame = load ptr, ptr getelementptr (i64, ptr @job, i64 2)
  %n = load i64, ptr getelementptr (i64, ptr @job, i64 3)
  %chunks = load i64, ptr getelementptr (i64, ptr @job, i64 4)
  %x = mul i64 %i, %n
  %low = udiv i64 %x, %chunks
  %i.1 = add i64 %i, 1
  %y = mul i64 %i.1, %n
  %high = udiv i64 %y, %chunks
  %status = call i64 %f(ptr %table, ptr %frame, i64 %low, i64 %high)
  %good = icmp eq i64 %status, 0
  br i1 %good, label %end, label %lock
lock:
  %held = atomicrmw xchg ptr @guard, i64 1 acquire
  %free = icmp eq i64 %held, 0
  br i1 %free, label %judge, label %lock
judge:
  %other = load i64, ptr @failed
  %first = icmp ult i64 %i, %other
  br i1 %first, label %note, label %unlock
note:
  store i64 %i, ptr @failed
  store i64 %status, ptr @status
  br label %unlock
unlock:
  store atomic i64 0, ptr @guard release, align 8
  br label %end
end:
  ret i1 %good
}}

define internal void @done() nounwind {{
entry:
  %before = atomicrmw sub ptr @pending, i64 1 seq_cst
  %last = icmp eq i64 %before, 1
  br i1 %last, label %look, label %end
look:
  %awaited = load atomic i64, ptr @awaited seq_cst, align 8
  %wake = icmp ne i64 %awaited, 0
  br i1 %wake, label %tell, label %end
tell:
  call i32 @pthread_mutex_lock(ptr @mutex)
  call i32 @pthread_mutex_unlock(ptr @mutex)
  call i32 @pthread_cond_signal(ptr @ended)
  br label %end
end:
  ret void
}}

define internal i64 @waited(ptr %control, i64 %first, i64 %count) nounwind noinline {{
entry:
  %until = alloca [2 x i64], align 8
  %p = load atomic i64, ptr @pending acquire, align 8
  %all = icmp eq i64 %p, 0
  br i1 %all, label %now, label %start
now:
  ret i64 0
start:
  store atomic i64 1, ptr @awaited seq_cst, align 8
  %begin = call i64 @now(i32 {time.CLOCK_MONOTONIC})
  br label %spin
spin:
  %q = load atomic i64, ptr @pending acquire, align 8
  %none = icmp eq i64 %q, 0
  br i1 %none, label %end, label %pause
pause:
  {PAUSE}
  {PAUSE}
  %time = call i64 @now(i32 {time.CLOCK_MONOTONIC})
  %spun = sub i64 %time, %begin
  %short = icmp ult i64 %spun, {SPIN}
  br i1 %short, label %spin, label %sleep
sleep:
  %clock = call i64 @now(i32 {time.CLOCK_REALTIME})
  %due = add i64 %clock, {_PATIENCE}
  %due.s = udiv i64 %due, 1000000000
  %due.ns = urem i64 %due, 1000000000
  store i64 %due.s, ptr %until
  %until.ns = getelementptr i64, ptr %until, i64 1
  store i64 %due.ns, ptr %until.ns
  call i32 @pthread_mutex_lock(ptr @mutex)
  %r = load atomic i64, ptr @pending seq_cst, align 8
  %still = icmp ne i64 %r, 0
  br i1 %still, label %wait, label %woken
wait:
  call i32 @pthread_cond_timedwait(ptr @ended, ptr @mutex, ptr %until)
  br label %woken
woken:
  call i32 @pthread_mutex_unlock(ptr @mutex)
  %polled = call i64 @poll(ptr %control)
  %s = load atomic i64, ptr @pending acquire, align 8
  %more = icmp ne i64 %s, 0
  br i1 %more, label %sleep, label %end
end:
  %stop = phi i64 [ 0, %spin ], [ %polled, %woken ]
  store atomic i64 0, ptr @awaited seq_cst, align 8
  %clock.end = call i64 @now(i32 {time.CLOCK_MONOTONIC})
  %lost = sub i64 %clock.end, %begin
  %own = sub i64 %begin, %first
  %some = call i64 @llvm.umax.i64(i64 %count, i64 1)
  %chunk = udiv i64 %own, %some
  %chunks = mul i64 %chunk, {_FAIR}
  %fair = add i64 %chunks, {SPIN}
  %late = icmp ugt i64 %lost, %fair
  br i1 %late, label %owe, label %over
owe:
  %times = mul i64 %lost, {_APART}
  %debt = call i64 @llvm.umin.i64(i64 %times, i64 {_MOST})
  store atomic i64 %debt, ptr @debt monotonic, align 8
  br label %over
over:
  ret i64 %stop
}}

define internal i64 @now(i32 %clock) nounwind {{
  %at = alloca [2 x i64], align 8
  call i32 @clock_gettime(i32 %clock, ptr %at)
  %s = load i64, ptr %at
  %ns.at = getelementptr i64, ptr %at, i64 1
  %ns = load i64, ptr %ns.at
  %scaled = mul i64 %s, 1000000000
  %time = add i64 %scaled, %ns
  ret i64 %time
}}
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.umax.i64(i64, i64)
declare i64 @llvm.ctpop.i64(i64)
declare i64 @llvm.usub.sat.i64(i64, i64)
"""

_LIFE = f"""
define void @pool.closed() nounwind {{
entry:
  store atomic i64 1, ptr @closed seq_cst, align 8
  %n = load i64, ptr @workers
  %any = icmp ne i64 %n, 0
  br i1 %any, label %call, label %end
call:
  call i32 @pthread_mutex_lock(ptr @mutex)
  call i32 @pthread_cond_broadcast(ptr @begun)
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %join
join:
  %i = phi i64 [ 0, %call ], [ %i.1, %join ]
  %at = getelementptr i64, ptr @threads, i64 %i
  %id = load i64, ptr %at
  call i32 @pthread_join(i64 %id, ptr null)
  %i.1 = add i64 %i, 1
  %more = icmp ult i64 %i.1, %n
  br i1 %more, label %join, label %end
end:
  ret void
}}

define void @pool.forked() nounwind {{
entry:
  call void @prepare()
  call void @blas.forked()
  store i64 0, ptr @workers
  store i64 0, ptr @sleeping
  store i64 0, ptr @guard
  %before = load i64, ptr @ticket
  %none = and i64 %before, -16777216
  store i64 %none, ptr @ticket
  %awaited = load i64, ptr @awaited
  %inside = sub i64 1, %awaited
  store i64 %inside, ptr @pending
  %owner = load i64, ptr @owner
  %me = call i64 @pthread_self()
  %mine = icmp eq i64 %owner, %me
  br i1 %mine, label %stop, label %free
stop:
  store i64 0, ptr @failed
  store i64 {FORKED + 1}, ptr @status
  ret void
free:
  store i64 0, ptr @awaited
  store i64 0, ptr @owner
  ret void
}}
"""


def text() -> str:
    """IR of `i64 parallel(ptr %f, ptr %table, ptr %frame, i64 %n, i64 %threads, i64 %chunks)`, which calls
    `f(table, frame, low, high)` for parts of 0 to n and answers the status of the first part that failed.

    `@ticket` is all that is decided about chunks: the loop's number (32 bits), how many workers may still join it (8),
    the end (12) and the beginning (12) of the chunks that nobody has taken. Who changes it by a compare and exchange
    has taken a chunk of just that loop, which does not end before `@pending`, the chunks that are not done, is 0.
    """
    return _STATE + _CALLER + workers.text() + _LIFE


def install(addresses: dict[str, int]) -> None:
    """End the workers before Python ends, and forget them in the child of a fork, which has none."""
    closed, forked = (ctypes.CFUNCTYPE(None)(addresses[name]) for name in HOOKS)
    atexit.register(closed)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forked)
