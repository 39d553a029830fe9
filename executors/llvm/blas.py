"""How many threads BLAS has while compiled code calls it: one, where the code itself has the calls in several.

OpenBLAS has one number of threads for the whole process, so what one call sets the last of all calls sets back.
"""

from __future__ import annotations


def text() -> str:
    """IR of `void blas.one(ptr %get, ptr %set)`, with which a call of BLAS begins, and `void blas.back(ptr %get, ptr
    %set)`, with which it ends, of BLAS's functions that tell and set its number of threads; and of `blas.forked()`,
    after which no other thread is within a call."""
    return _TEXT


_TEXT = """
@blas.guard = internal global i64 0, align 64
@blas.calls = internal global i64 0
@blas.threads = internal global i32 0
@blas.set = internal global ptr null

define internal void @blas.lock() nounwind {
entry:
  br label %try
try:
  %held = atomicrmw xchg ptr @blas.guard, i64 1 acquire
  %free = icmp eq i64 %held, 0
  br i1 %free, label %end, label %try
end:
  ret void
}

define void @blas.one(ptr %get, ptr %set) nounwind noinline {
entry:
  call void @blas.lock()
  %calls = load i64, ptr @blas.calls
  %calls.1 = add i64 %calls, 1
  store i64 %calls.1, ptr @blas.calls
  %first = icmp eq i64 %calls, 0
  br i1 %first, label %ask, label %end
ask:
  %threads = call i32 %get()
  store i32 %threads, ptr @blas.threads
  store ptr %set, ptr @blas.set
  %several = icmp ne i32 %threads, 1
  br i1 %several, label %change, label %end
change:
  call void %set(i32 1)
  br label %end
end:
  store atomic i64 0, ptr @blas.guard release, align 8
  ret void
}

define void @blas.back(ptr %get, ptr %set) nounwind noinline {
entry:
  call void @blas.lock()
  %calls = load i64, ptr @blas.calls
  %calls.1 = call i64 @llvm.usub.sat.i64(i64 %calls, i64 1)
  store i64 %calls.1, ptr @blas.calls
  %last = icmp eq i64 %calls, 1
  br i1 %last, label %ask, label %end
ask:
  %threads = load i32, ptr @blas.threads
  %several = icmp ne i32 %threads, 1
  %now = call i32 %get()
  %ours = icmp eq i32 %now, 1
  %change = and i1 %several, %ours
  br i1 %change, label %restore, label %end
restore:
  call void %set(i32 %threads)
  br label %end
end:
  store atomic i64 0, ptr @blas.guard release, align 8
  ret void
}

define void @blas.forked() nounwind {
entry:
  store i64 0, ptr @blas.guard
  %calls = load i64, ptr @blas.calls
  %some = icmp ne i64 %calls, 0
  store i64 0, ptr @blas.calls
  br i1 %some, label %restore, label %end
restore:
  %set = load ptr, ptr @blas.set
  %threads = load i32, ptr @blas.threads
  call void %set(i32 %threads)
  br label %end
end:
  ret void
}
"""
