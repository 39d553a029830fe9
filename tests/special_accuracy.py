"""Writes `docs/reference/special-functions.md`: how far values and derivatives are from SciPy and from mpmath.

    python tests/special_accuracy.py            all rows
    python tests/special_accuracy.py jv t.cdf   these rows only

Each row has a domain, as ranges of its arguments, of which a fixed grid is taken; `tests/test_special_accuracy.py`
holds the page to a part of it. The rows are in `tests/special_accuracy_rows.py`.
"""

from __future__ import annotations

import math
import multiprocessing
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

import graphad

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "special-functions.md"
COUNTS = {1: 61, 2: 13, 3: 7, 4: 5}
"""Points in each range, by the number of ranges."""
EXECUTORS = ("numpy", "llvm")
SMALLEST, LARGEST = 1e-290, 1e300
"""What is smaller or larger is not compared."""


def parsed(domain: str) -> list[tuple[str, np.ndarray, str]]:
    """Names, points and texts of the ranges of a domain such as `a log 0.1 1e4, x lin -3 3, n in 1 2 5`.

    `log` and `lin` are spaced so, `slog` is `log` with both signs, `in` gives the points.
    """
    ranges = domain.split(", ")
    found = []
    for text in ranges:
        name, kind, *numbers = text.split()
        count = COUNTS[len(ranges)]
        ends = [float(x) for x in numbers]
        if kind == "in":
            points, shown = np.array(ends), ", ".join(numbers)
        elif kind == "lin":
            points, shown = np.linspace(*ends, count), f"{numbers[0]} to {numbers[1]}"
        else:
            points = np.geomspace(*ends, count if kind == "log" else (count + 1) // 2)
            points[-1] = ends[-1]
            shown = f"{numbers[0]} to {numbers[1]}"
            if kind == "slog":
                points, shown = np.concatenate([-points[::-1], points]), f"±({shown})"
        found.append((name, points, f"`{name}` {shown}"))
    return found


@dataclass
class Exact:
    """A function of mpmath with its derivatives, in as many digits as they need."""

    function: Callable[..., Any]
    digits: int = 25
    whole: float = 1.0
    """What small values may be a difference of, which takes more digits; 0 for what is not."""

    def value(self, point: Sequence[Any]) -> Any:
        digits, last = self.digits, mp.mpf(0)
        while True:
            with mp.workdps(digits):
                value = mp.mpf(mp.re(self.function(*point)))
            if abs(value - last) <= 1e-20 * abs(value) or digits > 700:
                return value
            digits, last = 2 * digits, value

    def _along(self, point: Sequence[Any], i: int, unit: Any, steps: Any) -> Any:
        return mp.re(self.function(*[x + unit * steps if j == i else x for j, x in enumerate(point)]))

    def derivative(self, point: Sequence[Any], i: int, n: int = 1) -> Any:
        digits = self.digits
        while True:
            with mp.workdps(digits):
                # The step of mpmath's differences is 10**-digits, in units of the argument.
                unit = abs(point[i]) if point[i] else mp.mpf(1)
                slope = mp.diff(partial(self._along, point, i, unit), 0, n)
                size = max(abs(self._along(point, i, unit, 0)), self.whole)
                enough = abs(slope) > size * mp.mpf(10) ** (20 - digits)
            if enough or digits > 330:
                return slope / unit**n
            digits = 2 * digits


@dataclass
class Inverse(Exact):
    """What solves `function(..., y, ...) == point[at]` for the argument `at`, from a start in double precision."""

    at: int = 0
    start: Callable[..., Any] = float

    def _root(self, point: Sequence[Any]) -> list[Any]:
        with mp.workdps(self.digits + 10):
            solved = list(point)
            solved[self.at] = mp.mpf(float(self.start(*[float(x) for x in point])))
            forward = Exact(self.function, self.digits)
            for _ in range(3):
                off = mp.re(self.function(*solved)) - point[self.at]
                solved[self.at] -= off / forward.derivative(solved, self.at)
        return solved

    def value(self, point: Sequence[Any]) -> Any:
        return self._root(point)[self.at]

    def derivative(self, point: Sequence[Any], i: int, n: int = 1) -> Any:
        solved = self._root(point)
        forward = Exact(self.function, self.digits)
        slope = 1 / forward.derivative(solved, self.at)
        return slope if i == self.at else -slope * forward.derivative(solved, i)


@dataclass
class Row:
    """A function with its domain, SciPy's function and mpmath's; `place` makes the arguments of the ranges' numbers."""

    name: str
    domain: str
    exact: Exact
    call: Callable[..., Any]
    scipy: Callable[..., Any] | None = None
    names: Sequence[str] = ()
    by: Sequence[int] = ()
    place: Callable[..., Any] | None = None
    second: bool = False
    remark: str = ""
    shown: str = ""
    part: str = field(default="special")

    def __post_init__(self) -> None:
        self.names = self.names or [name for name, *_ in parsed(self.domain)]
        self.by = self.by or range(len(self.names))
        self.shown = self.shown or "; ".join(text for *_, text in parsed(self.domain))

    def columns(self) -> list[str]:
        """The names of the derivatives."""
        return [self.names[i] for i in self.by] + [2 * self.names[i] for i in self.by if self.second]

    def points(self, few: int | None = None) -> list[np.ndarray]:
        """The arguments: all of the grid, or a few of them."""
        ranges = [points for _, points, _ in parsed(self.domain)]
        grid = [x.ravel() for x in np.meshgrid(*ranges, indexing="ij")]
        if few is not None:
            grid = [x[np.unique(np.linspace(0.04, 0.96, few) * (x.size - 1) // 1).astype(int)] for x in grid]
        return [np.asarray(x, float) for x in (self.place(*grid) if self.place else grid)]

    def computed(self, executor: str, xs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Values, derivatives and second derivatives at the points."""

        def run(*xs: Any) -> list[Any]:
            total = lambda *xs: np.sum(self.call(*xs))
            slopes = graphad.grad(total, argnums=tuple(self.by))(*xs)
            found = [self.call(*xs), *slopes]
            for i in self.by if self.second else ():
                slope = lambda *xs, i=i: np.sum(graphad.grad(total, argnums=i)(*xs))
                found.append(graphad.grad(slope, argnums=i)(*xs))
            return found

        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return [np.asarray(x) for x in graphad.jit(run, executor=executor)(*xs)]


@dataclass
class Errors:
    """The largest relative errors of a row: from SciPy, from mpmath, of each derivative, and where they are largest."""

    scipy: float
    mpmath: float
    slopes: list[float]
    where: list[str]


def measured(row: Row, few: int | None = None, executors: Sequence[str] = EXECUTORS) -> Errors:
    """The errors on the row's grid, or on `few` of its points."""
    with mp.workdps(50):
        return _measured(row, few, executors)


def _measured(row: Row, few: int | None, executors: Sequence[str]) -> Errors:
    xs = row.points(few)
    points = [[mp.mpf(float(x)) for x in point] for point in zip(*xs, strict=True)]
    exact = [[row.exact.value(p) for p in points]]
    exact += [[row.exact.derivative(p, i) for p in points] for i in row.by]
    exact += [[row.exact.derivative(p, i, 2) for p in points] for i in row.by if row.second]
    found = [row.computed(executor, xs) for executor in executors]
    largest, where = [], []
    for k, wanted in enumerate(exact):
        errors = np.max([_errors(results[k], wanted) for results in found], axis=0)
        at = int(np.argmax(errors))
        largest.append(float(errors[at]))
        where.append(", ".join(f"{n} = {x[at]:.3g}" for n, x in zip(row.names, xs, strict=True)))
    apart = 0.0
    if row.scipy is not None:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            theirs = [mp.mpf(float(x)) for x in np.broadcast_to(row.scipy(*xs), xs[0].shape)]
        apart = max(float(np.max(_errors(results[0], theirs))) for results in found)
    return Errors(apart, largest[0], largest[1:], where)


def _errors(found: np.ndarray, wanted: Sequence[Any]) -> np.ndarray:
    out = np.zeros(len(wanted))
    for k, (f, w) in enumerate(zip(np.broadcast_to(found, (len(wanted),)), wanted, strict=True)):
        if w == 0:
            out[k] = 0.0 if abs(f) < 1e-15 else math.inf
        elif SMALLEST < abs(w) < LARGEST:
            out[k] = float(abs(mp.mpf(float(f)) - w) / abs(w)) if np.isfinite(f) else math.inf
    return np.where(out < 1e-18, 0.0, out)


def rounded(error: float) -> str:
    """An error rounded up to one digit."""
    if error == 0 or not math.isfinite(error):
        return "0" if error == 0 else "inf"
    power = math.floor(math.log10(error))
    digit = math.ceil(error / 10.0**power * (1 - 1e-12))
    return f"{digit}e{power}" if digit < 10 else f"1e{power + 1}"


INTRODUCTION = """# Accuracy of special functions and distributions

The largest relative errors over the domains named, of float64, on the `numpy` and the `llvm` executor, the larger of
both. This page is written by `tests/special_accuracy.py`; `tests/test_special_accuracy.py` holds it to the truth on
a part of the points. A domain's ranges are sampled on a fixed grid with their ends; numbers below 1e-290 and above
1e300 are not compared. `±` means both signs.

- *SciPy*: the value's distance from the function of `scipy.special`.
- *mpmath*: the value's distance from mpmath's; where it is the larger of the two, SciPy's is about the same.
- *derivatives*: the distance of first derivatives from mpmath's with at least 25 digits, by argument; `xx` is the
  second derivative in `x`. Errors are relative to the derivative itself, so that they grow next to where it is zero.
"""
TABLE = "| function | domain | SciPy | mpmath | derivatives | |\n|---|---|---|---|---|---|\n"
HEADINGS = {
    "special": "## scipy.special",
    "stats": "## scipy.stats\n\nBy the method. `loc` is 0.3, and `scale` 1.7 where there is one; the places `x` are\n"
    "the quantiles to the probabilities `p`.",
}


def line(row: Row) -> str:
    """The row's line of the page."""
    errors = measured(row)
    slopes = ", ".join(f"`{n}` {rounded(e)}" for n, e in zip(row.columns(), errors.slopes, strict=True))
    worst = int(np.argmax(errors.slopes)) if errors.slopes else 0
    remark = row.remark
    if errors.slopes and errors.slopes[worst] > 1e-12:
        remark = f"{remark}; " * bool(remark) + f"`{row.columns()[worst]}` is worst at {errors.where[worst + 1]}"
    scipy = rounded(errors.scipy) if row.scipy is not None else "-"
    return f"| `{row.name}` | {row.shown} | {scipy} | {rounded(errors.mpmath)} | {slopes} | {remark} |"


def stated(text: str) -> dict[str, tuple[list[float], str]]:
    """The errors that the page states for each row, SciPy's first, and the row's line."""
    found = {}
    for entry in text.splitlines():
        if entry.startswith("| `"):
            name, _, scipy, exact, slopes, _ = (x.strip() for x in entry.strip("|").split(" |"))
            numbers = [x.split()[-1] for x in slopes.split(", ")] if slopes else []
            found[name.strip("`")] = [math.inf if x == "-" else float(x) for x in (scipy, exact, *numbers)], entry
    return found


def _line(name: str) -> str:
    from special_accuracy_rows import ROWS

    return line(ROWS[name])


def main(names: Sequence[str]) -> None:
    """Measure the rows named, or all, and write the page; other rows are kept."""
    from special_accuracy_rows import ROWS

    known = stated(PAGE.read_text()) if PAGE.exists() else {}
    lines = {name: entry for name, (_, entry) in known.items()}
    wanted = list(names) or list(ROWS)
    with multiprocessing.Pool(2) as pool:
        for name, entry in zip(wanted, pool.imap(_line, wanted), strict=True):
            lines[name] = entry
            print(entry, flush=True)
            PAGE.write_text(_page(lines, ROWS))


def _page(lines: dict[str, str], rows: dict[str, Row]) -> str:
    text = INTRODUCTION
    for part, heading in HEADINGS.items():
        text += f"\n{heading}\n\n{TABLE}" + "".join(
            f"{lines[name]}\n" for name, row in rows.items() if row.part == part and name in lines
        )
    return text


if __name__ == "__main__":
    main(sys.argv[1:])
