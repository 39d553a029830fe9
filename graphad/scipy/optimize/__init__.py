"""`graphad.scipy.optimize`: roots, minima and fits, with derivatives through the solution.

The names that are not defined here are SciPy's.
"""

from graphad.scipy.optimize.fits import curve_fit, least_squares, leastsq, linprog, lsq_linear
from graphad.scipy.optimize.minima import NonlinearConstraint, minimize, minimize_scalar
from graphad.scipy.optimize.roots import bisect, brenth, brentq, newton, ridder, root_scalar, toms748
from graphad.scipy.optimize.simple import __getattr__, nnls, rosen, rosen_der, rosen_hess, rosen_hess_prod
from graphad.scipy.optimize.systems import fixed_point, fsolve, root

__all__ = [
    "NonlinearConstraint", "__getattr__", "bisect", "brenth", "brentq", "curve_fit", "fixed_point", "fsolve",
    "least_squares", "leastsq", "linprog", "lsq_linear", "minimize", "minimize_scalar", "newton", "nnls", "ridder",
    "root", "root_scalar", "rosen", "rosen_der", "rosen_hess", "rosen_hess_prod", "toms748",
]  # fmt: skip
