"""NPBench's NumPy kernels, unchanged: python tests/benchmarks/bench_npbench.py FOLDER [SIZE [NAME ...]]

FOLDER is a checkout of NPBench (https://github.com/spcl/npbench), SIZE one of S, M, L. Each kernel is run by NumPy,
compiled, and differentiated in all its arrays of floating numbers, in a process of its own. Values may differ by what
changes of the arguments in their last bits make. The gradient in each array is compared with central differences of
NumPy's function in double precision along a random direction; where they differ by more than 1e-3 it is named.
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

SECONDS = 150


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


def nudged(x: Any, rng: Any) -> Any:
    """An array with its numbers changed in their last bits."""
    if x.dtype.kind not in "fc":
        return x
    return (x * (1 + np.finfo(x.dtype).eps * rng.choice([-1, 1], x.shape))).astype(x.dtype)


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
    rng = np.random.default_rng(0)
    moved = leaves(run(*[nudged(x, rng) for x in arrays]))
    for a, b, c in zip(found, expected, moved, strict=True):
        rounding = np.max(np.abs(b - c), initial=0) if b.dtype.kind in "fc" else 0
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance + 1000 * rounding)
    speed = best(run, *arrays) / best(compiled, *arrays)
    line = f"{name:16} {size} value ok, first {first:6.2f} s, {speed:7.1f} x NumPy"
    names = [name for name, x in given.items() if isinstance(x, np.ndarray)]
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
    double = [x.astype(float) if x.dtype.kind == "f" else x for x in arrays]
    off = {}
    for i, slope in zip(active, slopes, strict=True):
        direction = rng.normal(size=arrays[i].shape)
        wanted, errors = float(np.sum(np.asarray(slope, float) * direction)), []
        for h in (1e-4, 1e-6, 1e-7):
            ends = [float(total(*[x + s * h * direction if x is double[i] else x for x in double])) for s in (1, -1)]
            size = max(abs(wanted), 1e-8 * np.sum(np.abs(slope * direction)), 1e-12)
            errors.append(abs((ends[0] - ends[1]) / (2 * h) - wanted) / size)
        off[names[i]] = min(errors)
    bad = ", ".join([f"OFF in {name} by {error:.0e}" for name, error in off.items() if error > 1e-3])
    ratio = best(gradient, *arrays) / best(compiled, *arrays)
    return f"{line}; gradient {bad or 'ok'}, first {first:6.2f} s, {ratio:6.1f} x value"


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
