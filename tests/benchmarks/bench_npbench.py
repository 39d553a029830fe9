"""NPBench's NumPy kernels, unchanged: python tests/benchmarks/bench_npbench.py FOLDER [SIZE [NAME ...]]

FOLDER is a checkout of NPBench (https://github.com/spcl/npbench), SIZE one of S, M, L. Each kernel is run by NumPy,
compiled, and differentiated in all its arrays of floating numbers, in a process of its own. The gradient is compared
with central differences along a random direction.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 60


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def problem(folder: Path, info: dict[str, Any], size: str) -> tuple[Any, dict[str, Any]]:
    """The kernel, and its arguments by name."""
    path = folder / "npbench" / "benchmarks" / info["relative_path"]
    kernel = getattr(load(path / f"{info['module_name']}_numpy.py"), info["func_name"])
    given = dict(info["parameters"][size])
    if "init" in info:
        made = getattr(load(path / f"{info['module_name']}.py"), info["init"]["func_name"])
        values = made(*[given[name] for name in info["init"]["input_args"]])
        names = info["init"]["output_args"]
        given.update(zip(names, values if len(names) > 1 else (values,), strict=True))
    return kernel, {name: given[name] for name in info["input_args"]}


def returning(kernel: Any, given: dict[str, Any], outputs: list[str]) -> Any:
    """The kernel as a function of its arrays that gives its result, and the arrays that it changes."""
    arrays = [name for name, x in given.items() if isinstance(x, np.ndarray)]

    def run(*xs: Any) -> Any:
        mine = dict(zip(arrays, [x.copy() for x in xs], strict=True))
        found = kernel(*[mine.get(name, x) for name, x in given.items()])
        return found, [mine[name] for name in outputs if name in mine]

    return run, [given[name] for name in arrays]


def leaves(found: Any) -> list[Any]:
    if isinstance(found, (tuple, list)):
        return [leaf for x in found for leaf in leaves(x)]
    return [] if found is None else [np.asarray(found)]


def best(f: Any, *args: Any) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        f(*args)
        times.append(time.process_time() - start)
    return min(times)


def report(folder: Path, name: str, size: str) -> str:
    import graphad

    info = json.loads((folder / "bench_info" / f"{name}.json").read_text())["benchmark"]
    kernel, given = problem(folder, info, size)
    run, arrays = returning(kernel, given, info["output_args"])
    expected = leaves(run(*arrays))
    compiled = graphad.jit(run)
    start = time.time()
    found = leaves(compiled(*arrays))
    first = time.time() - start
    tolerance = 1e-4 if any(x.dtype.char in "fF" for x in arrays) else 1e-8
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    speed = best(run, *arrays) / best(compiled, *arrays)
    line = f"{name:16} {size} value ok, first {first:6.2f} s, {speed:7.1f} x NumPy"
    active = [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]
    if not active or not any(x.dtype.kind in "fc" for x in expected):
        return f"{line}; nothing to differentiate"

    def total(*xs: Any) -> Any:
        found, changed = run(*xs)
        parts = [*(found if isinstance(found, (tuple, list)) else [] if found is None else [found]), *changed]
        return sum(np.sum(np.real(x)) for x in parts)

    gradient = graphad.jit(graphad.grad(total, argnums=tuple(active)))
    start = time.time()
    slopes = gradient(*arrays)
    first = time.time() - start
    rng = np.random.default_rng(0)
    directions = [rng.normal(size=arrays[i].shape).astype(arrays[i].dtype) for i in active]
    slope = sum(np.sum(g * d, dtype=float) for g, d in zip(slopes, directions, strict=True))
    errors = []
    for h in (1e-4, 1e-6, 1e-7):
        ends = []
        for step in (h, -h):
            moved = list(arrays)
            for i, d in zip(active, directions, strict=True):
                moved[i] = arrays[i] + np.asarray(step, d.dtype) * d
            ends.append(float(total(*moved)))
        errors.append(abs((ends[0] - ends[1]) / (2 * h) - slope) / max(abs(slope), 1e-12))
    ratio = best(gradient, *arrays) / best(compiled, *arrays)
    return f"{line}; gradient off by {min(errors):.0e}, first {first:6.2f} s, {ratio:6.1f} x value"


def main(folder: Path, size: str = "S", *names: str) -> None:
    for name in names or sorted(path.stem for path in (folder / "bench_info").glob("*.json")):
        command = [sys.executable, __file__, "--one", str(folder), name, size]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
            lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines() or ["nothing"]
            print(lines[-1] if done.returncode == 0 else f"{name:16} {size} FAILED {lines[-1][:160]}", flush=True)
        except subprocess.TimeoutExpired:
            print(f"{name:16} {size} FAILED takes more than {SECONDS} s", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1] == "--one":
        print(report(Path(sys.argv[2]), *sys.argv[3:5]))
    else:
        main(Path(sys.argv[1]), *sys.argv[2:])
