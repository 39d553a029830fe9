"""The ops: one definition each, in families. Importing this package registers them all, those of SciPy's special
functions by name: their modules are imported when a name of theirs is first used."""

from importlib import import_module
from typing import Any

from graphad.ops import (
    arithmetic,
    checks,
    complex,
    contraction,
    cumulative,
    custom,
    decompositions,
    determinant,
    dot_general,
    draws,
    dynamic,
    effects,
    eigen,
    einsum,
    elementwise,
    factors,
    fft,
    fused,
    gather,
    guarding,
    index,
    linalg,
    matrices,
    matrix_functions,
    random,
    reduce,
    regions,
    rounding,
    scalar,
    select,
    shape,
    slicing,
    sort,
    sparse,
    stop_gradient,
    transcendental,
)
from graphad.renamed import MODULES


def __getattr__(name: str) -> Any:
    if name != "special" and f"{__name__}.{name}" not in MODULES:
        raise AttributeError(f"module 'graphad.ops' has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")


__all__ = [
    "arithmetic", "checks", "complex", "contraction", "cumulative", "custom", "decompositions", "determinant",
    "dot_general", "draws", "dynamic", "effects", "eigen", "einsum", "elementwise", "factors", "fft", "fused", "gather",
    "guarding", "index", "linalg", "matrices", "matrix_functions", "random", "reduce", "regions", "rounding", "scalar",
    "select", "shape", "slicing", "sort", "sparse", "special", "stop_gradient", "transcendental",
]  # fmt: skip
