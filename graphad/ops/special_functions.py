"""The families of SciPy's special functions, which are imported together when one of them is first used."""

from graphad.ops import (
    bessel,
    composed,
    distributions,
    elliptic,
    higher,
    incomplete,
    legendre,
    more_special,
    special,
    waves,
)

__all__ = [
    "bessel", "composed", "distributions", "elliptic", "higher", "incomplete", "legendre", "more_special", "special",
    "waves",
]  # fmt: skip
