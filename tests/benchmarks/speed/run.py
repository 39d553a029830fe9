"""Speed of graphad beside JAX and others, as ratios measured in one run.

    python tests/benchmarks/speed/run.py [--threads 1|all] [--first] [--family NAME] [--every] [--table FILE.md]

Every case runs in a process of its own, in which the programs take turns; times are the best of several rounds. With
`--first` it is the first call that is measured, each program in a process of its own: tracing, compiling and running,
without the imports and after one trivial compilation; graphad without its cache of compiled code, and with it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
ROUNDS = 9
SLICE = 0.02


def derived(problem: Any, library: Any, np: Any, make: Callable[[Any], Any]) -> Callable[..., Any]:
    """What is measured, by a library with JAX's names."""
    f = make(np)
    if problem.derive == "value":
        return f
    if problem.derive == "grad":
        return library.grad(f, argnums=problem.argnums)
    if problem.derive == "hessian":
        return library.hessian(f)
    if problem.derive == "blocks":
        return library.vmap(library.jacrev(f, argnums=problem.argnums))
    gradient = library.grad(f)
    return lambda c, x: library.jvp(lambda c: gradient(c, x), (c,), (np.ones_like(c),))[1]


def prepare(problem: Any, program: str) -> Callable[[], Any]:
    """A call of one program, whose result is ready when it returns."""
    import numpy as np

    if program == "graphad":
        import graphad

        f = graphad.jit(derived(problem, graphad, np, problem.make))
        return lambda: f(*problem.arguments)
    if program in ("jax", "jax expert"):
        import jax

        jax.config.update("jax_enable_x64", True)
        import jax.numpy as jnp

        g = jax.jit(derived(problem, jax, jnp, problem.make if program == "jax" else problem.expert))
        arguments = jax.tree.map(jnp.asarray, list(problem.arguments))
        return lambda: jax.block_until_ready(g(*arguments))
    peer = problem.peers[program]
    if program == "torch":
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))
    return lambda: peer(*problem.arguments)


def leaves(x: Any) -> list[Any]:
    import numpy as np

    return [a for y in x for a in leaves(y)] if isinstance(x, (tuple, list)) else [np.asarray(x)]


def agree(a: Any, b: Any) -> float:
    """The largest difference, relative to the largest element."""
    import numpy as np

    return max(
        float(np.max(np.abs(x - y)) / (np.max(np.abs(y)) + 1e-300)) for x, y in zip(leaves(a), leaves(b), strict=True)
    )


def steady(problem: Any) -> dict[str, Any]:
    """Seconds of each program for one call."""
    programs = ["graphad", "jax", *(["jax expert"] if problem.expert else []), *problem.peers]
    calls: dict[str, Callable[[], Any]] = {}
    result: dict[str, Any] = {"seconds": {}, "errors": {}}
    reference: Any = None
    for program in programs:
        try:
            calls[program] = prepare(problem, program)
            value = calls[program]()
            reference = value if reference is None else reference
            if (difference := agree(value, reference)) > 1e-6:
                raise ValueError(f"the result differs by {difference:.1e}")
        except Exception as error:
            calls.pop(program, None)
            result["errors"][program] = f"{type(error).__name__}: {error}"[:300]
    counts = {}
    for program, call in calls.items():
        start = time.perf_counter()
        call()
        counts[program] = max(1, int(SLICE / max(time.perf_counter() - start, 1e-7)))
    best = dict.fromkeys(calls, math.inf)
    for _ in range(ROUNDS):
        for program, call in calls.items():
            n = counts[program]
            start = time.perf_counter()
            for _ in range(n):
                call()
            best[program] = min(best[program], (time.perf_counter() - start) / n)
    result["seconds"] = best
    return result


def first(problem: Any, program: str) -> dict[str, Any]:
    """Seconds of a program's first call."""
    import numpy as np

    if program == "graphad":
        import graphad

        graphad.jit(lambda x: x + 1)(np.ones(2))
    else:
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        jax.block_until_ready(jax.jit(lambda x: x + 1)(jnp.ones(2)))
    call = prepare(problem, program)
    start = time.perf_counter()
    call()
    return {"seconds": time.perf_counter() - start}


def child(arguments: argparse.Namespace) -> None:
    """Measure one case and print the result."""
    from problems import problems

    problem = list(problems(arguments.every))[arguments.case]
    result = first(problem, arguments.program) if arguments.first else steady(problem)
    import resource

    result["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(result))


def run(case: int, arguments: argparse.Namespace, *more: str, **environment: str) -> dict[str, Any]:
    """One case in a process of its own."""
    env = {**os.environ, **environment}
    if arguments.threads == "1":
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "GRAPHAD_NUM_THREADS")
        env.update(dict.fromkeys(names, "1"))
        env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [sys.executable, __file__, "--case", str(case), "--threads", arguments.threads, *more]
    command += ["--every"] if arguments.every else []
    one = sorted(os.sched_getaffinity(0))[:1]
    pin = (lambda: os.sched_setaffinity(0, one)) if arguments.threads == "1" else None
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, preexec_fn=pin)
    except subprocess.TimeoutExpired:
        return {"seconds": {}, "errors": {"all": "more than 180 s"}}
    if done.returncode:
        return {"seconds": {}, "errors": {"all": done.stderr.strip().splitlines()[-1][:300] if done.stderr else "died"}}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def mean(ratios: list[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def microseconds(seconds: float) -> str:
    """A time for the table."""
    return f"{seconds * 1e6:.3g}" if seconds < 1 else f"{seconds * 1e6:.0f}"


def compare(arguments: argparse.Namespace) -> list[str]:
    """The table of steady times."""
    from problems import problems

    head = "| case | graphad us | JAX us | JAX / graphad | best other | other / graphad |"
    lines = [head, "|---|--:|--:|--:|---|--:|"]
    ratios: dict[str, list[float]] = {}
    others: list[float] = []
    tiny: list[float] = []
    for i, problem in enumerate(problems(arguments.every)):
        if arguments.family and arguments.family not in problem.family:
            continue
        result = run(i, arguments)
        seconds = result["seconds"]
        for program, error in result["errors"].items():
            print(f"  {problem.family}, {problem.name}: {program}: {error}", file=sys.stderr)
        if "graphad" not in seconds:
            continue
        own = seconds.pop("graphad")
        jax = min((seconds.pop(p) for p in ("jax", "jax expert") if p in seconds), default=math.nan)
        other = min(seconds, key=seconds.__getitem__, default="")
        ratio = jax / own
        if not math.isnan(ratio):
            ratios.setdefault(problem.family, []).append(ratio)
            tiny += [ratio] if problem.tiny else []
        beside = seconds[other] / own if other else math.nan
        others += [beside] if other else []
        lines.append(
            f"| {problem.family}: {problem.name} | {microseconds(own)} | {microseconds(jax)} | {ratio:.2f} | {other} | "
            + (f"{beside:.2f} |" if other else "|")
        )
        print(lines[-1], flush=True)
    every = [r for found in ratios.values() for r in found]
    lines += ["", "| family | JAX / graphad, geometric mean | least |", "|---|--:|--:|"]
    lines += [f"| {family} | {mean(found):.2f} | {min(found):.2f} |" for family, found in ratios.items()]
    if every:
        lines.append(f"| **all {len(every)}** | **{mean(every):.2f}** | {min(every):.2f} |")
    if tiny:
        lines.append(f"| tiny ones | {mean(tiny):.2f} | {min(tiny):.2f} |")
    if others:
        lines.append(f"| best other peer | {mean(others):.2f} | {min(others):.2f} |")
    print("\n".join(lines[-len(ratios) - 5 :]))
    return lines


def compare_first(arguments: argparse.Namespace) -> list[str]:
    """The table of first calls."""
    from problems import problems

    lines = ["| case | graphad ms | from the cache ms | JAX ms | JAX / graphad | JAX / cached |", "|---|--:|--:|--:|--:|--:|"]
    cold_ratios, warm_ratios = [], []
    for i, problem in enumerate(problems(arguments.every)):
        if arguments.family and arguments.family not in problem.family:
            continue
        with tempfile.TemporaryDirectory() as folder:
            own = ("--first", "--program", "graphad")
            cold = run(i, arguments, *own, GRAPHAD_CACHE_DIR=folder, GRAPHAD_CACHE="1")["seconds"]
            warm = run(i, arguments, *own, GRAPHAD_CACHE_DIR=folder, GRAPHAD_CACHE="1")["seconds"]
        jax = run(i, arguments, "--first", "--program", "jax")["seconds"]
        if not (cold and warm and jax):
            print(f"  {problem.family}, {problem.name}: failed", file=sys.stderr)
            continue
        cold_ratios.append(jax / cold)
        warm_ratios.append(jax / warm)
        times = " | ".join(f"{1e3 * t:.0f}" if t >= 0.01 else f"{1e3 * t:.1f}" for t in (cold, warm, jax))
        lines.append(f"| {problem.family}: {problem.name} | {times} | {jax / cold:.1f} | {jax / warm:.1f} |")
        print(lines[-1], flush=True)
    summary = [("geometric mean", mean(cold_ratios), mean(warm_ratios)), ("least", min(cold_ratios), min(warm_ratios))]
    lines += [f"| **{name}** | | | | **{cold:.1f}** | **{warm:.1f}** |" for name, cold, warm in summary]
    print("\n".join(lines[-2:]))
    return lines


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", choices=("1", "all"), default="1")
    parser.add_argument("--family", help="only the families whose name contains this")
    parser.add_argument("--first", action="store_true", help="measure first calls")
    parser.add_argument("--every", action="store_true", help="with the large Gaussian mixtures")
    parser.add_argument("--table", type=Path, help="write the table to this file")
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--program", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case is not None:
        child(arguments)
        return
    lines = compare_first(arguments) if arguments.first else compare(arguments)
    if arguments.table:
        arguments.table.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
