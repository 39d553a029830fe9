"""`graphad.scipy.special`: `scipy.special` on traced values.

Its ufuncs (`erf`, `gammaln`, `xlogy`, ...) work on traced values as they are; the functions that SciPy writes in Python
have counterparts here. The names that are not traced are SciPy's.
"""

from graphad.scipy.dispatch import namespace
from graphad.scipy.special import functions, nodes, orders

__all__ = ["functions", "nodes", "orders"]
__getattr__ = namespace("scipy.special")[1]
