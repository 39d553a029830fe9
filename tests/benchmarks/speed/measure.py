"""What is measured of a case: steady times in turns, first calls, memory."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import programs
from cases import Problem
from problems import PROBLEMS
from workers import Failure, Worker

ROUNDS = 9
SLICE = 0.02
"""Seconds of calls of one program in one round."""
BUDGET = 3.0
"""Seconds of one program in all rounds; one whose call takes longer has one round after its first calls."""
TOLERANCE = 1e-6
"""The largest difference between two programs, relative to the largest element of a result."""


@dataclass
class Result:
    """One case: a figure for each program that gave one, and for the others what was wrong."""

    problem: Problem
    figures: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def best(self, *libraries: str) -> tuple[str, float]:
        """The program of some libraries with the least figure; no name and `nan` where there is none."""
        found = {name: x for name, x in self.figures.items() if programs.library(name) in libraries}
        name = min(found, key=found.__getitem__, default="")
        return name, found.get(name, math.nan)

    def limit(self, library: str) -> str:
        """Why a library has no figure at all, where it ran out of time."""
        errors = [error for name, error in self.errors.items() if programs.library(name) == library]
        return errors[0].replace("more than", ">") if errors and errors[0].startswith("more than") else ""


class Bench:
    """The workers of one run; they end with it."""

    def __init__(self, threads: str, limit: float, torch_compile: bool, tolerance: float = TOLERANCE) -> None:
        self.threads, self.limit, self.torch_compile, self.tolerance = threads, limit, torch_compile, tolerance
        self._workers: dict[str, Worker] = {}

    @contextmanager
    def running(self) -> Iterator[Bench]:
        """With a folder for what is passed on, until the end of the block."""
        with tempfile.TemporaryDirectory() as self.folder:
            try:
                yield self
            finally:
                for worker in self._workers.values():
                    worker.stop()

    def programs(self, problem: Problem) -> list[str]:
        """All programs of a problem whose libraries are installed; those for several threads only where there are."""
        names = [name for name in problem.programs if programs.installed(name)]
        if self.threads == "1":
            names = [name for name in names if name != "numba.parallel"]
        return [*names, "torch.compile"] if self.torch_compile and "torch" in names else names

    def worker(self, program: str) -> Worker:
        """The worker for a program's library."""
        # One for each program, not for each library, since those of one case run at the same time.
        if program not in self._workers:
            self._workers[program] = Worker(program, self.threads, self.limit, self.folder)
        return self._workers[program]

    def alone(self, problem: Problem, program: str, **request: Any) -> dict[str, Any]:
        """The answer of a new process."""
        worker = Worker(program, self.threads, self.limit, self.folder)
        try:
            return worker.ask(case=PROBLEMS.index(problem), program=program, **request)
        finally:
            worker.stop()

    def steady(self, problem: Problem) -> Result:
        """Seconds of each program for one call, the best of several rounds in which they take turns."""
        result = Result(problem)
        reference: list[Any] | None = None
        seconds: dict[str, float] = {}
        path = Path(self.folder) / "result.npz"
        for program in self.programs(problem):
            request = {"what": "steady", "case": PROBLEMS.index(problem), "program": program, "result": str(path)}
            try:
                seconds[program] = self.worker(program).ask(**request)["seconds"]
            except Failure as failure:
                result.errors[program] = str(failure)
                continue
            with np.load(path) as saved:
                value = [saved[name] for name in saved]
            reference = value if reference is None else reference
            if not (difference := programs.difference(value, reference)) <= self.tolerance:
                result.errors[program] = f"its result differs by {difference:.1e}"
                self.worker(program).ask(calls=0)
                del seconds[program]
        counts = {program: max(1, int(SLICE / max(t, 1e-7))) for program, t in seconds.items()}
        rounds = {program: max(1, int(BUDGET / (counts[program] * t + 1e-9))) for program, t in seconds.items()}
        result.figures = dict(seconds)
        for i in range(ROUNDS):
            for program in [p for p in result.figures if i < rounds[p]]:
                try:
                    t = self.worker(program).ask(calls=counts[program])["seconds"]
                    result.figures[program] = min(t, result.figures[program])
                except Failure as failure:
                    result.errors[program] = str(failure)
                    del result.figures[program]
        for program in result.figures:
            self.worker(program).ask(calls=0)
        return result

    def first(self, problem: Problem) -> dict[str, Result]:
        """Seconds of the first call of graphad and JAX, without compiled code on disk (`cold`) and with it (`warm`)."""
        found = {"cold": Result(problem), "warm": Result(problem)}
        for program in self.programs(problem):
            if programs.library(program) not in programs.DERIVED:
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    for result in found.values():
                        reply = self.alone(problem, program, what="first", cache=folder)
                        result.figures[program] = reply["seconds"]
                except Failure as failure:
                    found["cold"].errors[program] = found["warm"].errors[program] = str(failure)
        return found

    def memory(self, problem: Problem) -> dict[str, Result]:
        """Bytes at the peak of some calls of each program (`calls`) and at that of the first call (`first`)."""
        found = {"calls": Result(problem), "first": Result(problem)}
        for program in self.programs(problem):
            # It has the arrays for its results beforehand.
            if program == "casadi":
                continue
            try:
                reply = self.alone(problem, program, what="memory")
                for name, result in found.items():
                    result.figures[program] = max(float(reply[name]), 4096.0)
            except Failure as failure:
                found["calls"].errors[program] = str(failure)
        return found
