"""Functions of `scipy.special` by simpler ones, for executors and array namespaces that have none of SciPy's.

Each is a function of traced float64 operands under its op's name, and holds on the whole domain with the digits that
SciPy's own function has.
"""

from graphad.ops.compositions import bessel, elementary, elliptic, gamma, kelvin, orders, quantiles, roots
from graphad.ops.compositions.base import COMPOSITIONS, SEARCHES

__all__ = [
    "COMPOSITIONS", "SEARCHES", "bessel", "elementary", "elliptic", "gamma", "kelvin", "orders", "quantiles", "roots"
]  # fmt: skip
