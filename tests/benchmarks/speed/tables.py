"""The results of the speed comparison as tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from measure import Result

BY_HAND = ("numba", "numpy")
OTHERS = ("torch", "autograd", "casadi")
PEERS = ("jax", *BY_HAND, *OTHERS)


def mean(ratios: Iterable[float]) -> float:
    """The geometric mean."""
    logs = [math.log(r) for r in ratios]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def ratio(x: float) -> str:
    return "" if math.isnan(x) else f"{x:.2f}"


def microseconds(seconds: float) -> str:
    us = seconds * 1e6
    return f"{us:,.2f}" if us < 10 else f"{us:,.1f}" if us < 100 else f"{us:,.0f}"


def milliseconds(seconds: float) -> str:
    ms = seconds * 1e3
    return f"{ms:,.1f}" if ms < 10 else f"{ms:,.0f}"


def megabytes(size: float) -> str:
    return f"{size / 2**20:,.1f}"


def table(titles: str, rows: Iterable[Iterable[str]], texts: int = 1) -> list[str]:
    """A table: titles with `_` for a space within one, rows; the first columns, so many, are text."""
    names = [title.replace("_", " ").replace("/", " / ") for title in titles.split()]
    rule = ["---"] * texts + ["--:"] * (len(names) - texts)
    return [f"| {' | '.join(cells)} |" for cells in (names, rule, *rows)]


def cell(result: Result, unit: Any, *libraries: str) -> str:
    """The best figure of some libraries, with the way or the program that reached it."""
    name, figure = result.best(*libraries)
    if not name:
        return result.limit(libraries[0])
    how = name.partition(" ")[2] if len(libraries) == 1 else name
    return f"{unit(figure)} ({how})" if how else f"{unit(figure)}"


def ratios(result: Result) -> dict[str, float]:
    """How many times as long as graphad: JAX, the best program by hand, the best of all."""
    own = result.best("graphad")[1]
    groups = {"JAX": ("jax",), "by hand": BY_HAND, "best": PEERS}
    return {name: result.best(*libraries)[1] / own for name, libraries in groups.items()}


def steady_row(found: dict[str, Result]) -> list[str]:
    result = found["steady"]
    groups = (("graphad",), ("jax",), BY_HAND, OTHERS)
    cells = [cell(result, microseconds, *group) for group in groups]
    return [str(result.problem), *cells, *map(ratio, ratios(result).values())]


STEADY = "case graphad JAX by_hand other_libraries JAX/graphad by_hand/graphad best_of_all/graphad"


def summary(results: list[Result]) -> list[str]:
    """Geometric means and least ratios of each family, and where graphad is slower than a peer."""
    families = list(dict.fromkeys(r.problem.family for r in results))
    groups = {family: [r for r in results if r.problem.family == family] for family in families}
    groups |= {"**all**": results, "tiny ones": [r for r in results if r.problem.tiny]}
    rows = []
    for name, group in groups.items():
        cells = [name, str(len(group))]
        for column in ("JAX", "by hand", "best"):
            found = [x for r in group if not math.isnan(x := ratios(r)[column])]
            cells += [ratio(mean(found)), ratio(min(found, default=math.nan))]
        if group:
            rows.append(cells)
    lines = table("family cases JAX/graphad least by_hand/graphad least best_of_all/graphad least", rows)
    slower = sorted((r for r in results if ratios(r)["best"] < 1), key=lambda r: ratios(r)["best"])
    if slower:
        names = [(str(r.problem), r.best(*PEERS)[0], r.best("graphad")[1] / r.best(*PEERS)[1]) for r in slower]
        rows = [[case, peer, f"{times:.2f}"] for case, peer, times in names]
        lines += ["", f"Slower than the best peer, {len(slower)} of {len(results)} cases:", ""]
        lines += table("case best_peer graphad/peer", rows, 2)
    return lines


def notes(results: Iterable[Result]) -> list[str]:
    """Programs without a figure."""
    found = [f"- {r.problem}: {name}: {error}" for r in results for name, error in r.errors.items()]
    return ["", "Without a figure:", "", *found] if found else []


FIRST = "case graphad graphad,_warm JAX JAX,_warm cold,_JAX/graphad warm,_JAX/graphad"


def first_row(found: dict[str, Result]) -> list[str]:
    cold, warm = found["cold"], found["warm"]
    cells = [cell(r, milliseconds, name) for name in ("graphad", "jax") for r in (cold, warm)]
    return [str(cold.problem), *cells, *(ratio(ratios(r)["JAX"]) for r in (cold, warm))]


def first_summary(results: list[dict[str, Result]]) -> list[str]:
    """Geometric means and least ratios of each family: cold, warm, and JAX cold over graphad warm, the two defaults."""
    families = list(dict.fromkeys(r["cold"].problem.family for r in results))
    groups = {family: [r for r in results if r["cold"].problem.family == family] for family in families}
    rows = []
    for name, group in {**groups, "**all**": results}.items():
        cells = [name, str(len(group))]
        for column in ("cold", "warm"):
            found = [x for r in group if not math.isnan(x := ratios(r[column])["JAX"])]
            cells += [ratio(mean(found)), ratio(min(found, default=math.nan))]
        default = [r["cold"].best("jax")[1] / r["warm"].best("graphad")[1] for r in group]
        rows.append([*cells, ratio(mean(x for x in default if not math.isnan(x)))])
    return table("family cases cold,_JAX/graphad least warm,_JAX/graphad least JAX_cold/graphad_warm", rows)


MEMORY = "case graphad JAX by_hand other_libraries JAX/graphad best_of_all/graphad graphad,_first_call JAX,_first_call"


def memory_row(found: dict[str, Result]) -> list[str]:
    calls, first = found["calls"], found["first"]
    cells = [cell(calls, megabytes, *group) for group in (("graphad",), ("jax",), BY_HAND, OTHERS)]
    compared = ratios(calls)
    cells += [ratio(compared["JAX"]), ratio(compared["best"])]
    return [str(calls.problem), *cells, cell(first, megabytes, "graphad"), cell(first, megabytes, "jax")]


def memory_summary(results: list[dict[str, Result]]) -> list[str]:
    """Geometric means over all cases."""
    rows = []
    for name, column in (("JAX", "JAX"), ("best by hand", "by hand"), ("best of all", "best")):
        found = [x for r in results if not math.isnan(x := ratios(r["calls"])[column])]
        rows.append([f"{name} / graphad", str(len(found)), ratio(mean(found)), ratio(min(found, default=math.nan))])
    return table("peak_of_the_calls cases geometric_mean least", rows)


def head(usage: str) -> list[str]:
    """The title, what was measured and how, and on which machine. `usage` is a docstring: title, commands, text."""
    title, commands, text = (part.strip() for part in usage.split("\n\n"))
    commands = "\n".join(f"    {line.strip()}" for line in commands.splitlines())
    return ["# Speed and memory", "", f"{title}", "", commands, "", text, "", f"Machine: {machine()}"]


def machine() -> str:
    """The processor and the versions of everything that was measured."""
    import os
    import platform

    cpu = next((s.partition(":")[2].strip() for s in _lines("/proc/cpuinfo") if s.startswith("model name")), "")
    flags = next((s.split() for s in _lines("/proc/cpuinfo") if s.startswith("flags")), [])
    vector = next((name for flag, name in _VECTORS.items() if flag in flags), "")
    memory = next((int(s.split()[1]) / 2**20 for s in _lines("/proc/meminfo") if s.startswith("MemTotal")), math.nan)
    packages = ("graphad", "numpy", "llvmlite", "scipy", "jax", "jaxlib", "numba", "torch", "casadi", "autograd")
    versions = ", ".join(f"{name} {found}" for name in packages if (found := _version(name)))
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores"
    return (
        f"{cpu or platform.machine()}{', ' + vector if vector else ''}, {cores}, {memory:.0f} GB; "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}; {versions}."
    )


_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
