"""The ops: one definition each, in families. Importing this package registers them all."""

from graphad.ops import (
    arithmetic,
    complex,
    contraction,
    control,
    cumulative,
    custom,
    dot_general,
    dynamic,
    einsum,
    elementwise,
    fused,
    gather,
    index,
    reduce,
    rounding,
    scalar,
    select,
    shape,
    slicing,
    sort,
    special,
    transcendental,
)

__all__ = [
    "arithmetic", "complex", "contraction", "control", "cumulative", "custom", "dot_general", "dynamic", "einsum",
    "elementwise", "fused", "gather", "index", "reduce", "rounding", "scalar", "select", "shape", "slicing", "sort",
    "special", "transcendental",
]  # fmt: skip
