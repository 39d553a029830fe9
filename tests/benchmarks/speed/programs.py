"""The programs that the speed comparison measures: graphad, JAX, and the peers of each problem."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from cases import Problem, Way

DERIVED = ("graphad", "jax")
"""Libraries that derive the result from the problem's function; the others have a program for it."""
OPTIONS = {"torch.compile": {"compiled": True}, "numba.parallel": {"parallel": True}}


def library(program: str) -> str:
    """What a program needs to be imported: the first word of its name."""
    return program.split()[0].partition(".")[0]


def installed(program: str) -> bool:
    """Whether the library of a program can be imported."""
    return find_spec(library(program)) is not None


def load(program: str) -> None:
    """Import a program's library, and set it up as its users do for float64."""
    name = library(program)
    import_module(name if name in DERIVED else f"peers_{name}")
    if name == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    if name == "torch":
        import torch

        torch.set_num_threads(len(os.sched_getaffinity(0)))


def begin(program: str, cache: str | None = None) -> None:
    """Compile one trivial function, so that a library has started; `cache` is a folder for compiled code, if any."""
    if library(program) == "graphad":
        import graphad

        os.environ.update({"GRAPHAD_CACHE": "1", "GRAPHAD_CACHE_DIR": cache} if cache else {"GRAPHAD_CACHE": "0"})
        # With a branch, so that what graphad imports when it first converts control flow is there too.
        graphad.jit(lambda x: x + 1 if x[0] > 0 else x)(np.ones(2))
    elif library(program) == "jax":
        import jax
        import jax.numpy as jnp

        if cache:
            jax.config.update("jax_compilation_cache_dir", cache)
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
            jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        jax.block_until_ready(jax.jit(lambda x: x + 1)(jnp.ones(2)))


def prepare(problem: Problem, program: str) -> Callable[[], Any]:
    """A call of one program, whose result is ready when it returns. JAX and PyTorch get arrays of their own."""
    name, _, way = program.partition(" ")
    if name == "graphad":
        import graphad
        import graphad.numpy

        return partial(graphad.jit(_derived(problem, graphad, graphad.numpy if way else np, way)), *problem.arguments)
    if name == "jax":
        import jax
        import jax.numpy as jnp

        g = jax.jit(_derived(problem, jax, jnp, way))
        arguments = jax.tree.map(jnp.asarray, list(problem.arguments))
        return lambda: jax.block_until_ready(g(*arguments))
    module = import_module(f"peers_{library(program)}")
    peer = getattr(module, problem.peers[library(program)])
    return peer(*problem.arguments, **OPTIONS.get(program, {}))  # type: ignore[no-any-return]


def _derived(problem: Problem, of: Any, namespace: Any, way: str) -> Callable[..., Any]:
    chosen = problem.ways[way] if way else Way(problem.make)
    derive = chosen.derive or problem.derive
    return derive(of, namespace, chosen.make(namespace), problem.argnums)


def leaves(x: Any) -> list[Any]:
    """The arrays of a result."""
    return [a for y in x for a in leaves(y)] if isinstance(x, (tuple, list)) else [np.asarray(x)]


def difference(a: list[Any], b: list[Any]) -> float:
    """The largest difference, relative to the largest element; infinite for other shapes."""
    if [x.shape for x in a] != [y.shape for y in b]:
        return np.inf
    return max(float(np.max(np.abs(x - y)) / (np.max(np.abs(y)) + 1e-300)) for x, y in zip(a, b, strict=True))
