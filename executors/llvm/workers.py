"""The workers of the pool: how they are hired, look for work, sleep and wake."""

from __future__ import annotations

import ctypes
import platform
import signal
import time

SPIN = 30_000
"""Nanoseconds for which a worker looks out for another loop, and a caller for the end of the chunks of others."""
WORKERS = 63


def _pause() -> tuple[str, str]:
    """The instruction that tells the processor of a loop that waits, and its declaration; none where not known."""
    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return "call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()"
    if machine in ("aarch64", "arm64"):
        return "call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)"
    return "", ""


PAUSE, DECLARED = _pause()
_TELLS = hasattr(ctypes.CDLL(None), "sched_getcpu")


def _beside() -> str:
    """IR of what tells whether a thread is on the processor from which the last loop was begun: it cannot help there,
    but keeps its caller from running. Where the system does not tell, nobody is."""
    if not _TELLS:
        return """define internal i1 @beside() nounwind {
  ret i1 false
}
define internal void @here() nounwind {
  ret void
}"""
    return """@cpu = internal global i32 -1, align 64
declare i32 @sched_getcpu()
define internal i1 @beside() nounwind {
  %caller = load atomic i32, ptr @cpu monotonic, align 4
  %own = call i32 @sched_getcpu()
  %same = icmp eq i32 %caller, %own
  ret i1 %same
}
define internal void @here() nounwind {
  %own = call i32 @sched_getcpu()
  store atomic i32 %own, ptr @cpu monotonic, align 4
  ret void
}"""


def text() -> str:
    """IR of `@worker`, what a worker runs; `i64 hired(i64 %wanted)`, which answers how many there are after it has made
    those that are missing; and `void awoken(i64 %n)`, which wakes some that sleep."""
    return _WORKER + _HIRED


_WORKER = f"""
define internal ptr @worker(ptr %start) nounwind noinline {{
entry:
  %signals = alloca [16 x i64], align 8
  call i32 @sigfillset(ptr %signals)
  call i32 @pthread_sigmask(i32 {signal.SIG_BLOCK}, ptr %signals, ptr null)
  %first = ptrtoint ptr %start to i64
  br label %fresh
fresh:
  %had.seen = phi i64 [ %first, %entry ], [ %joined, %other ], [ %last, %awake ]
  %since = call i64 @now(i32 {time.CLOCK_MONOTONIC})
  br label %look
look:
  %seen = phi i64 [ %had.seen, %fresh ], [ %seen, %enter ], [ %seen, %pause ], [ %number, %join ]
  %t = load atomic i64, ptr @ticket acquire, align 8
  %number = lshr i64 %t, 32
  %new = icmp ne i64 %number, %seen
  br i1 %new, label %where, label %idle
where:
  %beside = call i1 @beside()
  br i1 %beside, label %sleep, label %join
join:
  %seats.0 = lshr i64 %t, 24
  %seats = and i64 %seats.0, 255
  %seat = icmp ne i64 %seats, 0
  %open = call i1 @remains(i64 %t)
  %can = and i1 %seat, %open
  br i1 %can, label %enter, label %look
enter:
  %t.in = sub i64 %t, 16781312
  %pair = cmpxchg ptr @ticket, i64 %t, i64 %t.in acq_rel monotonic
  %in = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %in, label %work, label %look
work:
  %joined = phi i64 [ %number, %enter ], [ %joined, %next ]
  %had = phi i64 [ %t, %enter ], [ %u, %next ]
  %end.0 = lshr i64 %had, 12
  %end = and i64 %end.0, 4095
  %i = sub i64 %end, 1
  %good = call i1 @chunk(i64 %i)
  call void @done()
  br label %more
more:
  %u = load atomic i64, ptr @ticket acquire, align 8
  %u.number = lshr i64 %u, 32
  %same = icmp eq i64 %u.number, %joined
  %u.open = call i1 @remains(i64 %u)
  %go = and i1 %same, %u.open
  br i1 %go, label %another, label %other
another:
  %u.in = sub i64 %u, 4096
  %u.pair = cmpxchg ptr @ticket, i64 %u, i64 %u.in acq_rel monotonic
  %next.in = extractvalue {{ i64, i1 }} %u.pair, 1
  br i1 %next.in, label %next, label %more
next:
  br label %work
other:
  br label %fresh
idle:
  %closed = load atomic i64, ptr @closed acquire, align 8
  %leave = icmp ne i64 %closed, 0
  br i1 %leave, label %gone, label %pause
pause:
  {PAUSE}
  {PAUSE}
  %near = call i1 @beside()
  %time = call i64 @now(i32 {time.CLOCK_MONOTONIC})
  %spun = sub i64 %time, %since
  %short = icmp ult i64 %spun, {SPIN}
  %away = xor i1 %near, true
  %stays = and i1 %short, %away
  br i1 %stays, label %look, label %sleep
sleep:
  %last = phi i64 [ %seen, %pause ], [ %number, %where ]
  call i32 @pthread_mutex_lock(ptr @mutex)
  %asleep = atomicrmw add ptr @sleeping, i64 1 seq_cst
  br label %check
check:
  %v = load atomic i64, ptr @ticket seq_cst, align 8
  %v.number = lshr i64 %v, 32
  %quiet = icmp eq i64 %v.number, %last
  %ending = load atomic i64, ptr @closed seq_cst, align 8
  %going = icmp eq i64 %ending, 0
  %stay = and i1 %quiet, %going
  br i1 %stay, label %rest, label %awake
rest:
  call i32 @pthread_cond_wait(ptr @begun, ptr @mutex)
  br label %check
awake:
  %risen = atomicrmw sub ptr @sleeping, i64 1 seq_cst
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %fresh
gone:
  ret ptr null
}}

{_beside()}

define internal i1 @remains(i64 %t) nounwind alwaysinline {{
  %low = and i64 %t, 4095
  %end.0 = lshr i64 %t, 12
  %end = and i64 %end.0, 4095
  %left = icmp ult i64 %low, %end
  ret i1 %left
}}
"""

_HIRED = f"""
define internal i64 @hired(i64 %wanted.0) nounwind noinline {{
entry:
  %wanted = call i64 @llvm.umin.i64(i64 %wanted.0, i64 {WORKERS})
  %closed = load atomic i64, ptr @closed acquire, align 8
  %over = icmp ne i64 %closed, 0
  br i1 %over, label %none, label %count
none:
  ret i64 0
count:
  %have = load i64, ptr @workers
  %enough = icmp uge i64 %have, %wanted
  br i1 %enough, label %end, label %more
more:
  %ready = load i64, ptr @ready
  %made = icmp ne i64 %ready, 0
  br i1 %made, label %hire, label %prepare
prepare:
  call void @prepare()
  br label %hire
hire:
  %w = phi i64 [ %have, %more ], [ %have, %prepare ], [ %w.1, %hired ]
  %t = load atomic i64, ptr @ticket monotonic, align 8
  %number = lshr i64 %t, 32
  %start = inttoptr i64 %number to ptr
  %at = getelementptr i64, ptr @threads, i64 %w
  %failed = call i32 @pthread_create(ptr %at, ptr null, ptr @worker, ptr %start)
  %created = icmp eq i32 %failed, 0
  br i1 %created, label %hired, label %short
hired:
  %w.1 = add i64 %w, 1
  store i64 %w.1, ptr @workers
  %others = icmp ult i64 %w.1, %wanted
  br i1 %others, label %hire, label %end
short:
  ret i64 %w
end:
  ret i64 %wanted
}}

define internal void @awoken(i64 %n) nounwind noinline {{
entry:
  call i32 @pthread_mutex_lock(ptr @mutex)
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i.1, %next ]
  call i32 @pthread_cond_signal(ptr @begun)
  %i.1 = add i64 %i, 1
  %more = icmp ult i64 %i.1, %n
  br i1 %more, label %next, label %end
end:
  ret void
}}

define internal void @prepare() nounwind {{
  call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  call i32 @pthread_cond_init(ptr @begun, ptr null)
  call i32 @pthread_cond_init(ptr @ended, ptr null)
  store i64 1, ptr @ready
  ret void
}}
"""
