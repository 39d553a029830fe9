"""Loops with small bodies: value and gradient by graphad, JAX, loops written by hand with their adjoints, and autograd.

    python tests/benchmarks/loops/run.py [--threads 1|all] [--first] [--levels] [--family NAME] [--table FILE.md]

The programs of a case agree to 1e-9, run in processes of their own and take turns; times are the best of several
rounds, and each library is as fast as the best of the ways in which the problem is written for it. graphad runs
`while` as it stands, JAX a scan with a fixed bound in its place. With `--first` it is the first call that is measured:
tracing, compiling and running, without compiled code on disk and with it. With `--levels` it is the time of graphad's
compilation for derivatives in reverse mode of one order after the other.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).parent.parent / "speed"))

import tables
from cases import Problem
from measure import Bench
from problems import PROBLEMS

TOLERANCE = 1e-9
ORDERS = 4
LEAST, MOST = {"jax": 5.0, "first": 3.0}, {"numba": 1.5, "level": 3.0}
"""What is asked for: how many times as long as graphad JAX takes at least, and graphad beside others at most. A ratio
that falls short of it is marked."""


def steady(arguments: argparse.Namespace) -> list[str]:
    """Steady times."""
    rows, errors = [], []
    with Bench(arguments.threads, arguments.limit, False, TOLERANCE).running() as bench:
        for problem in chosen(arguments):
            found = bench.steady(problem)
            times = {name: found.best(name)[1] for name in ("graphad", "jax", "numba", "autograd")}
            cells = [tables.cell(found, tables.microseconds, name) for name in times]
            jax, hand = times["jax"] / times["graphad"], times["graphad"] / times["numba"]
            rows.append([str(problem), *cells, least(jax, LEAST["jax"]), most(hand, MOST["numba"])])
            errors += tables.notes([found])[3:]
            show(rows[-1])
    titles = "case graphad JAX by_hand,_numba autograd JAX/graphad graphad/by_hand"
    return [*tables.table(titles, rows), *(["", *errors] if errors else [])]


def first(arguments: argparse.Namespace) -> list[str]:
    """First calls."""
    rows = []
    with Bench("1", arguments.limit, False, TOLERANCE).running() as bench:
        for problem in chosen(arguments):
            row = tables.first_row(bench.first(problem))
            rows.append([*row[:-2], least(float(row[-2] or "nan"), LEAST["first"]), row[-1]])
            show(rows[-1])
    return tables.table(tables.FIRST, rows)


def levels(arguments: argparse.Namespace) -> list[str]:
    """Compilation of the function, and of the sum of each derivative's entries differentiated in reverse mode again."""
    import numpy as np

    import graphad

    os.environ["GRAPHAD_CACHE"] = "0"

    def derivative(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: sum(np.sum(d) for d in graphad.tree.leaves(graphad.grad(f)(*args)))

    def seconds(f: Callable[..., Any], problem: Problem) -> float:
        start = time.perf_counter()
        graphad.jit(f).compile(*problem.arguments)
        return time.perf_counter() - start

    rows = []
    for problem in chosen(arguments):
        functions = [problem.make(np)]
        for _ in range(ORDERS):
            functions.append(derivative(functions[-1]))
        found = [min(seconds(f, problem) for _ in range(2)) for f in functions]
        growth = max(b / a for a, b in pairwise(found))
        rows.append([str(problem), *map(tables.milliseconds, found), most(growth, MOST["level"])])
        show(rows[-1])
    return tables.table(f"case {' '.join(f'order_{i}' for i in range(ORDERS + 1))} largest_step", rows)


def least(x: float, bound: float) -> str:
    return tables.ratio(x) + " (short)" * (x < bound)


def most(x: float, bound: float) -> str:
    return tables.ratio(x) + " (short)" * (x > bound)


def show(row: list[str]) -> None:
    print(f"| {' | '.join(row)} |", flush=True)


def chosen(arguments: argparse.Namespace) -> list[Problem]:
    """The cases that are asked for."""
    found = [p for p in PROBLEMS if any(name in str(p) for name in arguments.family.split(","))]
    if not found:
        names = ", ".join({p.family: 0 for p in PROBLEMS})
        raise SystemExit(f"no case is named {arguments.family!r}; there are {names}")
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", choices=("1", "all"), default="1")
    parser.add_argument("--first", action="store_true", help="measure first calls")
    parser.add_argument("--levels", action="store_true", help="measure compilation, order of derivative by order")
    parser.add_argument("--family", default="", help="only the cases whose names contain this, or one of several (a,b)")
    parser.add_argument("--limit", type=float, default=60, help="seconds that one program may prepare (default 60)")
    parser.add_argument("--table", type=Path, help="write everything to this file")
    arguments = parser.parse_args()
    threads = "one thread" if arguments.threads == "1" else "all threads"
    parts: dict[str, Callable[[argparse.Namespace], list[str]]] = {}
    if arguments.first:
        parts["First calls, one thread, milliseconds"] = first
    if arguments.levels:
        parts["Compilation of derivatives by order, milliseconds"] = levels
    parts = parts or {f"Value and gradient, steady state, {threads}, microseconds": steady}
    lines = [f"# {(__doc__ or '').partition('.')[0]}", "", f"Machine: {tables.machine()}"]
    print(tables.machine())
    for title, part in parts.items():
        print(f"\n## {title}\n", flush=True)
        lines += ["", f"## {title}", "", *part(arguments)]
    if arguments.table:
        arguments.table.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
