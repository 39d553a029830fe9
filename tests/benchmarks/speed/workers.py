"""Processes that measure: one for each library, which forks for each case, so that every case has a process of its own
in which the library is imported already, and the programs of a case can take turns.

A worker reads requests and writes answers, a line of JSON each. Started as a script, this file is a worker.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

CALLS = 5
"""Calls over which the peak of memory is taken."""


class Failure(Exception):
    """A program that gave no result; the message says why."""


class Worker:
    """A process that runs the programs of one library. What it is asked may take `limit` seconds."""

    def __init__(self, program: str, threads: str, limit: float, folder: str) -> None:
        self.program, self.threads, self.limit = program, threads, limit
        env = {**os.environ, "NUMBA_CACHE_DIR": folder}
        if threads == "1":
            names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "GRAPHAD")
            env.update({f"{name}_NUM_THREADS": "1" for name in names})
            env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request. Raises `Failure` when it does not come in time, or the program raised something."""
        if self._process is None or self._process.poll() is not None:
            # The cases are those of the comparison that runs, whose folder comes first.
            command = [sys.executable, __file__, self.program, self.threads, sys.path[0]]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._process = subprocess.Popen(command, env=self._env, bufsize=0, start_new_session=True, **pipes)
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        if not select.select([process.stdout], [], [], self.limit)[0]:
            self.stop()
            raise Failure(f"more than {self.limit:.0f} s")
        line = process.stdout.readline()
        if not line:
            self.stop()
            raise Failure("the process died")
        answer = dict(json.loads(line))
        if "error" in answer:
            raise Failure(answer["error"])
        return answer

    def stop(self) -> None:
        """End the process and its children."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


# -- in the worker ----------------------------------------------------------------------------------------------


def receive() -> dict[str, Any] | None:
    """The next request; none when there will be no more."""
    line = sys.stdin.buffer.raw.readline()  # type: ignore[union-attr]
    return dict(json.loads(line)) if line else None


def answer(**values: Any) -> None:
    os.write(ANSWERS, json.dumps(values).encode() + b"\n")


def serve(program: str) -> None:
    """Answer requests. A child serves those for steady times, and answers what follows until it is told to end."""
    try:
        import programs
        from problems import PROBLEMS

        programs.load(program)
    except Exception as error:
        receive()
        answer(error=f"{type(error).__name__}: {error}"[:300])
        return
    while request := receive():
        problem, name = PROBLEMS[request["case"]], request["program"]
        if request["what"] != "steady":
            attempt(first if request["what"] == "first" else memory, problem, name, request)
            continue
        pid = os.fork()
        if pid == 0:
            attempt(steady, problem, name, request)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status:
            answer(error=f"the process died ({os.waitstatus_to_exitcode(status)})")


def attempt(task: Any, *arguments: Any) -> None:
    """Do it, or answer with what it raised."""
    try:
        task(*arguments)
    except Exception as error:
        answer(error=f"{type(error).__name__}: {error}"[:300])


def steady(problem: Any, name: str, request: dict[str, Any]) -> None:
    """Save the result; then answer a number of calls with the seconds of one, until that number is zero."""
    import programs

    programs.begin(name)
    call = programs.prepare(problem, name)
    np.savez(request["result"], *programs.leaves(call()))
    answer(seconds=timed(call, 1))
    while count := (receive() or {"calls": 0})["calls"]:
        answer(seconds=timed(call, count))
    answer()


def timed(call: Any, count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def first(problem: Any, name: str, request: dict[str, Any]) -> None:
    """Answer with the seconds of the first call: tracing, compiling, running."""
    import programs

    programs.begin(name, request["cache"])
    call = programs.prepare(problem, name)
    answer(seconds=timed(call, 1))


def memory(problem: Any, name: str, request: dict[str, Any]) -> None:
    """Answer with the bytes at the peak of the first call and of later ones, over those before, with the arguments."""
    import programs

    programs.begin(name)
    call = programs.prepare(problem, name)
    start = _settled()
    call()
    compiling = _status("VmHWM") - start
    _settled()
    for _ in range(CALLS):
        call()
    answer(first=compiling, calls=_status("VmHWM") - start)


def _settled() -> int:
    """The bytes in use, after what is free has gone back and the peak has been set to them."""
    import ctypes

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(field: str) -> int:
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith(field))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    # What libraries print goes nowhere; answers have a way of their own.
    ANSWERS = os.dup(1)
    os.dup2(2, 1)
    if sys.argv[2] == "1":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    sys.path.insert(0, sys.argv[3])
    serve(sys.argv[1])
