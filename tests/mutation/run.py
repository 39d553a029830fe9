"""Make one small mistake after another in a copy of the library, and see whether the tests that should notice do.

    python tests/mutation/run.py                 # all of the table, about half an hour
    python tests/mutation/run.py licm Scan       # the rows in which one of these words stands
    python tests/mutation/run.py --list          # the rows, and whether each still fits the sources
    python tests/mutation/run.py --jobs 2        # two rows at a time

The mistakes stand in `table.py`. The tests of all rows must pass before anything is changed. A row is caught where a
test fails; it survives where all pass, and then a test is missing. The copy is made in a temporary folder: the tree
itself is only read.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from table import TABLE, Mutation

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("passes", "executors")
"""The folders that are installed as parts of `graphad`."""
OUTCOMES = {0: "SURVIVED", 1: "caught", -11: "crashed", -6: "crashed"}
"""What pytest's exit status says; everything else is a row that does not test what it should."""
LIMIT = 200
"""Seconds for one test, which may have no end."""


def copied(to: Path) -> Path:
    """The files that git knows, as they stand, in a folder that Python can import `graphad` from."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)
    for name in listed.stdout.decode().splitlines():
        source, target = ROOT / name, to / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for part in PARTS:
        (to / "graphad" / part).symlink_to(to / part)
    return to


def fitting(row: Mutation) -> int:
    """How often the text that a row changes stands in its file: once, if the row fits."""
    path = ROOT / row.file
    return path.read_text().count(row.before) if path.exists() else 0


@contextmanager
def mutated(tree: Path, row: Mutation) -> Iterator[None]:
    path = tree / row.file
    text = path.read_text()
    path.write_text(text.replace(row.before, row.after))
    try:
        yield
    finally:
        path.write_text(text)


def tested(tree: Path, tests: str) -> tuple[int, str]:
    """The exit status of pytest for some tests, and what it says last of those that fail."""
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout", str(LIMIT)]
    command = [sys.executable, "-m", "pytest", *options, *shlex.split(tests)]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "CI": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, (lines or done.stdout.splitlines() or done.stderr.splitlines() or [""])[-1]


def outcome(tree: Path, row: Mutation) -> tuple[str, str, float]:
    start = time.monotonic()
    with mutated(tree, row):
        status, line = tested(tree, row.tests)
    return OUTCOMES.get(status, "BROKEN"), line, time.monotonic() - start


def chosen(words: Iterable[str]) -> list[Mutation]:
    words = list(words)
    return [row for row in TABLE if not words or any(w in f"{row.file} {row.what} {row.before}" for w in words)]


def sound(tree: Path, rows: Iterable[Mutation]) -> bool:
    """Whether the tests pass as long as nothing is changed."""
    good = True
    for tests in dict.fromkeys(row.tests for row in rows):
        status, line = tested(tree, tests)
        if status != 0:
            good = False
            print(f"fails without a change: {tests}\n    {line}", flush=True)
    return good


def shown(row: Mutation, word: str, line: str, seconds: float) -> None:
    print(f"{word:9} {seconds:6.1f} s  {row.file:34.34} {row.what}", flush=True)
    if word.isupper():
        print(f"           {row.before!r} -> {row.after!r}: {row.tests}\n           {line}", flush=True)


def run(rows: list[Mutation], jobs: int, check: bool) -> int:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        trees = [copied(Path(folder) / str(i)) for i in range(jobs)]
        if check and not sound(trees[0], rows):
            return 1
        free = list(trees)

        def one(row: Mutation) -> str:
            tree = free.pop()
            word, line, seconds = outcome(tree, row)
            free.append(tree)
            shown(row, word, line, seconds)
            return word

        words = list(pool.map(one, rows))
    counts = {word: words.count(word) for word in dict.fromkeys(words)}
    print(", ".join(f"{count} {word}" for word, count in counts.items()))
    return int(any(word.isupper() for word in words))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only rows with one of these words in file, description or text")
    parser.add_argument("--list", action="store_true", help="print the rows and whether they fit, and run nothing")
    parser.add_argument("--jobs", type=int, default=1, help="rows that are tested at the same time")
    parser.add_argument("--no-check", action="store_true", help="do not run the tests without a change first")
    options = parser.parse_args()
    rows = chosen(options.words)
    stale = [row for row in rows if fitting(row) != 1]
    for row in rows if options.list else stale:
        print(f"{'fits' if row not in stale else f'STALE ({fitting(row)} places)':20} {row.file:34.34} {row.what}")
    if options.list or stale:
        return int(bool(stale))
    return run(rows, options.jobs, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
