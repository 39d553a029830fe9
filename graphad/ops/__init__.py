"""The ops: one definition each, in families. Importing this package registers them all, those of SciPy's special
functions by name: their modules are imported when a name of theirs is first used."""

from importlib import import_module
from typing import Any

from graphad.ops import (
    arithmetic,
    checks,
    complex,
    contraction,
    control,
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
    loops,
    matrices,
    matrix_functions,
    random,
    reduce,
    rounding,
    scalar,
    select,
    shape,
    slicing,
    sort,
    sparse,
    stop_gradient,
    structured,
    transcendental,
)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'graphad.ops' has no attribute {name!r}")
    import_module("graphad.ops.special_functions")
    return import_module(f"graphad.ops.{name}")


__all__ = [
    "arithmetic", "bessel", "checks", "complex", "composed", "contraction", "control", "cumulative", "custom",
    "decompositions", "determinant", "distributions", "dot_general", "draws", "dynamic", "effects", "eigen", "einsum",
    "elementwise", "elliptic", "factors", "fft", "fused", "gather", "guarding", "higher", "incomplete", "index",
    "legendre", "linalg", "loops", "matrices", "matrix_functions", "more_special", "parameters", "random", "reduce",
    "rounding", "scalar", "select", "shape", "slicing", "sort", "sparse", "special", "stop_gradient", "structured",
    "transcendental", "waves",
]  # fmt: skip
