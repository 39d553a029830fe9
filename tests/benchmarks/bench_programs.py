"""Programs of others, as they are, in every mode: python tests/benchmarks/bench_programs.py FOLDER [NAME ...]

FOLDER holds the programs and one manifest.py that imports them. Each public function of the manifest that takes one
number with a default, which is the place to look at, is a case: it calls a program, and gives one number that sums
its result up, as `def nbody(G=1.0): return np.sum(simulate(G=G))`. A program that draws must seed.

Each case runs in a process of its own: by NumPy, by eager grad and jvp, by jit, by jit of grad, and by vmap over
three values of its number. Values are compared with NumPy's, slopes with central differences at four steps. A line
gives for each mode `ok`, `off` and by how much, `no` with the message of a refusal, or `BARE` with an exception that is
none of graphad's; `-` is a vmap that plain batches refuse too. Then the seconds of the first call of the compiled
gradient, the times of the compiled value over NumPy's, and the warnings of loops that were unrolled.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 150


def cases(folder: Path) -> dict[str, Callable[..., Any]]:
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    import manifest

    found = inspect.getmembers(manifest, inspect.isfunction)
    return {name: f for name, f in found if f.__module__ == "manifest" and not name.startswith("_")}


def slopes(f: Callable[[float], float], x: float) -> list[float]:
    """Central differences at four steps: a right slope is near one of them."""
    steps = [abs(x) * h for h in (1e-3, 1e-4, 1e-5, 1e-6)]
    return [(f(x + h) - f(x - h)) / (2 * h) for h in steps]


def judged(run: Callable[[], Any], wanted: list[Any], tolerance: float) -> str:
    from graphad import GraphadError

    try:
        found = run()
    except GraphadError as error:
        return f"no ({type(error).__name__}: {' '.join(str(error).split())[:400]})"
    except Exception as error:
        return f"BARE ({type(error).__name__}: {' '.join(str(error).split())[:400]})"
    size = max(1e-12, *(np.max(np.abs(w)) for w in wanted))
    errors = [np.max(np.abs(np.asarray(found) - w)) / size for w in wanted]
    return "ok" if min(errors) < tolerance else f"off by {min(errors):.0e}"


def best(f: Callable[..., Any], x: float) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        f(x)
        times.append(time.perf_counter() - start)
    return min(times)


def report(f: Callable[..., Any]) -> list[str]:
    import graphad

    x = float(next(iter(inspect.signature(f).parameters.values())).default)
    value, wanted = f(x), slopes(f, x)
    places = x * np.array([1.0, 1.001, 1.002])
    first = {}

    def timed(name: str, run: Callable[[float], Any]) -> Any:
        start = time.perf_counter()
        found = run(x)
        first[name] = time.perf_counter() - start
        return found

    compiled, gradient = graphad.jit(f), graphad.jit(graphad.grad(f))
    modes = {
        "grad": judged(lambda: graphad.grad(f)(x), wanted, 1e-4),
        "jvp": judged(lambda: graphad.jvp(f, (x,), (1.0,))[1], wanted, 1e-4),
        "jit": judged(lambda: timed("jit", compiled), [value], 1e-6),
        "jit grad": judged(lambda: timed("grad", gradient), wanted, 1e-4),
        "vmap": judged(lambda: graphad.vmap(f)(places), [np.array([f(float(p)) for p in places])], 1e-6),
    }
    lines = ["  ".join(f"{mode} {found.split(' (')[0]}" for mode, found in modes.items())]
    if "grad" in first:
        lines[0] += f"  first {first['grad']:.1f} s"
    if "jit" in first:
        lines[0] += f"  {best(compiled, x) / best(f, x):.2g} x NumPy"
    return lines + [f"    {mode}: {found}" for mode, found in modes.items() if "(" in found]


def one(folder: Path, name: str) -> None:
    with warnings.catch_warnings(record=True) as said, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        lines = report(cases(folder)[name])
    told = {str(w.message) for w in said if w.category.__name__ == "TraceWarning"}
    print("\n".join([f"{name:16} {lines[0]}", *lines[1:], *(f"    warns: {' '.join(t.split())[:300]}" for t in told)]))


def main(folder: Path, *names: str) -> None:
    for name in names or list(cases(folder)):
        command = [sys.executable, __file__, "--one", str(folder), name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            said = done.stdout if done.returncode == 0 else f"{name:16} FAILED {done.stderr.strip()[-300:]}"
        except subprocess.TimeoutExpired:
            said = f"{name:16} FAILED takes more than {SECONDS} s"
        print(said.rstrip(), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(Path(sys.argv[2]), sys.argv[3])
    else:
        main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
