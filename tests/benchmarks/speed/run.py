"""Speed and memory of graphad beside JAX, loops written by hand, and others, as ratios measured in one run.

    python tests/benchmarks/speed/run.py [--threads 1|all] [--first] [--memory] [--family NAME] [--table FILE.md]
    python tests/benchmarks/speed/run.py --all --table docs/speed.md

Every program of a case runs in a process of its own; the programs of a case take turns, and times are the best of
several rounds. Each library is as fast as the best of the ways in which the problem is written for it; JAX and PyTorch
get arrays of their own, made beforehand, where graphad gets NumPy's. With `--first` it is the first call that is
measured: tracing, compiling and running, without the imports and after one trivial compilation, without compiled code
on disk and with it. With `--memory` it is the peak of the memory in use, over that of the process with its arguments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import tables
from cases import Problem
from measure import Bench, Result
from problems import PROBLEMS

Section = tuple[list[str], list[str]]
"""Lines of a summary, and of the table of all cases with its notes."""
LARGE = 8_000_000
"""Bytes of the largest array of a problem whose memory is compared: in smaller ones the compiler's counts for more."""


def largest(problem: Problem) -> int:
    """Bytes of the largest array that a problem names when it is written plainly."""
    import numpy as np

    import graphad

    wrapped = problem.derive(graphad, np, problem.make(np), problem.argnums)
    graph = graphad.trace(wrapped)(*problem.arguments)
    values = [*graph.inputs, *(v for node in graph.nodes for v in node.outputs)]
    return int(max(v.type.nbytes for v in values))


def chosen(arguments: argparse.Namespace) -> list[Problem]:
    """The cases that are asked for."""
    names = (arguments.family or "").split(",")
    found = [p for p in PROBLEMS if any(name in str(p) for name in names) and (arguments.every or not p.every)]
    if not found:
        raise SystemExit(
            f"no case is named {arguments.family!r}; there are {', '.join({p.family: 0 for p in PROBLEMS})}"
        )
    return found


def rows(
    arguments: argparse.Namespace, problems: Iterable[Problem], measure: Callable[[Problem], dict[str, Result]],
    row: Callable[[dict[str, Result]], list[str]],
) -> tuple[list[dict[str, Result]], list[list[str]]]:  # fmt: skip
    """The results of all cases and their rows, each printed as it comes."""
    results, cells = [], []
    for problem in problems:
        found = measure(problem)
        for program, error in next(iter(found.values())).errors.items():
            print(f"  {problem}: {program}: {error}", file=sys.stderr, flush=True)
        if any(result.figures for result in found.values()):
            results.append(found)
            cells.append(row(found))
            if not arguments.summary:
                print(f"| {' | '.join(cells[-1])} |", flush=True)
    return results, cells


def compare(arguments: argparse.Namespace, threads: str) -> Section:
    """Steady times."""
    with Bench(threads, arguments.limit, arguments.torch_compile).running() as bench:
        found, cells = rows(arguments, chosen(arguments), lambda p: {"steady": bench.steady(p)}, tables.steady_row)
    results = [r["steady"] for r in found]
    return tables.summary(results), [*tables.table(tables.STEADY, cells), *tables.notes(results)]


def compare_first(arguments: argparse.Namespace) -> Section:
    """First calls."""
    with Bench("1", arguments.limit, False).running() as bench:
        found, cells = rows(arguments, chosen(arguments), bench.first, tables.first_row)
    notes = tables.notes(r["cold"] for r in found)
    return tables.first_summary(found), [*tables.table(tables.FIRST, cells), *notes]


def compare_memory(arguments: argparse.Namespace) -> Section:
    """The peak of memory, of the cases with large arrays."""
    large = [p for p in chosen(arguments) if largest(p) >= LARGE]
    with Bench("1", arguments.limit, False).running() as bench:
        found, cells = rows(arguments, large, bench.memory, tables.memory_row)
    notes = tables.notes(r["calls"] for r in found)
    return tables.memory_summary(found), [*tables.table(tables.MEMORY, cells), *notes]


def sections(arguments: argparse.Namespace) -> list[str]:
    """What is asked for, under headings."""
    parts: dict[str, Callable[[], Section]] = {}
    if arguments.all or not (arguments.first or arguments.memory):
        for threads in ("1", "all") if arguments.all else (arguments.threads,):
            title = f"Steady state, {'one thread' if threads == '1' else 'all threads'}, microseconds"
            parts[title] = partial(compare, arguments, threads)
    if arguments.all or arguments.first:
        parts["First calls, one thread, milliseconds"] = partial(compare_first, arguments)
    if arguments.all or arguments.memory:
        parts["Peak memory of the calls, one thread, megabytes"] = partial(compare_memory, arguments)
    lines: list[str] = []
    for title, part in parts.items():
        print(f"\n## {title}\n", flush=True)
        summary, cells = part()
        print("\n" + "\n".join(summary), flush=True)
        lines += ["", f"## {title}", "", *summary, "", *cells]
    return lines


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--threads", choices=("1", "all"), default="1")
    parser.add_argument("--family", help="only the cases whose names contain this, or one of several (a,b)")
    parser.add_argument("--first", action="store_true", help="measure first calls")
    parser.add_argument("--memory", action="store_true", help="measure the peak of memory")
    parser.add_argument("--all", action="store_true", help="steady with one and with all threads, first calls, memory")
    parser.add_argument("--every", action="store_true", help="with the cases that take minutes")
    parser.add_argument("--torch-compile", action="store_true", help="torch.compile too, which needs a C++ compiler")
    parser.add_argument("--limit", type=float, default=60, help="seconds that one program may prepare (default 60)")
    parser.add_argument("--summary", action="store_true", help="print the summaries alone")
    parser.add_argument("--table", type=Path, help="write everything to this file")
    arguments = parser.parse_args()
    print(tables.machine())
    lines = [*tables.head(__doc__ or ""), *sections(arguments)]
    if arguments.table:
        arguments.table.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
