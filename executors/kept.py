"""Keys under which compiled graphs are kept on disk: a later process that traces the same graph loads its code, and
runs no pass and no compiler.

A key is made of the traced graph, the passes' text, what the executor says of itself, and the versions of all that
takes part. Nothing is kept where one of them cannot be told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from graphad.executors import objects
from graphad.executors.fingerprint import fingerprint
from graphad.executors.once import once
from graphad.graph import Graph
from graphad.passes.base import PASSES, Pipeline, Step


def key(executor: Any, pipeline: Pipeline, graph: Graph) -> str | None:
    """The key of a graph that an executor compiles after a pipeline. None where it is not kept: the cache is turned
    off, `GRAPHAD_DEBUG` is set (passes are to be checked), the executor keeps none, or a pass or an op is not graphad's
    own or holds an object of the user's."""
    if not objects.enabled() or os.environ.get("GRAPHAD_DEBUG"):
        return None
    signature = getattr(executor, "signature", None)
    if not isinstance(signature, str) or not all(map(_own, (*pipeline, *Pipeline(executor.pipeline)))):
        return None
    found = fingerprint(graph)
    return None if found is None else objects.key(f"{pipeline}; {executor.pipeline}", signature, versions(), found)


def _own(step: Any) -> bool:
    return isinstance(step, Step) and PASSES[step.name].__module__.startswith("graphad.")


@once
def versions() -> str:
    """Python's and NumPy's versions, and the sizes and times of graphad's files and of SciPy's first: where graphad is
    changed, what it compiled before is not used."""
    scipy = find_spec("scipy")
    files = [scipy.origin] if scipy is not None and scipy.origin else []
    found = [f"{sys.version} {np.__version__}", *map(_told, files)]
    for package in ("graphad", "graphad.passes", "graphad.executors"):
        for folder in sys.modules[package].__path__:
            found += sorted(_sources(folder))
    return "\n".join(found)


def _sources(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield _told(entry)
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _sources(entry.path)


def _told(file: str | os.DirEntry[str]) -> str:
    status = os.stat(file)
    return f"{os.fspath(file)} {status.st_size} {status.st_mtime_ns}"


__all__ = ["key", "versions"]
