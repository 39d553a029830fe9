"""Quantiles of distributions of integers, as SciPy's functions of a real argument give them.

What is made of them is rounded to integers, and so they have no derivative.
"""

from __future__ import annotations

from graphad.ops.elementwise import elementwise
from graphad.ops.higher import fixed

pdtrik = elementwise(
    "pdtrik", code="special_pdtrik({0}, {1})", domain=((0.1, 0.9), (1.0, 5.0)),
    partials=[fixed("pdtrik", x) for x in "pm"],
)  # fmt: skip
bdtrik = elementwise(
    "bdtrik", code="special_bdtrik({0}, {1}, {2})", domain=((0.3, 0.9), (4.0, 9.0), (0.3, 0.7)),
    partials=[fixed("bdtrik", x) for x in "ynp"],
)  # fmt: skip

__all__ = ["bdtrik", "pdtrik"]
