"""Milliseconds of processor time that `import graphad` takes over `import numpy`. Run by hand:

    python tests/benchmarks/bench_import.py

Least of many new processes, with compiled bytecode; then the modules that take most by themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

REPEAT = 15
GOAL = 60.0
CLOCK = "import time, numpy; start = time.process_time(); import graphad; print(1e3 * (time.process_time() - start))"


def run(*args: str, cache: str) -> subprocess.CompletedProcess[str]:
    """A new Python, which keeps its bytecode in a folder."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = cache
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, check=True, env=environment)


def by_module(cache: str) -> dict[str, float]:
    """The milliseconds of each module without what it imports, the least of some runs."""
    least: dict[str, float] = {}
    for _ in range(5):
        lines = run("-X", "importtime", "-c", "import numpy, graphad", cache=cache).stderr.splitlines()
        for line in lines:
            own, _, name = line.removeprefix("import time:").partition("|")
            name = name.rpartition("|")[2].strip()
            if own.strip().isdigit() and name.startswith("graphad"):
                least[name] = min(least.get(name, 1e9), int(own) / 1e3)
    return least


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        run("-c", CLOCK, cache=cache)
        least = min(float(run("-c", CLOCK, cache=cache).stdout) for _ in range(REPEAT))
        print(f"import graphad, over numpy {least:8.1f} ms    goal < {GOAL:.0f}")
        for name, time in sorted(by_module(cache).items(), key=lambda item: -item[1])[:15]:
            print(f"    {name:<40} {time:6.2f} ms")


if __name__ == "__main__":
    main()
