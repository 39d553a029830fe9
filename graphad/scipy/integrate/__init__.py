"""`graphad.scipy.integrate`: integrals of samples and solutions of differential equations, with derivatives.

The names that are not defined here are SciPy's.
"""

from graphad.scipy.integrate.adaptive import dblquad, nquad, quad, quad_vec, tplquad
from graphad.scipy.integrate.ode import OdeResult, odeint, solve_ivp
from graphad.scipy.integrate.quadrature import (
    __getattr__,
    cumulative_simpson,
    cumulative_trapezoid,
    fixed_quad,
    romb,
    simpson,
    trapezoid,
)

__all__ = [
    "OdeResult", "__getattr__", "cumulative_simpson", "cumulative_trapezoid", "dblquad", "fixed_quad",
    "nquad", "odeint", "quad", "quad_vec", "romb", "simpson", "solve_ivp", "tplquad", "trapezoid",
]  # fmt: skip
