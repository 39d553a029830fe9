"""The ops: one definition each, in families. Importing this package registers them all."""

from graphad.ops import (
    arithmetic,
    bessel,
    complex,
    contraction,
    control,
    cumulative,
    custom,
    determinant,
    dot_general,
    dynamic,
    einsum,
    elementwise,
    fused,
    gather,
    index,
    linalg,
    loops,
    matrices,
    reduce,
    rounding,
    scalar,
    select,
    shape,
    slicing,
    sort,
    special,
    structured,
    transcendental,
)

__all__ = [
    "arithmetic", "bessel", "complex", "contraction", "control", "cumulative", "custom", "determinant",
    "dot_general", "dynamic", "einsum", "elementwise", "fused", "gather", "index", "linalg", "loops", "matrices",
    "reduce", "rounding", "scalar", "select", "shape", "slicing", "sort", "special", "structured", "transcendental",
]  # fmt: skip
