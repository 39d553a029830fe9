"""The command ``graphad``: fit a HistFactory workspace, or draw a graph that was written to a file.

Exit codes: 0 for success, 1 for a fit that did not converge, 2 for input that cannot be used.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphad.errors import GraphadError, MissingExtraError, ParseError

if TYPE_CHECKING:
    from graphad.interop.fit import FitResult
    from graphad.interop.histfactory import Model

__all__ = ["main"]

FORMATS = ("svg", "png", "pdf", "dot")
EXECUTORS = ("numpy", "llvm")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: the process's own arguments) and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        return int(args.run(args))
    except GraphadError as error:
        print(f"graphad: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"graphad: error: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="graphad", description=__doc__.partition("\n")[0] if __doc__ else None)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fit = commands.add_parser("fit", help="fit a HistFactory workspace", description="Fit a HistFactory workspace.")
    fit.add_argument("workspace", metavar="WORKSPACE.json", type=Path)
    fit.add_argument("--executor", metavar="NAME", help=f"one executor (default: {' and '.join(EXECUTORS)})")
    fit.add_argument("--measurement", metavar="NAME", help="the measurement to fit (default: the first)")
    fit.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("graphad-fit"),
        help="where results go (default: %(default)s)",
    )
    fit.add_argument("--format", choices=FORMATS, default="svg", help="of the drawings (default: %(default)s)")
    fit.add_argument("--no-draw", action="store_true", help="write no drawings")
    fit.add_argument("--quiet", action="store_true", help="print nothing but errors; the results go to DIR/fit.json")
    fit.set_defaults(run=_fit)

    draw = commands.add_parser(
        "draw",
        help="draw a graph",
        description="Draw a graph in text form (.graph) or saved by graphad (.json).",
    )
    draw.add_argument("graph", metavar="FILE", type=Path)
    draw.add_argument("--out", metavar="FILE", type=Path, help="the drawing (default: FILE with the format's suffix)")
    draw.add_argument("--format", choices=FORMATS, help="of the drawing (default: --out's suffix, else svg)")
    draw.add_argument(
        "--source", metavar="FILE", action="append", default=[], help="a file whose lines the drawing of a .json shows"
    )
    draw.set_defaults(run=_draw)

    cache = commands.add_parser(
        "cache", help="show or clear the cache of compiled code", description="The cache of compiled code on disk."
    )
    cache.add_argument("action", nargs="?", choices=("show", "path", "clear"), default="show")
    cache.set_defaults(run=_cache)
    return parser


def _cache(args: argparse.Namespace) -> int:
    from graphad.executors import cache

    if args.action == "path":
        print(cache.directory())
    elif args.action == "clear":
        print(f"{cache.clear()} entries removed from {cache.directory()}")
    else:
        found = cache.info()
        print(f"path     {found.path}")
        print(f"enabled  {'yes' if found.enabled else 'no (GRAPHAD_CACHE)'}")
        print(f"entries  {found.entries}")
        print(f"size     {found.bytes / 1e6:.2f} MB of at most {found.limit_bytes / 1e6:.0f} MB")
    return 0


def _fit(args: argparse.Namespace) -> int:
    from graphad.interop.fit import FitError, fit
    from graphad.interop.histfactory import load
    from graphad.interop.report import plain

    model = load(args.workspace, measurement=args.measurement)
    executors = (args.executor,) if args.executor else EXECUTORS
    args.out.mkdir(parents=True, exist_ok=True)
    pairs: list[tuple[FitResult, FitResult]] = []
    warnings: list[str] = []
    try:
        with _progress(len(executors) * (5 if args.no_draw else 6), args.quiet) as step:
            for executor in executors:
                announce = partial(_announce, step, executor)
                exact = fit(model, executor, progress=announce)
                pairs.append((exact, fit(model, executor, gradient="2-point", progress=announce)))
                if not args.no_draw:
                    announce("draw every stage")
                    warnings += _draw_stages(exact.stages, args.out / executor, args.format)
    except FitError as error:
        print(f"graphad: error: {error}", file=sys.stderr)
        return 1
    results = json.dumps({"measurement": model.measurement, **plain(model, pairs)}, indent=1)
    (args.out / "fit.json").write_text(results + "\n", encoding="utf-8")
    if not args.quiet:
        _print_report(model, pairs, args)
    failed = [exact for exact, _ in pairs if not exact.converged]
    warnings += [f"the fit on {each.executor} did not converge: {each.message}" for each in failed]
    for warning in warnings:
        print(f"graphad: warning: {warning}", file=sys.stderr)
    return 1 if failed else 0


def _announce(step: Callable[[str], None], executor: str, text: str) -> None:
    step(f"{executor}: {text}")


@contextmanager
def _progress(steps: int, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function to call with the name of each of `steps` steps as it begins; shows a bar unless quiet."""
    if quiet:
        yield lambda text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=steps)
        begun = 0

        def step(text: str) -> None:
            nonlocal begun
            progress.update(task, description=text, completed=begun)
            begun += 1

        yield step
        progress.update(task, description="done", completed=steps)


def _print_report(model: Model, pairs: Sequence[tuple[FitResult, FitResult]], args: argparse.Namespace) -> None:
    from rich.console import Console

    from graphad.interop.report import best_fit_table, comparison_table, stage_table

    console = Console()
    console.print(
        f"{args.workspace}, measurement {model.measurement!r}: {len(model.parameters)} parameters "
        f"({int((~model.fixed).sum())} free), {len(model.observed)} bins, channels: {', '.join(model.channels)}",
        highlight=False,
        markup=False,
    )
    for exact, _ in pairs:
        console.print(stage_table(exact.executor, exact.stages))
    console.print(best_fit_table(model, [exact for exact, _ in pairs]))
    console.print(comparison_table(pairs))
    what = "Results" if args.no_draw else "Results and drawings"
    console.print(f"{what} are in {args.out}{os.sep}", highlight=False, markup=False)


def _draw_stages(stages: Sequence[Any], folder: Path, format: str) -> list[str]:
    """Draw every stage into `folder`; without a layout engine, as DOT text, with the remedy as a warning."""
    from graphad.viz import draw_stages

    folder.mkdir(parents=True, exist_ok=True)
    try:
        draw_stages(stages, folder, format=format)
    except MissingExtraError as error:
        draw_stages(stages, folder, format="dot")
        return [f"the drawings in {folder} are DOT text: {error}"]
    return []


def _draw(args: argparse.Namespace) -> int:
    from graphad import draw, load, parse

    if args.graph.suffix == ".json":
        graph = load(args.graph, args.source)
    else:
        try:
            text = args.graph.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ParseError(f"{args.graph}: not UTF-8 text (byte {error.start})") from error
        graph = parse(text)
    out = args.out or args.graph.with_suffix(f".{args.format or 'svg'}")
    if args.format is None and out.suffix[1:] not in FORMATS:
        raise ParseError(f"{out}: the suffix names no format; use one of {', '.join(FORMATS)} or --format")
    draw(graph).save(out)
    print(out)
    return 0
